"""Write animated GIF, PNG and WebP files and multi-page TIFF files.

TIFF pages are written one at a time. An animation requires memory for all its 8-bit frames, because Pillow
writes them together.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from colorzoo.errors import ImageError
from colorzoo.image_io.frames import Frames
from colorzoo.image_io.raster_image import Levels, RasterImage
from colorzoo.image_io.tiff import TIFF_HEADER, encode_page
from colorzoo.image_io.write import (
    check_result_pixels,
    check_target,
    gif_image,
    output_format,
    quantized,
    save_options,
    whole_file,
)

_MAX_TIFF = 2**32 - 2**16
# maximum duration in milliseconds and maximum number of repetitions that all formats support
_MAX_DURATION, _MAX_PLAYS = 655_350, 65_535
_KEEP, _CLEAR = 1, 2  # disposal methods of GIF frames


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
        frames: At least one frame.
        source: Description of the source file.
        quality: See `write_image`.
        overwrite: See `write_image`.

    Raises:
        ImageError: The file cannot be written.
        ValueError: The sizes of a frame and its source differ, or a frame is not finite.
    """
    path = Path(path)
    kind = output_format(path)

    def checked() -> Iterable[ColoredFrame]:
        for number, frame in enumerate(frames):
            check_result_pixels(frame.rgb, frame.like)
            if number == 0:
                check_target(path, frame.like, kind, overwrite=overwrite)
            yield frame

    with whole_file(path, overwrite=overwrite) as file:
        if kind == "TIFF":
            _write_pages(file, checked())
        else:
            _write_animation(file, checked(), source, kind, quality)
    return path


def _write_pages(file: IO[bytes], frames: Iterable[ColoredFrame]) -> None:
    file.write(TIFF_HEADER)
    link = 4  # position of the offset of the next directory
    for frame in frames:
        offset = file.seek(0, 2)
        if offset % 2:
            offset += file.write(b"\0")
        like = frame.like
        stored = quantized(frame.rgb, like, 16 if like.bit_depth == 16 else 8)
        directory, strip = encode_page(stored, like.metadata, offset)
        if offset + len(directory) + len(strip) > _MAX_TIFF:
            raise ImageError("a TIFF must be smaller than 4 GB; use --frames first to write only one page")
        file.write(directory)
        file.write(strip)
        file.seek(link)
        file.write(struct.pack("<L", offset))
        link = offset + 2 + 12 * struct.unpack_from("<H", directory)[0]


def _write_animation(
    file: IO[bytes], frames: Iterable[ColoredFrame], source: Frames, kind: str, quality: int
) -> None:
    images, durations, is_clear, first = list[Image.Image](), list[int](), False, None
    step = 10 if kind == "GIF" else 1  # a GIF stores durations in hundredths of a second
    for frame in frames:
        first = first or frame
        stored = quantized(frame.rgb, frame.like, 8)
        is_opaque = stored.shape[2] == 3 or bool((stored[..., 3] >= 128).all())
        is_clear |= not is_opaque
        if kind == "GIF":
            images.append(_gif_frame(stored[..., :3] if is_opaque else stored))
        else:
            images.append(Image.fromarray(_match_alpha(stored, alpha=source.alpha)))
        durations.append(min(step * round(frame.milliseconds / step), _MAX_DURATION))
    assert first is not None  # every file has at least one frame
    options = save_options(kind, first.like.metadata, quality, alpha=first.like.alpha is not None)
    if kind == "GIF":
        options["disposal"] = _CLEAR if is_clear else _KEEP
    if kind != "GIF" or source.plays != 1:  # a GIF stores the number of repetitions
        plays = min(source.plays, _MAX_PLAYS)
        options["loop"] = max(0, plays - 1) if kind == "GIF" else plays
    images[0].save(file, kind, save_all=True, append_images=images[1:], duration=durations, **options)


def _gif_frame(stored: NDArray[Any]) -> Image.Image:
    image, options = gif_image(stored)
    image.info.update(options)
    return image


def _match_alpha(stored: NDArray[Any], *, alpha: bool) -> NDArray[Any]:
    """Add or remove alpha; all frames of an animation must have the same channels."""
    if not alpha or stored.shape[2] == 4:
        return stored[..., : 4 if alpha else 3]
    return np.dstack([stored, np.full(stored.shape[:2], np.iinfo(stored.dtype).max, stored.dtype)])
