"""Pixels that Pillow would change: of more than 8 bits a channel, in floats, with a sign, and CMYK."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from colorzoo.errors import PictureError
from colorzoo.pictures.pixels import TIFF_BITS, Pixels, bits_of, eight_bit, with_profile
from colorzoo.pictures.samples import (
    Samples,
    SamplesError,
    converted,
    decode_jpeg2000,
    decode_jxl,
    plain_samples,
)

_TIFF_COMPRESSION, _TIFF_SAMPLE_FORMAT = 259, 339
_WEBP_IN_TIFF = 50001


@contextmanager
def named_errors(name: str) -> Iterator[None]:
    """Raise errors of samples with the name of the file."""
    try:
        yield
    except SamplesError as error:
        raise PictureError(f"{name} {error}") from error


def stored_pixels(image: Image.Image, file: IO[bytes]) -> Pixels | None:
    """Decode samples that Pillow would change: those of 16 bits a color, of floats, with a sign.

    Args:
        image: The opened image of a format of `STORED_FORMATS`, for its header alone.
        file: Its file.

    Returns:
        The pixels; None if Pillow reads them well, or if they are damaged.

    Raises:
        SamplesError: They are no picture.
    """
    profile = image.info.get("icc_profile") or None
    samples: Samples | None = None
    if image.format == "TIFF" and _is_beyond_pillow(image.tag_v2):  # type: ignore[attr-defined]
        samples = tiff_samples(file)
    elif image.format == "JPEG2000":
        samples = decode_jpeg2000(file)
    elif image.format == "JXL":
        samples = decode_jxl(file)
    elif image.format == "PNG":
        from colorzoo.pictures.png import decode_png, png_header

        bits, color = png_header(file)
        file.seek(0)
        stored = decode_png(file.read()) if bits == 16 and color in (2, 4, 6) else None
        if stored is not None and color == 2:  # in which one color may be transparent
            stored = stored[..., :3]
            alpha = _color_key(stored, image.info.get("transparency"))
            stored = stored if alpha is None else np.dstack([stored, alpha])
        samples = None if stored is None else plain_samples(stored, 16)
    return None if samples is None else sample_pixels(samples, profile)


def sample_pixels(samples: Samples, profile: bytes | None) -> Pixels:
    """Convert decoded samples, see `colorzoo.pictures.samples.converted`."""
    if samples.color == 4:
        return _ink_pixels(samples, profile)
    levels, alpha, notes = converted(samples)
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
    plane = Samples(samples.values[..., [samples.alpha]], samples.bits, 1)
    return replace(pixels, alpha=converted(plane)[0], notes=notes)


def tiff_samples(file: IO[bytes]) -> Samples | None:
    """Decode the first page of a TIFF, see `colorzoo.pictures.tiff.decode_tiff`."""
    from colorzoo.pictures import tiff

    return tiff.decode_tiff(file)


def _is_beyond_pillow(tags: Any) -> bool:
    """Check the tags of a TIFF for samples with a sign, floats, more than 8 bits, and codecs of its own."""
    by_sample = tags.get(TIFF_BITS, (1,))
    kinds = tags.get(_TIFF_SAMPLE_FORMAT, (1,))
    return max(by_sample) > 8 or set(kinds) != {1} or tags.get(_TIFF_COMPRESSION) == _WEBP_IN_TIFF


def deep_pixels(stored: NDArray[np.uint16], profile: bytes | None) -> Pixels:
    """Convert stored ``(H, W, 1 to 4)`` of 16 bits a channel."""
    return sample_pixels(plain_samples(stored, 16), profile)


def _color_key(stored: NDArray[Any], key: Any) -> NDArray[np.uint16] | None:
    """Return alpha that makes one color or gray value transparent; None without a key."""
    if key is None:
        return None
    same = stored == np.asarray(key)
    opaque = ~(same.all(axis=-1) if stored.ndim == 3 else same)
    return np.where(opaque, np.uint16(65535), np.uint16(0))


def deep_gray(image: Image.Image, file: IO[bytes] | None) -> Pixels:
    """Convert gray of more than 8 bits that Pillow decoded; ``file`` is None for an image in memory."""
    stored, bits, profile = np.asarray(image), bits_of(image, file), image.info.get("icc_profile") or None
    if image.mode.startswith("I;16") or (image.mode == "I" and image.format == "PPM"):
        stored, bits = stored.astype(np.uint16), bits if image.format == "TIFF" else 16
    elif image.mode == "I" and _is_unsigned(image):
        stored, bits = stored.view(np.uint32), 32  # Pillow has no such mode
    alpha = _color_key(stored, image.info.get("transparency"))
    levels, _, notes = converted(Samples(stored[..., None], bits, 1))
    return with_profile(Pixels(levels, alpha, 16, None, notes), profile)


def _is_unsigned(image: Image.Image) -> bool:
    tags = getattr(image, "tag_v2", {}) if image.format == "TIFF" else {}
    return tags.get(TIFF_BITS) == (32,) and set(tags.get(_TIFF_SAMPLE_FORMAT, (1,))) == {1}
