"""Color profiles: any profile in, sRGB out.

lcms does it: 8-bit color by Pillow, gray and 16-bit color in floats by imagecodecs. Pillow hands lcms only 8
bits, and its gray transforms were found off by 9 of 255 in the shadows.
"""

from __future__ import annotations

import io
import struct
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms

FloatArray = NDArray[np.float32]


class ProfileError(ValueError):
    """A profile that is damaged, does not fit the picture, or is of a kind that cannot be applied."""


@lru_cache(maxsize=1)
def srgb_profile() -> bytes:
    """Bytes of an sRGB profile, the same in every run (lcms stamps the time, which is fixed here)."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    struct.pack_into(">6H", profile, 24, 2000, 1, 1, 0, 0, 0)
    return bytes(profile)


def color_space(profile: bytes) -> str:
    """Color space the profile describes, such as ``"RGB"``, ``"GRAY"`` or ``"CMYK"``."""
    return profile[16:20].decode("latin-1").strip()


def to_srgb_8bit(image: Image.Image, profile: bytes) -> tuple[Image.Image, bytes]:
    """Convert an 8-bit picture without alpha to sRGB through lcms.

    Args:
        image: Of mode ``RGB`` or ``CMYK``.
        profile: The ICC profile of its pixels.

    Returns:
        The RGB picture and the profile to tag it with. Pixels that are sRGB stay as they are.

    Raises:
        ProfileError: If the profile is broken or belongs to another kind of pixels.
    """
    space = color_space(profile)
    if image.mode != space:
        raise ProfileError(f"the color profile is for {space}, the pixels are {image.mode}")
    if space == "RGB" and _is_srgb(profile):
        return image, profile
    return _lcms(image, profile), srgb_profile()


def _lcms(image: Image.Image, profile: bytes) -> Image.Image:
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        target = ImageCms.ImageCmsProfile(io.BytesIO(srgb_profile()))
        converted = ImageCms.profileToProfile(image, source, target, outputMode="RGB")
    except (ImageCms.PyCMSError, OSError) as error:
        raise ProfileError(f"the color profile cannot be applied ({error})") from error
    assert converted is not None  # only None with inPlace=True
    return converted


@lru_cache(maxsize=16)
def _is_srgb(profile: bytes) -> bool:
    """Whether the profile moves no color of a 9x9x9 lattice by more than 2 of 255."""
    steps = np.linspace(0, 255, 9).round().astype(np.uint8)
    lattice = np.stack(np.meshgrid(steps, steps, steps), axis=-1).reshape(27, 27, 3)
    moved = np.asarray(_lcms(Image.fromarray(lattice), profile)).astype(int) - lattice
    return bool(np.abs(moved).max() <= 2)


def to_srgb_float(pixels: NDArray[Any], profile: bytes) -> tuple[NDArray[Any], bytes]:
    """Convert gray or deep pixels to sRGB, in floats.

    Args:
        pixels: (H, W) gray or (H, W, 3) RGB in the profile's space: float in [0, 1], uint8 or uint16.
        profile: A gray or an RGB profile.

    Returns:
        (H, W, 3) sRGB in [0, 1] and the profile to tag it with. Pixels that are sRGB stay as they are.

    Raises:
        ProfileError: If the profile is broken or of another color space.
    """
    space = color_space(profile)
    if space != ("GRAY" if pixels.ndim == 2 else "RGB") and not (space == "RGB" and pixels.ndim == 2):
        raise ProfileError(f"the color profile is for {space}, the pixels are not")
    if space == "RGB" and _is_srgb(profile):
        return pixels, profile
    values = pixels.astype(np.float32)
    if pixels.dtype.kind == "u":
        values /= np.float32(np.iinfo(pixels.dtype).max)
    if pixels.ndim == 2 and space == "RGB":
        values = np.repeat(values[..., None], 3, axis=-1)
    return _lcms_float(values, profile), srgb_profile()


def _lcms_float(pixels: FloatArray, profile: bytes) -> FloatArray:
    """Convert (H, W) gray or (H, W, 3) RGB in [0, 1] of the same color space as the profile."""
    from imagecodecs import CMS, cms_transform

    # perceptual would compensate black points, even of curves that are lifted on purpose; tables are read as
    # for 8 bits
    intent = CMS.INTENT.PERCEPTUAL if _has_table(profile) else CMS.INTENT.RELATIVE_COLORIMETRIC
    try:
        converted: FloatArray = cms_transform(
            np.ascontiguousarray(pixels),
            profile,
            srgb_profile(),
            colorspace="gray" if pixels.ndim == 2 else "rgb",
            outcolorspace="rgb",
            outdtype="float32",
            intent=intent,
        )
    except (RuntimeError, ValueError) as error:
        raise ProfileError(f"the color profile cannot be applied ({error})") from error
    return np.clip(converted, 0, 1)


def _has_table(profile: bytes) -> bool:
    count = int.from_bytes(profile[128:132], "big")
    return b"A2B0" in {profile[132 + 12 * i : 136 + 12 * i] for i in range(min(count, 100))}
