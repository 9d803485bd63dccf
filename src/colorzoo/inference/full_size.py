"""Resampling between the full size of an image and the size of the network input.

Images are processed in bands of rows to limit memory use. Levels are pixel values as 8-bit or 16-bit
integers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from colorzoo.color.lab import linear_rgb_in_gamut
from colorzoo.color.levels import clipped, encoded, lightness_of_levels, write_levels
from colorzoo.pixels.raster import Levels

BAND_PIXELS = 2**18  # smaller bands add overhead, larger bands exceed the CPU cache
LONGEST = 4  # maximum ratio of the longer side to the working size
DTYPES = {8: np.uint8, 16: np.uint16, None: np.float32}  # data type of images by bit depth
_NEARLY = 0.004  # masks within this distance of 0 or 1 are rounded to 0 or 1
BICUBIC, ANTIALIASED = -0.75, -0.5  # parameter of the cubic kernel in torch.nn.functional.interpolate

ShiftRows = Callable[[Tensor, int, int], Tensor]
"""Function that computes rows of a map from lightness rows, the first row and the end row."""


Overlay = Callable[[Tensor, Tensor, int], None]
"""Function that changes the colors of a band of rows in place.

The arguments are ab ``(2, rows, W)`` of the band in CIE units, the lightness ``(rows, W)`` of the band in
[0, 100], and the first image row of the band. Only paint on a drawing also changes the lightness.
"""


@dataclass(frozen=True)
class FullLightness:
    """Lightness ``(H, W)`` of an image in [0, 100], computed on access.

    Examples:
        >>> lightness = FullLightness(np.full((32, 48), 128, dtype=np.uint8))
        >>> lightness.shrunk((16, 24)).shape
        torch.Size([1, 1, 16, 24])

    Attributes:
        levels: Stored pixel values, ``(H, W)`` or ``(H, W, 3)``.
        shift: Function that applies the lightness changes of recipe areas to a band of rows; None for no
            change.
    """

    levels: Levels
    shift: ShiftRows | None = None

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width of the image."""
        return self.levels.shape[0], self.levels.shape[1]

    def rows(self, first: int, last: int) -> Tensor:
        """Return the lightness ``(last - first, W)`` of rows ``first`` to ``last`` (exclusive)."""
        lightness = lightness_of_levels(self.levels[first:last])
        return lightness if self.shift is None else self.shift(lightness, first, last)

    def __getitem__(self, places: tuple[Tensor, Tensor]) -> Tensor:
        """Return the lightness ``(K,)`` at pixel rows and columns ``(K,)``."""
        if self.shift is not None:
            pairs = zip(*(place.tolist() for place in places), strict=True)
            return torch.stack([self.rows(row, row + 1)[0, column] for row, column in pairs])
        rows, columns = (place.numpy() for place in places)
        return lightness_of_levels(self.levels[rows, columns][None])[0]

    def whole(self) -> Tensor:
        """Return the lightness ``(1, 1, H, W)`` of the whole image."""
        lightness = torch.empty(1, 1, *self.shape)
        for first, last in bands(*self.shape):
            lightness[0, 0, first:last] = self.rows(first, last)
        return lightness

    def shrunk(self, size: tuple[int, int]) -> Tensor:
        """Return the lightness ``(1, 1, h, w)``, resampled to ``size`` in bands of rows.

        The result is equivalent to `shrink_lightness`: the kernel covers two output pixels on each side, and
        weights are normalized at the image borders.
        """
        height, width = self.shape
        if (height, width) == size:
            return self.rows(0, height)[None, None]
        result_height = size[0]
        step = height / result_height  # rows of the image for each row of the result
        weighted_sums = torch.zeros(result_height, width)
        weight_sums = torch.zeros(result_height, 1)
        for first, last in bands(height, width):
            rows = torch.arange(first, last) + 0.5
            # first and end row of the result to which the band contributes
            top = max(0, int(first / step - 2))
            bottom = min(result_height, int(last / step + 2) + 1)
            centers = (torch.arange(top, bottom, dtype=torch.float64) + 0.5) * step
            weights = _cubic((rows - centers[:, None]).abs() / step, ANTIALIASED).float()
            weighted_sums[top:bottom].addmm_(weights, self.rows(first, last))
            weight_sums[top:bottom] += weights.sum(dim=1, keepdim=True)
        resampled_rows = weighted_sums / weight_sums  # (h, W)
        return _resized(resampled_rows[None, None], size).clamp(0, 100)  # resamples the columns


def map_size(maps: Tensor) -> tuple[int, int]:
    """Return the height and width of maps ``(..., h, w)``."""
    return maps.shape[-2], maps.shape[-1]


def compose_image(
    lightness: Tensor | FullLightness,
    ab: Tensor,
    overlays: Sequence[Overlay] = (),
    *,
    depth: int | None = None,
) -> NDArray[Any]:
    """Upsample ab to the size of the lightness, apply overlays and convert to RGB.

    Examples:
        >>> compose_image(torch.full((32, 48), 50.0), torch.zeros(2, 16, 24), depth=8).shape
        (32, 48, 3)

    Args:
        lightness: ``(H, W)`` in [0, 100].
        ab: ``(2, h, w)`` in CIE units.
        overlays: Color changes at full size in the order of application; see `correct_points` and
            `overlays_of`.
        depth: Bit depth of the result, 8 or 16; None for float32 in [0, 1].

    Returns:
        ``(H, W, 3)`` RGB. The chroma of colors outside sRGB is reduced at constant lightness and hue.
    """
    height, width = lightness.shape
    rgb: NDArray[Any] = np.empty((height, width, 3), DTYPES[depth])
    with torch.inference_mode():
        upsampler = BicubicUpsampler(ab, (height, width))
        for first, last in bands(height, width):
            band = slice(first, last)
            light = lightness.rows(first, last) if isinstance(lightness, FullLightness) else lightness[band]
            band_ab = upsampler.rows(first, last)
            for overlay in overlays:
                overlay(band_ab, light, first)
            linear = linear_rgb_in_gamut(torch.cat([light[None], band_ab]))
            if depth != 8:  # an 8-bit level is larger than the error that `clipped` prevents
                linear = clipped(linear)
            if depth is None:
                rgb[band] = encoded(linear).permute(1, 2, 0).numpy()
            else:
                write_levels(linear, rgb[band])
    return rgb


def bands(height: int, width: int) -> Iterator[tuple[int, int]]:
    """Yield the first row and the end row (exclusive) of each band of an image."""
    step = max(1, BAND_PIXELS // width)
    for first in range(0, height, step):
        yield first, min(first + step, height)


def preprocess(full: FullLightness, size: int) -> Tensor:
    """Return the lightness ``(1, 1, h, w)`` at the size of the network input.

    Args:
        full: Lightness at full size.
        size: Shorter side of the network input in pixels.
    """
    return full.shrunk(working_size(*full.shape, size))


def working_size(height: int, width: int, size: int) -> tuple[int, int]:
    """Return the height and width of the network input for an image.

    The shorter side becomes ``size``, and the aspect ratio is kept. Small images are not enlarged, and the
    longer side is at most four times ``size``.

    Examples:
        >>> working_size(600, 800, size=256)
        (256, 341)
    """
    scale = min(1.0, size / min(height, width), LONGEST * size / max(height, width))
    return max(1, round(height * scale)), max(1, round(width * scale))


def shrink_lightness(lightness: Tensor, size: tuple[int, int]) -> Tensor:
    """Resample lightness ``(1, 1, H, W)`` to ``size`` with antialiased bicubic weights.

    Examples:
        >>> shrink_lightness(torch.full((1, 1, 32, 48), 50.0), (16, 24)).shape
        torch.Size([1, 1, 16, 24])
    """
    if tuple(lightness.shape[-2:]) == size:
        return lightness
    return _resized(lightness, size).clamp(0, 100)


def _resized(maps: Tensor, size: tuple[int, int]) -> Tensor:
    return F.interpolate(maps, size=size, mode="bicubic", antialias=True, align_corners=False)


class BicubicUpsampler:
    """Seamless bicubic upsampling of a map in bands of rows.

    The result equals ``F.interpolate(mode="bicubic")`` of the whole map.

    Args:
        image: ``(C, h, w)`` float32.
        size: Height and width of the result.
    """

    def __init__(self, image: Tensor, size: tuple[int, int]) -> None:
        self._rows = bicubic_matrix(image.shape[-2], size[0])
        self._wide = image @ bicubic_matrix(image.shape[-1], size[1]).T

    def rows(self, first: int, last: int) -> Tensor:
        """Return rows ``first`` to ``last`` (exclusive) of the result: ``(C, last - first, W)``."""
        used = self._rows[first:last].any(dim=0)  # only a few rows of the map have nonzero weights
        return self._rows[first:last, used] @ self._wide[:, used]


@dataclass(frozen=True)
class Matte:
    """Soft mask of an area: ``slope * lightness + offset``, clamped to [0, 1].

    Attributes:
        slope: Slope ``(h, w)`` at each pixel.
        offset: Offset ``(h, w)`` at each pixel.
    """

    slope: Tensor
    offset: Tensor

    def at(self, lightness: Tensor) -> Tensor:
        """Return the mask ``(h, w)`` for a lightness map ``(h, w)``."""
        return _settled(self.slope * lightness + self.offset)

    def enlarged(self, size: tuple[int, int]) -> ShiftRows:
        """Return a function that computes the mask of a band ``(rows, W)`` of a larger image.

        The arguments of the function are the lightness of the band, its first row and its end row
        (exclusive).

        Args:
            size: Height and width of the larger image.
        """
        maps = BicubicUpsampler(torch.stack([self.slope, self.offset]), size)

        def share(lightness: Tensor, first: int, last: int) -> Tensor:
            slope, offset = maps.rows(first, last)
            return _settled(slope * lightness + offset)

        return share


@dataclass(frozen=True)
class LightnessShift:
    """Lightness change of recipe areas that adopt the lightness of their fill color.

    Attributes:
        parts: Pairs of a soft mask and the value of L that is added inside the mask.
    """

    parts: tuple[tuple[Matte, float], ...]

    def apply(self, lightness: Tensor) -> Tensor:
        """Add the change to a lightness map ``(1, 1, H, W)`` of any size."""
        size = (lightness.shape[2], lightness.shape[3])
        return self.by_rows(size)(lightness[0, 0], 0, size[0])[None, None]

    def by_rows(self, size: tuple[int, int]) -> ShiftRows:
        """Return a function that adds the change to a band ``(rows, W)`` of a larger map.

        The arguments of the function are the lightness of the band, its first row and its end row
        (exclusive).

        Args:
            size: Height and width of the larger map.
        """
        shares = [(matte.enlarged(size), units) for matte, units in self.parts]

        def shift(lightness: Tensor, first: int, last: int) -> Tensor:
            shifted = lightness
            for share, units in shares:
                shifted = shifted + units * share(lightness, first, last)
            return shifted.clamp(0, 100)

        return shift


@lru_cache(maxsize=4)  # every edit in the drawing pad uses the same weights
def bicubic_matrix(source: int, target: int) -> Tensor:
    """Return the ``(target, source)`` matrix of bicubic interpolation.

    Border values are replicated. The matrix is cached and must not be modified.
    """
    position = (torch.arange(target, dtype=torch.float64) + 0.5) * source / target - 0.5
    base = position.floor()
    matrix = torch.zeros(target, source, dtype=torch.float64)
    for offset in (-1, 0, 1, 2):
        weight = _cubic((position - base - offset).abs())
        column = (base + offset).clamp(0, source - 1).long()
        matrix.scatter_add_(1, column[:, None], weight[:, None])
    return matrix.float()


def _cubic(d: Tensor, a: float = BICUBIC) -> Tensor:
    """Return the values of Keys' cubic kernel at distances from its center."""
    near = ((a + 2) * d - (a + 3)) * d * d + 1  # the power operator would take five times as long
    far = ((a * d - 5 * a) * d + 8 * a) * d - 4 * a
    return torch.where(d <= 1, near, torch.where(d < 2, far, torch.zeros_like(d)))


def _settled(share: Tensor) -> Tensor:
    """Clamp values to [0, 1] and round values close to 0 or 1."""
    return ((share - _NEARLY) / (1 - 2 * _NEARLY)).clamp(0, 1)
