"""Read all frames of an animation or all pages of a TIFF, one at a time.

Only one frame is in memory at a time. For an animation, the canvas on which frames are composited is also in
memory.
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
    """Description of a file that contains several images.

    Attributes:
        kind: ``"pages"`` for a TIFF or ``"frames"`` for an animation. Pages may have different sizes.
        count: Number of images.
        plays: Number of times that an animation plays; 0 for an infinite loop.
        alpha: Whether frames of the animation can be transparent.
        pages: TIFF directories of the pages; empty for an animation.
    """

    kind: Literal["pages", "frames"]
    count: int
    plays: int = 0
    alpha: bool = True
    pages: tuple[Directory, ...] = ()


@dataclass(frozen=True)
class ImageFrame:
    """A frame of an animation, or a page of a TIFF.

    Attributes:
        image: Pixels and metadata, as returned by `read_image`.
        milliseconds: Display duration of a frame; 0 for a page.
    """

    image: RasterImage
    milliseconds: float = 0


def describe_frames(file: IO[bytes], name: str) -> Frames | None:
    """Describe the images of a file without decoding them.

    Args:
        file: Stream from `open_source`.
        name: Name of the file for error messages.

    Returns:
        The description. None if the file contains a single image or cannot be read. Also None for AVIF, MPO
        and HEIC, because only the first image of such a file is supported.
    """
    try:
        if is_tiff(file):
            pages = find_pages(file)
            return Frames("pages", len(pages), pages=pages) if len(pages) > 1 else None
        head = file.read(12)
        if head.startswith((b"GIF8", b"\x89PNG")) or head[8:12] == b"WEBP":
            with open_pil(file, name) as image:
                return _animation(image)
    except Exception:  # `read_image` raises a better error for a damaged file
        return None
    return None


def _animation(image: Image.Image) -> Frames | None:
    count = getattr(image, "n_frames", 1)
    if count < 2:
        return None
    loop = image.info.get("loop")
    if image.format == "GIF":  # the file stores the number of repetitions
        return Frames("frames", count, 1 if loop is None else loop and loop + 1)
    return Frames("frames", count, loop or 0, image.has_transparency_data)


def read_frames(
    source: str | Path | bytes, frames: Frames, *, max_pixels: int = MAX_PIXELS
) -> Iterator[ImageFrame]:
    """Read the frames or pages of a file, one at a time.

    Args:
        source: Path or content of the file.
        frames: Result of `describe_frames`.
        max_pixels: Maximum number of pixels per frame.

    Yields:
        Frames or pages in order. Only the metadata of the first frame contains the file path.

    Raises:
        ImageError: A frame is damaged or too large; the message contains the frame number.
    """
    with open_source(source) as (file, name):
        read = _read_pages if frames.kind == "pages" else _read_animation
        for number, frame in enumerate(read(file, name, frames, max_pixels)):
            # only the first frame has a path, so that the file is hashed only once
            path = Path(name) if number == 0 and not isinstance(source, bytes) else None
            metadata = replace(frame.image.metadata, source=path)
            yield replace(frame, image=replace(frame.image, metadata=metadata))


def _read_pages(file: IO[bytes], name: str, frames: Frames, max_pixels: int) -> Iterator[ImageFrame]:
    for number, page in enumerate(frames.pages, 1):
        yield ImageFrame(read_tiff_page(file, page, f"page {number} of {name}", max_pixels))


def _read_animation(file: IO[bytes], name: str, frames: Frames, max_pixels: int) -> Iterator[ImageFrame]:
    with open_pil(file, name) as image:
        check_pixel_count(name, image.size, max_pixels)
        for number in range(frames.count):
            title = f"frame {number + 1} of {name}"
            try:
                image.seek(number)
            except Exception as error:  # damaged files raise many types of errors, as in `open_pil`
                raise ImageError(f"{title} is damaged ({' '.join(str(error).split())})") from error
            yield ImageFrame(from_pil(image, file, title), float(image.info.get("duration") or 0))
