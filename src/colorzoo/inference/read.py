"""Read any picture file, array or PIL image into a `Picture`."""

from __future__ import annotations

import io
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError
from PIL.TiffImagePlugin import IMAGELENGTH, IMAGEWIDTH, ImageFileDirectory_v2

from colorzoo.errors import PictureError
from colorzoo.inference.metadata import Exif, Metadata, tiff_exif, upright_exif, upright_xmp
from colorzoo.inference.paths import FOREIGN, RAW
from colorzoo.inference.picture import Picture, upright, without_copies
from colorzoo.inference.pixels import Pixels, array_pixels, deep_file, image_pixels
from colorzoo.picture_formats import open_picture

MAX_PIXELS = 200_000_000

_bomb_guard = threading.Lock()


def read_picture(
    source: str | Path | bytes | Image.Image | NDArray[Any], *, max_pixels: int = MAX_PIXELS
) -> Picture:
    """Read a picture, whatever its format, mode, depth, profile or orientation.

    The format is found by content, not by name. Of several frames or pages the first is read.

    Args:
        source: A file, the bytes of one, a PIL image, or an array: (H, W), (H, W, 1), (H, W, 3) or
            (H, W, 4) of uint8, uint16 or float in [0, 1], taken as sRGB.
        max_pixels: Refuse pictures of more pixels, before they are decoded.

    Returns:
        The picture: upright, sRGB, float32 in [0, 1].

    Raises:
        PictureError: If the source is missing, no picture, damaged or too large.
    """
    if isinstance(source, np.ndarray):
        _check_pixels(
            "the array", (source.shape[1], source.shape[0]) if source.ndim > 1 else (0, 0), max_pixels
        )
        return _assemble(array_pixels(source), Metadata(), Exif())
    if isinstance(source, Image.Image):
        _check_pixels("the picture", source.size, max_pixels)
        return _from_image(source, None, "the picture")
    if isinstance(source, bytes):
        if not source:
            raise PictureError("the picture is empty (0 bytes)")
        return _from_bytes(source, "the picture", max_pixels)
    path = Path(source)
    data = _bytes_of(path)
    _refuse_raw(path, data)
    picture = _from_bytes(data, str(path), max_pixels)
    return replace(picture, metadata=replace(picture.metadata, source=path))


def _from_bytes(data: bytes, name: str, max_pixels: int) -> Picture:
    with _opened(name, data) as image:
        if image is None:
            return _from_deep_file(name, data, max_pixels)
        _check_pixels(name, image.size, max_pixels)
        return _from_image(image, data, name)


def _bytes_of(path: Path) -> bytes:
    try:
        if path.is_dir():
            raise PictureError(f"{path} is a folder, a picture file was expected")
        data = path.read_bytes()
    except FileNotFoundError:
        raise PictureError(f"{path}: no such file") from None
    except (OSError, ValueError) as error:
        raise PictureError(f"{path} cannot be opened: {getattr(error, 'strerror', None) or error}") from error
    if not data:
        raise PictureError(f"{path} is empty (0 bytes), copy it again from where it came")
    return data


def _refuse_raw(path: Path, data: bytes) -> None:
    """Refuse raw files, most of which are TIFF: what would be read of them is a small preview."""
    if FOREIGN.get(path.suffix.lower()) == RAW and data[:2] in (b"II", b"MM"):
        raise PictureError(f"{path} is {RAW} of a camera: develop it to TIFF or JPEG first")


@contextmanager
def _unguarded() -> Iterator[None]:
    """Lift Pillow's pixel limit, a global, for one short step: `max_pixels` decides instead."""
    with _bomb_guard:
        limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
        try:
            yield
        finally:
            Image.MAX_IMAGE_PIXELS = limit


@contextmanager
def _opened(name: str, data: bytes) -> Iterator[Image.Image | None]:
    """The opened image, or None for a TIFF that Pillow does not know, such as one of floats in color."""
    try:
        with _unguarded():
            image = open_picture(io.BytesIO(data))
    except UnidentifiedImageError:
        if data[:4] not in (b"II*\0", b"MM\0*"):
            raise PictureError(f"{name} is not a picture{_hint(data)}") from None
        yield None
        return
    except Exception as error:  # a damaged header raises whatever the format's parser stumbles on
        raise PictureError(f"{name} is damaged and cannot be read ({error})") from error
    with image:
        yield image


def _hint(data: bytes) -> str:
    if data[4:8] == b"ftyp":
        return " Pillow can read, convert it to JPEG or PNG first (HEIC and raw files need another tool)"
    if data[:2] == b"\xff\x0a" or data[4:8] == b"JXL ":
        return " Pillow can read but JPEG XL, convert it to JPEG or PNG first"
    if data[:5] == b"%PDF-":
        return " but PDF: take the pictures out of it first (pdfimages does)"
    if data.lstrip()[:4] == b"%!PS" or data[:4] == b"\xc5\xd0\xd3\xc6":
        return " but PostScript (EPS), which is a program: export it as PNG or TIFF first"
    return ", its content is of no known format (JPEG, PNG, TIFF, WebP, GIF, BMP, AVIF were expected)"


def _check_pixels(name: str, size: tuple[int, int], max_pixels: int) -> None:
    width, height = size
    if width * height > max_pixels:
        raise PictureError(
            f"{name} has {width} x {height} = {width * height / 1e6:.1f} million pixels, more than the limit "
            f"of {max_pixels / 1e6:g} million: shrink it or raise max_pixels"
        )


def _from_deep_file(name: str, data: bytes, max_pixels: int) -> Picture:
    size = _tiff_size(data)
    if size is not None:  # before decoding, which would take the memory
        _check_pixels(name, size, max_pixels)
    pixels = deep_file(data) if size is not None else None
    if pixels is None:
        raise PictureError(
            f"{name} is a damaged TIFF or one of an unknown kind, save it as a plain TIFF or PNG"
        )
    return _assemble(pixels, Metadata(format="TIFF"), Exif())


def _tiff_size(data: bytes) -> tuple[int, int] | None:
    """Read width and height of the first page; None where its directory is damaged."""
    stream = io.BytesIO(data)
    try:
        directory = ImageFileDirectory_v2(stream.read(8))
        stream.seek(directory.next)
        directory.load(stream)
        return int(directory[IMAGEWIDTH]), int(directory[IMAGELENGTH])
    except Exception:  # as in `_opened`: damaged headers raise anything
        return None


def _from_image(image: Image.Image, data: bytes | None, name: str) -> Picture:
    notes = _frame_notes(image)
    exif = _tiff_exif(data) if image.format == "TIFF" and data is not None else None
    _load(image, name)
    if exif is None:
        exif = upright_exif(_raw_exif(image))
    xmp, xmp_orientation = upright_xmp(_as_bytes(image.info.get("xmp")))
    if exif.orientation == 1 and image.format != "TIFF":
        exif = replace(exif, orientation=xmp_orientation)
    try:
        pixels = image_pixels(image, data)
    except (OSError, ValueError) as error:
        raise PictureError(f"{name} of mode {image.mode} cannot be read ({error})") from error
    metadata = _metadata(image, data, exif, xmp)
    return _assemble(replace(pixels, notes=notes + pixels.notes), metadata, exif)


def _tiff_exif(data: bytes) -> Exif:
    # from a twin: loading an image closes its tags, and taking tags away would stop it from turning upright
    with _unguarded():
        twin = open_picture(io.BytesIO(data))
    with twin:
        return tiff_exif(twin)


def _frame_notes(image: Image.Image) -> tuple[str, ...]:
    try:
        frames = getattr(image, "n_frames", 1)
    except Exception:  # a damaged later page is no reason to refuse the first
        return ("later frames are damaged and were left out",)
    return (f"first of {frames} frames",) if frames > 1 else ()


def _load(image: Image.Image, name: str) -> None:
    try:
        if Image.MAX_IMAGE_PIXELS and image.width * image.height > Image.MAX_IMAGE_PIXELS:
            with _unguarded():
                image.load()
        else:
            image.load()
    except MemoryError:
        raise PictureError(
            f"{name} does not fit into memory at {image.width} x {image.height} pixels"
        ) from None
    except Exception as error:  # decoders raise OSError, SyntaxError, EOFError, struct.error and more
        raise PictureError(f"{name} is damaged or cut short: {error}") from error


def _as_bytes(value: object) -> bytes | None:
    if isinstance(value, str):
        return value.encode()
    return value if isinstance(value, bytes) else None


def _raw_exif(image: Image.Image) -> bytes | None:
    raw = image.info.get("exif")
    if raw is None and "Raw profile type exif" in image.info:  # as ImageMagick wrote it into PNG
        raw = image.getexif().tobytes()
    return raw if isinstance(raw, bytes) else None


def _metadata(image: Image.Image, data: bytes | None, exif: Exif, xmp: bytes | None) -> Metadata:
    info = image.info
    dpi = info.get("dpi")
    if dpi is not None:
        dpi = (float(dpi[0]), float(dpi[1]))
        dpi = dpi if min(dpi) > 1 else None  # 1 x 1 is a pixel aspect ratio, not a resolution
    if dpi is not None and exif.orientation >= 5:
        dpi = dpi[::-1]
    texts = getattr(image, "text", {}) if image.format == "PNG" else {}
    skipped = ("XML:com.adobe.xmp", "Raw profile type exif")
    segments = getattr(image, "applist", [])
    return Metadata(
        exif=exif.block,
        icc=info.get("icc_profile"),
        xmp=xmp,
        dpi=dpi,
        text=tuple((key, str(value)) for key, value in texts.items() if key not in skipped),
        comment=_as_bytes(info.get("comment")),
        photoshop=next((body for name, body in segments if name == "APP13"), None),
        format="JPEG" if image.format == "MPO" else image.format,
        lossless=image.format == "WEBP" and data is not None and _is_lossless_webp(data),
        uncompressed=image.format == "TIFF" and info.get("compression") == "raw",
    )


def _is_lossless_webp(data: bytes) -> bool:
    """Whether the first chunk of pixels is of the kind without loss."""
    offset = 12
    while offset + 8 <= len(data):
        name, size = data[offset : offset + 4], int.from_bytes(data[offset + 4 : offset + 8], "little")
        if name in (b"VP8L", b"VP8 ", b"ANMF"):
            return name == b"VP8L"
        offset += 8 + size + size % 2
    return False


def _assemble(pixels: Pixels, metadata: Metadata, exif: Exif) -> Picture:
    notes = pixels.notes + ((exif.note,) if exif.note else ())
    alpha = None if pixels.alpha is None else upright(pixels.alpha, exif.orientation)
    return Picture(
        levels=upright(without_copies(pixels.levels), exif.orientation),
        alpha=alpha,
        bit_depth=pixels.bit_depth,
        metadata=replace(metadata, icc=pixels.icc),
        notes=notes,
    )
