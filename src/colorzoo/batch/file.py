"""Colorize one image file in three steps: read, colorize and write.

Each step may run in a different thread. If a file has several frames or pages, each frame or page is
colorized as a separate image.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import IO

from colorzoo.batch.task import ALREADY_DONE, FileResult, FileTask, origin_of_result, with_prediction
from colorzoo.errors import ImageError
from colorzoo.files import remove_leftovers
from colorzoo.image_io.frames import (
    ColoredFrame,
    Frames,
    ImageFrame,
    describe_frames,
    frames_notes,
    read_frames,
    supports_frames,
    write_frames,
)
from colorzoo.image_io.provenance import ImageProvenance, read_provenance, result_state, write_with_provenance
from colorzoo.image_io.raster_image import IN_COLOR, RasterImage, chroma_note
from colorzoo.image_io.read import open_source, read_file
from colorzoo.image_io.write import (
    output_bit_depth,
    write_image,
    write_notes,
)
from colorzoo.inference.pipeline import colorize
from colorzoo.inference.task import ColorizeTask

MOST_FRAMES = 20_000
"""Maximum number of frames or pages of a file."""

Write = Callable[[], FileResult]
"""Third step: a function that writes the colorized file; may run in any thread."""


class FileColorizer:
    """Colorizer of image files.

    Args:
        skip_colored: Whether to skip images that are already in color.
        skip_done: Whether to skip files for which a result of the same source and settings exists.
    """

    def __init__(self, *, skip_colored: bool = False, skip_done: bool = False) -> None:
        self._skip_colored, self._skip_done = skip_colored, skip_done
        self._folders: set[Path] = set()

    def open(self, task: FileTask) -> FileResult | Callable[[], Write]:
        """Read and preprocess the first image of a file; thread-safe.

        Returns:
            The `FileResult` if the file is skipped. Otherwise a function that runs the network and returns a
            `Write` function.

        Raises:
            ColorzooError: The image, the model or a reference cannot be read, or the format of the target
                is not supported.
        """
        colorizer, _ = task.load()
        if task.target.parent not in self._folders:
            self._folders.add(task.target.parent)
            remove_leftovers(task.target.parent)
        origin = None
        try:
            source = task.source if isinstance(task.source, Path) else task.source()
            with open_source(source) as (file, name):
                if task.embed_provenance:
                    digest = hashlib.file_digest(file, "sha256").hexdigest()  # type: ignore[arg-type]
                    origin = origin_of_result(task.origin_with_size(colorizer), digest, Path(task.name).name)
                    if self._is_done(task, origin):
                        return task.result("skipped", ALREADY_DONE)
                    file.seek(0)
                first, frames, others = _read(source, file, name, task)
        except OSError as error:
            raise ImageError(f"{task.name} cannot be read: {error.strerror or error}") from error
        note = chroma_note(first.image)
        if note == IN_COLOR:
            if self._skip_colored:
                return replace(task.result("skipped", f"{IN_COLOR}; skipped"), output="")
            note = f"input was {IN_COLOR}; its colors are not used"
        # called before the network runs, because unsupported formats raise an error here
        lost = write_notes(task.target, first.image)
        prepared = task.prepare(first.image)

        def colorize_file() -> Write:
            if frames is None:
                write = _colorize_single(task, prepared, first.image, origin)
            else:
                result = _colorize_frames(task, prepared, first, others, frames, origin)
                write = lambda: result  # noqa: E731
            return partial(finish, write)

        def finish(write: Write) -> FileResult:
            try:
                result = write()
            except ImageError:
                if task.overwrite or origin is None:
                    raise
                if result_state(read_provenance(task.target), origin) != "done":
                    raise
                return task.result("skipped", ALREADY_DONE)  # another process has written the same result
            if task.bucket:
                task.bucket.upload(task.target)
            return replace(result, notes=(*([note] if note else ()), *result.notes, *lost))

        return colorize_file

    def _is_done(self, task: FileTask, origin: ImageProvenance) -> bool:
        if not self._skip_done:
            return False
        existing = (task.bucket.read_provenance if task.bucket else read_provenance)(task.target)
        return result_state(existing, origin) == "done"


def _read(
    source: Path | bytes, file: IO[bytes], name: str, task: FileTask
) -> tuple[ImageFrame, Frames | None, Iterator[ImageFrame]]:
    """Return the first image of a file, a description of its frames, and the other images.

    If only the first image is colorized, the description is None, and there are no other images.

    Raises:
        ImageError: The file cannot be read, or the format of the target does not support several frames and
            the task requires all of them.
    """
    frames = None if task.settings.frames == "first" else describe_frames(file, name)
    if frames is not None and not supports_frames(task.target, frames):
        if task.needs_all_frames:
            raise ImageError(
                f"A result with the extension {task.target.suffix} cannot contain "
                f"{frames.count} {frames.kind}. Change the extension of the source file to "
                ".tif, or run `colorzoo colorize --frames first`."
            )
        frames = None
    if frames is None:
        file.seek(0)
        return ImageFrame(read_file(file, name, task.max_pixels)), None, iter(())
    if frames.count > MOST_FRAMES:
        raise ImageError(
            f"a file must have at most {MOST_FRAMES:,} {frames.kind}, got {frames.count:,}. "
            "Use --frames first to colorize only the first frame or page."
        )
    images = read_frames(source, frames, max_pixels=task.max_pixels)
    return next(images), frames, images


def _colorize_single(
    task: FileTask, prepared: ColorizeTask, image: RasterImage, origin: ImageProvenance | None
) -> Write:
    colored = colorize(prepared)
    if origin is not None:
        origin = with_prediction(origin, colored)
    colored = replace(colored, extras={})  # frees tensors of the model before the result is written

    def write() -> FileResult:
        levels = colored.levels(output_bit_depth(task.target, image))
        quality = task.settings.quality
        save = partial(write_image, task.target, levels, quality=quality, overwrite=task.overwrite)
        written = _save(save, task, colored.source(image), origin)
        notes = (*image.notes, *colored.notes, *written)
        return replace(task.result("colored", *notes), model=colored.model, stages=tuple(colored.stages))

    return write


def _colorize_frames(
    task: FileTask,
    prepared: ColorizeTask,
    first: ImageFrame,
    others: Iterator[ImageFrame],
    frames: Frames,
    origin: ImageProvenance | None,
) -> FileResult:
    """Read, colorize and write one frame at a time, so that only one frame is in memory."""
    notes = dict.fromkeys(frames_notes(task.target, frames))

    def colorize_frame(image_task: ColorizeTask, frame: ImageFrame, like: RasterImage) -> ColoredFrame:
        colored = colorize(image_task)
        notes.update(dict.fromkeys((*frame.image.notes, *colored.notes)))
        levels = colored.levels(output_bit_depth(task.target, like))
        return ColoredFrame(levels, colored.source(like), frame.milliseconds)

    def colorize_all(first_like: RasterImage) -> Iterator[ColoredFrame]:
        yield colorize_frame(prepared, first, first_like)
        for frame in others:
            yield colorize_frame(task.prepare(frame.image), frame, frame.image)

    def save(like: RasterImage) -> Path:
        quality = task.settings.quality
        return write_frames(
            task.target, colorize_all(like), frames, quality=quality, overwrite=task.overwrite
        )

    written = _save(save, task, first.image, origin)
    return replace(task.result("colored", *notes, *written), model=prepared.network.name)


def _save(
    save: Callable[[RasterImage], Path], task: FileTask, image: RasterImage, origin: ImageProvenance | None
) -> tuple[str, ...]:
    if origin is None and not task.overwrite:  # no result is replaced, so no outdated sidecar file exists
        save(image)
        return ()
    return write_with_provenance(save, task.target, image, origin)
