"""Color one image file in three steps: open it, color it, write the result.

Of an animation or a file of several pages all frames are colored, each as it would be alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

from torch import Tensor

from colorzoo.batch.origin import origin_of_answer
from colorzoo.errors import ImageError
from colorzoo.guidance import Recipe
from colorzoo.image_io.frames import Frames, ImageFrame, describe_frames, read_frames
from colorzoo.image_io.provenance import ImageProvenance, write_with_provenance
from colorzoo.image_io.raster_image import RasterImage
from colorzoo.image_io.read import MAX_PIXELS, open_source, read_file
from colorzoo.image_io.write import frames_notes, output_bit_depth, supports_frames, write_image
from colorzoo.image_io.write_frames import ColoredFrame, write_frames
from colorzoo.inference.pipeline import colorize
from colorzoo.inference.result import ColorizedImage
from colorzoo.inference.stages import StageRun
from colorzoo.inference.steps.pages import NOTHING_TO_COLOR
from colorzoo.inference.task import ColorizeTask

MOST_FRAMES = 20_000
"""Largest number of frames or pages of a file that are colored."""


_PAPER = 97.0  # lightness above which hardly any color can be shown
_PALE = 1.5  # mean chroma of a result, in CIE units


@dataclass(frozen=True)
class FileOptions:
    """Options for reading and writing image files.

    Attributes:
        frames: Frames or pages to color: ``"all"`` that the format of the result can hold, the ``"first"``
            alone, or ``"required"``: all, or the file fails.
        quality: Quality of JPEG, WebP and AVIF, 1 to 100.
        overwrite: Replace an existing result, though never the source.
        max_pixels: Refuse larger images.
    """

    frames: Literal["all", "first", "required"] = "all"
    quality: int = 95
    overwrite: bool = False
    max_pixels: int = MAX_PIXELS


@dataclass(frozen=True)
class OpenedFile:
    """An image file whose first image is read.

    Attributes:
        first: The image, or the first frame, whose metadata are the file's.
        frames: What the file holds, if several images of it are colored.
        others: The other frames, not yet read.
    """

    first: ImageFrame
    frames: Frames | None
    others: Iterator[ImageFrame]


@dataclass(frozen=True)
class ColoredFile:
    """A colored file.

    Attributes:
        model: Registered name or class of the model.
        notes: Notes for the user, of all frames, each once.
        steps: The steps that colored its image; none for several frames.
    """

    model: str
    notes: tuple[str, ...]
    steps: tuple[StageRun, ...] = ()


def open_file(source: Path | bytes, target: Path, options: FileOptions) -> OpenedFile:
    """Read the first image of a file.

    Raises:
        ImageError: It cannot be read; or the target cannot hold all frames, which are required.
    """
    with open_source(source) as (file, name):
        frames = None if options.frames == "first" else describe_frames(file, name)
        if not _takes_all(frames, target, options):
            file.seek(0)
            image = read_file(file, name, options.max_pixels)
            return OpenedFile(ImageFrame(image), None, iter(()))
    assert frames is not None
    others = read_frames(source, frames, max_pixels=options.max_pixels)
    first = next(others, None)
    assert first is not None
    return OpenedFile(first, frames, others)


def _takes_all(frames: Frames | None, target: Path, options: FileOptions) -> bool:
    """Return whether all frames of a file are colored.

    Raises:
        ImageError: The target cannot hold all frames, which are required; or they are too many.
    """
    if frames and not supports_frames(target, frames):
        if options.frames == "required":
            raise ImageError(
                f"it holds {frames.count} {frames.kind}, which a file named {target.suffix} cannot hold; "
                "rename it (.tif), or color its first one with `colorzoo colorize`"
            )
        return False
    if frames and frames.count > MOST_FRAMES:
        raise ImageError(
            f"it holds {frames.count:,} {frames.kind}, more than the limit of {MOST_FRAMES:,}; "
            "--frames first colors the first one"
        )
    return frames is not None


def color_file(
    opened: OpenedFile,
    job: Callable[[RasterImage], ColorizeTask],
    target: Path,
    origin: ImageProvenance | None,
    options: FileOptions,
    first: ColorizeTask | None = None,
) -> Callable[[], ColoredFile]:
    """Color an opened file at the size of the network.

    Several frames are read, colored and written one after the other.

    Args:
        opened: The file.
        job: Returns the job of an image.
        target: File to write.
        origin: Provenance that the result holds, with its source; None to hold none.
        options: As of `open_file`.
        first: Job of the first image, if it is known already.

    Returns:
        The rest of the work, which may run in any thread: join colors and lightness at full size, and write.

    Raises:
        ColorzooError: An image cannot be colored, or a frame cannot be read or written. No file is left.
    """
    if opened.frames is not None:
        colored_file = _color_frames(opened, opened.frames, job, target, origin, options)
        return lambda: colored_file
    image = opened.first.image
    colored = colorize(job(image) if first is None else first)
    own = None if origin is None else origin_of_answer(origin, colored)
    pale = () if first is None or _is_guided(first) else _pale_notes(colored, first.part.lightness)

    def write() -> ColoredFile:
        levels = colored.levels(output_bit_depth(target, image))
        save = partial(write_image, target, levels, quality=options.quality, overwrite=options.overwrite)
        kept = _save(save, target, colored.source(image), own, options)
        return ColoredFile(colored.model, (*image.notes, *colored.notes, *pale, *kept), tuple(colored.stages))

    return write


def _is_guided(job: ColorizeTask) -> bool:
    """Return whether the user has a say in the colors; gray may then be what was asked for."""
    width, height = job.part.size
    plain = Recipe(model=job.recipe.model, width=width, height=height)
    return job.reference is not None or job.recipe != plain or bool(job.tensors.kinds())


def _pale_notes(colored: ColorizedImage, lightness: Tensor) -> tuple[str, ...]:
    """Return a note if a result has almost no color, as that of a drawing, whose paper holds none."""
    chroma = colored.ab.float().norm(dim=0) * (lightness[0, 0].to(colored.ab.device) < _PAPER)
    if float(chroma.mean()) >= _PALE:
        return ()
    told = () if NOTHING_TO_COLOR in colored.notes else ("almost no color was added",)
    return (*told, "`colorzoo models --guidance regions` lists models for drawings")


def _color_frames(
    opened: OpenedFile,
    frames: Frames,
    job: Callable[[RasterImage], ColorizeTask],
    target: Path,
    origin: ImageProvenance | None,
    options: FileOptions,
) -> ColoredFile:
    notes = dict.fromkeys(frames_notes(target, frames))
    model = ""

    def colored(frame: ImageFrame, like: RasterImage) -> ColoredFrame:
        nonlocal model
        result = colorize(job(frame.image))
        model = result.model
        notes.update(dict.fromkeys((*frame.image.notes, *result.notes)))
        levels = result.levels(output_bit_depth(target, like))
        return ColoredFrame(levels, result.source(like), frame.milliseconds, frame.hidden)

    def all_colored(first_like: RasterImage) -> Iterator[ColoredFrame]:
        yield colored(opened.first, first_like)
        for frame in opened.others:
            yield colored(frame, frame.image)

    def save(marked: RasterImage) -> Path:
        return write_frames(
            target, all_colored(marked), frames, quality=options.quality, overwrite=options.overwrite
        )

    kept = _save(save, target, opened.first.image, origin, options)
    return ColoredFile(model, (*notes, *kept))


def _save(
    save: Callable[[RasterImage], Path],
    target: Path,
    image: RasterImage,
    origin: ImageProvenance | None,
    options: FileOptions,
) -> tuple[str, ...]:
    if origin is None and not options.overwrite:  # no file is replaced, so none beside it is outdated
        save(image)
        return ()
    return write_with_provenance(save, target, image, origin)
