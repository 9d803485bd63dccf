"""The published pictures before and after the networks, bit-exact, for comparison.

Pictures are squashed to the network's size and have 8 bits, lightness too. `Colorizer` keeps the lightness in
floats and works at any aspect.
"""

from __future__ import annotations

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from colorzoo.zoo.huang2022.vqgan import CELL

Pixels = NDArray[np.uint8]
Size = tuple[int, int]

_SHORTEST, _LONGEST = 256, 1024
_ZOOM = 1.15


def limited_size(width: int, height: int) -> Size:
    """Return width and height of a picture as the demo shows it: sides of 256 to 1024 pixels."""
    short, long = min(width, height), max(width, height)
    if short < _SHORTEST:
        wanted, side = _SHORTEST, short
    elif long > _LONGEST:
        wanted, side = _LONGEST, long
    else:
        return width, height
    return width * wanted // side, height * wanted // side


def gray_levels(rgb: Pixels) -> Pixels:
    """Return the gray copy ``(H, W)`` of ``(H, W, 3)``."""
    return np.asarray(Image.fromarray(rgb).convert("L"))


def network_input(picture: Pixels, size: Size | None = None) -> Tensor:
    """Return a picture as the networks read it, ``(1, C, h, w)`` in [-1, 1].

    Args:
        picture: ``(H, W)`` or ``(H, W, 3)``.
        size: Height and width; None takes the next smaller multiples of 16.
    """
    height, width = size or whole_cells(picture.shape[0], picture.shape[1])
    resized = Image.fromarray(picture).resize((width, height), Image.Resampling.BILINEAR)
    return to_signed(np.asarray(resized))


def to_signed(picture: Pixels) -> Tensor:
    """Return a picture ``(1, C, H, W)`` in [-1, 1] of levels ``(H, W)`` or ``(H, W, 3)``."""
    levels = torch.from_numpy(np.atleast_3d(picture).astype(np.float32))
    return (levels / 255 * 2 - 1).permute(2, 0, 1)[None]


def to_levels(rgb: Tensor) -> Pixels:
    """Return levels ``(H, W, 3)`` of a network's picture ``(3, H, W)``; they are cut, not rounded."""
    shown = ((rgb.detach().float().clamp(-1, 1) + 1) / 2 * 255).permute(1, 2, 0)
    return shown.cpu().numpy().astype(np.uint8)


def join(gray: Pixels, color: Pixels) -> Pixels:
    """Return a gray picture ``(H, W)`` in the colors of a picture ``(h, w, 3)``, in OpenCV's 8-bit Lab."""
    enlarged = resized(color, (gray.shape[0], gray.shape[1]))
    lab = cv2.cvtColor(enlarged, cv2.COLOR_RGB2LAB)
    lab[..., 0] = cv2.cvtColor(cv2.cvtColor(gray, cv2.COLOR_GRAY2RGB), cv2.COLOR_RGB2LAB)[..., 0]
    return np.asarray(cv2.cvtColor(lab, cv2.COLOR_LAB2RGB), dtype=np.uint8)


def resized(picture: Pixels, size: Size) -> Pixels:
    """Return a picture at another height and width, bicubic."""
    return np.asarray(Image.fromarray(picture).resize((size[1], size[0]), Image.Resampling.BICUBIC))


def whole_cells(height: int, width: int) -> Size:
    """Return the next smaller multiples of 16."""
    return height // CELL * CELL, width // CELL * CELL


def validation_crop(rgb: Pixels, side: int = 256) -> Pixels:
    """Return the middle of a picture ``(H, W, 3)`` as validation cuts it: squashed, then cropped."""
    large = int(side * _ZOOM)
    start = round((large - side) / 2)
    return resized(rgb, (large, large))[start : start + side, start : start + side]
