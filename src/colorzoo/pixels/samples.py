"""Samples (channel values) of any type, and their conversion to sRGB pixels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import IO, Any

import imagecodecs
import numpy as np
from numpy.typing import NDArray

from colorzoo.pixels.profiles import Pixels, with_profile
from colorzoo.pixels.raster import AlphaArray, FloatArray, Levels, unit_range

_OVERSHOOT = 0.1  # tolerated overshoot of resampling filters, as a fraction of the full scale
_DARK = 1 / 16  # if the maximum is a smaller fraction of the full scale, the scale may be wrong
_SIZE_MARKER = b"\xff\x4f\xff\x51"  # SOC and SIZ, the first markers of a JPEG 2000 codestream


class SamplesError(ValueError):
    """Error for samples (channel values) that cannot be decoded or converted to sRGB.

    The message does not contain the file name; callers insert the name.
    """


@dataclass(frozen=True)
class Samples:
    """Samples (channel values) decoded from an image file, before the conversion to sRGB.

    Attributes:
        values: Samples ``(H, W, channels)`` in the stored type; color channels come first.
        bits: Bits per sample that the file declares; can be fewer than the bits of the type.
        color: Number of color channels: 1 (gray), 3 (RGB) or 4 (CMYK).
        inverted: Whether the lowest value is white instead of black.
        alpha: Index of the alpha channel; None for an opaque image.
        multiplied: Whether the color channels are premultiplied by alpha.
    """

    values: NDArray[Any]
    bits: int
    color: int
    inverted: bool = False
    alpha: int | None = None
    multiplied: bool = False


def sample_pixels(samples: Samples, profile: bytes | None) -> Pixels:
    """Convert decoded samples to sRGB pixels.

    Unsigned samples of 8 or 16 bits keep their type, and boolean samples become 0 and 255. All other samples
    are converted to floats in [0, 1]. Then premultiplied colors are divided by alpha, inverted colors are
    inverted, and the color profile is applied.

    Args:
        samples: Decoded samples.
        profile: ICC profile of the samples; None if the file has no color profile.

    Raises:
        SamplesError: Some color values are NaN, infinite or complex.
    """
    values, bits = samples.values, samples.bits
    color = values[..., 0] if samples.color == 1 else values[..., : samples.color]
    # convert the type of the color channels
    levels: Levels
    notes: tuple[str, ...] = ()
    if color.dtype.kind == "b":
        levels = color.astype(np.uint8) * np.uint8(255)
    elif color.dtype.kind != "u" or bits > 16:
        levels, notes = _unit_range(color)
    else:
        full, top = 2**bits - 1, int(color.max())
        if bits > 8 and top < full * _DARK:
            notes = (f"very dark: values reach only {top} of {full}",)
        if bits in (8, 16):
            levels = color.astype(np.uint8 if bits == 8 else np.uint16)
        else:
            levels = np.minimum(color.astype(np.float32) / np.float32(full), 1)
    # convert the type of alpha, and divide premultiplied colors by alpha
    alpha: AlphaArray | None = None
    if samples.alpha is not None:
        stored_alpha = values[..., samples.alpha]
        kind = stored_alpha.dtype.kind
        if kind == "u" and bits in (8, 16):
            alpha = stored_alpha.astype(np.uint8) if bits == 8 else stored_alpha.astype(np.uint16)
        else:
            value_bits = bits - 1 if kind == "i" else bits  # without the sign
            full_alpha = 1.0 if kind == "f" else 2.0**value_bits - 1
            opacity = np.clip(np.nan_to_num(stored_alpha.astype(np.float64) / full_alpha), 0, 1)
            alpha = np.rint(opacity * 65535).astype(np.uint16)
        if samples.multiplied:
            divisor = unit_range(np.maximum(alpha, 1))  # at least one level, which avoids a division by 0
            levels = np.clip(unit_range(levels) / (divisor[..., None] if levels.ndim == 3 else divisor), 0, 1)
    if samples.inverted:
        white = np.iinfo(levels.dtype).max if levels.dtype.kind == "u" else np.float32(1)
        levels = white - levels
    bit_depth = 8 if bits <= 8 else 16
    return with_profile(Pixels(levels, alpha, bit_depth, notes=notes), profile)


def _unit_range(stored: NDArray[Any]) -> tuple[FloatArray, tuple[str, ...]]:
    """Convert values of unknown range to [0, 1]; return notes about the conversion.

    The white level is the smallest common maximum, such as 255 or 65535, that no value exceeds. Floats may
    exceed the white level, or be negative, by a tenth of the white level; these values are clipped.

    Values are stretched to [0, 1] instead if no common maximum fits, for example because integers are
    negative. They are also stretched if all values are below a sixteenth of the white level, except if the
    white level is 1.

    Raises:
        SamplesError: Some values are NaN, infinite or complex.
    """
    if stored.dtype.kind not in "iuf":
        raise SamplesError(
            "contains complex numbers, which are not supported. Save the file with real numbers."
        )
    values = stored.astype(np.float64)
    invalid_count = np.count_nonzero(~np.isfinite(values))
    if invalid_count > 0:
        raise SamplesError(
            f"contains NaN or infinite values ({invalid_count} of {values.size}). Replace these values."
        )
    low, high = float(values.min()), float(values.max())
    # common maxima of the data type, in ascending order
    if stored.dtype.kind == "f":
        white_levels = [1.0, 255.0, 65535.0]
    elif stored.dtype.kind == "i":
        white_levels = sorted({255.0, 65535.0, float(np.iinfo(stored.dtype).max)})
    else:
        white_levels = [255.0, 65535.0, 2.0**32 - 1, 2.0**64 - 1]
    overshoot = _OVERSHOOT if stored.dtype.kind == "f" else 0.0
    for white in white_levels:
        is_in_range = low >= -overshoot * white and high <= (1 + overshoot) * white
        is_too_dark = white != 1 and high < white * _DARK
        if is_in_range and not is_too_dark:
            notes = () if white == 1 else (f"range of values assumed to be 0 to {white:.0f}",)
            return np.clip(values / white, 0, 1).astype(np.float32), notes
    stretched = ((values - low) / max(high - low, 1e-12)).astype(np.float32)
    return stretched, (f"range of values from {low:g} to {high:g} stretched to black and white",)


def decode_jpeg2000(file: IO[bytes]) -> Samples | None:
    """Decode a JPEG 2000 file whose unsigned samples have a bit depth other than 8.

    Pillow would change the values of such samples.

    Returns:
        Decoded samples. None if the samples are signed or have 8 bits, or if the file is damaged.
    """
    file.seek(0)
    data = file.read()
    start = data.find(_SIZE_MARKER)
    kind = data[start + 42 : start + 43]  # number of bits minus one, and the sign in the highest bit
    if start < 0 or not kind or kind[0] == 7 or kind[0] >= 128:
        return None
    try:
        stored: NDArray[Any] = imagecodecs.jpeg2k_decode(data)
    except Exception:  # errors of OpenJPEG
        return None
    return plain_samples(stored.reshape(*stored.shape[:2], -1), kind[0] + 1)


def decode_png(file: IO[bytes]) -> Samples | None:
    """Decode a 16-bit PNG; return None if the file is damaged."""
    file.seek(0)
    try:
        stored: NDArray[Any] = imagecodecs.png_decode(file.read())
    except Exception:  # errors of libpng, or the image does not fit into memory
        return None
    return plain_samples(stored.reshape(*stored.shape[:2], -1), 16)


def plain_samples(values: NDArray[Any], bits: int) -> Samples:
    """Convert an array of gray or RGB samples, with or without alpha, to `Samples`.

    Args:
        values: ``(H, W, channels)`` with 1 (gray), 2 (gray and alpha), 3 (RGB) or 4 (RGB and alpha) channels.
        bits: Bits per sample that the file declares.
    """
    channels = values.shape[2]
    return Samples(values, bits, 1 if channels < 3 else 3, alpha=channels - 1 if channels in (2, 4) else None)
