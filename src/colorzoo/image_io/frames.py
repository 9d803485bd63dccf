"""Reading of all frames of an animation and all pages of a TIFF, one at a time.

Only one frame is in memory, besides the canvas that an animation builds upon.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Literal

from PIL import Image

from colorzoo.errors import ImageError
from colorzoo.image_io.formats import check_pixel_count
from colorzoo.image_io.raster_image import RasterImage
from colorzoo.image_io.read import MAX_PIXELS, from_pil, is_tiff, open_pil, open_source, read_tiff_page
from colorzoo.image_io.tiff import Directory, find_pages


@dataclass(frozen=True)
class Frames:
    """Content of a file of several images.

    Attributes:
        kind: ``"pages"`` of a TIFF, each of its own size, or ``"frames"`` of an animation.
        count: Number of images.
        plays: Number of runs of an animation; 0 for endless.
        alpha: Frames may be transparent.
        background: (red, green, blue, alpha) behind the frames of a WebP.
        pages: The directories that are pages of a TIFF.
        notes: The directories of a TIFF that are skipped.
    """

    kind: Literal["pages", "frames"]
    count: int
    plays: int = 0
    alpha: bool = True
    background: tuple[int, int, int, int] = (0, 0, 0, 0)
    pages: tuple[Directory, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class ImageFrame:
    """A frame or page.

    Attributes:
        image: The image, see `read_image`.
        milliseconds: Its duration; 0 for a page.
        hidden: It is a default image, which only programs without support for animations show.
    """

    image: RasterImage
    milliseconds: float = 0
    hidden: bool = False


def describe_frames(file: IO[bytes], name: str) -> Frames | None:
    """Describe an opened file of several images without decoding them.

    Args:
        file: A stream of `open_source`.
        name: Its name for error messages.

    Returns:
        None for a file of one image, of a format whose further images are not colored (AVIF, MPO, HEIC),
        or one that cannot be read; reading it raises the error.
    """
    try:
        if is_tiff(file):
            found = find_pages(file)
            count = len(found.pages)
            return Frames("pages", count, pages=found.pages, notes=found.notes()) if count > 1 else None
        head = file.read(12)
        if head.startswith((b"GIF8", b"\x89PNG")) or head[8:12] == b"WEBP":
            with open_pil(file, name) as image:
                return _animation(image)
    except Exception:  # reading the file raises a proper error
        return None
    return None


def _animation(image: Image.Image) -> Frames | None:
    count = getattr(image, "n_frames", 1)
    if count < 2:
        return None
    loop = image.info.get("loop")
    if image.format == "GIF":  # which counts repetitions
        return Frames("frames", count, 1 if loop is None else loop and loop + 1)
    if image.format == "PNG":
        return Frames("frames", count, loop or 0, image.has_transparency_data)
    background = image.info.get("background", (0, 0, 0, 0))
    return Frames("frames", count, loop or 0, image.mode == "RGBA", background)


def read_frames(
    source: str | Path | bytes, frames: Frames, *, max_pixels: int = MAX_PIXELS
) -> Iterator[ImageFrame]:
    """Read the frames or pages of a file, one at a time.

    Args:
        source: A file, or the bytes of one.
        frames: Its content, from `describe_frames`.
        max_pixels: Refuse frames of more pixels.

    Yields:
        The frames; only the first one carries the path of the file.

    Raises:
        ImageError: One is damaged or too large; the message names it.
    """
    with open_source(source) as (file, name):
        read = _read_pages if frames.kind == "pages" else _read_animation
        for number, frame in enumerate(read(file, name, frames, max_pixels)):
            # the first alone names its file, as the hash of that is needed once
            path = Path(name) if number == 0 and not isinstance(source, bytes) else None
            metadata = replace(frame.image.metadata, source=path)
            yield replace(frame, image=replace(frame.image, metadata=metadata))


def _read_pages(file: IO[bytes], name: str, frames: Frames, max_pixels: int) -> Iterator[ImageFrame]:
    notes = frames.notes
    for number, page in enumerate(frames.pages, 1):
        raster = read_tiff_page(file, page, f"page {number} of {name}", max_pixels)
        yield ImageFrame(replace(raster, notes=(*notes, *raster.notes)))
        notes = ()


def _read_animation(file: IO[bytes], name: str, frames: Frames, max_pixels: int) -> Iterator[ImageFrame]:
    with open_pil(file, name) as image:
        check_pixel_count(name, image.size, max_pixels)
        default_image = bool(image.info.get("default_image"))
        for number in range(frames.count):
            title = f"frame {number + 1} of {name}"
            try:
                image.seek(number)
            except Exception as error:  # as in `open_pil`: damage raises any error
                raise ImageError(f"{title} is damaged ({' '.join(str(error).split())})") from error
            raster = from_pil(image, file, title)
            yield ImageFrame(raster, float(image.info.get("duration") or 0), default_image and number == 0)
