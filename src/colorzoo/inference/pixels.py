"""From what a file stores to sRGB floats: modes, depths, transparency and color profiles."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms

from colorzoo.errors import PictureError
from colorzoo.inference.deep import decode_jxl, decode_png, decode_tiff
from colorzoo.inference.icc import ProfileError, srgb_profile, to_srgb_8bit, to_srgb_float
from colorzoo.inference.picture import AlphaArray, FloatArray, Levels, as_rgb

_TIFF_BITS, _TIFF_PHOTOMETRIC, _TIFF_EXTRA = 258, 262, 338
_BAND = 64  # rows, which a processor keeps at hand


@dataclass(frozen=True)
class Pixels:
    """Decoded pixels, as stored: not yet turned upright, but for TIFF, which its decoders turn themselves.

    Attributes:
        levels: sRGB, (H, W) or (H, W, 3): uint8, uint16, or float32 in [0, 1].
        alpha: (H, W) uint8 or uint16, or None.
        bit_depth: 8 or 16.
        icc: Profile that describes `levels`, None where the source had none.
        notes: What was converted or dropped on the way.
    """

    levels: Levels
    alpha: AlphaArray | None = None
    bit_depth: int = 8
    icc: bytes | None = None
    notes: tuple[str, ...] = ()


def array_pixels(array: NDArray[Any]) -> Pixels:
    """Take an array of uint8, uint16 or float in [0, 1] as sRGB.

    Raises:
        PictureError: If shape, type or range are others.
    """
    if array.ndim == 2:
        array = array[..., None]
    if array.ndim != 3 or array.shape[2] not in (1, 3, 4) or 0 in array.shape:
        raise PictureError(f"an array (H, W), (H, W, 3) or (H, W, 4) was expected, this one is {array.shape}")
    if array.dtype == bool:
        array = array.astype(np.uint8) * np.uint8(255)
    if array.dtype.kind == "f":
        if not (array.min() >= 0 and array.max() <= 1):
            raise PictureError(
                f"float pixels must lie in [0, 1], these reach from {array.min()} to {array.max()}"
            )
        color, alpha = array[..., :3].astype(np.float32), np.round(array[..., 3:] * 65535).astype(np.uint16)
    elif array.dtype in (np.uint8, np.uint16):
        color, alpha = array[..., :3].copy(), array[..., 3:].copy()
    else:
        raise PictureError(f"pixels must be uint8, uint16 or float, these are {array.dtype}")
    depth = 8 if array.dtype == np.uint8 else 16
    levels = color[..., 0] if color.shape[2] == 1 else color
    return Pixels(levels, alpha[..., 0] if alpha.size else None, depth)


def image_pixels(image: Image.Image, file: IO[bytes] | None) -> Pixels:
    """Convert a loaded PIL image; `file`, where it came from, serves 16-bit color that Pillow cuts to 8."""
    profile = image.info.get("icc_profile") or None
    header = png_header(file) if file is not None and image.format == "PNG" else (0, 0)
    if file is not None and _has_deep_color(image, header):
        deep = _deep_color(image, file, header, profile)
        if deep is not None:
            return deep
    if image.mode.startswith(("I", "F")):
        return _gray_pixels(image, profile)
    pixels = _eight_bit(image, profile)
    bits = _stored_bits(image, header)
    if bits > 8:
        return replace(pixels, notes=(*pixels.notes, f"read at 8 of its {bits} bits"))
    return pixels


def png_header(file: IO[bytes]) -> tuple[int, int]:
    """Return the bits a channel and the type of color of a PNG; its file stays where it stood."""
    place = file.tell()
    file.seek(24)
    bits, color = file.read(2)
    file.seek(place)
    return bits, color


def deep_pixels(stored: NDArray[np.uint16], profile: bytes | None) -> Pixels:
    """Convert (H, W, 1 to 4) of 16 bits a channel, as stored."""
    color, alpha = _split_channels(stored)
    return _profiled(color, alpha, profile, (), 16)


def _stored_bits(image: Image.Image, header: tuple[int, int]) -> int:
    if image.format == "PNG":
        return header[0]
    tags = getattr(image, "tag_v2", {}) if image.format == "TIFF" else {}
    return int(max(tags.get(_TIFF_BITS, (8,))))


def _has_deep_color(image: Image.Image, header: tuple[int, int]) -> bool:
    if image.format == "JXL":
        return True
    if image.format == "PNG":
        return header[0] == 16 and header[1] in (2, 4, 6)
    tags = getattr(image, "tag_v2", {}) if image.format == "TIFF" else {}
    bits = tags.get(_TIFF_BITS, (8,))
    return len(bits) in (3, 4) and set(bits) == {16} and tags.get(_TIFF_PHOTOMETRIC) == 2


def _deep_color(
    image: Image.Image, file: IO[bytes], header: tuple[int, int], profile: bytes | None
) -> Pixels | None:
    file.seek(0)
    if image.format == "TIFF":
        stored = decode_tiff(file)
    else:
        stored = (decode_png if image.format == "PNG" else decode_jxl)(file.read())
    if stored is None or stored.dtype != np.uint16:
        return None
    color, alpha = _split_channels(stored)
    if header == (16, 2):
        alpha = _color_key(color, image.info.get("transparency"))
    tags = getattr(image, "tag_v2", {}) if image.format == "TIFF" else {}
    if alpha is not None and 1 in tags.get(_TIFF_EXTRA, ()):  # color was multiplied by alpha
        color = np.clip(as_rgb(color) / np.maximum(alpha, 1)[..., None] * np.float32(65535), 0, 1).astype(
            np.float32
        )
    return _profiled(color, alpha, profile, (), 16)


def _split_channels(stored: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any] | None]:
    """Split (H, W, 1 to 4) into gray (H, W) or color (H, W, 3), and alpha (H, W) or None."""
    channels = stored.shape[2]
    color = stored[..., 0] if channels < 3 else stored[..., :3]
    return color, stored[..., -1].copy() if channels in (2, 4) else None


def _color_key(stored: NDArray[Any], key: Any) -> AlphaArray | None:
    """Alpha of a picture in which one color or gray value stands for transparent."""
    if key is None:
        return None
    same = stored == np.asarray(key)
    opaque = ~(same.all(axis=-1) if stored.ndim == 3 else same)
    return np.where(opaque, np.uint16(65535), np.uint16(0))


def deep_file(file: IO[bytes]) -> Pixels | None:
    """Decode a TIFF that Pillow refuses, such as one of floats in color; None where that fails too."""
    stored = decode_tiff(file)
    if stored is None:
        return None
    color, extra = _split_channels(stored)
    values, notes = _unit_range(color)
    alpha = None if extra is None else np.round(_unit_range(extra)[0] * 65535).astype(np.uint16)
    return _profiled(values, alpha, None, notes, 16)


def _gray_pixels(image: Image.Image, profile: bytes | None) -> Pixels:
    stored = np.asarray(image)
    if not image.mode.startswith("I;16"):
        values, notes = _unit_range(stored)
        return _profiled(values, None, profile, notes, 16)
    tags = getattr(image, "tag_v2", {}) if image.format == "TIFF" else {}
    full = 2 ** tags.get(_TIFF_BITS, (16,))[0] - 1  # Pillow keeps 12-bit values as they are
    top = int(stored.max())
    notes = (f"very dark: values reach only {top} of {full}",) if top < full / 16 else ()
    levels: Levels = stored.astype(np.uint16)
    if full != 65535:
        levels = np.minimum(stored.astype(np.float32) / np.float32(full), 1)
    return _profiled(levels, _color_key(stored, image.info.get("transparency")), profile, notes, 16)


def _unit_range(stored: NDArray[Any]) -> tuple[FloatArray, tuple[str, ...]]:
    """Bring values of unknown range into [0, 1]: by the smallest usual full scale, else by their own."""
    integer = stored.dtype.kind in "iu"
    values = np.nan_to_num(stored.astype(np.float64), nan=0.0, posinf=1.0, neginf=0.0)
    low, high = float(values.min()), float(values.max())
    scales = (255.0, 65535.0, 4294967295.0) if integer else (1.0, 255.0, 65535.0)
    for full in scales:
        if low >= 0 and high <= full:
            notes = () if full == 1.0 else (f"values taken as 0 to {full:.0f}",)
            return (values / full).astype(np.float32), notes
    span = max(high - low, 1e-12)
    return ((values - low) / span).astype(np.float32), (
        f"values {low:g} to {high:g} stretched to black and white",
    )


def _profiled(
    levels: Levels, alpha: AlphaArray | None, profile: bytes | None, notes: tuple[str, ...], depth: int
) -> Pixels:
    """Apply a profile in floats; without one, or with a useless one, levels count as sRGB."""
    if profile is not None:
        try:
            levels, profile = to_srgb_float(levels, profile)
        except ProfileError as error:
            notes, profile = (*notes, f"{error}; colors were taken as sRGB"), None
    return Pixels(levels, alpha, depth, profile, notes)


def _eight_bit(image: Image.Image, profile: bytes | None) -> Pixels:
    color, alpha = _split_alpha(image)
    notes: tuple[str, ...] = ()
    if color.mode == "CMYK":
        notes = ("converted from CMYK" if profile else "converted from CMYK without a color profile",)
    if color.mode == "LAB":
        color, profile = _lab_to_rgb(color), srgb_profile()
    elif color.mode == "L":
        return _profiled(np.array(color), alpha, profile, notes, 8)
    elif profile is not None:
        try:
            color, profile = to_srgb_8bit(color, profile)
        except ProfileError as error:
            notes, profile = (*notes, f"{error}; colors were taken as sRGB"), None
    return Pixels(_array_of(color if color.mode == "RGB" else color.convert("RGB")), alpha, 8, profile, notes)


def _array_of(image: Image.Image) -> NDArray[np.uint8]:
    """Return ``(H, W, 3)`` of an RGB image, in bands: Pillow's own copy moves all pixels three times."""
    levels = np.empty((image.height, image.width, 3), np.uint8)
    for top in range(0, image.height, _BAND):
        box = (0, top, image.width, min(top + _BAND, image.height))
        levels[top : box[3]] = np.asarray(image.crop(box))
    return levels


def _split_alpha(image: Image.Image) -> tuple[Image.Image, AlphaArray | None]:
    """Color of mode L, RGB, CMYK or LAB, and alpha."""
    if image.has_transparency_data:
        gray = image.mode in ("1", "L", "LA", "La")
        image = image.convert("LA" if gray else "RGBA")
        return image.convert("L" if gray else "RGB"), np.asarray(image.getchannel("A")).copy()
    if image.mode in ("CMYK", "LAB", "L", "RGB"):
        return image, None
    return image.convert("L" if image.mode == "1" else "RGB"), None


def _lab_to_rgb(image: Image.Image) -> Image.Image:
    lab, srgb = ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB")
    converted = ImageCms.profileToProfile(image, lab, srgb, outputMode="RGB")
    assert converted is not None  # only None with inPlace=True
    return converted
