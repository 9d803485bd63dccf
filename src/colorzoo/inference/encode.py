"""Encode a colored picture with everything its source carried, into bytes."""

from __future__ import annotations

import contextlib
import io
import struct
import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from PIL.TiffImagePlugin import ImageFileDirectory_v2

from colorzoo.inference.deep import encode_png, encode_tiff_strip
from colorzoo.inference.metadata import EXIF_IFD, GPS_IFD, INTEROP_IFD, LAYOUT_TAGS, ORIENTATION, Metadata
from colorzoo.inference.picture import Levels, Picture, unit_range
from colorzoo.inference.png import png_chunk

DEEP_FORMATS = frozenset({"PNG", "TIFF"})
ALPHA_FORMATS = frozenset({"PNG", "TIFF", "WEBP", "AVIF", "GIF"})
XMP_FORMATS = frozenset({"JPEG", "PNG", "TIFF", "WEBP", "AVIF"})
_JPEG_SEGMENT = 65533  # bytes that one marker of a JPEG can hold
_JPEG_XMP_HEADER = 29
TIFF_HEADER = b"II*\0\x08\0\0\0"  # the first directory follows at once
_ROWS = 256  # rounded at a time


def encode(rgb: Levels, like: Picture, kind: str, quality: int) -> bytes:
    """Encode as ``"JPEG"``, ``"PNG"``, ``"TIFF"``, ``"WEBP"``, ``"AVIF"``, ``"GIF"`` or ``"BMP"``.

    Args:
        rgb: (H, W, 3) float in [0, 1], or levels of `stored_depth`.
        like: The source, for depth, alpha and metadata.
        kind: The format.
        quality: 1 to 100, for the formats with loss.

    Returns:
        The bytes of the file.
    """
    stored = quantized(rgb, like if kind in ALPHA_FORMATS else None, stored_depth(like, kind))
    if kind == "PNG":
        header, chunks, rest = png_parts(stored, like.metadata)
        return header + chunks + rest
    if kind == "TIFF":
        return TIFF_HEADER + b"".join(tiff_page(stored, like.metadata, len(TIFF_HEADER)))
    return still(stored, like, kind, quality)


def stored_depth(like: Picture, kind: str) -> int:
    """Return how many bits, 8 or 16, a picture gets in a format."""
    return 16 if like.bit_depth == 16 and kind in DEEP_FORMATS else 8


def quantized(rgb: Levels, alpha_of: Picture | None, depth: int) -> NDArray[Any]:
    """(H, W, 3 or 4) uint8 or uint16, rounded to nearest, with the alpha of `alpha_of`."""
    kind: Any = np.uint16 if depth == 16 else np.uint8
    color = rgb if rgb.dtype == kind else _rounded(rgb, kind)
    alpha = None if alpha_of is None else alpha_of.alpha
    if alpha is None:
        return np.ascontiguousarray(color)
    if alpha.dtype != kind:
        wider = alpha.astype(np.uint32)
        alpha = (wider * 257 if depth == 16 else (wider + 128) // 257).astype(kind)
    return np.dstack([color, alpha])


def _rounded(rgb: Levels, kind: Any) -> NDArray[Any]:
    color = np.empty(rgb.shape, dtype=kind)
    for first in range(0, len(rgb), _ROWS):  # the floats in between would take twice the picture's memory
        rows = slice(first, first + _ROWS)
        color[rows] = np.rint(np.clip(unit_range(rgb[rows]), 0, 1) * np.float32(np.iinfo(kind).max))
    return color


def fits_jpeg(metadata: Metadata) -> dict[str, bool]:
    """Which of ``exif``, ``xmp``, ``comment``, ``photoshop`` fit into the segments of a JPEG."""
    spare = {"exif": 6, "xmp": _JPEG_XMP_HEADER, "comment": 0, "photoshop": 0}
    return {name: len(getattr(metadata, name) or b"") <= _JPEG_SEGMENT - used for name, used in spare.items()}


def _options(kind: str, like: Picture, quality: int) -> dict[str, Any]:
    data = like.metadata
    if kind == "JPEG":
        return _jpeg_options(data, quality)
    if kind in ("WEBP", "AVIF"):
        options: dict[str, Any] = {
            "quality": quality,
            "icc_profile": data.icc or b"",
            "exif": b"Exif\0\0" + data.exif if data.exif else b"",
            "xmp": data.xmp or b"",
        }
        if kind == "WEBP":
            return {**options, "lossless": data.lossless or quality >= 100, "exact": like.alpha is not None}
        # AVIF applies its quality to alpha too, and only 100 keeps that exact
        return {**options, "quality": quality if like.alpha is None else 100, "subsampling": "4:4:4"}
    return {"dpi": data.dpi} if data.dpi else {}


def _jpeg_options(data: Metadata, quality: int) -> dict[str, Any]:
    fits = fits_jpeg(data)
    # 4:4:4, since hints a few pixels wide would bleed at half resolution
    options: dict[str, Any] = {"quality": quality, "subsampling": 0, "icc_profile": data.icc}
    if data.dpi:
        options["dpi"] = data.dpi
    if data.exif and fits["exif"]:
        options["exif"] = b"Exif\0\0" + data.exif
    if data.xmp and fits["xmp"]:
        options["xmp"] = data.xmp
    if data.comment and fits["comment"]:
        options["comment"] = data.comment
    if data.photoshop and fits["photoshop"]:
        options["extra"] = b"\xff\xed" + struct.pack(">H", 2 + len(data.photoshop)) + data.photoshop
    return options


def gif_image(stored: NDArray[Any]) -> tuple[Image.Image, dict[str, Any]]:
    """Return a picture in 255 colors, and what its file has to say of a transparent one, if it has alpha."""
    image = Image.fromarray(stored[..., :3]).quantize(255)
    if stored.shape[2] == 3:
        return image, {}
    indices = np.where(stored[..., 3] < 128, np.uint8(255), np.asarray(image))
    palette = image.getpalette()
    image = Image.fromarray(indices)
    palette = palette or []
    image.putpalette(palette + [0] * (768 - len(palette)))
    return image, {"transparency": 255}


def still(stored: NDArray[Any], like: Picture, kind: str, quality: int) -> bytes:
    """Encode a picture by Pillow.

    Args:
        stored: (H, W, 3 or 4) uint8.
        like: The source, for its metadata.
        kind: The format, neither PNG nor TIFF.
        quality: 1 to 100, for the formats with loss.
    """
    memory = io.BytesIO()
    if kind == "GIF":
        image, options = gif_image(stored)
        options |= {"comment": like.metadata.comment} if like.metadata.comment else {}
    else:
        image, options = Image.fromarray(stored), _options(kind, like, quality)
    image.save(memory, kind, **options)
    return memory.getvalue()


def png_parts(stored: NDArray[Any], data: Metadata) -> tuple[bytes, bytes, bytes]:
    """Return the parts of a PNG: up to its header, what `data` says, and the pixels to the end."""
    if stored.dtype == np.uint16:
        encoded = encode_png(stored)
    else:
        memory = io.BytesIO()
        Image.fromarray(stored).save(memory, "PNG")
        encoded = memory.getvalue()
    header = 8 + 25  # signature and IHDR, which must come first
    return encoded[:header], _png_chunks(data), encoded[header:]


def _png_chunks(data: Metadata) -> bytes:
    chunks = []
    if data.icc:
        chunks.append((b"iCCP", b"ICC profile\0\0" + zlib.compress(data.icc)))
    if data.dpi:
        x, y = (round(value / 0.0254) for value in data.dpi)
        chunks.append((b"pHYs", struct.pack(">LLB", x, y, 1)))
    if data.exif:
        chunks.append((b"eXIf", data.exif))
    texts = [(key.encode("latin-1", "replace"), value.encode()) for key, value in data.text]
    if data.xmp:
        texts.append((b"XML:com.adobe.xmp", data.xmp))
    chunks += [(b"iTXt", key + b"\0\0\0\0\0" + value) for key, value in texts]
    return b"".join(png_chunk(name, body) for name, body in chunks)


def tiff_page(stored: NDArray[Any], data: Metadata, place: int) -> tuple[bytes, bytes]:
    """Return the directory of a page and its pixels, to be written one behind the other.

    One strip, without compression where the source had none, else deflate over differences. Pillow writes the
    tags, since tifffile leaves out the nested ones of EXIF and GPS.

    Args:
        stored: (H, W, 3 or 4) uint8 or uint16.
        data: What the page carries.
        place: Where in the file the directory will begin.
    """
    height, width, channels = stored.shape
    if data.uncompressed:
        strip = stored.astype(stored.dtype.newbyteorder("<")).tobytes()
    else:
        strip = encode_tiff_strip(stored)
    tags = _descriptive_tags(data)
    bits = stored.dtype.itemsize * 8
    tags[256], tags[257], tags[258], tags[277] = width, height, (bits,) * channels, channels
    tags[259], tags[262] = 1 if data.uncompressed else 8, 2
    tags[273], tags[278], tags[279] = 0, height, len(strip)
    if not data.uncompressed:
        tags[317] = 2
    if channels == 4:
        tags[338] = 2  # alpha was not multiplied into the color
    return tags.tobytes(place), strip  # which moves the strip's offset behind the tags


def _descriptive_tags(data: Metadata) -> ImageFileDirectory_v2:
    tags = ImageFileDirectory_v2()
    exif = Image.Exif()
    exif.load(data.exif or b"")
    for tag in set(exif) - LAYOUT_TAGS - {ORIENTATION}:
        with contextlib.suppress(Exception):  # one tag of a wrong type must not cost the others
            alone = ImageFileDirectory_v2()
            alone[tag] = value = _tag_value(exif, tag)
            alone.tobytes()
            tags[tag] = value
    if data.dpi:
        tags[282], tags[283], tags[296] = *data.dpi, 2
    for tag, packet in ((700, data.xmp), (34675, data.icc)):
        if packet:
            tags.tagtype[tag] = 1 if tag == 700 else 7
            tags[tag] = packet
    return tags


def _tag_value(exif: Image.Exif, tag: int) -> Any:
    if tag not in (EXIF_IFD, GPS_IFD):
        return exif[tag]
    nested = dict(exif.get_ifd(tag))
    if INTEROP_IFD in nested:
        nested[INTEROP_IFD] = exif.get_ifd(INTEROP_IFD)
    return nested
