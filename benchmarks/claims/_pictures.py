"""Pictures of the claims: which files of a set are taken, and how they are read."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from benchmarks._photos import pictures_in
from benchmarks.claims._experiment import Item, Setup, spread
from colorzoo.color import lab_to_rgb_in_gamut
from colorzoo.data.decode import decode_rgb
from colorzoo.metrics.psnr import psnr_8bit


def evenly(folder: str, count: int, first: int = 0) -> Callable[[Setup], Sequence[Item]]:
    """Return what lists evenly spaced pictures of a folder by name, from the ``first`` on; see `spread`."""

    def find(setup: Setup) -> Sequence[Item]:
        files = pictures_in(setup.data / folder)
        chosen = spread(files, count, first)[: setup.number(count)]
        return [Item(path.stem, (path,)) for path in chosen]

    return find


def read_square(path: Path, side: int) -> Tensor:
    """Return the central square of a picture: ``(1, 3, side, side)`` in [0, 1]."""
    rgb = decode_rgb(path.read_bytes())[None].float() / 255
    edge = min(rgb.shape[-2:])
    top, left = ((length - edge) // 2 for length in rgb.shape[-2:])
    square = rgb[..., top : top + edge, left : left + edge]
    if edge == side:
        return square
    return F.interpolate(square, size=(side, side), mode="bicubic", antialias=True).clamp(0, 1)


def joined(luma: Tensor, ab: Tensor) -> Tensor:
    """Return what sRGB shows of lightness and colors: ``(1, 3, H, W)`` in [0, 1]."""
    return lab_to_rgb_in_gamut(torch.cat([luma, ab.float()], dim=1)).clamp(0, 1)


def psnr_of(luma: Tensor, ab: Tensor, rgb: Tensor) -> float:
    """Return the PSNR over 8-bit RGB of colors under the true lightness."""
    return float(psnr_8bit(joined(luma, ab), rgb))
