"""Read any picture file, array or PIL image into a `Picture`."""

from __future__ import annotations

import io
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from colorzoo.errors import CutShortError, PictureError
from colorzoo.inference.apng import deep_frames
from colorzoo.inference.deep import tiff_size
from colorzoo.inference.metadata import Exif, Metadata, tiff_exif, upright_exif, upright_xmp
from colorzoo.inference.picture import Picture, upright, without_copies
from colorzoo.inference.pixels import (
    Pixels,
    array_pixels,
    deep_file,
    deep_pixels,
    image_pixels,
    png_header,
)
from colorzoo.inference.plugins import (
    CAMERA_RAW,
    JPEG_XL,
    Plugin,
    develop,
    jxl_size,
    plugin_for,
    too_many_pixels,
)
from colorzoo.inference.salvage import NOTE, mended
from colorzoo.picture_formats import open_picture

MAX_PIXELS = 200_000_000
_SALVAGE = "--salvage (in Python salvage=True) reads what is left"
_TIFF_MARKS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")

_bomb_guard = threading.Lock()


def read_picture(
    source: str | Path | bytes | Image.Image | NDArray[Any],
    *,
    max_pixels: int = MAX_PIXELS,
    salvage: bool = False,
) -> Picture:
    """Read a picture, whatever its format, mode, depth, profile or orientation.

    The format is found by content, not by name. Of several frames or pages the first is read; see
    `colorzoo.inference.frames` for all of them.

    Args:
        source: A file, the bytes of one, a PIL image, or an array: (H, W), (H, W, 1), (H, W, 3) or
            (H, W, 4) of uint8, uint16 or float in [0, 1], taken as sRGB.
        max_pixels: Refuse pictures of more pixels, before they are decoded.
        salvage: Read what is left of a file that was cut short; a note says so.

    Returns:
        The picture: upright, sRGB, float32 in [0, 1].

    Raises:
        PictureError: If the source is missing, no picture, damaged or too large.
    """
    if isinstance(source, np.ndarray):
        check_pixels(
            "the array", (source.shape[1], source.shape[0]) if source.ndim > 1 else (0, 0), max_pixels
        )
        return _assemble(array_pixels(source), Metadata(), Exif())
    if isinstance(source, Image.Image):
        check_pixels("the picture", source.size, max_pixels)
        return from_image(source, None, "the picture", frame_notes(source))
    with opened(source) as (file, name):
        return read_file(file, name, max_pixels, salvage=salvage)


def examine_picture(source: str | Path, *, max_pixels: int = MAX_PIXELS, salvage: bool = False) -> None:
    """Refuse what `read_picture` would refuse, as far as that can be said without decoding.

    Raises:
        PictureError: As `read_picture`.
    """
    with opened(source) as (file, name), suppress(*(CutShortError,) if salvage else ()):
        plugin = plugin_for(file, Path(name).suffix)
        if plugin is not None and not plugin.installed:
            raise plugin.refusal(name)
        if plugin is None:
            with identified(file, name) as image:
                size = tiff_size(file) if image is None else image.size
            check_pixels(name, size or (0, 0), max_pixels)


@contextmanager
def opened(source: str | Path | bytes) -> Iterator[tuple[IO[bytes], str]]:
    """Open a file, or the bytes of one.

    Yields:
        A stream that can be read anywhere, and what to call it in errors.

    Raises:
        PictureError: It is missing, empty, or no file.
    """
    if isinstance(source, bytes):
        if not source:
            raise PictureError("the picture is empty (0 bytes)")
        yield io.BytesIO(source), "the picture"
        return
    path = Path(source)
    file = _opened_file(path)
    with file:
        if file.seek(0, io.SEEK_END) == 0:
            raise PictureError(f"{path} is empty (0 bytes), copy it again from where it came")
        file.seek(0)
        yield file, str(path)


def _opened_file(path: Path) -> IO[bytes]:
    try:
        if path.is_dir():
            raise PictureError(f"{path} is a folder, a picture file was expected")
        file = path.open("rb")
        if file.seekable():
            return file
        with file:  # a pipe
            return io.BytesIO(file.read())
    except FileNotFoundError:
        raise PictureError(f"{path}: no such file") from None
    except (OSError, ValueError) as error:
        raise PictureError(f"{path} cannot be opened: {getattr(error, 'strerror', None) or error}") from error


def read_file(file: IO[bytes], name: str, max_pixels: int, *, salvage: bool = False) -> Picture:
    """Read the first picture of an opened file; see `read_picture`.

    Args:
        file: As `opened` gives it.
        name: What to call it in errors; for a file its path.
        max_pixels: As `read_picture`.
        salvage: As `read_picture`.
    """
    try:
        picture = _from_file(file, name, max_pixels)
    except CutShortError as error:
        left = _left_of(file, name, max_pixels) if salvage else None
        if left is None:
            hint = "nothing of it can be read" if salvage else _SALVAGE
            raise CutShortError(f"{error}; {hint}") from error
        picture = left
    source = None if isinstance(file, io.BytesIO) else Path(name)
    return replace(picture, metadata=replace(picture.metadata, source=source))


def _from_file(file: IO[bytes], name: str, max_pixels: int) -> Picture:
    plugin = plugin_for(file, Path(name).suffix)
    if plugin is CAMERA_RAW:
        return develop(file, name, max_pixels)
    if plugin is JPEG_XL:
        check_pixels(name, jxl_size(file) or (0, 0), max_pixels)
    with identified(file, name, plugin) as image:
        if image is None:
            return _from_deep_file(file, name, max_pixels)
        check_pixels(name, image.size, max_pixels)
        return from_image(image, file, name, frame_notes(image), _first_shown(image, file, name))


def _first_shown(image: Image.Image, file: IO[bytes], name: str) -> Pixels | None:
    """Go to the first frame of an animated PNG that begins with a picture for programs without animations.

    Returns:
        Its pixels, if they have 16 bits, which Pillow does not keep.
    """
    if not image.info.get("default_image"):
        return None
    image.seek(1)
    if png_header(file)[0] != 16:
        return None
    shown = (stored for stored, milliseconds in deep_frames(file, name) if milliseconds is not None)
    stored = next(shown, None)
    return None if stored is None else deep_pixels(stored, image.info.get("icc_profile") or None)


def _left_of(file: IO[bytes], name: str, max_pixels: int) -> Picture | None:
    """Read what is left of a file that was cut short."""
    file.seek(0)
    whole = mended(file.read())
    try:
        picture = None if whole is None else _from_file(io.BytesIO(whole), name, max_pixels)
    except PictureError:
        return None
    return picture and replace(picture, notes=(NOTE, *picture.notes))


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
def identified(file: IO[bytes], name: str, plugin: Plugin | None = None) -> Iterator[Image.Image | None]:
    """Open a picture without decoding it.

    Yields:
        The image, or None for a TIFF that Pillow does not know, such as one of floats in color.

    Raises:
        PictureError: It is no picture, damaged, or of a kind whose library is not installed.
    """
    file.seek(0)
    head = file.read(64)
    file.seek(0)
    if plugin is not None:
        plugin.load(name)
    try:
        with _unguarded():
            image = open_picture(file, (plugin.reader,) if plugin else ())
    except UnidentifiedImageError:
        if head[:4] not in _TIFF_MARKS:
            raise PictureError(f"{name} is not a picture{_hint(head, plugin)}") from None
        yield None
        return
    except Exception as error:  # a damaged header raises whatever the format's parser stumbles on
        said = " ".join(str(error).split())
        raise CutShortError(f"{name} is damaged and cannot be read ({said})") from error
    with image:
        yield image


def _hint(head: bytes, plugin: Plugin | None) -> str:
    if plugin is not None:
        return f" that can be read, though it begins like {plugin.title}: it may be cut short"
    if head[4:8] == b"ftyp":
        return " but a film, or a picture that only another tool can read"
    if head[:5] == b"%PDF-":
        return " but PDF: take the pictures out of it first (pdfimages does)"
    if head.lstrip()[:4] == b"%!PS" or head[:4] == b"\xc5\xd0\xd3\xc6":
        return " but PostScript (EPS), which is a program: export it as PNG or TIFF first"
    return ", its content is of no known format (JPEG, PNG, TIFF, WebP, GIF, BMP, AVIF were expected)"


def check_pixels(name: str, size: tuple[int, int], max_pixels: int) -> None:
    """Refuse a picture beyond the limit.

    Raises:
        PictureError: It is.
    """
    if size[0] * size[1] > max_pixels:
        raise too_many_pixels(name, size, max_pixels)


def _from_deep_file(file: IO[bytes], name: str, max_pixels: int) -> Picture:
    size = tiff_size(file)
    if size is not None:  # before decoding, which would take the memory
        check_pixels(name, size, max_pixels)
    pixels = deep_file(file) if size is not None else None
    if pixels is None:
        raise CutShortError(
            f"{name} is a damaged TIFF or one of an unknown kind, save it as a plain TIFF or PNG"
        )
    return _assemble(pixels, Metadata(format="TIFF"), Exif())


def from_image(
    image: Image.Image,
    file: IO[bytes] | None,
    name: str,
    notes: tuple[str, ...] = (),
    pixels: Pixels | None = None,
) -> Picture:
    """Make a picture of an opened PIL image, of the frame at which it stands.

    Args:
        image: It is decoded if it was not.
        file: Where it came from; None for an image from memory.
        name: What to call it in errors.
        notes: What is to be said before what is found here.
        pixels: Its pixels, if they were decoded already.

    Raises:
        PictureError: It is damaged.
    """
    exif = _tiff_exif(file) if image.format == "TIFF" and file is not None else None
    _load(image, name)
    if exif is None:
        exif = upright_exif(_raw_exif(image))
    if image.format == "JXL":  # its codec turns pictures upright, whatever EXIF says
        exif = replace(exif, orientation=1)
    xmp, xmp_orientation = upright_xmp(_as_bytes(image.info.get("xmp")))
    if exif.orientation == 1 and image.format not in ("TIFF", "HEIF", "JXL"):
        exif = replace(exif, orientation=xmp_orientation)
    try:
        pixels = pixels or image_pixels(image, file)
    except (PictureError, MemoryError):
        raise
    except Exception as error:  # as below: of a GIF that lost its palette even an AssertionError
        raise PictureError(f"{name} of mode {image.mode} cannot be read ({error})") from error
    metadata = _metadata(image, file, exif, xmp)
    return _assemble(replace(pixels, notes=notes + pixels.notes), metadata, exif)


def _tiff_exif(file: IO[bytes]) -> Exif:
    # from a twin: loading an image closes its tags, and taking tags away would stop it from turning upright
    file.seek(0)
    with _unguarded():
        twin = open_picture(file)
    return tiff_exif(twin)  # not closed, as that would close the file under the picture


def frame_notes(image: Image.Image) -> tuple[str, ...]:
    """Say that there is more in the file than the first picture."""
    try:
        frames = getattr(image, "n_frames", 1)
    except Exception:  # a damaged later page is no reason to refuse the first
        return ("later frames are damaged and were left out",)
    kind = "pages" if image.format == "TIFF" else "frames"
    return (f"first of {frames} {kind}",) if frames > 1 else ()


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
        said = " ".join(str(error).split())
        raise CutShortError(f"{name} is damaged or cut short: {said}") from error


def _as_bytes(value: object) -> bytes | None:
    if isinstance(value, str):
        return value.encode()
    return value if isinstance(value, bytes) else None


def _raw_exif(image: Image.Image) -> bytes | None:
    raw = image.info.get("exif")
    if raw is None and "Raw profile type exif" in image.info:  # as ImageMagick wrote it into PNG
        raw = image.getexif().tobytes()
    return raw if isinstance(raw, bytes) else None


def _metadata(image: Image.Image, file: IO[bytes] | None, exif: Exif, xmp: bytes | None) -> Metadata:
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
        lossless=image.format == "WEBP" and file is not None and _is_lossless_webp(file),
        uncompressed=image.format == "TIFF" and info.get("compression") == "raw",
    )


def _is_lossless_webp(file: IO[bytes]) -> bool:
    """Whether the first chunk of pixels is of the kind without loss."""
    file.seek(12)
    while len(head := file.read(8)) == 8:
        name, size = head[:4], int.from_bytes(head[4:], "little")
        if name == b"ANMF":  # a frame, which holds chunks of its own
            file.seek(16, io.SEEK_CUR)
        elif name in (b"VP8L", b"VP8 "):
            return name == b"VP8L"
        else:
            file.seek(size + size % 2, io.SEEK_CUR)
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
