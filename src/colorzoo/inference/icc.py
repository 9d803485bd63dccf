"""Color profiles: any profile in, sRGB out.

8-bit color goes through lcms. Gray and 16-bit color go through the profile's curves here: Pillow hands lcms
only 8 bits, and its gray transforms were found off by 9 of 255 in the shadows.
"""

from __future__ import annotations

import io
import struct
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms

FloatArray = NDArray[np.float32]

#: Linear sRGB to XYZ, both relative to D50, the white of color profiles.
_SRGB_TO_XYZ = np.array(
    [
        [0.4360747, 0.3850649, 0.1430804],
        [0.2225045, 0.7168786, 0.0606169],
        [0.0139322, 0.0971045, 0.7141733],
    ]
)


class ProfileError(ValueError):
    """A profile that is damaged, does not fit the picture, or is of a kind that cannot be applied."""


class TableProfileError(ProfileError):
    """An RGB profile without curves and a matrix, which only lcms can apply, at 8 bits."""


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
        The RGB picture and the profile to tag it with. Pixels that already are sRGB stay as they are.

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


def to_srgb_float(pixels: FloatArray, profile: bytes) -> tuple[FloatArray, bytes]:
    """Convert float pixels to sRGB through the curves and the matrix of the profile.

    Args:
        pixels: (H, W) gray or (H, W, 3) RGB in [0, 1], in the profile's space.
        profile: A gray profile, or an RGB profile of the matrix kind.

    Returns:
        (H, W, 3) sRGB in [0, 1] and the profile to tag it with.

    Raises:
        TableProfileError: If an RGB profile has no curves and matrix.
        ProfileError: If the profile is broken or of another color space.
    """
    space = color_space(profile)
    if pixels.ndim == 2 and space == "RGB":
        pixels = np.repeat(pixels[..., None], 3, axis=-1)
    if space != ("GRAY" if pixels.ndim == 2 else "RGB"):
        raise ProfileError(f"the color profile is for {space}, the pixels are not")
    if space == "RGB" and _is_srgb(profile):
        return pixels, profile
    try:
        linear = _linear_srgb(pixels, _tags(profile))
    except (KeyError, struct.error, IndexError, ZeroDivisionError) as error:
        kind = TableProfileError if space == "RGB" else ProfileError
        raise kind("the color profile has no curves that can be read") from error
    return _encode_srgb(linear), srgb_profile()


def _linear_srgb(pixels: FloatArray, tags: dict[str, bytes]) -> FloatArray:
    if pixels.ndim == 2:
        return np.repeat(_apply_curve(pixels, tags["kTRC"])[..., None], 3, axis=-1)
    linear = np.stack([_apply_curve(pixels[..., i], tags[f"{c}TRC"]) for i, c in enumerate("rgb")], axis=-1)
    columns = [np.array(struct.unpack_from(">3i", tags[f"{c}XYZ"], 8)) / 65536 for c in "rgb"]
    matrix = np.linalg.inv(_SRGB_TO_XYZ) @ np.stack(columns, axis=1)
    return np.asarray(linear @ matrix.T, dtype=np.float32)


def _tags(profile: bytes) -> dict[str, bytes]:
    (count,) = struct.unpack_from(">L", profile, 128)
    entries = [struct.unpack_from(">4sLL", profile, 132 + 12 * i) for i in range(min(count, 100))]
    return {name.decode("latin-1"): profile[offset : offset + size] for name, offset, size in entries}


def _apply_curve(values: FloatArray, tag: bytes) -> FloatArray:
    if tag[:4] == b"para":
        return _parametric(values, tag)
    if tag[:4] != b"curv":
        raise KeyError(tag[:4])
    (count,) = struct.unpack_from(">L", tag, 8)
    if count == 0:
        return values
    table = np.array(struct.unpack_from(f">{count}H", tag, 12))
    if count == 1:
        return np.asarray(values ** (table[0] / 256), dtype=np.float32)
    return np.interp(values, np.linspace(0, 1, count), table / 65535).astype(np.float32)


def _parametric(values: FloatArray, tag: bytes) -> FloatArray:
    """The five parametric curves of the ICC specification, section 10.18."""
    (kind,) = struct.unpack_from(">H", tag, 8)
    names = ("g", "gab", "gabc", "gabcd", "gabcdef")[kind]
    raw = struct.unpack_from(f">{len(names)}i", tag, 12)
    p = {**dict.fromkeys("bcdef", 0.0), "a": 1.0, **{n: v / 65536 for n, v in zip(names, raw, strict=True)}}
    if kind == 2:
        p["e"] = p["f"] = p["c"]  # Y = (aX + b)^g + c above the knee, c below
        p["c"] = 0.0
    start = p["d"] if kind >= 3 else -p["b"] / p["a"]
    power = np.maximum(p["a"] * values + p["b"], 0) ** p["g"] + p["e"]
    return np.asarray(np.where(values >= start, power, p["c"] * values + p["f"]), dtype=np.float32)


def _encode_srgb(linear: FloatArray) -> FloatArray:
    linear = np.clip(linear, 0, 1)
    curve = 1.055 * linear ** np.float32(1 / 2.4) - 0.055
    return np.where(linear <= 0.0031308, 12.92 * linear, curve).astype(np.float32)
