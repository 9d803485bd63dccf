"""Write a colored picture as a file of the kind its source was: all of it or nothing."""

from __future__ import annotations

import errno
import os
import secrets
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

import numpy as np
from PIL import Image

from colorzoo.errors import DiskFullError, PictureError
from colorzoo.inference.animate import WRITERS, ColoredFrame
from colorzoo.inference.encode import (
    ALPHA_FORMATS,
    DEEP_FORMATS,
    XMP_FORMATS,
    encode,
    fits_jpeg,
    quantized,
    stored_depth,
)
from colorzoo.inference.frames import Frames
from colorzoo.inference.paths import WRITABLE
from colorzoo.inference.picture import Levels, Picture

#: Longest side a format can hold, in pixels.
_LARGEST = {"JPEG": 65500, "WEBP": 16383, "AVIF": 65536, "GIF": 65535}
_PART = ".colorzoo-"
_ABANDONED = 3600.0  # seconds
_KEPT = {
    "exif": ("EXIF", {"JPEG", "PNG", "TIFF", "WEBP", "AVIF"}),
    "icc": ("color profile", {"JPEG", "PNG", "TIFF", "WEBP", "AVIF"}),
    "xmp": ("XMP", XMP_FORMATS),
    "photoshop": ("IPTC", {"JPEG"}),
    "comment": ("comment", {"JPEG", "GIF"}),
    "text": ("PNG text", {"PNG"}),
}


def write_picture(
    path: str | Path, rgb: Levels, like: Picture, *, quality: int = 95, overwrite: bool = False
) -> Path:
    """Write a colored result with the depth, alpha and metadata of its source.

    The extension decides the format. A format that cannot hold all of the source drops what it must (JPEG
    drops alpha and the lower 8 of 16 bits); `write_notes` says what that is. The file appears whole or not
    at all.

    Args:
        path: The file to write; missing folders are made.
        rgb: (H, W, 3) sRGB: uint8, uint16, or float in [0, 1], where values outside are clipped.
        like: The source, of the same size.
        quality: 1 to 100 for JPEG, WebP and AVIF; WebP of 100, or of a source without loss, has no loss.
        overwrite: Replace an existing file, though never the source.

    Returns:
        The path written.

    Raises:
        PictureError: If the format is unknown or too small, the file exists or is the source, or the disk
            refuses.
        ValueError: If `rgb` is not of the size of `like`, or has values that are no numbers.
    """
    path = Path(path)
    kind = _kind(path)
    _check_array(rgb, like)
    _check_target(path, like, overwrite)
    _check_size(path, like, kind)
    try:
        content = encode(rgb, like, kind, quality)
    except OSError as error:
        raise PictureError(f"{path} cannot be encoded as {kind}: {error}") from error
    write_whole(path, content)
    return path


def write_frames(
    path: str | Path,
    frames: Iterable[ColoredFrame],
    source: Frames,
    *,
    quality: int = 95,
    overwrite: bool = False,
) -> Path:
    """Write the colored frames or pages of a file, one after the other as they come.

    Arguments and errors are those of `write_picture`; the first frame's metadata are the file's, but pages
    have their own.

    Args:
        path: The file to write, of a format that `holds_frames`.
        frames: At least one.
        source: What the file was that they come from.
        quality: As `write_picture`.
        overwrite: As `write_picture`.
    """
    path = Path(path)
    kind = _kind(path)
    with whole_file(path) as file:
        writer = WRITERS[kind](file, source, quality)
        for number, frame in enumerate(frames):
            _check_array(frame.rgb, frame.like)
            if number == 0:
                _check_target(path, frame.like, overwrite)
                _check_size(path, frame.like, kind)
            writer.add(frame)
        writer.finish()
    return path


def holds_frames(path: str | Path, source: Frames) -> bool:
    """Say whether a file of this name can hold all frames or pages of another one."""
    kind = _kind(Path(path))
    return kind == "TIFF" or (kind in WRITERS and source.kind == "frames")


def frames_notes(path: str | Path, source: Frames) -> tuple[str, ...]:
    """Say how many frames or pages there are, and what of them the format of `path` cannot hold."""
    kind = _kind(Path(path))
    if not holds_frames(path, source):
        return (f"first of {source.count} {source.kind}: {kind} cannot hold the others",)
    lost = ("timing dropped: TIFF holds pages",) if source.kind == "frames" and kind == "TIFF" else ()
    return (f"{source.count} {source.kind}", *lost)


def write_notes(path: str | Path, like: Picture) -> tuple[str, ...]:
    """Say what of the source the format of `path` cannot hold.

    Raises:
        PictureError: If the extension names no format that can be written.
    """
    kind = _kind(Path(path))
    notes = []
    if like.alpha is not None and kind not in ALPHA_FORMATS:
        notes.append(f"alpha dropped: {kind} cannot hold it")
    if like.bit_depth == 16 and kind not in DEEP_FORMATS:
        notes.append(f"reduced to 8 bits: {kind} holds no more, PNG and TIFF hold 16")
    if kind == "GIF":
        notes.append("reduced to 256 colors: GIF holds no more")
    too_long = (
        {name for name, fits in fits_jpeg(like.metadata).items() if not fits} if kind == "JPEG" else set()
    )
    for name, (title, kinds) in _KEPT.items():
        if getattr(like.metadata, name) and (kind not in kinds or name in too_long):
            notes.append(f"{title} dropped: {kind} cannot hold it")
    return tuple(notes)


def depth_at(path: str | Path, like: Picture) -> int:
    """Return how many bits a channel, 8 or 16, the result of a picture has in a file of this name.

    Raises:
        PictureError: If the extension names no format that can be written.
    """
    return stored_depth(like, _kind(Path(path)))


def to_pil(rgb: Levels, like: Picture) -> Image.Image:
    """Make an 8-bit PIL image of a colored result, with alpha and metadata of its source.

    Args:
        rgb: (H, W, 3) sRGB: uint8, or float in [0, 1].
        like: The source, of the same size.

    Returns:
        An image of mode ``RGB`` or ``RGBA``; EXIF, profile, XMP and resolution are in its ``info``.

    Raises:
        ValueError: As `write_picture`.
    """
    _check_array(rgb, like)
    image = Image.fromarray(quantized(rgb, like, 8))
    data = like.metadata
    entries = {
        "exif": data.exif and b"Exif\0\0" + data.exif,
        "icc_profile": data.icc,
        "xmp": data.xmp,
        "dpi": data.dpi,
    }
    image.info.update({name: value for name, value in entries.items() if value})
    return image


def _kind(path: Path) -> str:
    kind = WRITABLE.get(path.suffix.lower())
    if kind is None:
        known = " ".join(sorted(WRITABLE))
        raise PictureError(
            f"{path}: pictures cannot be written as {path.suffix or 'a file without extension'}, "
            f"use one of {known}"
        )
    return kind


def _check_array(rgb: Levels, like: Picture) -> None:
    width, height = like.size
    if rgb.shape != (height, width, 3) or not (rgb.dtype.kind == "f" or rgb.dtype in (np.uint8, np.uint16)):
        raise ValueError(
            f"pixels of shape {(height, width, 3)} were expected, these are {rgb.dtype} {rgb.shape}"
        )
    if rgb.dtype.kind == "f" and not np.isfinite(rgb.min() + rgb.max()):  # both pass a NaN on
        raise ValueError("the pixels hold values that are no numbers")


def _check_size(path: Path, like: Picture, kind: str) -> None:
    width, height = like.size
    largest = _LARGEST.get(kind)
    if largest is not None and max(width, height) > largest:
        raise PictureError(
            f"{path}: {width} x {height} pixels are more than {kind} can hold ({largest} a side), "
            "write .png or .tif"
        )


def _check_target(path: Path, like: Picture, overwrite: bool) -> None:
    source = like.metadata.source
    try:
        exists = path.exists()
        if exists and source is not None and source.exists() and path.samefile(source):
            raise PictureError(f"{path} is the source itself, name another file for the result")
    except OSError as error:
        raise PictureError(f"{path} cannot be written: {error.strerror}") from error
    if path.is_dir():
        raise PictureError(f"{path} is a folder, a file name was expected")
    if exists and not overwrite:
        raise PictureError(f"{path} exists already, remove it or ask to overwrite")


def write_whole(path: Path, content: bytes) -> None:
    """Write a file, all of it or nothing.

    Raises:
        PictureError: It cannot be written.
    """
    with whole_file(path) as file:
        file.write(content)


def remove_leftovers(folder: Path) -> None:
    """Remove what killed runs left of files that they were writing, an hour after the last write to it."""
    with suppress(OSError):  # there is no folder yet, or it is another user's
        for part in folder.glob(f"{_PART}*.part"):
            if time.time() - part.stat().st_mtime > _ABANDONED:
                part.unlink()


@contextmanager
def whole_file(path: Path) -> Iterator[IO[bytes]]:
    """Write beside the target under a short name, then rename, so that no half file is ever seen.

    Yields:
        A file to write to, which takes its place at the end, or goes if there is an error.

    Raises:
        PictureError: It cannot be written.
    """
    partial = path.with_name(f"{_PART}{secrets.token_hex(6)}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with partial.open("xb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())  # else a power cut might leave the name without the content
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)
    except FileExistsError:
        raise PictureError(f"{path} cannot be written: {path.parent} is a file, not a folder") from None
    except OSError as error:
        kind = DiskFullError if error.errno in (errno.ENOSPC, errno.EDQUOT) else PictureError
        raise kind(f"{path} cannot be written: {error.strerror or error}") from error
