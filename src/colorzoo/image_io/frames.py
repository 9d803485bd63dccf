"""Read and write animations and multi-page TIFF files.

Reading keeps one frame in memory, plus the canvas onto which the frames of an animation are composited.
TIFF pages are written one at a time. To write an animation, Pillow needs all 8-bit frames in memory.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any, Literal

from PIL import Image

from colorzoo.errors import ImageError
from colorzoo.files import whole_file, write_atomic
from colorzoo.image_io.exif import TIFF_HEADER
from colorzoo.image_io.raster_image import RasterImage, quantized
from colorzoo.image_io.read import from_pil, read_tiff_page
from colorzoo.image_io.tiff import encode_page
from colorzoo.image_io.write import (
    ANIMATED_FORMATS,
    check_result_pixels,
    check_target,
    gif_image,
    output_format,
    save_options,
    write_error,
)
from colorzoo.pixels.decode import MAX_PIXELS, check_pixel_count, is_tiff, open_pil, open_source
from colorzoo.pixels.raster import Levels
from colorzoo.pixels.tiff import Directory, find_pages

# maximum duration in milliseconds and maximum number of repetitions that all formats support
_MAX_DURATION, _MAX_PLAYS = 655_350, 65_535
_KEEP, _CLEAR = 1, 2  # disposal methods of GIF frames
_GRAY_PALETTE = bytes(level for level in range(256) for _ in "RGB")


@dataclass(frozen=True)
class Frames:
    """Description of a file that contains several images.

    Attributes:
        kind: ``"pages"`` for a TIFF or ``"frames"`` for an animation. The pages of a TIFF can have different
            sizes.
        count: Number of frames or pages.
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
    """Return the number and type of the images in a file without decoding them.

    Args:
        file: Stream from `open_source`.
        name: Name of the file for error messages.

    Returns:
        Description of the file; None if the file contains a single image or cannot be read. The result is
        also None for AVIF, HEIC, MPO and PNG, because only the first image of these formats is supported.
    """
    try:
        if is_tiff(file):
            pages = find_pages(file)
            return Frames("pages", len(pages), pages=pages) if len(pages) > 1 else None
        head = file.read(12)
        if head.startswith(b"GIF8") or head[8:12] == b"WEBP":
            with open_pil(file, name) as image:
                count = getattr(image, "n_frames", 1)
                if count < 2:
                    return None
                loop = image.info.get("loop")
                if image.format == "GIF":  # the file stores the number of repetitions
                    return Frames("frames", count, 1 if loop is None else loop and loop + 1)
                return Frames("frames", count, loop or 0, image.has_transparency_data)
    except Exception:  # `read_image` raises a better error for a damaged file
        return None
    return None


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
        if frames.kind == "pages":
            read: Iterable[ImageFrame] = (
                ImageFrame(read_tiff_page(file, page, f"page {number} of {name}", max_pixels))
                for number, page in enumerate(frames.pages, 1)
            )
        else:
            read = _read_animation(file, name, frames, max_pixels)
        for number, frame in enumerate(read):
            # only the first frame has a path, so that the file is hashed only once
            path = Path(name) if number == 0 and not isinstance(source, bytes) else None
            metadata = replace(frame.image.metadata, source=path)
            yield replace(frame, image=replace(frame.image, metadata=metadata))


def _read_animation(file: IO[bytes], name: str, frames: Frames, max_pixels: int) -> Iterator[ImageFrame]:
    with open_pil(file, name) as image:
        check_pixel_count(name, image.size, max_pixels)
        for number in range(frames.count):
            title = f"frame {number + 1} of {name}"
            try:
                follows_gray_frame = number > 0 and image.format == "GIF" and image.mode == "L"
                image.seek(number)
                if follows_gray_frame:
                    image.load()
                # Pillow 13 decodes the palette indices of this frame into the gray image of earlier frames
                if follows_gray_frame and image.mode == "P":
                    image.seek(0)
                    image.load()
                    image.putpalette(_GRAY_PALETTE)  # so that Pillow converts all later frames to RGB
                    image.seek(number)
            except Exception as error:  # damaged files raise many types of errors, as in `open_pil`
                raise ImageError(f"{title} is damaged ({' '.join(str(error).split())})") from error
            yield ImageFrame(from_pil(image, file, title), float(image.info.get("duration") or 0))


@dataclass(frozen=True)
class ColoredFrame:
    """Colorized frame of an animation, or colorized page of a TIFF.

    Attributes:
        rgb: ``(H, W, 3)`` sRGB: uint8, uint16, or float in [0, 1].
        like: Source frame, which provides bit depth, alpha and metadata.
        milliseconds: Display duration of the frame; 0 for a page.
    """

    rgb: Levels
    like: RasterImage
    milliseconds: float = 0


def write_frames(
    path: str | Path,
    frames: Iterable[ColoredFrame],
    source: Frames,
    *,
    quality: int = 95,
    overwrite: bool = False,
) -> Path:
    """Write the colorized frames of an animation or pages of a TIFF.

    An animation is written with the metadata of the first frame. Each TIFF page keeps its own metadata.

    Args:
        path: Output file, in a format for which `supports_frames` returns True.
        frames: Colorized frames or pages, at least one.
        source: Description of the source file, returned by `describe_frames`.
        quality: Quality of lossy formats, 1 to 100, see `write_image`.
        overwrite: Whether an existing file is replaced. The source is never replaced.

    Returns:
        ``path`` as a `Path`.

    Raises:
        ImageError: The file cannot be written.
        ValueError: The sizes of a frame and its source differ, or a frame is not finite.
    """
    path = Path(path)
    file_format = output_format(path)

    def checked_frames() -> Iterator[ColoredFrame]:
        """Yield the frames; check the output file before the first frame."""
        for number, frame in enumerate(frames):
            check_result_pixels(frame.rgb, frame.like)
            if number == 0:
                check_target(path, frame.like, file_format, overwrite=overwrite)
            yield frame

    try:
        if file_format == "TIFF":
            with whole_file(path, overwrite=overwrite) as file:
                file.write(TIFF_HEADER)
                link = 4  # position of the offset of the next directory
                for frame in checked_frames():
                    offset = file.seek(0, 2)
                    if offset % 2:
                        offset += file.write(b"\0")
                    like = frame.like
                    stored = quantized(frame.rgb, like, 16 if like.bit_depth == 16 else 8)
                    directory, strip = encode_page(stored, like.metadata, offset)
                    file.write(directory)
                    file.write(strip)
                    file.seek(link)
                    file.write(struct.pack("<L", offset))
                    (tag_count,) = struct.unpack_from("<H", directory)
                    link = offset + 2 + 12 * tag_count  # after the number of tags and 12 bytes for each tag
        else:  # Pillow encodes all frames at once, so no file is open while the frames are colorized
            path.parent.mkdir(parents=True, exist_ok=True)  # fails before the frames are colorized
            content = io.BytesIO()
            _write_animation(content, checked_frames(), source, file_format, quality)
            write_atomic(path, content.getvalue(), overwrite=overwrite)
    except OSError as error:
        raise write_error(path, error) from error
    return path


def _write_animation(
    file: IO[bytes], frames: Iterable[ColoredFrame], source: Frames, kind: str, quality: int
) -> None:
    """Write the frames of an animation with the metadata of the first frame."""
    images, durations = list[Image.Image](), list[int]()
    options: dict[str, Any] = {}
    for frame in frames:
        if not images:
            options = save_options(kind, frame.like.metadata, quality, alpha=frame.like.alpha is not None)
        # convert to 8 bits, and to the mode of all frames
        stored = quantized(frame.rgb, frame.like, 8)
        if kind == "GIF":
            is_opaque = stored.shape[2] == 3 or bool((stored[..., 3] >= 128).all())
            image, gif_options = gif_image(stored[..., :3] if is_opaque else stored)
            image.info.update(gif_options)
        else:
            image = Image.fromarray(stored).convert("RGBA" if source.alpha else "RGB")
        images.append(image)
        step = 10 if kind == "GIF" else 1  # a GIF stores durations in hundredths of a second
        durations.append(min(step * round(frame.milliseconds / step), _MAX_DURATION))
    plays = min(source.plays, _MAX_PLAYS)
    if kind != "GIF":
        options["loop"] = plays
    else:
        is_transparent = any("transparency" in image.info for image in images)
        options["disposal"] = _CLEAR if is_transparent else _KEEP
        if plays != 1:  # a GIF stores the number of repetitions
            options["loop"] = max(0, plays - 1)
    images[0].save(file, kind, save_all=True, append_images=images[1:], duration=durations, **options)


def supports_frames(path: str | Path, source: Frames) -> bool:
    """Return whether an output file can contain all frames or pages of its source.

    Args:
        path: Output file, whose extension determines the format.
        source: Description of the source file, returned by `describe_frames`.
    """
    kind = output_format(Path(path))
    return kind == "TIFF" or (kind in ANIMATED_FORMATS and source.kind == "frames")


def frames_notes(path: str | Path, source: Frames) -> tuple[str, ...]:
    """Return notes for the user on the frames or pages of an output file.

    The notes contain the number of written frames or pages, and data that the format does not support.

    Args:
        path: Output file, whose extension determines the format.
        source: Description of the source file, returned by `describe_frames`.
    """
    file_format, title = output_format(Path(path)), f"{source.count} {source.kind}"
    if not supports_frames(path, source):
        return (f"first of {title}: {file_format} supports only one image",)
    if source.kind == "frames" and file_format == "TIFF":
        return title, "frame durations were dropped: TIFF does not support them"
    return (title,)
