"""Conversion of stored samples to sRGB pixels, for all sample types and bit depths."""

from __future__ import annotations

from dataclasses import dataclass
from typing import IO, Any

import imagecodecs
import numpy as np
from numpy.typing import NDArray

from colorzoo.image_io.pixels import Pixels, with_profile
from colorzoo.image_io.raster_image import AlphaArray, FloatArray, Levels, unit_range

_OVERSHOOT = 0.1  # tolerated overshoot of resampling filters, as a fraction of the full scale
_DARK = 1 / 16  # if the maximum is a smaller fraction of the full scale, the scale may be wrong
_SIZE_MARKER = b"\xff\x4f\xff\x51"  # SOC and SIZ, the first markers of a JPEG 2000 codestream


class SamplesError(ValueError):
    """Error for samples that cannot be converted.

    The message does not contain the file name; callers insert it.
    """


@dataclass(frozen=True)
class Samples:
    """Decoded samples of a file.

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
    """Convert decoded samples to sRGB.

    Integers of 8 and 16 bits keep their values. Other types are converted to floats in [0, 1].

    Raises:
        SamplesError: Some values are NaN or infinite.
    """
    values, alpha = samples.values, None
    color = values[..., 0] if samples.color == 1 else values[..., : samples.color]
    levels, notes = _levels(color, samples.bits)
    if samples.alpha is not None:
        alpha = _alpha(values[..., samples.alpha], samples.bits)
        if samples.multiplied:
            opacity = np.maximum(alpha, 1).astype(np.float32) / np.float32(np.iinfo(alpha.dtype).max)
            levels = np.clip(unit_range(levels) / (opacity if levels.ndim == 2 else opacity[..., None]), 0, 1)
    if samples.inverted:
        levels = (np.iinfo(levels.dtype).max if levels.dtype.kind == "u" else np.float32(1)) - levels
    return with_profile(Pixels(levels, alpha, 8 if samples.bits <= 8 else 16, None, notes), profile)


def _levels(stored: NDArray[Any], bits: int) -> tuple[Levels, tuple[str, ...]]:
    if stored.dtype.kind == "b":
        return stored.astype(np.uint8) * np.uint8(255), ()
    if stored.dtype.kind != "u" or bits > 16:
        return _unit_range(stored)
    full = 2**bits - 1
    top = int(stored.max())
    notes = (f"very dark: values reach only {top} of {full}",) if bits > 8 and top < full * _DARK else ()
    if bits in (8, 16):
        return stored.astype(np.uint8 if bits == 8 else np.uint16), notes
    return np.minimum(stored.astype(np.float32) / np.float32(full), 1), notes


def _unit_range(stored: NDArray[Any]) -> tuple[FloatArray, tuple[str, ...]]:
    """Convert values of unknown range to [0, 1]; return notes about the conversion.

    The white level is the smallest common maximum, such as 255 or 65535, that no value exceeds. If all values
    are below a sixteenth of this level, the values are stretched to [0, 1] instead.
    """
    if stored.dtype.kind not in "iuf":
        raise SamplesError("contains complex numbers, which are not supported; save it with real numbers")
    values = stored.astype(np.float64)
    invalid = values.size - int(np.count_nonzero(np.isfinite(values)))
    if invalid:
        raise SamplesError(f"contains NaN or infinite values ({invalid} of {values.size}); replace them")
    low, high = float(values.min()), float(values.max())
    scales: tuple[float, ...] = (255.0, 65535.0, 2.0**32 - 1, 2.0**64 - 1)
    slack = 0.0
    if stored.dtype.kind == "f":
        scales, slack = (1.0, 255.0, 65535.0), _OVERSHOOT
    elif stored.dtype.kind == "i":
        scales = tuple(sorted({255.0, 65535.0, float(np.iinfo(stored.dtype).max)}))
    for full in scales:
        fits = low >= -slack * full and high <= (1 + slack) * full
        if fits and (high >= full * _DARK or full == 1):
            notes = () if full == 1 else (f"range of values assumed to be 0 to {full:.0f}",)
            return np.clip(values / full, 0, 1).astype(np.float32), notes
    rescaled = ((values - low) / max(high - low, 1e-12)).astype(np.float32)
    return rescaled, (f"range of values from {low:g} to {high:g} stretched to black and white",)


def _alpha(stored: NDArray[Any], bits: int) -> AlphaArray:
    if stored.dtype.kind == "u" and bits in (8, 16):
        return stored.astype(np.uint8) if bits == 8 else stored.astype(np.uint16)
    full = 1.0 if stored.dtype.kind == "f" else 2.0 ** (bits - (stored.dtype.kind == "i")) - 1
    opacity = np.clip(np.nan_to_num(stored.astype(np.float64) / full), 0, 1)
    return np.rint(opacity * 65535).astype(np.uint16)


def decode_jpeg2000(file: IO[bytes]) -> Samples | None:
    """Decode a JPEG 2000 file with unsigned samples of a bit depth other than 8.

    Pillow would change the values of such samples.

    Returns:
        The samples; None if Pillow decodes the image exactly, or if the image is damaged.
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


def decode_jxl(file: IO[bytes]) -> Samples | None:
    """Decode the first frame of a JPEG XL file; return None if the file is damaged."""
    file.seek(0)
    try:
        stored: NDArray[Any] = imagecodecs.jpegxl_decode(file.read())
    except Exception:  # errors of libjxl, or imagecodecs was built without it
        return None
    values = stored.reshape(-1, *stored.shape[-3:])[0] if stored.ndim > 2 else stored[..., None]
    return plain_samples(values, 8 * stored.dtype.itemsize)


def decode_png(file: IO[bytes]) -> Samples | None:
    """Decode a 16-bit PNG; return None if the file is damaged."""
    file.seek(0)
    try:
        stored: NDArray[Any] = imagecodecs.png_decode(file.read())
    except Exception:  # errors of libpng, or the image does not fit into memory
        return None
    return plain_samples(stored.reshape(*stored.shape[:2], -1), 16)


def plain_samples(values: NDArray[Any], bits: int) -> Samples:
    """Return `Samples` of an array with 1 to 4 channels: gray or RGB, with or without alpha."""
    channels = values.shape[2]
    return Samples(values, bits, 1 if channels < 3 else 3, alpha=channels - 1 if channels in (2, 4) else None)
