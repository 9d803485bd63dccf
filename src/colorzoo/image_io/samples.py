"""Samples of any type and depth, as files store them, converted to the levels of an image."""

from __future__ import annotations

import struct
from dataclasses import dataclass, replace
from typing import IO, Any

import imagecodecs
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from colorzoo.image_io.pixels import Pixels, eight_bit, with_profile
from colorzoo.image_io.raster_image import AlphaArray, FloatArray, Levels, unit_range

_OVERSHOOT = 0.1  # of full scale; filters and resampling leave that much beyond black and white
_DARK = 1 / 16  # of full scale; an image that reaches no more is very dark, or its scale is another
_SIZES = b"\xff\x4f\xff\x51"  # the first markers of a JPEG 2000 codestream


class SamplesError(ValueError):
    """Samples that are no image; the message continues the name of the file."""


@dataclass(frozen=True)
class Samples:
    """Decoded samples of a file.

    Attributes:
        values: ``(H, W, channels)`` of the stored type; those of color come first.
        bits: Declared bits of a sample, at most those of the type.
        color: Number of channels of color: 1, 3, or 4 for CMYK.
        inverted: The lowest value is white.
        alpha: Number of the channel that holds alpha; None for an opaque image.
        multiplied: Color was multiplied by alpha.
        profile: Color profile, or None.
    """

    values: NDArray[Any]
    bits: int
    color: int
    inverted: bool = False
    alpha: int | None = None
    multiplied: bool = False
    profile: bytes | None = None


def sample_pixels(samples: Samples, profile: bytes | None) -> Pixels:
    """Convert decoded samples to sRGB.

    Integers of 8 and 16 bits keep every value; others become floats, see `_unit_range`.

    Raises:
        SamplesError: Some values are no finite numbers.
    """
    if samples.color == 4:
        return _ink_pixels(samples, profile)
    levels, alpha, notes = _converted(samples)
    depth = 8 if samples.bits <= 8 else 16
    return with_profile(Pixels(levels, alpha, depth, None, notes), profile or samples.profile)


def _ink_pixels(samples: Samples, profile: bytes | None) -> Pixels:
    """Convert CMYK at 8 bits, as its profiles need a table of four dimensions."""
    if samples.values.dtype.kind != "u" or samples.bits not in (8, 16):
        raise SamplesError("holds CMYK that is not of 8 or 16 bits, save it as RGB first")
    inks = samples.values[..., :4]
    inks = inks if samples.bits == 8 else np.rint(inks / 257).astype(np.uint8)
    pixels = eight_bit(Image.fromarray(np.ascontiguousarray(inks), "CMYK"), profile or samples.profile)
    notes = (*pixels.notes, f"read at 8 of its {samples.bits} bits") if samples.bits > 8 else pixels.notes
    if samples.alpha is None:
        return replace(pixels, notes=notes)
    alpha = _alpha(samples.values[..., samples.alpha], samples.bits)
    return replace(pixels, alpha=alpha, notes=notes)


def _converted(samples: Samples) -> tuple[Levels, AlphaArray | None, tuple[str, ...]]:
    values, alpha = samples.values, None
    color = values[..., 0] if samples.color == 1 else values[..., : samples.color]
    left_out = values.shape[2] - samples.color - (samples.alpha is not None)
    notes = () if left_out == 0 else (f"channels left out: {left_out}, neither color nor alpha",)
    levels, said = _levels(color, samples.bits)
    if samples.alpha is not None:
        alpha = _alpha(values[..., samples.alpha], samples.bits)
        if samples.multiplied:
            share = np.maximum(alpha, 1).astype(np.float32) / np.float32(np.iinfo(alpha.dtype).max)
            levels = np.clip(unit_range(levels) / (share if levels.ndim == 2 else share[..., None]), 0, 1)
    if samples.inverted:
        levels = (np.iinfo(levels.dtype).max if levels.dtype.kind == "u" else np.float32(1)) - levels
    return levels, alpha, notes + said


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
    """Convert values whose full scale no file declares to [0, 1], with notes.

    It is taken to be the smallest usual one that they fit, if they reach a sixteenth of it; values that fit
    none are stretched from their lowest to their highest.
    """
    if stored.dtype.kind not in "iuf":
        raise SamplesError("holds complex numbers, which are no image")
    values = stored.astype(np.float64)
    unusable = values.size - int(np.count_nonzero(np.isfinite(values)))
    if unusable:
        raise SamplesError(
            f"holds values that are no numbers (NaN or infinite: {unusable} of {values.size}), "
            "replace them first"
        )
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
            notes = [] if full == 1 else [f"values taken as 0 to {full:.0f}"]
            if low < 0 or high > full:
                notes.append(f"values {low:g} to {high:g} clipped to 0 and {full:g}")
            return np.clip(values / full, 0, 1).astype(np.float32), tuple(notes)
    rescaled = ((values - low) / max(high - low, 1e-12)).astype(np.float32)
    return rescaled, (f"values {low:g} to {high:g} stretched to black and white",)


def _alpha(stored: NDArray[Any], bits: int) -> AlphaArray:
    if stored.dtype.kind == "u" and bits in (8, 16):
        return stored.astype(np.uint8) if bits == 8 else stored.astype(np.uint16)
    full = 1.0 if stored.dtype.kind == "f" else 2.0 ** (bits - (stored.dtype.kind == "i")) - 1
    shares = np.clip(np.nan_to_num(stored.astype(np.float64) / full), 0, 1)
    return np.rint(shares * 65535).astype(np.uint16)


def decode_jpeg2000(file: IO[bytes]) -> Samples | None:
    """Decode a JPEG 2000 whose samples are not of 8 bits without sign, which Pillow would change.

    Returns:
        The samples; None for an image of 8 bits, one of more than four channels, or a damaged one.

    Raises:
        SamplesError: Its channels differ in depth.
    """
    file.seek(0)
    data = file.read()
    start = data.find(_SIZES)
    try:
        (count,) = struct.unpack_from(">H", data, start + 40)
        kinds = set(data[start + 42 : start + 42 + 3 * count : 3])
        if start < 0 or kinds == {7} or count > 4:
            return None
        stored: NDArray[Any] = imagecodecs.jpeg2k_decode(data)
    except Exception:  # OpenJPEG's errors, and those of cut headers
        return None
    if len(kinds) > 1:
        raise SamplesError("stores channels of different depths, save it with one depth first")
    (kind,) = kinds  # bits less one, and the sign
    bits = (kind & 0x7F) + 1
    values = stored.reshape(*stored.shape[:2], -1)
    if kind & 0x80:  # zero is middle gray
        values = values.astype(np.int64) + 2 ** (bits - 1)
    values = values.astype(np.uint8 if bits <= 8 else np.uint16 if bits <= 16 else np.uint32)
    return plain_samples(values, bits)


def decode_jxl(file: IO[bytes]) -> Samples | None:
    """Decode a JPEG XL, of an animation the first frame; None if it is damaged."""
    file.seek(0)
    try:
        stored: NDArray[Any] = imagecodecs.jpegxl_decode(file.read())
    except Exception:  # libjxl's errors; also an imagecodecs that was built without it
        return None
    values = stored.reshape(-1, *stored.shape[-3:])[0] if stored.ndim > 2 else stored[..., None]
    return plain_samples(values, 8 * stored.dtype.itemsize)


def deep_gray(stored: NDArray[Any], key: Any, profile: bytes | None) -> Pixels:
    """Convert gray ``(H, W)`` of any type, of which one value may be transparent."""
    levels, _, notes = _converted(plain_samples(stored[..., None], 8 * stored.dtype.itemsize))
    return with_profile(Pixels(levels, _color_key(stored, key), 16, None, notes), profile)


def decode_png(data: bytes, key: Any) -> Samples | None:
    """Decode a PNG of 16 bits a channel, of which one color may be transparent; None if it is damaged."""
    try:
        stored: NDArray[Any] = imagecodecs.png_decode(data)
    except Exception:  # libpng's errors, and those of a size that does not fit into memory
        return None
    stored = stored.reshape(*stored.shape[:2], -1)
    alpha = _color_key(stored[..., :3], key) if stored.shape[2] >= 3 else None
    return plain_samples(stored if alpha is None else np.dstack([stored[..., :3], alpha]), 16)


def _color_key(stored: NDArray[Any], key: Any) -> NDArray[np.uint16] | None:
    """Return alpha that makes one color or gray value transparent; None without a key."""
    if key is None or isinstance(key, bytes):
        return None
    same = stored == np.asarray(key)
    opaque = ~(same.all(axis=-1) if stored.ndim == 3 else same)
    return np.where(opaque, np.uint16(65535), np.uint16(0))


def plain_samples(values: NDArray[Any], bits: int) -> Samples:
    """Return samples ``(H, W, 1 to 4)`` of gray or RGB, of which a second or fourth channel is alpha."""
    channels = values.shape[2]
    return Samples(values, bits, 1 if channels < 3 else 3, alpha=channels - 1 if channels in (2, 4) else None)
