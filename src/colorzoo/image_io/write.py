"""Write colorized images with the bit depth, alpha and metadata of their sources.

Files are written atomically: an interrupted process leaves no partial file.
"""

from __future__ import annotations

import errno
import hashlib
import io
import os
import struct
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import IO, Any

import imagecodecs
import numpy as np
from numpy.typing import NDArray
from PIL import Image, PngImagePlugin
from PIL.ExifTags import Base

from colorzoo.errors import DiskFullError, ImageError
from colorzoo.files import check_outputs, exists_message, write_atomic
from colorzoo.image_io.exif import TIFF_HEADER, copy_directories
from colorzoo.image_io.metadata import (
    EXIF_PREFIX,
    EXTENDED_XMP,
    Metadata,
    encode_exif,
    photoshop_resources,
    set_description,
    set_resolution,
    split_xmp,
)
from colorzoo.image_io.raster_image import RasterImage, quantized
from colorzoo.image_io.tiff import encode_page
from colorzoo.pixels.formats import WRITABLE
from colorzoo.pixels.raster import Levels, composite_on_white

DEEP_FORMATS = frozenset({"PNG", "TIFF"})
ALPHA_FORMATS = frozenset({"PNG", "TIFF", "WEBP", "AVIF", "GIF", "OpenRaster", "PSD"})
XMP_FORMATS = frozenset({"JPEG", "PNG", "TIFF", "WEBP", "AVIF"})
# formats that can store each kind of metadata
_METADATA_FORMATS = dict.fromkeys(("EXIF", "color profile", "XMP"), XMP_FORMATS | {"PSD"}) | {
    "IPTC": frozenset({"JPEG", "TIFF", "PSD"}),
    "comment": XMP_FORMATS | {"GIF"},
    "PNG text": frozenset({"PNG"}),
    "resolution": XMP_FORMATS | {"BMP", "PSD", "OpenRaster"},
}
NOT_SAVED = "was not saved"
"""Part of each note of `write_notes` on metadata that is not in the output file."""
LAYERED_FORMATS = frozenset({"OpenRaster", "PSD"})
ANIMATED_FORMATS = frozenset({"TIFF", "GIF", "WEBP"})
JPEG_SEGMENT = 65_000
"""Maximum number of bytes of a metadata block; a JPEG segment contains 65,533 bytes, including its name."""

_MAX_SIDE = {"JPEG": 65500, "WEBP": 16383, "AVIF": 65536, "GIF": 65535, "PSD": 30000}
_PHOTOSHOP_PREFIX = b"Photoshop 3.0\0"  # prefix of the JPEG segment that contains the IPTC record
_COMMENT = "Comment"  # keyword of PNG text
_PNG_HEADER = 8 + 25  # number of bytes of the PNG signature and the IHDR chunk


def write_image(
    path: str | Path, rgb: Levels, like: RasterImage, *, quality: int = 95, overwrite: bool = False
) -> Path:
    """Write a colorized image with the bit depth, alpha and metadata of its source.

    Examples:
        >>> image = read_image("photo.png")
        >>> write_image("copy.png", image.rgb, like=image).name
        'copy.png'

    The extension determines the format. Data that the format does not support is dropped: JPEG, for example,
    drops alpha and the lower 8 of 16 bits. `write_notes` lists the dropped data.

    Args:
        path: Output file; missing folders are created.
        rgb: ``(H, W, 3)`` sRGB: uint8, uint16, or float, which is clipped to [0, 1].
        like: Source image, which must have the same size as ``rgb``.
        quality: Quality of JPEG, WebP and AVIF, 1 to 100; WebP is lossless at 100.
        overwrite: Whether an existing file may be replaced. The source is never replaced.

    Returns:
        ``path`` as a `Path`.

    Raises:
        ImageError: The format cannot be written or does not support this size, the file exists or is the
            source, or the file cannot be written.
        ValueError: ``rgb`` and ``like`` have different sizes, or ``rgb`` is not finite.
    """
    path = Path(path)
    kind = output_format(path)
    check_result_pixels(rgb, like)
    check_target(path, like, kind, overwrite=overwrite)
    try:
        content = encode(rgb, like, kind, quality)
    except OSError as error:
        raise ImageError(f"{path} cannot be encoded as {kind}: {error}") from error
    try:
        write_atomic(path, content, overwrite=overwrite)
    except OSError as error:
        raise write_error(path, error) from error
    return path


def write_layers(
    path: Path,
    steps: Mapping[str, Levels],
    like: RasterImage,
    ink: Levels | None = None,
    *,
    overwrite: bool = False,
) -> Path:
    """Write an OpenRaster or PSD file.

    See `encode_layers` and `write_image` for the arguments and errors.
    """
    from colorzoo.image_io.layers import encode_layers, encode_psd  # few results have layers

    kind = output_format(path)
    check_target(path, like, kind, overwrite=overwrite)
    content = encode_psd(steps, like, ink) if kind == "PSD" else encode_layers(steps, like, ink)
    try:
        write_atomic(path, content, overwrite=overwrite)
    except OSError as error:
        raise write_error(path, error) from error
    return path


def write_notes(path: str | Path, like: RasterImage) -> tuple[str, ...]:
    """Return notes for the user on source data that the output format does not support.

    Args:
        path: Output file, whose extension determines the format.
        like: Source image.

    Raises:
        ImageError: The format of ``path`` cannot be written.
    """
    kind = output_format(Path(path))
    notes = []
    if like.alpha is not None and kind not in ALPHA_FORMATS:
        notes.append(f"transparent parts were filled with white, because {kind} files cannot contain them")
    if like.bit_depth == 16 and kind not in DEEP_FORMATS:
        notes.append(f"reduced to 8 bits: {kind} does not support 16 bits; use PNG or TIFF")
    data = like.metadata
    values: dict[str, object] = {
        "EXIF": data.exif,
        "color profile": data.icc,
        "XMP": data.xmp,
        "IPTC": data.iptc,
        "comment": data.comment,
        "PNG text": data.text,
        "resolution": data.dpi,
    }
    for title, value in values.items():
        is_supported = kind in _METADATA_FORMATS[title]
        if kind == "JPEG" and title != "color profile" and isinstance(value, bytes):
            # only a color profile and divided XMP can span several segments
            block = split_xmp(value, JPEG_SEGMENT)[0] if title == "XMP" else value
            is_supported = is_supported and len(block) <= JPEG_SEGMENT
        if value and not is_supported:
            notes.append(f"{title} {NOT_SAVED}, because the {kind} file cannot contain it")
    # formats without comments store the comment in a field that may have another value
    stored_elsewhere = None
    if data.comment and kind == "PNG":
        stored_elsewhere = dict(data.text).get(_COMMENT)
    elif data.comment and kind in ("TIFF", "WEBP", "AVIF"):
        tags = copy_directories(data.exif or b"", selected=(Base.ImageDescription,)).main
        description = tags.get(Base.ImageDescription)
        if description is not None:  # Pillow decodes texts as Latin-1
            stored_elsewhere = _decode_comment(str(description).encode("latin-1", "replace"))
    if stored_elsewhere is not None and stored_elsewhere != _decode_comment(data.comment or b""):
        notes.append(f"comment {NOT_SAVED}, because the {kind} file already contains another description")
    return (*notes, *(f"{name} {NOT_SAVED}" for name in data.dropped))


def output_bit_depth(path: str | Path, like: RasterImage) -> int:
    """Return the number of bits per channel of the output file, 8 or 16.

    Args:
        path: Output file, whose extension determines the format.
        like: Source image, whose bit depth is kept if the format supports it.
    """
    return 16 if like.bit_depth == 16 and output_format(Path(path)) in DEEP_FORMATS else 8


def to_pil(rgb: Levels, like: RasterImage) -> Image.Image:
    """Convert a colorized image to an 8-bit PIL image with the source's alpha and metadata.

    Examples:
        >>> image = read_image("photo.png")
        >>> to_pil(image.rgb, like=image).size
        (48, 32)

    Args:
        rgb: ``(H, W, 3)`` sRGB: uint8, or float in [0, 1].
        like: Source image, which must have the same size as ``rgb``.

    Returns:
        An image of mode ``RGB`` or ``RGBA`` with EXIF, color profile, XMP, comment and resolution in
        ``info``.

    Raises:
        ValueError: ``rgb`` and ``like`` have different sizes, or ``rgb`` is not finite.
    """
    check_result_pixels(rgb, like)
    image = Image.fromarray(quantized(rgb, like, 8))
    data = like.metadata
    entries = {
        "exif": data.exif and EXIF_PREFIX + data.exif,
        "icc_profile": data.icc,
        "xmp": data.xmp,
        "comment": data.comment,
        "dpi": data.dpi,
    }
    image.info.update({name: value for name, value in entries.items() if value})
    return image


def output_format(path: Path) -> str:
    """Return the format for the extension of a path, such as ``"JPEG"``.

    An unknown extension, or a format whose package extra is not installed, raises `ImageError`.
    """
    kind = WRITABLE.get(path.suffix.lower())
    if kind == "PSD":
        from colorzoo.image_io.layers import check_psd  # few results have layers

        check_psd()
    if kind is None:
        known = " ".join(sorted(WRITABLE))
        raise ImageError(f"the extension of {path} must be one of {known}; got {path.suffix or 'none'}")
    return kind


def check_result_pixels(rgb: Levels, like: RasterImage) -> None:
    """Raise `ValueError` if colorized pixels have a wrong shape or type, or are not finite.

    Args:
        rgb: Colorized pixels, which must have the shape ``(H, W, 3)`` and the type uint8, uint16 or float.
        like: Source image, which provides H and W.
    """
    width, height = like.size
    if rgb.shape != (height, width, 3) or not (rgb.dtype.kind == "f" or rgb.dtype in (np.uint8, np.uint16)):
        raise ValueError(
            f"rgb must have shape {(height, width, 3)} and type uint8, uint16 or float, got {rgb.shape} and "
            f"{rgb.dtype}"
        )
    # NaN propagates to the minimum and the maximum
    if rgb.dtype.kind == "f" and not np.isfinite(rgb.min() + rgb.max()):
        raise ValueError("rgb must be finite, got NaN or infinite values")


def check_target(path: Path, like: RasterImage, kind: str, *, overwrite: bool) -> None:
    """Raise `ImageError` if the output file must not be written.

    See `check_outputs`; the source is an input. The format must support the size of the image.

    Args:
        path: Output file.
        like: Source image, which has the size of the output.
        kind: Format of the output, from `output_format`.
        overwrite: Whether an existing file is replaced.
    """
    inputs = [] if like.metadata.source is None else [like.metadata.source]
    check_outputs([path], inputs, overwrite=overwrite, error=ImageError)
    width, height = like.size
    limit = _MAX_SIDE.get(kind)
    if limit is not None and max(width, height) > limit:
        raise ImageError(
            f"{kind} files support at most {limit} pixels per side, got {width} x {height}. "
            f"Write {path.stem}.png or {path.stem}.tif."
        )


def encode(rgb: Levels, like: RasterImage, kind: str, quality: int) -> bytes:
    """Encode a colorized image and return the content of the file.

    Args:
        rgb: ``(H, W, 3)`` float in [0, 1], or integers of the output bit depth.
        like: Source image, which provides bit depth, alpha and metadata.
        kind: ``"JPEG"``, ``"PNG"``, ``"TIFF"``, ``"WEBP"``, ``"AVIF"``, ``"GIF"``, ``"BMP"``,
            ``"OpenRaster"`` or ``"PSD"`` (one layer).
        quality: Quality of lossy formats, 1 to 100.
    """
    if kind in LAYERED_FORMATS:
        from colorzoo.image_io.layers import encode_layers, encode_psd

        return (encode_psd if kind == "PSD" else encode_layers)({"Image": rgb}, like)
    depth = 16 if like.bit_depth == 16 and kind in DEEP_FORMATS else 8
    has_alpha = like.alpha is not None and kind in ALPHA_FORMATS
    if not has_alpha:  # hidden colors must not become visible
        rgb = composite_on_white(replace(like, levels=rgb)).levels
    stored = quantized(rgb, like if has_alpha else None, depth)
    if kind == "TIFF":
        return TIFF_HEADER + b"".join(encode_page(stored, like.metadata, len(TIFF_HEADER)))
    if depth == 16:  # PNG is the only other format with 16 bits
        return _encode_deep_png(stored, like.metadata)
    if kind == "GIF":
        image, options = gif_image(stored)
    else:
        image, options = Image.fromarray(stored), {}
    options |= save_options(kind, like.metadata, quality, alpha=has_alpha)
    memory: IO[bytes] = io.BytesIO()
    if hasattr(os, "memfd_create"):  # on Linux, this file has a descriptor, so Pillow releases the GIL
        memory = os.fdopen(os.memfd_create("image"), "w+b")
    with memory:
        image.save(memory, kind, **options)
        memory.seek(0)
        return memory.read()


def _encode_deep_png(stored: NDArray[Any], data: Metadata) -> bytes:
    """Encode a 16-bit PNG with imagecodecs and insert the metadata chunks that Pillow writes.

    Pillow does not write 16-bit color, and imagecodecs does not write metadata.
    """
    memory = io.BytesIO()
    Image.new("L", (1, 1)).save(memory, "PNG", **save_options("PNG", data, 100, alpha=False))
    template, end = memory.getvalue(), _PNG_HEADER
    while template[end + 4 : end + 8] not in (b"IDAT", b"IEND", b""):  # name of the next chunk
        content_length = int.from_bytes(template[end : end + 4], "big")
        end += 12 + content_length  # 12 bytes: length, name and checksum
    metadata_chunks = template[_PNG_HEADER:end]
    # run-length encoding only, because 16-bit differences of neighbors rarely repeat: a search for other
    # matches takes four times as long and does not reduce the size
    options = {"level": 1, "strategy": imagecodecs.PNG.STRATEGY.RLE, "filter": imagecodecs.PNG.FILTER.SUB}
    deep = bytes(imagecodecs.png_encode(stored, **options))
    return deep[:_PNG_HEADER] + metadata_chunks + deep[_PNG_HEADER:]


def gif_image(stored: NDArray[Any]) -> tuple[Image.Image, dict[str, Any]]:
    """Convert an image to a palette image for GIF, with at most 255 opaque colors.

    Args:
        stored: ``(H, W, 3)`` or, with alpha, ``(H, W, 4)`` uint8. Pixels with alpha below 128 become
            transparent.

    Returns:
        Palette image and keyword arguments for its ``save`` method. With alpha, these arguments contain the
        palette index of transparent pixels.
    """
    image = Image.fromarray(stored[..., :3]).quantize(255)
    if stored.shape[2] == 3:
        return image, {}
    palette = image.getpalette() or []
    image = Image.fromarray(np.where(stored[..., 3] < 128, np.uint8(255), np.asarray(image)))
    image.putpalette(palette + [0] * (768 - len(palette)))
    return image, {"transparency": 255}


def save_options(kind: str, data: Metadata, quality: int, *, alpha: bool) -> dict[str, Any]:
    """Return the keyword arguments of Pillow's ``save`` method that set quality and metadata.

    Args:
        kind: Format of the file other than TIFF, from `output_format`.
        data: Metadata to store.
        quality: Quality of lossy formats, 1 to 100.
        alpha: Whether the source image has an alpha channel.
    """
    if kind == "PNG":
        texts = PngImagePlugin.PngInfo()
        for key, value in data.text:
            language = (getattr(value, "lang", ""), getattr(value, "tkey", ""))  # of `PngImagePlugin.iTXt`
            texts.add_itxt(key.encode("latin-1", "replace").decode("latin-1"), value, *language)
        if data.comment and _COMMENT not in dict(data.text):
            texts.add_itxt(_COMMENT, _decode_comment(data.comment))
        if data.xmp:
            texts.add_itxt("XML:com.adobe.xmp", data.xmp.decode("utf-8", "replace"))
        exif = data.exif or b""
        return {"pnginfo": texts, "icc_profile": data.icc, "exif": exif, "dpi": data.dpi}
    if kind == "WEBP":
        return {**_web_options(data), "quality": quality, "lossless": quality >= 100, "exact": alpha}
    if kind == "AVIF":
        # AVIF applies the quality to alpha too; alpha is lossless only at 100
        return {**_web_options(data), "quality": 100 if alpha else quality, "subsampling": "4:4:4"}
    if kind == "GIF":
        return {"comment": data.comment} if data.comment else {}
    resolution = {"dpi": data.dpi} if data.dpi else {}
    if kind == "JPEG":
        xmp, extended = split_xmp(data.xmp or b"", JPEG_SEGMENT)
        blocks = {"exif": data.exif and EXIF_PREFIX + data.exif, "xmp": xmp, "comment": data.comment}
        extra = b""  # segments that Pillow does not write
        if data.iptc and len(data.iptc) <= JPEG_SEGMENT:
            extra += _segment(0xED, _PHOTOSHOP_PREFIX + photoshop_resources(data.iptc))
        digest = hashlib.md5(extended, usedforsecurity=False).hexdigest().upper().encode()
        start = 0
        while start < len(extended):
            end = (
                start + JPEG_SEGMENT
            )  # before an XML tag, so that programs that search segments find all text
            if end < len(extended):
                tag = extended.rfind(b"<", start + 1, end)
                end = tag if tag > 0 else end
            place = digest + struct.pack(">LL", len(extended), start)
            extra += _segment(0xE1, EXTENDED_XMP.encode() + b"\0" + place + extended[start:end])
            start = end
        # a block that is too long for a segment is dropped
        segments = {name: block for name, block in blocks.items() if block and len(block) <= JPEG_SEGMENT}
        # without chroma subsampling, which would blur the colors of small hints
        options = {"quality": quality, "subsampling": 0, "icc_profile": data.icc}
        return {**options, **segments, "extra": extra, **resolution}
    return resolution  # BMP


def _segment(marker: int, body: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, 2 + len(body)) + body


def _decode_comment(comment: bytes) -> str:
    """Decode a comment, whose file does not record the encoding."""
    comment = comment.rstrip(b"\0")
    try:
        return comment.decode()
    except UnicodeDecodeError:
        return comment.decode("latin-1")


def _web_options(data: Metadata) -> dict[str, Any]:
    """Return the metadata arguments for WebP and AVIF, which store resolution and comment as EXIF."""
    main, nested, *_ = copy_directories(data.exif or b"")
    set_resolution(main, data.dpi)
    set_description(main, data.comment)
    exif = encode_exif(main, nested)
    return {"icc_profile": data.icc or b"", "exif": exif or b"", "xmp": data.xmp or b""}


def write_error(path: Path, error: OSError) -> ImageError:
    """Return an `ImageError` that names the path, for an error that `colorzoo.files` raises."""
    if isinstance(error, FileExistsError):
        if path.parent.is_dir():
            return ImageError(exists_message(path))
        return ImageError(f"{path} cannot be written: {path.parent} is a file, not a folder")
    kind = DiskFullError if error.errno in (errno.ENOSPC, errno.EDQUOT) else ImageError
    return kind(f"{path} cannot be written: {error.strerror or error}")
