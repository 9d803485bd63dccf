"""Sizes and resampling at inference: a small picture for the network, float ab back to full size in tiles."""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor
from torch.nn import functional as F

from colorzoo.guidance import Points

_LONGEST = 4  # times the working size; beyond it a strip is scaled by its long side
_BICUBIC_A, _ANTIALIASED_A = -0.75, -0.5  # as in torch.nn.functional.interpolate


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


class BandShrinker:
    """Do as `shrink_luma` on a map that comes in bands of rows, of which none is kept.

    First down, which takes a few weights for each row of a band, then across what is left. As with
    ``F.interpolate(mode="bicubic", antialias=True)`` a pixel of the result looks at two of its own widths to
    each side, and at the borders what is there counts alone.

    Args:
        whole: Height and width of the map.
        size: Height and width of the result.
    """

    def __init__(self, whole: tuple[int, int], size: tuple[int, int]) -> None:
        self._size, self._step = size, whole[0] / size[0]
        self._sums = torch.zeros(size[0], whole[1])
        self._totals = torch.zeros(size[0], 1)
        self._row = 0

    def add(self, band: Tensor) -> None:
        """Take the next rows ``(rows, W)`` from the top."""
        first, self._row = self._row, self._row + len(band)
        rows = torch.arange(first, self._row, dtype=torch.float64) + 0.5
        width = max(1.0, self._step)
        top = max(0, int((first - 2 * width) / self._step - 0.5))
        bottom = min(self._size[0], int((self._row + 2 * width) / self._step + 0.5) + 1)
        centers = (torch.arange(top, bottom, dtype=torch.float64) + 0.5) * self._step
        weights = _cubic((rows - centers[:, None]).abs() / width, _ANTIALIASED_A).float()
        self._sums[top:bottom].addmm_(weights, band)
        self._totals[top:bottom] += weights.sum(dim=1, keepdim=True)

    def result(self) -> Tensor:
        """Return the map, ``(1, 1, h, w)``, after all bands."""
        shrunk = (self._sums / self._totals)[None, None]
        return (shrunk if shrunk.shape[3] == self._size[1] else _resized(shrunk, self._size)).clamp(0, 100)


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


def _cubic(d: Tensor, a: float = _BICUBIC_A) -> Tensor:
    """Return Keys' cubic kernel at distances."""
    near = ((a + 2) * d - (a + 3)) * d * d + 1  # not by powers, which take five times as long
    far = ((a * d - 5 * a) * d + 8 * a) * d - 4 * a
    return torch.where(d <= 1, near, torch.where(d < 2, far, torch.zeros_like(d)))
