"""All frames of an animation and all pages of a TIFF, read one after the other.

What is in memory is one frame, and of animations what their formats build upon: never all of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any, Literal

from PIL import Image

from colorzoo.errors import PictureError
from colorzoo.inference.apng import deep_frames
from colorzoo.inference.pages import PageStream, pages_of
from colorzoo.inference.picture import Picture
from colorzoo.inference.pixels import deep_pixels, png_header
from colorzoo.inference.read import MAX_PIXELS, check_pixels, from_image, identified, opened, read_file

_TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_PNG_COLORS_WITH_ALPHA = (4, 6)


@dataclass(frozen=True)
class Frames:
    """What a file of several pictures holds.

    Attributes:
        kind: ``"pages"`` of a TIFF, each of its own size, or ``"frames"`` of an animation.
        count: How many.
        plays: How often an animation runs; 0 without end.
        alpha: Whether a frame may be transparent.
        background: (red, green, blue, alpha) behind the frames of a WebP.
        pages: Of a TIFF, the headers that its pages need.
    """

    kind: Literal["pages", "frames"]
    count: int
    plays: int = 0
    alpha: bool = True
    background: tuple[int, int, int, int] = (0, 0, 0, 0)
    pages: tuple[bytes, ...] = ()


@dataclass(frozen=True)
class Frame:
    """One frame or page.

    Attributes:
        picture: As `read_picture` gives it.
        milliseconds: How long it is shown; 0 for a page.
        hidden: It is no part of the animation, but shown by programs that know none.
    """

    picture: Picture
    milliseconds: float = 0
    hidden: bool = False


def look_for_frames(source: str | Path | bytes) -> Frames | None:
    """Say what a file of several pictures holds, without decoding them.

    Returns:
        None for a file of one picture, or of a format whose further pictures are not colored (AVIF, MPO,
        HEIC), or for one that is no picture; reading it says why.
    """
    try:
        with opened(source) as (file, name):
            head = file.read(12)
            if head[:4] in _TIFF:
                return _pages(file)
            if head.startswith((b"GIF8", b"\x89PNG")) or head[8:12] == b"WEBP":
                with identified(file, name) as image:
                    return _animation(image, file) if image is not None else None
    except Exception:  # whoever reads the file tells of its damage
        return None
    return None


def _pages(file: IO[bytes]) -> Frames | None:
    headers = tuple(pages_of(file))
    return Frames("pages", len(headers), pages=headers) if len(headers) > 1 else None


def _animation(image: Image.Image, file: IO[bytes]) -> Frames | None:
    count = getattr(image, "n_frames", 1)
    if count < 2:
        return None
    loop = image.info.get("loop")
    if image.format == "GIF":  # which counts how often it starts again
        return Frames("frames", count, 1 if loop is None else loop and loop + 1)
    if image.format == "PNG":
        alpha = png_header(file)[1] in _PNG_COLORS_WITH_ALPHA or "transparency" in image.info
        return Frames("frames", count, loop or 0, alpha)
    background = image.info.get("background", (0, 0, 0, 0))
    return Frames("frames", count, loop or 0, image.mode == "RGBA", background)


def read_frames(
    source: str | Path | bytes, frames: Frames, *, max_pixels: int = MAX_PIXELS, salvage: bool = False
) -> Iterator[Frame]:
    """Read the frames or pages of a file, one at a time.

    Args:
        source: A file, or the bytes of one.
        frames: What `look_for_frames` said of it.
        max_pixels: Refuse frames of more pixels.
        salvage: Leave out what is damaged: pages, or the frames after one that is.

    Yields:
        The frames; notes of the first speak of the file.

    Raises:
        PictureError: One is damaged or too large; the message says which.
    """
    with opened(source) as (file, name):
        read = _read_pages if frames.kind == "pages" else _read_animation
        found = 0
        for frame in read(file, name, frames, max_pixels, salvage):
            found += 1
            yield frame
        if not found:
            raise PictureError(f"{name} is damaged: none of its {frames.count} {frames.kind} can be read")


def _read_pages(
    file: IO[bytes], name: str, frames: Frames, max_pixels: int, salvage: bool
) -> Iterator[Frame]:
    path = None if name == "the picture" else Path(name)
    for number, header in enumerate(frames.pages, 1):
        stream: Any = PageStream(file, header)  # a stream like any other, but not of `typing.IO`
        try:
            picture = read_file(stream, f"page {number} of {name}", max_pixels, salvage=salvage)
        except PictureError:
            if salvage:
                continue
            raise
        notes = tuple(note for note in picture.notes if not note.startswith("first of "))
        yield Frame(replace(picture, metadata=replace(picture.metadata, source=path), notes=notes))
        path = None  # of the first alone, as it is asked for its hash


def _read_animation(
    file: IO[bytes], name: str, frames: Frames, max_pixels: int, salvage: bool
) -> Iterator[Frame]:
    path = None if name == "the picture" else Path(name)
    with identified(file, name) as image:
        assert image is not None  # None is for TIFF
        check_pixels(name, image.size, max_pixels)
        read = _read_deep if image.format == "PNG" and png_header(file)[0] == 16 else _read_shallow
        try:
            for frame in read(image, file, name, frames):
                metadata = replace(frame.picture.metadata, source=path)
                yield replace(frame, picture=replace(frame.picture, metadata=metadata))
                path = None  # as above
        except PictureError:
            if not salvage:
                raise


def _read_shallow(image: Image.Image, file: IO[bytes], name: str, frames: Frames) -> Iterator[Frame]:
    hidden = bool(image.info.get("default_image"))
    for number in range(frames.count):
        called = f"frame {number + 1} of {name}"
        try:
            image.seek(number)
        except Exception as error:  # as in `identified`: damage raises anything
            raise PictureError(f"{called} is damaged ({' '.join(str(error).split())})") from error
        picture = from_image(image, file, called)
        yield Frame(picture, float(image.info.get("duration") or 0), hidden and number == 0)


def _read_deep(image: Image.Image, file: IO[bytes], name: str, frames: Frames) -> Iterator[Frame]:
    del frames
    from_image(image, file, name)  # Pillow shall have read all that it wants before others move in the file
    profile = image.info.get("icc_profile") or None
    for stored, milliseconds in deep_frames(file, name):
        picture = from_image(image, file, name, pixels=deep_pixels(stored, profile))
        yield Frame(picture, milliseconds or 0, milliseconds is None)
