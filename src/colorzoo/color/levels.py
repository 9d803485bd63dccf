"""Conversion between 8-bit, 16-bit and float sRGB values and linear light or lightness, with NumPy arrays."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from colorzoo.color.lab import LUMINANCE_WEIGHTS, luminance_of, luminance_to_lightness

FloatArray = NDArray[np.floating[Any]]
_SHADES = 2**19  # luminance steps; the largest step, near black, is 0.002 of L
_GUARD_BITS = 3  # extra bits below one step while the channels are summed
_LEAST_LUMINANCE = 1e-9  # far below one 16-bit level
_STEPS = 2**18  # steps of linear light; the largest step, near black, is 0.01 of an 8-bit level


def lightness_of_levels(levels: NDArray[Any]) -> Tensor:
    """Compute the lightness L of encoded sRGB values.

    Args:
        levels: ``(H, W)`` gray or ``(H, W, 3)`` RGB: uint8, uint16, or float32 in [0, 1].

    Returns:
        ``(H, W)`` float32 L in [0, 100].
    """
    if levels.dtype.kind == "f":
        linear = torch.from_numpy(linear_of(np.ascontiguousarray(levels, np.float32)))
        luminance = linear if levels.ndim == 2 else luminance_of(linear.movedim(-1, 0))
        return luminance_to_lightness(luminance)
    if levels.ndim == 2:
        return torch.from_numpy(_lightness_table(levels.dtype.str).take(levels, mode="clip"))
    if levels.dtype == np.uint8:
        shade = _look_up_and_sum(levels, _shade_tables())
        shade >>= _GUARD_BITS  # rounds to a luminance step; see `_shade_tables`
        return torch.from_numpy(_lightness_of_shades().take(shade, mode="clip"))
    luminance = torch.from_numpy(_look_up_and_sum(levels, _luminance_tables(levels.dtype.str)))
    return luminance_to_lightness(luminance)


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
    luminance = torch.from_numpy(_linear_levels(kind))
    table: NDArray[np.float32] = luminance_to_lightness(luminance).numpy()
    return table


@cache
def _luminance_tables(kind: str) -> list[NDArray[np.float32]]:
    """Return the luminance that each level of each channel contributes."""
    linear = _linear_levels(kind)
    return [linear * np.float32(weight) for weight in LUMINANCE_WEIGHTS]


@cache
def _shade_tables() -> list[NDArray[np.int32]]:
    """Return the luminance of each 8-bit level of each channel in integer steps.

    The integers include guard bits, which reduce rounding errors of the sum.
    """
    linear = _linear_levels("u1").astype(np.float64)
    unit = _SHADES << _GUARD_BITS
    tables = [np.rint(linear * weight * unit).astype(np.int32) for weight in LUMINANCE_WEIGHTS]
    tables[0] += 1 << (_GUARD_BITS - 1)  # turns the later truncation into rounding
    return tables


def _linear_levels(kind: str) -> FloatArray:
    """Return the linear light of each level of an unsigned integer type."""
    levels = np.arange(np.iinfo(kind).max + 1, dtype=np.float32)
    return linear_of(levels / levels[-1])


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
