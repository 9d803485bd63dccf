"""Writing of colored images as files of the source's kind, with all that the source carried.

A file appears whole or not at all.
"""

from __future__ import annotations

import errno
import io
import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, BinaryIO

import imagecodecs
import numpy as np
from numpy.typing import NDArray
from PIL import Image, PngImagePlugin

from colorzoo import atomic
from colorzoo.errors import DiskFullError, ImageError
from colorzoo.image_io.formats import WRITABLE
from colorzoo.image_io.frames import Frames
from colorzoo.image_io.metadata import Metadata, has_description
from colorzoo.image_io.raster_image import Levels, RasterImage, unit_range
from colorzoo.image_io.tiff import TIFF_HEADER, encode_page

DEEP_FORMATS = frozenset({"PNG", "TIFF"})
ALPHA_FORMATS = frozenset({"PNG", "TIFF", "WEBP", "AVIF", "GIF"})
XMP_FORMATS = frozenset({"JPEG", "PNG", "TIFF", "WEBP", "AVIF"})
ANIMATED_FORMATS = frozenset({"TIFF", "PNG", "GIF", "WEBP"})

_METADATA_FORMATS = {
    "exif": ("EXIF", {"JPEG", "PNG", "TIFF", "WEBP", "AVIF"}),
    "icc": ("color profile", {"JPEG", "PNG", "TIFF", "WEBP", "AVIF"}),
    "xmp": ("XMP", XMP_FORMATS),
    "iptc": ("IPTC", {"JPEG", "TIFF"}),
    "comment": ("comment", {"JPEG", "GIF", "PNG", "TIFF"}),
    "text": ("PNG text", {"PNG"}),
}
_LONGEST_SIDE = {"JPEG": 65500, "WEBP": 16383, "AVIF": 65536, "GIF": 65535}
_JPEG_SEGMENT = 65533  # bytes that one segment of a JPEG can hold
_IPTC_HEAD = b"Photoshop 3.0\08BIM\x04\x04\0\0"  # of the segment that holds captions
# bytes of a segment besides its content; captions have their length too, and are of even length
_JPEG_PREFIX = {"exif": 6, "xmp": 29, "comment": 0, "iptc": len(_IPTC_HEAD) + 5}
_PNG_HEADER = 8 + 25  # bytes of signature and chunk IHDR, which come first
_ROWS = 256  # rounded at a time


def write_image(
    path: str | Path, rgb: Levels, like: RasterImage, *, quality: int = 95, overwrite: bool = False
) -> Path:
    """Write a colored result with the depth, alpha and metadata of its source.

    Examples:
        >>> image = read_image("photo.png")
        >>> write_image("copy.png", image.rgb, like=image).name
        'copy.png'

    The extension decides the format. Data that it cannot hold are dropped (JPEG drops alpha and the lower
    8 of 16 bits); `write_notes` lists them. The file appears whole or not at all.

    Args:
        path: The file to write; missing folders are created.
        rgb: ``(H, W, 3)`` sRGB: uint8, uint16, or float in [0, 1], where values outside are clipped.
        like: The source, of the same size.
        quality: 1 to 100 for JPEG, WebP and AVIF; WebP is lossless at 100 or if the source is.
        overwrite: Replace an existing file, though never the source.

    Returns:
        The path.

    Raises:
        ImageError: The format is unknown or too small, the file exists or is the source, or it cannot be
            written.
        ValueError: ``rgb`` is not of the size of ``like``, or not finite.
    """
    path = Path(path)
    kind = output_format(path)
    check_result_pixels(rgb, like)
    check_target(path, like, kind, overwrite=overwrite)
    try:
        content = encode(rgb, like, kind, quality)
    except OSError as error:
        raise ImageError(f"{path} cannot be encoded as {kind}: {error}") from error
    with whole_file(path, overwrite=overwrite) as file:
        file.write(content)
    return path


def supports_frames(path: str | Path, source: Frames) -> bool:
    """Check whether the format of ``path`` can hold all frames or pages of a file."""
    kind = output_format(Path(path))
    return kind == "TIFF" or (kind in ANIMATED_FORMATS and source.kind == "frames")


def frames_notes(path: str | Path, source: Frames) -> tuple[str, ...]:
    """Report the number of frames or pages, and what the format of ``path`` cannot hold of them."""
    kind = output_format(Path(path))
    if not supports_frames(path, source):
        return (f"first of {source.count} {source.kind}: {kind} cannot hold the others",)
    lost = ("timing dropped: TIFF holds pages",) if source.kind == "frames" and kind == "TIFF" else ()
    return (f"{source.count} {source.kind}", *lost)


def write_notes(path: str | Path, like: RasterImage) -> tuple[str, ...]:
    """Report what the format of ``path`` cannot hold of an image; see `output_format` for errors."""
    kind = output_format(Path(path))
    notes = []
    if like.alpha is not None and kind not in ALPHA_FORMATS:
        notes.append(f"alpha dropped: {kind} cannot hold it")
    if like.bit_depth == 16 and kind not in DEEP_FORMATS:
        notes.append(f"reduced to 8 bits: {kind} holds no more, PNG and TIFF hold 16")
    if kind == "GIF":
        notes.append("reduced to 256 colors: GIF holds no more")
    data = like.metadata
    for name, (title, kinds) in _METADATA_FORMATS.items():
        if not getattr(data, name):
            continue
        has_no_room = kind == "JPEG" and not fits_jpeg(data, name)
        if kind == "TIFF" and name == "comment":
            has_no_room = has_description(data)
        if kind not in kinds or has_no_room:
            notes.append(f"{title} dropped: {kind} cannot hold it")
    return tuple(notes)


def output_bit_depth(path: str | Path, like: RasterImage) -> int:
    """Return the bits per channel, 8 or 16, of an image in the format of ``path``."""
    return 16 if like.bit_depth == 16 and output_format(Path(path)) in DEEP_FORMATS else 8


def to_pil(rgb: Levels, like: RasterImage) -> Image.Image:
    """Convert a colored result to an 8-bit PIL image with alpha and metadata of its source.

    Examples:
        >>> image = read_image("photo.png")
        >>> to_pil(image.rgb, like=image).size
        (48, 32)

    Args:
        rgb: ``(H, W, 3)`` sRGB: uint8, or float in [0, 1].
        like: The source, of the same size.

    Returns:
        An image of mode ``RGB`` or ``RGBA``; EXIF, profile, XMP and resolution are in its ``info``.

    Raises:
        ValueError: See `write_image`.
    """
    check_result_pixels(rgb, like)
    image = Image.fromarray(quantized(rgb, like, 8))
    data = like.metadata.with_size(*like.size)
    entries = {
        "exif": data.exif and b"Exif\0\0" + data.exif,
        "icc_profile": data.icc,
        "xmp": data.xmp,
        "dpi": data.dpi,
    }
    image.info.update({name: value for name, value in entries.items() if value})
    return image


def output_format(path: Path) -> str:
    """Return the format of an extension, such as ``"JPEG"``; raise `ImageError` if it cannot be written."""
    kind = WRITABLE.get(path.suffix.lower())
    if kind is None:
        known = " ".join(sorted(WRITABLE))
        raise ImageError(
            f"{path}: images cannot be written as {path.suffix or 'a file without extension'}, "
            f"use one of {known}"
        )
    return kind


def check_result_pixels(rgb: Levels, like: RasterImage) -> None:
    """Check shape, type and values of a result; raise ``ValueError``."""
    width, height = like.size
    if rgb.shape != (height, width, 3) or not (rgb.dtype.kind == "f" or rgb.dtype in (np.uint8, np.uint16)):
        raise ValueError(
            f"pixels of shape {(height, width, 3)} were expected, these are {rgb.dtype} {rgb.shape}"
        )
    if rgb.dtype.kind == "f" and not np.isfinite(rgb.min() + rgb.max()):  # both propagate a NaN
        raise ValueError("the pixels must be finite, some are NaN or infinite")


def check_target(path: Path, like: RasterImage, kind: str, *, overwrite: bool) -> None:
    """Check that a file may be written and can hold an image of this size; raise `ImageError`."""
    source = like.metadata.source
    try:
        exists = path.exists()
        if exists and source is not None and source.exists() and path.samefile(source):
            raise ImageError(f"{path} is the source itself, name another file for the result")
    except OSError as error:
        raise ImageError(f"{path} cannot be written: {error.strerror}") from error
    if path.is_dir():
        raise ImageError(f"{path} is a folder, a file name was expected")
    if exists and not overwrite:
        raise ImageError(f"{path} exists already, remove it or ask to overwrite")
    width, height = like.size
    longest = _LONGEST_SIDE.get(kind)
    if longest is not None and max(width, height) > longest:
        raise ImageError(
            f"{path}: {width} x {height} pixels are more than {kind} can hold ({longest} a side), "
            "write .png or .tif"
        )


def encode(rgb: Levels, like: RasterImage, kind: str, quality: int) -> bytes:
    """Encode a result as the content of a file.

    Args:
        rgb: ``(H, W, 3)`` float in [0, 1], or levels of the depth to store.
        like: The source, for depth, alpha and metadata.
        kind: ``"JPEG"``, ``"PNG"``, ``"TIFF"``, ``"WEBP"``, ``"AVIF"``, ``"GIF"`` or ``"BMP"``.
        quality: 1 to 100, for the lossy formats.
    """
    depth = 16 if like.bit_depth == 16 and kind in DEEP_FORMATS else 8
    stored = quantized(rgb, like if kind in ALPHA_FORMATS else None, depth)
    data = like.metadata.with_size(*like.size)
    if kind == "TIFF":
        return TIFF_HEADER + b"".join(encode_page(stored, data, len(TIFF_HEADER)))
    if depth == 16:
        return _encode_deep_png(stored, data)
    if kind == "GIF":
        image, options = gif_image(stored)
    else:
        image, options = Image.fromarray(stored), {}
    options |= save_options(kind, data, quality, alpha=like.alpha is not None)
    with _memory_file() as file:
        image.save(file, kind, **options)
        file.seek(0)
        return file.read()


def _encode_deep_png(stored: NDArray[Any], data: Metadata) -> bytes:
    """Encode a PNG of 16 bits, which Pillow does not write, with the metadata that Pillow writes."""
    memory = io.BytesIO()
    Image.new("L", (1, 1)).save(memory, "PNG", **save_options("PNG", data, 100, alpha=False))
    shallow, place, chunks = memory.getvalue(), _PNG_HEADER, b""
    while shallow[place + 4 : place + 8] not in (b"IDAT", b"IEND", b""):
        end = place + 12 + int.from_bytes(shallow[place : place + 4], "big")
        chunks, place = chunks + shallow[place:end], end
    # differences of neighbors hardly repeat in 16 bits: a search beyond runs takes four times as long and
    # saves no bytes
    options = {"level": 1, "strategy": imagecodecs.PNG.STRATEGY.RLE, "filter": imagecodecs.PNG.FILTER.SUB}
    deep = bytes(imagecodecs.png_encode(stored, **options))
    return deep[:_PNG_HEADER] + chunks + deep[_PNG_HEADER:]


def quantized(rgb: Levels, alpha_of: RasterImage | None, depth: int) -> NDArray[Any]:
    """Round a result to levels, ``(H, W, 3 or 4)`` uint8 or uint16, and add the alpha of ``alpha_of``."""
    kind: Any = np.uint16 if depth == 16 else np.uint8
    color = rgb
    if rgb.dtype != kind:
        color = np.empty(rgb.shape, dtype=kind)
        for first in range(0, len(rgb), _ROWS):  # floats of all rows would take twice the image's memory
            rows = slice(first, first + _ROWS)
            color[rows] = np.rint(np.clip(unit_range(rgb[rows]), 0, 1) * np.float32(np.iinfo(kind).max))
    alpha = None if alpha_of is None else alpha_of.alpha
    if alpha is None:
        return np.ascontiguousarray(color)
    if alpha.dtype != kind:
        wider = alpha.astype(np.uint32)
        alpha = (wider * 257 if depth == 16 else (wider + 128) // 257).astype(kind)
    return np.dstack([color, alpha])


def fits_jpeg(metadata: Metadata, name: str) -> bool:
    """Check whether a field (``exif``, ``xmp``, ``comment``, ``photoshop`` ...) fits a JPEG segment."""
    return len(getattr(metadata, name) or b"") <= _JPEG_SEGMENT - _JPEG_PREFIX.get(name, 0)


def _memory_file() -> BinaryIO:
    """Return a file in memory; on Linux with a descriptor, into which Pillow encodes without the GIL."""
    if hasattr(os, "memfd_create"):
        return os.fdopen(os.memfd_create("image"), "w+b")
    return io.BytesIO()


def gif_image(stored: NDArray[Any]) -> tuple[Image.Image, dict[str, Any]]:
    """Reduce an image to 255 colors; return it with the save options for its transparency."""
    image = Image.fromarray(stored[..., :3]).quantize(255)
    if stored.shape[2] == 3:
        return image, {}
    palette = image.getpalette() or []
    image = Image.fromarray(np.where(stored[..., 3] < 128, np.uint8(255), np.asarray(image)))
    image.putpalette(palette + [0] * (768 - len(palette)))
    return image, {"transparency": 255}


def save_options(kind: str, data: Metadata, quality: int, *, alpha: bool) -> dict[str, Any]:
    """Return the options of Pillow's ``save`` for a format other than TIFF, metadata among them."""
    exif = b"Exif\0\0" + data.exif if data.exif else b""
    if kind == "JPEG":
        # 4:4:4, since hints a few pixels wide would bleed at half resolution
        options: dict[str, Any] = {"quality": quality, "subsampling": 0, "icc_profile": data.icc}
        fields = {"exif": exif, "xmp": data.xmp, "comment": data.comment, "extra": _captions(data.iptc)}
        names = {"extra": "iptc"}
        options |= {
            key: value for key, value in fields.items() if value and fits_jpeg(data, names.get(key, key))
        }
        return options | ({"dpi": data.dpi} if data.dpi else {})
    if kind == "PNG":
        return {"pnginfo": _png_texts(data), "icc_profile": data.icc, "exif": exif, "dpi": data.dpi}
    if kind in ("WEBP", "AVIF"):
        options = {"quality": quality, "icc_profile": data.icc or b"", "exif": exif, "xmp": data.xmp or b""}
        if kind == "WEBP":
            return {**options, "lossless": data.lossless or quality >= 100, "exact": alpha}
        # AVIF applies its quality to alpha too, and only 100 keeps that exact
        return {**options, "quality": 100 if alpha else quality, "subsampling": "4:4:4"}
    if kind == "GIF":
        return {"comment": data.comment} if data.comment else {}
    return {"dpi": data.dpi} if data.dpi else {}


def _captions(iptc: bytes | None) -> bytes:
    """Return the segment of a JPEG that holds captions."""
    if not iptc:
        return b""
    body = _IPTC_HEAD + struct.pack(">L", len(iptc)) + iptc + bytes(len(iptc) % 2)
    return b"\xff\xed" + struct.pack(">H", 2 + len(body) & 0xFFFF) + body


def _png_texts(data: Metadata) -> PngImagePlugin.PngInfo:
    texts = PngImagePlugin.PngInfo()
    for key, value in data.text:
        texts.add_itxt(key.encode("latin-1", "replace").decode("latin-1"), value)
    if data.comment and "Comment" not in dict(data.text):
        texts.add_itxt("Comment", _text_of(data.comment))
    if data.xmp:
        texts.add_itxt("XML:com.adobe.xmp", data.xmp.decode("utf-8", "replace"))
    return texts


def _text_of(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data.decode("latin-1")


def write_whole(path: Path, content: bytes) -> None:
    """Write a file whole or not at all; raise `ImageError` if it cannot be written."""
    with whole_file(path) as file:
        file.write(content)


@contextmanager
def whole_file(path: Path, *, overwrite: bool = True) -> Iterator[IO[bytes]]:
    """Do as `colorzoo.atomic.whole_file`, with errors for the user.

    Raises:
        ImageError: It cannot be written; or a file of the name has appeared, and ``overwrite`` is false.
    """
    try:
        with atomic.whole_file(path, overwrite=overwrite) as file:
            yield file
    except FileExistsError:
        if path.parent.is_dir():
            raise ImageError(f"{path} exists already, remove it or ask to overwrite") from None
        raise ImageError(f"{path} cannot be written: {path.parent} is a file, not a folder") from None
    except OSError as error:
        kind = DiskFullError if error.errno in (errno.ENOSPC, errno.EDQUOT) else ImageError
        raise kind(f"{path} cannot be written: {error.strerror or error}") from error
