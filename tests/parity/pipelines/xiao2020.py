"""The authors' script ``test.py`` around the networks, for comparison."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from scipy import ndimage
from torch import Tensor

from colorzoo.color import lab_to_rgb, rgb_to_lab
from colorzoo.zoo.xiao2020.model import LEVELS
from parity.pipelines.resizing import resize_with_zeros

Predict = Callable[[int, Tensor, Tensor], Tensor]
"""Maps a level's side, lightness ``(1, 1, S, S)`` and the reference's ab ``(1, 2, S, S)`` to ab at S/4."""


def levels_of(height: int, width: int) -> list[int]:
    """Return the sides of the levels of an image: up to the largest that its longer side reaches."""
    return [side for side in LEVELS if side <= max(height, width, LEVELS[0])]


def level_input(rgb: Tensor, side: int) -> Tensor:
    """Return the Lab ``(1, 3, S, S)`` of an image ``(1, 3, H, W)`` in [0, 1], which is squeezed as RGB."""
    return rgb_to_lab(resize_with_zeros(rgb, (side, side)))


def enlarged(ab: Tensor, height: int, width: int) -> Tensor:
    """Resize ab ``(1, 2, h, w)`` by cubic splines whose corners coincide."""
    factors = (height / ab.shape[-2], width / ab.shape[-1])
    maps = [ndimage.zoom(each.double().numpy(), factors, order=3) for each in ab[0]]
    return torch.from_numpy(np.stack(maps))[None].to(ab)


def colorize(predict: Predict, gray: Tensor, reference: Tensor) -> Tensor:
    """Colorize an image as the authors' script does.

    Args:
        predict: Called for each level; the network keeps the colors of the level below.
        gray: uint8 ``(H, W, 3)``.
        reference: uint8 ``(H', W', 3)``.

    Returns:
        uint8 ``(H, W, 3)``, truncated.
    """
    image, other = (each.permute(2, 0, 1)[None].float() / 255 for each in (gray, reference))
    height, width = image.shape[-2:]
    for side in levels_of(height, width):
        ab = predict(side, level_input(image, side)[:, :1], level_input(other, side)[:, 1:])
    lab = torch.cat([rgb_to_lab(image)[:, :1], enlarged(ab, height, width)], dim=1)
    return (255 * lab_to_rgb(lab)[0].permute(1, 2, 0)).byte()
