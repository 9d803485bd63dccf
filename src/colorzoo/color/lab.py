"""Conversion between CIE Lab, linear sRGB, sRGB, and 8-bit or 16-bit levels.

CIE Lab uses the illuminant D65 and the 2 degree observer. sRGB is defined by IEC 61966-2-1. Conversions
always run in float32, because kornia's error under bfloat16 autocast is several CIE units. This module
implements Lab to linear sRGB because kornia clips the result, and gamut mapping needs values outside [0, 1].
kornia is imported inside functions because importing it takes 0.25 s and inference does not need it.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

# XYZ relative to the white point (0.95047, 1, 1.08883) to linear sRGB, rows R, G, B
_XYZ_TO_RGB = (
    (3.0799803023, -1.5371515163, -0.5428213080),
    (-0.9212477523, 1.8759900015, 0.0452473395),
    (0.0528904611, -0.2040413384, 1.1512320120),
)
# inverse matrix, rows X, Y, Z
_RGB_TO_XYZ = (
    (0.4339463634, 0.3762138731, 0.1898250339),
    (0.2126710000, 0.7151600000, 0.0721690000),
    (0.0177566746, 0.1094688795, 0.8727046462),
)
LUMINANCE_WEIGHTS = _RGB_TO_XYZ[1]
_CUBIC_FROM = 0.2068966
_SLOPE = 1 / 7.787  # slope of the linear segment below `_CUBIC_FROM`
FloatArray = NDArray[np.floating[Any]]
_SHADES = 2**19  # luminance steps; the largest step, near black, is 0.002 of L
_GUARD_BITS = 3  # extra bits below one step while the channels are summed
_LEAST_LUMINANCE = 1e-9  # far below one 16-bit level
_STEPS = 2**18  # steps of linear light; the largest step, near black, is 0.01 of an 8-bit level


def rgb_to_lab(rgb: Tensor) -> Tensor:
    """Convert sRGB to CIE Lab.

    Examples:
        >>> rgb_to_lab(torch.ones(2, 3, 4, 4)).shape
        torch.Size([2, 3, 4, 4])
        >>> red = torch.tensor([1.0, 0.0, 0.0]).view(3, 1, 1)
        >>> rgb_to_lab(red).flatten().round().tolist()
        [53.0, 80.0, 67.0]

    Args:
        rgb: ``(..., 3, H, W)``, floating point in [0, 1].

    Returns:
        ``(..., 3, H, W)`` float32: L in [0, 100], a and b in CIE units.

    Raises:
        TypeError: The tensor has an integer type.
        ValueError: The third axis from the end does not have 3 channels.
    """
    import kornia.color

    check_channels(rgb, "rgb", "in [0, 1]")
    with torch.autocast(rgb.device.type, enabled=False):
        lab: Tensor = kornia.color.rgb_to_lab(rgb.float())
    return lab


def lab_to_rgb(lab: Tensor, *, clip: bool = True) -> Tensor:
    """Convert CIE Lab to sRGB.

    Examples:
        >>> lab_to_rgb(torch.zeros(2, 3, 4, 4)).shape
        torch.Size([2, 3, 4, 4])

    Args:
        lab: ``(..., 3, H, W)``: L in [0, 100], a and b in CIE units.
        clip: Whether to clip each channel to [0, 1], which shifts the hue of colors outside sRGB. To reduce
            the chroma instead, use `lab_to_rgb_in_gamut`. If False, values above 1 are kept, and negative
            linear values become 0.

    Returns:
        ``(..., 3, H, W)`` float32.
    """
    import kornia.color

    check_channels(lab, "lab", "in CIE units")
    with torch.autocast(lab.device.type, enabled=False):
        linear = lab_to_linear_rgb(lab.float()).clamp(0, 1 if clip else None)
        rgb: Tensor = kornia.color.linear_rgb_to_rgb(linear)
    return rgb


def lightness_to_rgb(lightness: Tensor) -> Tensor:
    """Convert L ``(B, 1, H, W)`` in [0, 100] to gray sRGB ``(B, 3, H, W)`` in [0, 1].

    Examples:
        >>> lightness_to_rgb(torch.full((2, 1, 4, 4), 50.0)).shape
        torch.Size([2, 3, 4, 4])
    """
    return lab_to_rgb(F.pad(lightness, (0, 0, 0, 0, 0, 2)))


def lab_to_linear_rgb(lab: Tensor, *, dim: int = -3, least_z: float = 0.0) -> Tensor:
    """Convert CIE Lab to linear sRGB.

    Args:
        lab: float32 tensor with 3 channels on axis ``dim``: L in [0, 100], a and b in CIE units.
        dim: Channel axis, counted from the end.
        least_z: Lower bound of f(Z) = (L + 16) / 116 - b / 200 in the CIE Lab formula. scikit-image and the
            training code of the papers use 0. Minus infinity disables the bound, as in OpenCV.

    Returns:
        float32 tensor of the same shape. Colors outside sRGB have values outside [0, 1].
    """
    lightness, a, b = lab.unbind(dim=dim)
    fy = (lightness + 16) * (1 / 116)
    fz = fy.sub(b, alpha=1 / 200).clamp(min=least_z)
    xyz = [_inverse_f(f) for f in (fy.add(a, alpha=1 / 500), fy, fz)]
    return torch.stack(weighted_sums(xyz, _XYZ_TO_RGB), dim=dim)


def linear_rgb_to_lab(linear: Tensor) -> Tensor:
    """Convert linear sRGB ``(3, N)`` float32 to CIE Lab ``(3, N)``."""
    x, y, z = map(_f, weighted_sums(linear, _RGB_TO_XYZ))
    return torch.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)])


def luminance_of(linear: Tensor) -> Tensor:
    """Return the luminance Y ``(N,)`` of linear sRGB ``(3, N)``."""
    return weighted_sums(linear, (LUMINANCE_WEIGHTS,))[0]


def luminance_to_lightness(luminance: Tensor) -> Tensor:
    """Convert luminance Y in [0, 1] to L in [0, 100]."""
    return _f(luminance) * 116 - 16


def lightness_to_luminance(lightness: Tensor) -> Tensor:
    """Convert L in [0, 100] to luminance Y in [0, 1]."""
    return _inverse_f((lightness + 16) / 116)


def weighted_sums(planes: Sequence[Tensor] | Tensor, rows: Sequence[Sequence[float]]) -> list[Tensor]:
    """Return weighted sums of three channels, one sum for each row of three weights.

    The function is three times faster than a matrix product.
    """
    first, second, third = planes
    return [(first * a).add(second, alpha=b).add(third, alpha=c) for a, b, c in rows]


def check_channels(color: Tensor, name: str, values: str) -> None:
    """Raise an error unless ``color`` is a floating point tensor ``(..., 3, H, W)``."""
    if not color.is_floating_point():
        raise TypeError(f"{name} must be a floating point tensor {values}, got {color.dtype}")
    if color.ndim < 3 or color.shape[-3] != 3:
        raise ValueError(f"{name} must have shape (..., 3, H, W), got {tuple(color.shape)}")


def _f(ratio: Tensor) -> Tensor:
    # the function f of CIE Lab, inverse of `_inverse_f`; exp2 and log2 take a third of the time of pow
    cubic = ratio.clamp(min=_CUBIC_FROM**3)
    return torch.exp2(torch.log2(cubic) / 3) + (ratio - cubic) / _SLOPE


def _inverse_f(f: Tensor) -> Tensor:
    # the linear segment continues below `_CUBIC_FROM`; `torch.where` would take six times as long
    cubic = f.clamp(min=_CUBIC_FROM)
    return (cubic**3).add(f - cubic, alpha=_SLOPE)


def lightness_of_levels(levels: NDArray[Any]) -> Tensor:
    """Compute the lightness L of encoded sRGB values.

    Args:
        levels: ``(H, W)`` gray or ``(H, W, 3)`` RGB: uint8, uint16, or float32 in [0, 1].

    Returns:
        ``(H, W)`` float32 L in [0, 100].
    """
    if levels.dtype.kind == "f":
        linear = torch.from_numpy(linear_of(np.ascontiguousarray(levels, np.float32)))
        if levels.ndim == 2:
            return luminance_to_lightness(linear)
        return luminance_to_lightness(luminance_of(linear.movedim(-1, 0)))
    if levels.ndim == 2:
        return torch.from_numpy(_lightness_table(levels.dtype.str).take(levels, mode="clip"))
    if levels.dtype == np.uint8:
        shade = _look_up_and_sum(levels, _shade_tables())
        shade >>= _GUARD_BITS
        return torch.from_numpy(_lightness_of_shades().take(shade, mode="clip"))
    return luminance_to_lightness(
        torch.from_numpy(_look_up_and_sum(levels, _luminance_tables(levels.dtype.str)))
    )


def _look_up_and_sum(levels: NDArray[Any], tables: Sequence[NDArray[Any]]) -> NDArray[Any]:
    total = tables[0].take(levels[..., 0], mode="clip")
    for channel in (1, 2):
        total += tables[channel].take(levels[..., channel], mode="clip")
    return total


def linear_of(values: FloatArray) -> FloatArray:
    """Decode sRGB in [0, 1] to linear light in the same floating point type."""
    bright = ((np.maximum(values, 0.04045) + 0.055) / 1.055) ** 2.4
    linear: FloatArray = np.where(values > 0.04045, bright, values / 12.92)
    return linear


def write_levels(linear: Tensor, out: NDArray[Any]) -> None:
    """Encode linear sRGB, round it to integer levels and write the levels to ``out``.

    Args:
        linear: ``(3, rows, W)``; values outside [0, 1] are clipped.
        out: ``(rows, W, 3)`` uint8 or uint16.
    """
    for channel, plane in enumerate(linear):
        if out.dtype == np.uint8:
            index = (plane * _STEPS).clamp_(0, _STEPS).to(torch.int32).flatten()
            found = torch.index_select(_levels_table(), 0, index).view(plane.shape)
        else:
            found = (encoded(plane) * 65535 + 0.5).to(torch.int32)
        out[..., channel] = found.numpy()


def clipped(linear: Tensor) -> Tensor:
    """Clip linear sRGB ``(3, rows, W)`` to [0, 1] at constant luminance.

    Clipping negative channels adds luminance; the other channels are lowered to compensate. Without this
    compensation, negative values within the tolerance of `in_gamut` would change L by up to 0.08 near black.
    """
    inside = linear.clamp(0, 1)
    share = luminance_of(linear) / luminance_of(inside).clamp(min=_LEAST_LUMINANCE)
    return inside * share.clamp(0, 1)


def encoded(linear: Tensor) -> Tensor:
    """Encode linear light, clipped to [0, 1], as sRGB in [0, 1]."""
    linear = linear.clamp(0, 1)
    # exp2 and log2 take half the time of pow
    bright = torch.exp2(torch.log2(linear.clamp(min=0.0031308)) / 2.4) * 1.055 - 0.055
    return torch.where(linear > 0.0031308, bright, linear * 12.92)


@cache
def _lightness_table(kind: str) -> NDArray[np.float32]:
    """Return L for each gray level."""
    table: NDArray[np.float32] = luminance_to_lightness(torch.from_numpy(linear_of(_unit(kind)))).numpy()
    return table


@cache
def _luminance_tables(kind: str) -> list[NDArray[np.float32]]:
    """Return the luminance that each level of each channel contributes."""
    linear = linear_of(_unit(kind))
    return [linear * np.float32(weight) for weight in LUMINANCE_WEIGHTS]


@cache
def _shade_tables() -> list[NDArray[np.int32]]:
    """Return the luminance of each 8-bit level of each channel in integer steps.

    The integers include guard bits, which reduce rounding errors of the sum.
    """
    linear = linear_of(_unit("u1")).astype(np.float64)
    unit = _SHADES << _GUARD_BITS
    tables = [np.rint(linear * weight * unit).astype(np.int32) for weight in LUMINANCE_WEIGHTS]
    tables[0] += 1 << (_GUARD_BITS - 1)  # turns the later truncation into rounding
    return tables


@cache
def _lightness_of_shades() -> NDArray[np.float32]:
    """Return L for each luminance step; a lookup takes a third of the time of a cube root."""
    lightness: NDArray[np.float32] = luminance_to_lightness(torch.arange(_SHADES + 1) / _SHADES).numpy()
    return lightness


@cache
def _levels_table() -> Tensor:
    """Return the 8-bit level for each step of linear light."""
    borders = linear_of(((np.arange(255) + 0.5) / 255).astype(np.float32))
    first = np.rint(borders * _STEPS).astype(np.int64)
    lengths = np.diff(first, prepend=0, append=_STEPS + 1)
    return torch.from_numpy(np.repeat(np.arange(256, dtype=np.uint8), lengths))


def _unit(kind: str) -> NDArray[np.float32]:
    top = np.iinfo(kind).max
    return (np.arange(top + 1, dtype=np.float64) / top).astype(np.float32)
