"""Conversion of stored pixels to sRGB: modes, depths, transparency and color profiles.

LittleCMS applies the profiles: through Pillow for 8-bit color, through imagecodecs in floats for gray and
16-bit color. Pillow supports only 8 bits, and its gray transforms differ by up to 9 of 255 levels in the
shadows.
"""

from __future__ import annotations

import io
import re
import struct
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import IO, Any

import numpy as np
from imagecodecs import CMS, cms_transform
from numpy.typing import NDArray
from PIL import Image, ImageCms

from colorzoo.errors import ImageError
from colorzoo.image_io.raster_image import AlphaArray, FloatArray, Levels, as_rgb, unit_range

_BAND = 64  # rows that fit into the CPU cache


@dataclass(frozen=True)
class Pixels:
    """Decoded pixels in the stored orientation; only TIFF decoders return upright pixels.

    Attributes:
        levels: sRGB, ``(H, W)`` or ``(H, W, 3)``: uint8, uint16, or float32 in [0, 1].
        alpha: ``(H, W)`` uint8 or uint16, or None.
        bit_depth: 8 or 16.
        icc: sRGB profile of ``levels``; None if the source had no profile.
        notes: Descriptions of conversions and dropped data.
    """

    levels: Levels
    alpha: AlphaArray | None
    bit_depth: int = 8
    icc: bytes | None = None
    notes: tuple[str, ...] = ()


class ProfileError(ValueError):
    """A color profile that is damaged, unsupported, or made for another color space."""


def from_light(pixels: Pixels, exponent: float | None) -> Pixels:
    """Convert pixels encoded with a power law to sRGB.

    Args:
        pixels: The pixels.
        exponent: Exponent of the encoding, values = light ** exponent; None returns sRGB pixels unchanged.
    """
    if exponent is None:
        return pixels
    light = unit_range(pixels.levels) ** np.float32(1 / exponent)
    levels = np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)
    return replace(pixels, levels=levels.astype(np.float32), icc=srgb_profile())


def array_pixels(array: NDArray[Any]) -> Pixels:
    """Convert an sRGB array of uint8, uint16 or float in [0, 1].

    Raises:
        ImageError: The array has another shape, type or range.
    """
    if array.ndim == 2:
        array = array[..., None]
    if array.ndim != 3 or array.shape[2] not in (1, 3, 4) or 0 in array.shape:
        raise ImageError(f"the array must have shape (H, W), (H, W, 3) or (H, W, 4), got {array.shape}")
    if array.dtype == bool:
        array = array.astype(np.uint8) * np.uint8(255)
    if array.dtype.kind == "f":
        if not (array.min() >= 0 and array.max() <= 1):
            raise ImageError(f"float pixels must be in [0, 1], got {array.min()} to {array.max()}")
        color, alpha = array[..., :3].astype(np.float32), np.round(array[..., 3:] * 65535).astype(np.uint16)
    elif array.dtype in (np.uint8, np.uint16):
        color, alpha = array[..., :3].copy(), array[..., 3:].copy()
    else:
        raise ImageError(f"the type of pixels must be uint8, uint16 or float, got {array.dtype}")
    depth = 8 if array.dtype == np.uint8 else 16
    levels = color[..., 0] if color.shape[2] == 1 else color
    return Pixels(levels, alpha[..., 0] if alpha.size else None, depth)


def image_pixels(image: Image.Image, bits: int) -> Pixels:
    """Convert a loaded PIL image of at most 8 bits per channel.

    Args:
        image: The image.
        bits: Bits per sample in the file, see `declared_bits`.
    """
    key = image.info.get("transparency")
    if image.format == "PNG" and image.mode == "L" and bits in (2, 4) and isinstance(key, int):
        image.info["transparency"] = key * 255 // (2**bits - 1)  # Pillow scales only the pixels
    pixels = eight_bit(image, image.info.get("icc_profile") or None)
    if bits > 8:
        return replace(pixels, notes=(*pixels.notes, f"read at 8 of its {bits} bits"))
    return pixels


def declared_bits(image: Image.Image, file: IO[bytes]) -> int:
    """Return the bits per sample stored in an opened file; Pillow may decode fewer.

    Args:
        image: The image, not yet decoded.
        file: Stream of the file.
    """
    if image.format == "HEIF":
        return int(image.info.get("bit_depth") or 8)
    if image.format == "AVIF":
        position = file.tell()
        file.seek(0)
        flags = file.read(4096).partition(b"av1C")[2][2:3]
        file.seek(position)
        return {0x40: 10, 0x60: 12}.get(flags[0] & 0x60, 8) if flags else 8
    tiles: Any = getattr(image, "tile", None)
    arguments = tiles[0].args if tiles else ""
    if image.format == "PNG":
        bits = re.search(r";(\d+)", str(arguments))
        return int(bits[1]) if bits else 8
    if image.format == "PPM" and isinstance(arguments, tuple) and isinstance(arguments[-1], int):
        return 16 if arguments[-1] > 255 else 8
    return 8


def with_profile(pixels: Pixels, profile: bytes | None) -> Pixels:
    """Apply a color profile in floats; pixels without a valid profile are interpreted as sRGB."""
    if profile is None:
        return pixels
    try:
        levels, icc = to_srgb_float(pixels.levels, profile)
    except ProfileError as error:
        return replace(pixels, notes=(*pixels.notes, f"{error}; colors were read as sRGB"))
    return replace(pixels, levels=levels, icc=icc)


def eight_bit(image: Image.Image, profile: bytes | None) -> Pixels:
    """Convert an image of at most 8 bits per channel with its color profile."""
    color, alpha = _split_alpha(image)
    notes: tuple[str, ...] = ()
    if color.mode == "CMYK":
        notes = ("converted from CMYK" if profile else "converted from CMYK without a color profile",)
    if color.mode == "LAB":
        lab, srgb = ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB")
        color, profile = _transformed(color, lab, srgb), srgb_profile()
    elif color.mode == "L":
        return with_profile(Pixels(np.array(color), alpha, notes=notes), profile)
    elif profile is not None:
        try:
            color, profile = to_srgb_8bit(color, profile)
        except ProfileError as error:
            notes, profile = (*notes, f"{error}; colors were read as sRGB"), None
    color = color if color.mode == "RGB" else color.convert("RGB")
    levels = np.empty((color.height, color.width, 3), np.uint8)
    for top in range(0, color.height, _BAND):  # in bands, because np.asarray of the image copies three times
        box = (0, top, color.width, min(top + _BAND, color.height))
        levels[top : box[3]] = np.asarray(color.crop(box))
    return Pixels(levels, alpha, 8, profile, notes)


def _split_alpha(image: Image.Image) -> tuple[Image.Image, AlphaArray | None]:
    """Return the color as an image of mode L, RGB, CMYK or LAB, and alpha."""
    if image.has_transparency_data:
        gray = image.mode in ("1", "L", "LA", "La")
        image = image.convert("LA" if gray else "RGBA")
        return image.convert("L" if gray else "RGB"), np.asarray(image.getchannel("A")).copy()
    if image.mode in ("CMYK", "LAB", "L", "RGB"):
        return image, None
    return image.convert("L" if image.mode == "1" else "RGB"), None


def _transformed(image: Image.Image, source: Any, target: Any) -> Image.Image:
    converted = ImageCms.profileToProfile(image, source, target, outputMode="RGB")
    assert converted is not None  # None only with inPlace=True
    return converted


@lru_cache(maxsize=1)
def srgb_profile() -> bytes:
    """Return the bytes of an sRGB profile with a fixed creation time, so that output is reproducible."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    struct.pack_into(">6H", profile, 24, 2000, 1, 1, 0, 0, 0)
    return bytes(profile)


def to_srgb_8bit(image: Image.Image, profile: bytes) -> tuple[Image.Image, bytes]:
    """Convert an ``RGB`` or ``CMYK`` image to sRGB; return it with an sRGB profile.

    Pixels that are already sRGB are returned unchanged with their profile.
    """
    space = _color_space(profile)
    if image.mode != space:
        raise ProfileError(f"the color profile is for {space}, the pixels are {image.mode}")
    if space == "RGB" and _is_srgb(profile):
        return image, profile
    return _convert_8bit(image, profile), srgb_profile()


def to_srgb_float(pixels: NDArray[Any], profile: bytes) -> tuple[NDArray[Any], bytes]:
    """Convert gray ``(H, W)`` or RGB ``(H, W, 3)`` of any type to float sRGB and an sRGB profile.

    Pixels that are already sRGB are returned unchanged with their profile.
    """
    space = _color_space(profile)
    if space != ("GRAY" if pixels.ndim == 2 else "RGB") and not (space == "RGB" and pixels.ndim == 2):
        raise ProfileError(f"the color profile is for {space}, the pixels are not")
    if space == "RGB" and _is_srgb(profile):
        return pixels, profile
    values = as_rgb(pixels) if space == "RGB" else unit_range(pixels)
    return _convert_float(values, profile), srgb_profile()


def _color_space(profile: bytes) -> str:
    """Return the color space of a profile, such as ``"RGB"``, ``"GRAY"`` or ``"CMYK"``."""
    return profile[16:20].decode("latin-1").strip()


@lru_cache(maxsize=16)
def _is_srgb(profile: bytes) -> bool:
    """Return whether a profile changes no color of a 9 x 9 x 9 lattice by more than 2 of 255 levels."""
    steps = np.linspace(0, 255, 9).round().astype(np.uint8)
    lattice = np.stack(np.meshgrid(steps, steps, steps), axis=-1).reshape(27, 27, 3)
    change = np.asarray(_convert_8bit(Image.fromarray(lattice), profile)).astype(int) - lattice
    return bool(np.abs(change).max() <= 2)


def _convert_8bit(image: Image.Image, profile: bytes) -> Image.Image:
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        target = ImageCms.ImageCmsProfile(io.BytesIO(srgb_profile()))
        return _transformed(image, source, target)
    except (ImageCms.PyCMSError, OSError) as error:
        raise ProfileError(f"the color profile cannot be applied ({error})") from error


def _convert_float(pixels: FloatArray, profile: bytes) -> FloatArray:
    """Convert ``(H, W)`` gray or ``(H, W, 3)`` RGB in [0, 1] from the color space of the profile."""
    # The perceptual intent would compensate the black point of matrix profiles, even if it was raised on
    # purpose. Profiles with tables use the perceptual intent, as in the 8-bit conversion.
    tags = min(int.from_bytes(profile[128:132], "big"), 100)
    has_table = b"A2B0" in {profile[132 + 12 * i : 136 + 12 * i] for i in range(tags)}
    try:
        converted: FloatArray = cms_transform(
            np.ascontiguousarray(pixels),
            profile,
            srgb_profile(),
            colorspace="gray" if pixels.ndim == 2 else "rgb",
            outcolorspace="rgb",
            outdtype="float32",
            intent=CMS.INTENT.PERCEPTUAL if has_table else CMS.INTENT.RELATIVE_COLORIMETRIC,
        )
    except (RuntimeError, ValueError) as error:
        raise ProfileError(f"the color profile cannot be applied ({error})") from error
    return np.clip(converted, 0, 1)
