"""Sizes and resampling at inference: a small picture for the network, float ab back to full size in tiles."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache

import torch
from torch import Tensor
from torch.nn import functional as F

from colorzoo.guidance import Points

_LONGEST = 4  # times the working size; beyond it a strip is scaled by its long side
_BICUBIC_A = -0.75  # as in torch.nn.functional.interpolate


def working_size(height: int, width: int, size: int) -> tuple[int, int]:
    """Return height and width at which the network sees a picture.

    The shorter side becomes ``size`` and the aspect stays; small pictures are not enlarged, and the longer
    side of a strip is limited to four times ``size``.
    """
    scale = min(1.0, size / min(height, width), _LONGEST * size / max(height, width))
    return max(1, round(height * scale)), max(1, round(width * scale))


def shrink_luma(luma: Tensor, size: tuple[int, int]) -> Tensor:
    """Resample lightness ``(1, 1, H, W)`` to ``size`` with antialiased bicubic weights."""
    if tuple(luma.shape[-2:]) == size:
        return luma
    return _resized(luma, size).clamp(0, 100)


def shrink_bands(bands: Iterable[Tensor], whole: tuple[int, int], size: tuple[int, int]) -> Tensor:
    """Do as `shrink_luma` on a map that comes in bands of rows: first across, then down.

    Args:
        bands: ``(rows, W)`` each, from the top.
        whole: Height and width of the map.
        size: Height and width of the result.

    Returns:
        ``(1, 1, h, w)``.
    """
    if whole == size:
        return torch.cat(list(bands))[None, None]
    return shrink_down([shrink_across(band, size[1]) for band in bands], size)


def shrink_across(band: Tensor, width: int) -> Tensor:
    """Return rows ``(rows, W)`` with another width: the first half of `shrink_bands`."""
    if band.shape[1] == width:
        return band
    return _resized(band[None, None], (len(band), width))[0, 0]


def shrink_down(bands: Sequence[Tensor], size: tuple[int, int]) -> Tensor:
    """Join bands of rows ``(rows, w)`` and return them at a height, ``(1, 1, h, w)``: the second half."""
    joined = torch.cat(list(bands))[None, None]
    return (joined if joined.shape[2] == size[0] else _resized(joined, size)).clamp(0, 100)


def _resized(maps: Tensor, size: tuple[int, int]) -> Tensor:
    return F.interpolate(maps, size=size, mode="bicubic", antialias=True, align_corners=False)


def resize_points(points: Points, size: tuple[int, int]) -> Points:
    """Resample points to ``size``; a cell takes the mean color of the hinted pixels it covers."""
    if tuple(points.mask.shape[-2:]) == size:
        return points
    share = F.interpolate(points.mask, size=size, mode="area")
    mask = (share > 0).to(points.mask.dtype)

    def mean(values: Tensor) -> Tensor:
        sums = F.interpolate(values * points.mask, size=size, mode="area")
        return sums / share.clamp(min=1e-6) * mask

    luma = None if points.luma is None else mean(points.luma)
    exact = None if points.exact is None else (mean(points.exact) > 0.5).to(mask.dtype)
    return Points(mean(points.ab), mask, luma, exact)


class BicubicUpsampler:
    """Enlarge a map by bicubic interpolation, any rows of the result at a time, so tiles have no seams.

    Two small matrix products give what ``F.interpolate(mode="bicubic")`` gives for the whole map at once.

    Args:
        image: ``(C, h, w)`` float32.
        size: Height and width of the result.
    """

    def __init__(self, image: Tensor, size: tuple[int, int]) -> None:
        self._image = image
        self._rows = bicubic_matrix(image.shape[-2], size[0])
        self._columns = bicubic_matrix(image.shape[-1], size[1])
        self._wide = image @ self._columns.T

    def rows(self, first: int, last: int) -> Tensor:
        """Return rows ``first`` to ``last`` (exclusive) of the result: ``(C, last - first, W)``."""
        weights = self._rows[first:last]
        used = weights.any(dim=0).nonzero()  # a few rows of the map, which would else be multiplied by zeros
        top, bottom = int(used[0]), int(used[-1]) + 1
        return weights[:, top:bottom] @ self._wide[:, top:bottom]

    def pixels(self, rows: Tensor, columns: Tensor) -> Tensor:
        """Return single pixels of the result: ``(K, C)`` for ``(K,)`` rows and columns."""
        return torch.einsum("kh,chw,kw->kc", self._rows[rows], self._image, self._columns[columns])


@lru_cache(maxsize=4)  # a pad asks for the same ones with every edit
def bicubic_matrix(source: int, target: int) -> Tensor:
    """Return the ``(target, source)`` weights of bicubic interpolation along one axis, borders repeated.

    It is kept for the next one of that size: do not change it.
    """
    position = (torch.arange(target, dtype=torch.float64) + 0.5) * source / target - 0.5
    base = position.floor()
    matrix = torch.zeros(target, source, dtype=torch.float64)
    for offset in (-1, 0, 1, 2):
        weight = _cubic((position - base - offset).abs())
        column = (base + offset).clamp(0, source - 1).long()
        matrix.scatter_add_(1, column[:, None], weight[:, None])
    return matrix.float()


def _cubic(distance: Tensor) -> Tensor:
    """Keys' cubic kernel."""
    a, d = _BICUBIC_A, distance
    near = (a + 2) * d**3 - (a + 3) * d**2 + 1
    far = a * d**3 - 5 * a * d**2 + 8 * a * d - 4 * a
    return torch.where(d <= 1, near, torch.where(d < 2, far, torch.zeros_like(d)))
