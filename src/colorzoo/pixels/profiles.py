"""Conversion of stored pixels to sRGB.

imagecodecs applies color profiles with LittleCMS. Pillow is not used for this step, because it supports only
8 bits and converts gray profiles with errors of up to 9 of 255 levels in dark pixels.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
from imagecodecs import CMS, cms_transform
from numpy.typing import NDArray
from PIL import Image, ImageCms

from colorzoo.errors import ImageError
from colorzoo.pixels.raster import BAND, Raster, as_rgb, unit_range


@dataclass(frozen=True)
class Pixels(Raster):
    """Decoded sRGB pixels.

    Attributes:
        icc: sRGB profile of ``levels``; None if the source has no color profile.
    """

    icc: bytes | None = None


class ProfileError(ValueError):
    """Error for a color profile that is damaged, unsupported, or for another color space."""


def array_pixels(array: NDArray[Any]) -> Pixels:
    """Convert an sRGB array of uint8, uint16 or floats in [0, 1] to `Pixels`.

    Args:
        array: ``(H, W)`` or ``(H, W, 1)`` gray, ``(H, W, 3)`` RGB, or ``(H, W, 4)`` RGB with alpha.

    Raises:
        ImageError: The shape, type or range of the array is not supported.
    """
    if array.ndim == 2:
        array = array[..., None]
    if array.ndim != 3 or array.shape[2] not in (1, 3, 4) or 0 in array.shape:
        raise ImageError(f"the array must have shape (H, W), (H, W, 3) or (H, W, 4), got {array.shape}")
    if array.dtype == bool:
        array = array.astype(np.uint8) * np.uint8(255)
    channels = array.shape[2]
    is_float = array.dtype.kind == "f"
    if not is_float and array.dtype not in (np.uint8, np.uint16):
        raise ImageError(f"the pixel type must be uint8, uint16 or float, got {array.dtype}")
    if is_float and not (array.min() >= 0 and array.max() <= 1):
        raise ImageError(f"pixels of type float must be in [0, 1], got {array.min()} to {array.max()}")
    color = array[..., 0] if channels == 1 else array[..., :3]
    levels = color.astype(np.float32 if is_float else array.dtype)  # a copy
    alpha = None
    if channels == 4:
        stored_alpha = array[..., 3]
        if is_float:  # float16 numbers are at most 65504
            alpha = np.round(stored_alpha.astype(np.float32) * 65535).astype(np.uint16)
        else:
            alpha = stored_alpha.copy()
    return Pixels(levels, alpha, bit_depth=8 if array.dtype == np.uint8 else 16)


def image_pixels(image: Image.Image) -> Pixels:
    """Convert a PIL image of at most 8 bits per channel to sRGB `Pixels`.

    The color profile of the image is applied.
    """
    profile = image.info.get("icc_profile") or None  # an empty profile is ignored
    alpha = None
    opaque_mode = "L" if image.mode in ("1", "L", "LA", "La") else "RGB"
    if image.has_transparency_data:
        image = image.convert(f"{opaque_mode}A")
        alpha = np.asarray(image.getchannel("A")).copy()
    if image.mode not in (opaque_mode, "CMYK"):
        image = image.convert(opaque_mode)  # the variable is reused so that the image with alpha is freed
    channels = len(image.getbands())
    size = (image.height, image.width)
    levels = np.empty(size if channels == 1 else (*size, channels), np.uint8)
    # a band of rows at a time, because np.asarray(image) makes three copies
    for top in range(0, image.height, BAND):
        bottom = min(top + BAND, image.height)
        levels[top:bottom] = np.asarray(image.crop((0, top, image.width, bottom)))
    pixels = Pixels(levels, alpha)
    return with_profile(pixels, profile) if profile or image.mode == "CMYK" else pixels


def with_profile(pixels: Pixels, profile: bytes | None) -> Pixels:
    """Convert gray, RGB or CMYK pixels to sRGB.

    Gray and RGB pixels without a valid profile are assumed to be sRGB. CMYK pixels without a valid profile
    are converted by a simple formula.

    Args:
        pixels: Pixels before the conversion; ``levels`` has the shape ``(H, W, 4)`` for CMYK.
        profile: ICC profile of the pixels, or None.
    """
    is_cmyk = pixels.levels.ndim == 3 and pixels.levels.shape[2] == 4
    problem = ""
    if profile is not None:
        try:
            levels, icc = to_srgb(pixels.levels, profile)
        except ProfileError as error:
            problem = f"{error}; "
        else:
            notes = (*pixels.notes, "converted from CMYK") if is_cmyk else pixels.notes
            return replace(pixels, levels=levels, icc=icc, notes=notes)
    if is_cmyk:
        paper = 1 - unit_range(pixels.levels)  # part of the paper that each ink leaves free
        rgb = paper[..., :3] * paper[..., 3:]  # each color ink absorbs one of R, G and B; black absorbs all
        note = f"{problem}converted from CMYK without a color profile"
        return replace(pixels, levels=rgb, notes=(*pixels.notes, note))
    if problem:
        return replace(pixels, notes=(*pixels.notes, f"{problem}pixels were interpreted as sRGB"))
    return pixels


@lru_cache(maxsize=1)
def srgb_profile() -> bytes:
    """Return an sRGB ICC profile, which is embedded in output files.

    The profile has a fixed creation time, so that output files are reproducible.
    """
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    struct.pack_into(">6H", profile, 24, 2000, 1, 1, 0, 0, 0)
    return bytes(profile)


def to_srgb(pixels: NDArray[Any], profile: bytes) -> tuple[NDArray[Any], bytes]:
    """Convert gray, RGB or CMYK pixels of any type to sRGB.

    The shape is ``(H, W)`` for gray, ``(H, W, 3)`` for RGB and ``(H, W, 4)`` for CMYK. The result is
    uint8 for uint8 color pixels, and float for other pixels.

    Args:
        pixels: Pixels before the conversion.
        profile: ICC profile of the pixels.

    Returns:
        Converted pixels and an sRGB profile. If ``profile`` is already an sRGB profile, ``pixels`` and
        ``profile`` are returned unchanged.

    Raises:
        ProfileError: The profile is damaged, or does not match the color space of the pixels.
    """
    space = profile[16:20].decode("latin-1").strip()  # field of the ICC header
    channels = 1 if pixels.ndim == 2 else pixels.shape[2]
    pixel_space = {1: "GRAY", 3: "RGB", 4: "CMYK"}[channels]
    is_gray_with_rgb_profile = pixel_space == "GRAY" and space == "RGB"
    if space != pixel_space and not is_gray_with_rgb_profile:
        raise ProfileError(f"the color profile is for {space}, but the pixels are {pixel_space}")
    if space == "RGB" and _is_srgb(profile):
        return pixels, profile
    if is_gray_with_rgb_profile:
        pixels = as_rgb(pixels)
    if pixels.ndim == 3 and pixels.dtype == np.uint8:
        return _converted(pixels, profile, space, "uint8"), srgb_profile()
    values = unit_range(pixels)
    if space == "CMYK":  # LittleCMS expects ink in percent for floats
        values *= 100
    return np.clip(_converted(values, profile, space, "float32"), 0, 1), srgb_profile()


@lru_cache(maxsize=16)
def _is_srgb(profile: bytes) -> bool:
    """Return whether a profile changes colors by at most 2 of 255 levels."""
    steps = np.linspace(0, 255, 9).round().astype(np.uint8)
    lattice = np.stack(np.meshgrid(steps, steps, steps), axis=-1).reshape(27, 27, 3)
    change = _converted(lattice, profile, "RGB", "uint8").astype(int) - lattice
    return bool(np.abs(change).max() <= 2)


def _converted(pixels: NDArray[Any], profile: bytes, space: str, dtype: str) -> NDArray[Any]:
    # Matrix profiles use the relative colorimetric intent, because the perceptual intent compensates the
    # black point, even if it was raised on purpose. Profiles with tables use the perceptual intent.
    tag_count = min(int.from_bytes(profile[128:132], "big"), 100)
    tag_table = profile[132 : 132 + 12 * tag_count]  # 12 bytes for each tag, starting with its name
    has_table = b"A2B0" in {tag_table[start : start + 4] for start in range(0, len(tag_table), 12)}
    try:
        converted: NDArray[Any] = cms_transform(
            np.ascontiguousarray(pixels),
            profile,
            srgb_profile(),
            colorspace=space.lower(),
            outcolorspace="rgb",
            outdtype=dtype,
            intent=CMS.INTENT.PERCEPTUAL if has_table else CMS.INTENT.RELATIVE_COLORIMETRIC,
        )
    except (RuntimeError, ValueError) as error:
        raise ProfileError(f"the color profile cannot be applied ({error})") from error
    return converted
