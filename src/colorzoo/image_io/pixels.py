"""Conversion of stored pixels to sRGB.

The conversion handles pixel modes, bit depths, transparency and color profiles. imagecodecs applies the
profiles with LittleCMS. Pillow is not used for this step, because it supports only 8 bits and converts gray
profiles with errors of up to 9 of 255 levels in dark pixels.
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
from colorzoo.image_io.raster_image import AlphaArray, Levels, as_rgb, unit_range

_BAND = 64  # rows that fit into the CPU cache


@dataclass(frozen=True)
class Pixels:
    """Decoded sRGB pixels before EXIF rotation.

    Attributes:
        levels: sRGB, ``(H, W)`` or ``(H, W, 3)``: uint8, uint16, or float32 in [0, 1].
        alpha: ``(H, W)`` uint8 or uint16, or None.
        bit_depth: Bits per channel, 8 or 16.
        icc: sRGB profile of ``levels``; None if the source has no color profile.
        notes: Notes for the user about conversions and dropped data.
    """

    levels: Levels
    alpha: AlphaArray | None
    bit_depth: int = 8
    icc: bytes | None = None
    notes: tuple[str, ...] = ()


class ProfileError(ValueError):
    """Error for a color profile that is damaged, unsupported, or for another color space."""


def array_pixels(array: NDArray[Any]) -> Pixels:
    """Convert an sRGB array of uint8, uint16 or floats in [0, 1] to `Pixels`.

    Raises:
        ImageError: The shape, type or range of the array is not supported.
    """
    if array.ndim == 2:
        array = array[..., None]
    if array.ndim != 3 or array.shape[2] not in (1, 3, 4) or 0 in array.shape:
        raise ImageError(f"the array must have shape (H, W), (H, W, 3) or (H, W, 4), got {array.shape}")
    if array.dtype == bool:
        array = array.astype(np.uint8) * np.uint8(255)
    if array.dtype.kind == "f":
        if not (array.min() >= 0 and array.max() <= 1):
            raise ImageError(f"pixels of type float must be in [0, 1], got {array.min()} to {array.max()}")
        color, alpha = array[..., :3].astype(np.float32), np.round(array[..., 3:] * 65535).astype(np.uint16)
    elif array.dtype in (np.uint8, np.uint16):
        color, alpha = array[..., :3].copy(), array[..., 3:].copy()
    else:
        raise ImageError(f"the pixel type must be uint8, uint16 or float, got {array.dtype}")
    depth = 8 if array.dtype == np.uint8 else 16
    levels = color[..., 0] if color.shape[2] == 1 else color
    return Pixels(levels, alpha[..., 0] if alpha.size else None, depth)


def image_pixels(image: Image.Image) -> Pixels:
    """Convert a PIL image of at most 8 bits per channel to sRGB by its color profile."""
    color, alpha = _split_alpha(image)
    levels = np.empty((color.height, color.width, len(color.getbands())), np.uint8)
    # converted in bands, because np.asarray(image) makes three copies
    for top in range(0, color.height, _BAND):
        box = (0, top, color.width, min(top + _BAND, color.height))
        levels[top : box[3]] = np.asarray(color.crop(box)).reshape(box[3] - top, color.width, -1)
    if levels.shape[2] == 1:
        levels = levels[..., 0]
    return with_profile(Pixels(levels, alpha), image.info.get("icc_profile") or None)


def _split_alpha(image: Image.Image) -> tuple[Image.Image, AlphaArray | None]:
    """Return the color channels as an image of mode L, RGB or CMYK, and the alpha channel."""
    if image.has_transparency_data:
        gray = image.mode in ("1", "L", "LA", "La")
        image = image.convert("LA" if gray else "RGBA")
        return image.convert("L" if gray else "RGB"), np.asarray(image.getchannel("A")).copy()
    if image.mode in ("CMYK", "L", "RGB"):
        return image, None
    return image.convert("L" if image.mode == "1" else "RGB"), None


def with_profile(pixels: Pixels, profile: bytes | None) -> Pixels:
    """Convert gray, RGB or CMYK ``(H, W, 4)`` pixels to sRGB.

    Gray and RGB pixels without a valid profile are assumed to be sRGB.
    """
    levels, icc, notes = pixels.levels, None, pixels.notes
    is_cmyk = levels.ndim == 3 and levels.shape[2] == 4
    if profile is not None:
        try:
            levels, icc = to_srgb(levels, profile)
        except ProfileError as error:
            notes += (f"{error}; pixels were interpreted as sRGB",)
    if is_cmyk:
        notes += ("converted from CMYK" if icc else "converted from CMYK without a color profile",)
        if icc is None:
            paper = 1 - unit_range(levels)
            levels = paper[..., :3] * paper[..., 3:]
    return replace(pixels, levels=levels, icc=icc, notes=notes)


@lru_cache(maxsize=1)
def srgb_profile() -> bytes:
    """Return an sRGB profile with a fixed creation time.

    With a fixed creation time, output files are reproducible.
    """
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    struct.pack_into(">6H", profile, 24, 2000, 1, 1, 0, 0, 0)
    return bytes(profile)


def to_srgb(pixels: NDArray[Any], profile: bytes) -> tuple[NDArray[Any], bytes]:
    """Convert gray, RGB or CMYK pixels of any type to sRGB.

    Gray pixels have the shape ``(H, W)``, RGB ``(H, W, 3)`` and CMYK ``(H, W, 4)``. If color pixels are
    uint8, the result is uint8. Otherwise the result is float.

    Returns:
        The converted pixels and an sRGB profile. If the pixels are already sRGB, pixels and profile are
        returned unchanged.

    Raises:
        ProfileError: The profile is damaged or is for another color space than the pixels.
    """
    space = profile[16:20].decode("latin-1").strip()
    expected = "GRAY" if pixels.ndim == 2 else "RGB" if pixels.shape[2] == 3 else "CMYK"
    if space != expected and (space, expected) != ("RGB", "GRAY"):
        raise ProfileError(f"the color profile is for {space}, but the pixels are {expected}")
    if space == "RGB":
        if _is_srgb(profile):
            return pixels, profile
        pixels = as_rgb(pixels) if pixels.ndim == 2 else pixels
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
    tags = min(int.from_bytes(profile[128:132], "big"), 100)
    has_table = b"A2B0" in {profile[132 + 12 * i : 136 + 12 * i] for i in range(tags)}
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
