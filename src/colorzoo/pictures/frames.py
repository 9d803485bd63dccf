"""Reading of all frames of an animation and all pages of a TIFF, one at a time.

Only one frame is in memory, besides the canvas that an animation builds upon.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any, Literal

from PIL import Image

from colorzoo.errors import PictureError
from colorzoo.pictures.formats import check_pixels
from colorzoo.pictures.picture import Picture
from colorzoo.pictures.read import MAX_PIXELS, TIFF_MARKS, from_image, identified, opened, read_file


@dataclass(frozen=True)
class Frames:
    """Content of a file of several pictures.

    Attributes:
        kind: ``"pages"`` of a TIFF, each of its own size, or ``"frames"`` of an animation.
        count: Number of pictures.
        plays: Number of runs of an animation; 0 for endless.
        alpha: Frames may be transparent.
        background: (red, green, blue, alpha) behind the frames of a WebP.
        pages: Header of each page of a TIFF, see `PageStream`.
    """

    kind: Literal["pages", "frames"]
    count: int
    plays: int = 0
    alpha: bool = True
    background: tuple[int, int, int, int] = (0, 0, 0, 0)
    pages: tuple[bytes, ...] = ()


@dataclass(frozen=True)
class PictureFrame:
    """A frame or page.

    Attributes:
        picture: The picture, see `read_picture`.
        milliseconds: Its duration; 0 for a page.
        hidden: It is a default image, which only programs without support for animations show.
    """

    picture: Picture
    milliseconds: float = 0
    hidden: bool = False


def frames_of(file: IO[bytes], name: str) -> Frames | None:
    """Describe an opened file of several pictures without decoding them.

    Args:
        file: A stream of `opened`.
        name: Its name for error messages.

    Returns:
        None for a file of one picture, of a format whose further pictures are not colored (AVIF, MPO, HEIC),
        or one that cannot be read; reading it raises the error.
    """
    try:
        head = file.read(12)
        if head[:4] in TIFF_MARKS:
            from colorzoo.pictures.tiff import page_headers

            pages = tuple(page_headers(file))
            return Frames("pages", len(pages), pages=pages) if len(pages) > 1 else None
        if head.startswith((b"GIF8", b"\x89PNG")) or head[8:12] == b"WEBP":
            with identified(file, name) as image:
                return _animation(image, file) if image is not None else None
    except Exception:  # reading the file raises a proper error
        return None
    return None


def _animation(image: Image.Image, file: IO[bytes]) -> Frames | None:
    count = getattr(image, "n_frames", 1)
    if count < 2:
        return None
    loop = image.info.get("loop")
    if image.format == "GIF":  # which counts repetitions
        return Frames("frames", count, 1 if loop is None else loop and loop + 1)
    if image.format == "PNG":
        from colorzoo.pictures.png import png_header

        alpha = png_header(file)[1] in (4, 6) or "transparency" in image.info
        return Frames("frames", count, loop or 0, alpha)
    background = image.info.get("background", (0, 0, 0, 0))
    return Frames("frames", count, loop or 0, image.mode == "RGBA", background)


def read_frames(
    source: str | Path | bytes, frames: Frames, *, max_pixels: int = MAX_PIXELS, salvage: bool = False
) -> Iterator[PictureFrame]:
    """Read the frames or pages of a file, one at a time.

    Args:
        source: A file, or the bytes of one.
        frames: Its content, from `frames_of`.
        max_pixels: Refuse frames of more pixels.
        salvage: Leave out damaged pages, and the frames from a damaged one on.

    Yields:
        The frames; only the first one carries the path of the file.

    Raises:
        PictureError: One is damaged or too large; the message names it.
    """
    with opened(source) as (file, name):
        read = _read_pages if frames.kind == "pages" else _read_animation
        found = 0
        for frame in read(file, name, frames, max_pixels, salvage):
            # the first alone names its file, as the hash of that is needed once
            path = Path(name) if found == 0 and not isinstance(source, bytes) else None
            metadata = replace(frame.picture.metadata, source=path)
            yield replace(frame, picture=replace(frame.picture, metadata=metadata))
            found += 1
        if not found:
            raise PictureError(f"{name} is damaged: none of its {frames.count} {frames.kind} can be read")


def _read_pages(
    file: IO[bytes], name: str, frames: Frames, max_pixels: int, salvage: bool
) -> Iterator[PictureFrame]:
    from colorzoo.pictures.tiff import PageStream

    for number, header in enumerate(frames.pages, 1):
        stream: Any = PageStream(file, header)  # not of `typing.IO`
        try:
            picture = read_file(stream, f"page {number} of {name}", max_pixels, salvage=salvage)
        except PictureError:
            if salvage:
                continue
            raise
        notes = tuple(note for note in picture.notes if not note.startswith("first of "))
        yield PictureFrame(replace(picture, notes=notes))


def _read_animation(
    file: IO[bytes], name: str, frames: Frames, max_pixels: int, salvage: bool
) -> Iterator[PictureFrame]:
    with identified(file, name) as image:
        assert image is not None  # None is for TIFF
        check_pixels(name, image.size, max_pixels)
        try:
            if image.format == "PNG":
                from colorzoo.pictures.png import png_header

                if png_header(file)[0] == 16:
                    yield from _read_deep_png(image, file, name)
                    return
            yield from _read_by_pillow(image, file, name, frames.count)
        except PictureError:
            if not salvage:
                raise


def _read_by_pillow(image: Image.Image, file: IO[bytes], name: str, count: int) -> Iterator[PictureFrame]:
    default_image = bool(image.info.get("default_image"))
    for number in range(count):
        title = f"frame {number + 1} of {name}"
        try:
            image.seek(number)
        except Exception as error:  # as in `identified`: damage raises any error
            raise PictureError(f"{title} is damaged ({' '.join(str(error).split())})") from error
        picture = from_image(image, file, title)
        yield PictureFrame(picture, float(image.info.get("duration") or 0), default_image and number == 0)


def _read_deep_png(image: Image.Image, file: IO[bytes], name: str) -> Iterator[PictureFrame]:
    from colorzoo.pictures.deep import deep_pixels
    from colorzoo.pictures.png import deep_frames

    from_image(image, file, name)  # Pillow has to finish reading before the position in the file changes
    profile = image.info.get("icc_profile") or None
    for stored, milliseconds in deep_frames(file, name):
        picture = from_image(image, file, name, pixels=deep_pixels(stored, profile))
        yield PictureFrame(picture, milliseconds or 0, milliseconds is None)
