"""Colorize files in three steps: read, colorize and write.

The steps of several files overlap in threads. Each frame or page of a file is colorized as a separate image.
"""

from __future__ import annotations

import hashlib
import os
import threading
from collections import Counter, deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import IO, Any, Generic, TypeVar

import torch

from colorzoo.batch.task import ALREADY_DONE, EXISTS, FileResult, FileTask, with_prediction
from colorzoo.errors import DiskFullError, ImageError, failure_message
from colorzoo.files import remove_leftovers
from colorzoo.image_io.formats import open_image
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
from colorzoo.image_io.provenance import (
    ImageProvenance,
    embed_provenance,
    read_provenance,
    result_state,
    update_sidecar,
)
from colorzoo.image_io.raster_image import IN_COLOR, RasterImage, chroma_note
from colorzoo.image_io.read import open_source, read_file
from colorzoo.image_io.write import (
    ANIMATED_FORMATS,
    output_bit_depth,
    output_format,
    write_image,
    write_layers,
    write_notes,
)
from colorzoo.inference.pipeline import colorize_task
from colorzoo.inference.result import ColorizedImage
from colorzoo.inference.task import ColorizeTask

Item = TypeVar("Item")
Opened = TypeVar("Opened")
Colored = TypeVar("Colored")
Result = TypeVar("Result")

MOST_FRAMES = 20_000
"""Maximum number of frames or pages of a file."""

NOT_TRIED = "not processed: the disk is full"
_MAX_PIXELS = 200_000_000  # maximum number of pixels of all images in memory; a pixel takes about 10 bytes


@dataclass
class BatchSummary:
    """Summary of a run.

    Examples:
        >>> summary = BatchSummary()
        >>> summary.add(FileResult("photo.png", "colored.png", "colored"))
        >>> summary.counts["colored"]
        1

    Attributes:
        counts: Number of files for each value of `FileResult.status`.
        failures: Name of each failed file and reason for its failure.
    """

    counts: Counter[str] = field(default_factory=Counter)
    failures: list[tuple[str, str]] = field(default_factory=list)

    def add(self, result: FileResult) -> None:
        """Count the outcome of a file and, if the file failed, append the reason."""
        self.counts[result.status] += 1
        if result.failed:
            self.failures.append((result.source, result.error))


def run_tasks(
    tasks: Iterable[FileTask],
    *,
    threads: int = 1,
    skip_colored: bool = False,
    skip_done: bool = False,
) -> Generator[FileResult, None, None]:
    """Colorize files and yield the outcome of each file, in the order of ``tasks``.

    Failed files do not stop the run. If the disk is full, the remaining files fail without being read.

    Examples:
        >>> from colorzoo.weights import choose_model
        >>> choice = choose_model("zhang2017_local_small")
        >>> task = FileTask(Path("photo.png"), Path("colored.png"), "photo.png", choice)
        >>> [result.status for result in run_tasks([task])]
        ['colored']

    Args:
        tasks: Files to colorize; an iterator can create them on demand.
        threads: Number of threads for reading and writing files; 1 processes one file at a time.
        skip_colored: Whether to skip images that are already in color.
        skip_done: Whether to skip files that have a result with the same source and settings.
    """
    files = FileColorizer(skip_colored=skip_colored, skip_done=skip_done)
    read, color, write = (partial(files.run_guarded, step) for step in (files.read, color_file, write_file))
    is_single = isinstance(tasks, list) and len(tasks) == 1  # the network then uses all cores
    if threads > 1 and not is_single:
        yield from overlapped(tasks, read, color, write, _pixels, threads=threads, max_size=_MAX_PIXELS)
        return
    for task in tasks:
        yield write(color(read(task)))


def _pixels(task: FileTask) -> int:
    """Return the number of pixels from the header of a file; 0 if unknown."""
    if isinstance(task.source, Path):
        # a damaged header can raise any error, which is reported when the file is read
        with suppress(Exception), open_image(task.source) as image:
            return image.width * image.height
    return 0


@dataclass(frozen=True)
class SourceImages:
    """Images of a source file, and the record of its result.

    Attributes:
        first: The first image.
        frames: Description of all frames or pages; None if only the first image is colorized.
        later: The images after the first image.
        origin: Provenance record of the result; None if the result contains no record.
    """

    first: ImageFrame
    frames: Frames | None = None
    later: Iterable[ImageFrame] = ()
    origin: ImageProvenance | None = None


@dataclass(frozen=True)
class OpenedFile:
    """File whose first image is ready for the network.

    Attributes:
        task: File to colorize, with the model for the first image; see `FileTask.for_image`.
        source: Images of the source file.
        prepare: Function that preprocesses an image.
        prepared: The preprocessed first image.
        notes: Notes for the user on the source file and on the format of the result.
    """

    task: FileTask
    source: SourceImages
    prepare: Callable[[RasterImage], ColorizeTask]
    prepared: ColorizeTask
    notes: tuple[str, ...]


@dataclass(frozen=True)
class ColoredFile:
    """File whose first image is colorized but not written.

    Attributes:
        task: File to colorize.
        image: The first image of the source file.
        colored: The colorized image.
        origin: Provenance record of the result; None if the result contains no record.
        notes: Notes for the user on the source file and on the format of the result.
    """

    task: FileTask
    image: RasterImage
    colored: ColorizedImage
    origin: ImageProvenance | None
    notes: tuple[str, ...]


@dataclass(kw_only=True)
class FileColorizer:
    """Colorizer of image files.

    Attributes:
        skip_colored: Whether to skip images that are already in color.
        skip_done: Whether to skip files that have a result with the same source and settings.
    """

    skip_colored: bool = False
    skip_done: bool = False
    _folders: set[Path] = field(default_factory=set, init=False)
    _disk_full: threading.Event = field(default_factory=threading.Event, init=False)

    def process(self, task: FileTask) -> FileResult:
        """Read, colorize and write a file.

        Raises:
            ColorzooError: The image, the model or a reference cannot be read, or the result cannot be
                written.
        """
        return write_file(color_file(self.read(task)))

    def run_guarded(self, step: Callable[[Any], Any], file: Any) -> Any:
        """Run a step of a file; an error gives a `FileResult` with the status ``"failed"``.

        If the disk is full, all further steps fail without running.

        Args:
            step: `read`, `color_file` or `write_file`.
            file: Argument of the step, which is returned unchanged if it is already a `FileResult`.
        """
        if isinstance(file, FileResult):
            return file
        task: FileTask = file if isinstance(file, FileTask) else file.task
        if self._disk_full.is_set():
            return task.result("failed", NOT_TRIED)
        try:
            return step(file)
        except DiskFullError as error:  # all remaining files would fail too
            self._disk_full.set()
            return task.result("failed", f"{error}. Free disk space, then run the command again to resume.")
        except Exception as error:  # one damaged image must not stop the run
            return task.result("failed", failure_message(error, task.name, str(task.target)))

    def read(self, task: FileTask) -> OpenedFile | FileResult:
        """Read a file and preprocess its first image, without running the network.

        Returns:
            The opened file, or a `FileResult` if the file is skipped or its target must not be replaced.

        Raises:
            ColorzooError: The image, the model or a reference cannot be read, or the format of the result
                does not support the image.
        """
        colorizer, exemplar = task.load()
        self._remove_leftovers(task.target.parent)
        source = self._open(task, colorizer.size)
        if isinstance(source, FileResult):
            return source
        image = source.first.image
        color_note = chroma_note(image)
        if color_note == IN_COLOR and self.skip_colored:
            return replace(task.result("skipped", f"{IN_COLOR}; skipped"), output="")
        notes = (*_input_notes(color_note), *write_notes(task.target, image))
        selected_task = task.for_image(image)
        if selected_task is not task:
            colorizer, exemplar = selected_task.load()
            source = replace(source, origin=_with_model_of(selected_task, source.origin, colorizer.size))
        prepare = partial(
            colorizer.prepare,
            guidance=selected_task.guidance,
            strength=selected_task.settings.strength,
            reference=exemplar,
        )
        return OpenedFile(selected_task, source, prepare, prepare(image), notes)

    def _remove_leftovers(self, folder: Path) -> None:
        """Remove incomplete files of earlier runs from an output folder, once for each folder."""
        if folder not in self._folders:
            self._folders.add(folder)
            remove_leftovers(folder)

    def _open(self, task: FileTask, size: int) -> SourceImages | FileResult:
        """Open a file and read its first image.

        Args:
            task: File to colorize.
            size: Shorter side of the network input in pixels.

        Returns:
            The images, or a `FileResult` if the file is already colorized. Images after the first image are
            read when they are colorized.

        Raises:
            ImageError: The file cannot be read, or the format of the target does not support several frames
                and the task requires all of them.
        """
        origin = None
        try:
            source = task.source if isinstance(task.source, Path) else task.source()
            with open_source(source) as (file, name):
                if task.embed_provenance:
                    digest = hashlib.file_digest(file, "sha256").hexdigest()  # type: ignore[arg-type]
                    origin = task.origin(digest, Path(task.name).name, size)
                    if self.skip_done and (existing := _check_existing(task, origin)) is not None:
                        return existing
                    file.seek(0)
                frames = _frames_to_color(file, name, task)
                if frames is None:
                    file.seek(0)
                    return SourceImages(ImageFrame(read_file(file, name, task.max_pixels)), origin=origin)
                images = read_frames(source, frames, max_pixels=task.max_pixels)
                return SourceImages(next(images), frames, images, origin)
        except OSError as error:
            raise ImageError(f"{task.name} cannot be read: {error.strerror or error}") from error


def _check_existing(task: FileTask, origin: ImageProvenance) -> FileResult | None:
    """Return the result of a file whose target exists and must not be replaced; otherwise None."""
    read = task.bucket.read_provenance if task.bucket else read_provenance
    state = result_state(read(task.target), origin)
    if state == "done":
        return task.result("skipped", ALREADY_DONE)
    if not task.overwrite and os.path.lexists(task.target):
        return task.result("failed", f"{task.target} {EXISTS[state]}")
    return None


def _frames_to_color(file: IO[bytes], name: str, task: FileTask) -> Frames | None:
    """Describe the frames or pages of a file; return None if only the first image is colorized.

    Raises:
        ImageError: The target cannot contain the frames that the task requires, or there are too many frames.
    """
    if task.settings.frames == "first":
        return None
    if not (task.needs_all_frames or output_format(task.target) in ANIMATED_FORMATS):
        return None
    frames = describe_frames(file, name)
    if frames is None:
        return None
    if supports_frames(task.target, frames):
        _check_frame_count(frames)
        return frames
    if task.needs_all_frames:
        raise ImageError(
            f"a result with the extension {task.target.suffix} cannot contain "
            f"{frames.count} {frames.kind}. Change the extension of the source file to "
            ".tif, or set --frames first to colorize only the first frame or page."
        )
    return None


def _check_frame_count(frames: Frames) -> None:
    """Raise `ImageError` if a file has more than `MOST_FRAMES` frames or pages."""
    if frames.count > MOST_FRAMES:
        raise ImageError(
            f"a file must have at most {MOST_FRAMES:,} {frames.kind}, got {frames.count:,}. "
            "Set --frames first to colorize only the first frame or page."
        )


def _with_model_of(task: FileTask, origin: ImageProvenance | None, size: int) -> ImageProvenance | None:
    """Return the record of a file with the model that `FileTask.for_image` selected.

    The hash of the settings covers both models, so it does not change.
    """
    if origin is None:
        return None
    return replace(task.origin(origin.source, origin.name, size), settings=origin.settings)


def _input_notes(note: str | None) -> tuple[str, ...]:
    """Return notes on the colors of the input; see `chroma_note`."""
    if note == IN_COLOR:
        return (f"the input was {IN_COLOR}; its colors were not used",)
    return (note,) if note else ()


def color_file(opened: OpenedFile | FileResult) -> ColoredFile | FileResult:
    """Run the network on the first image of a file; a `FileResult` is returned unchanged.

    A file with several frames or pages is colorized and written one frame at a time.
    """
    if isinstance(opened, FileResult):
        return opened
    if opened.source.frames is not None:
        return _color_frames(opened, opened.source.frames)
    colored, origin = colorize_task(opened.prepared), opened.source.origin
    record = None if origin is None else with_prediction(origin, colored)
    colored = replace(colored, prediction=None)  # frees the output of the network
    return ColoredFile(opened.task, opened.source.first.image, colored, record, opened.notes)


def write_file(file: ColoredFile | FileResult) -> FileResult:
    """Write a result and upload it to the bucket of its task; a `FileResult` is returned unchanged.

    If another process has written the same result in the meantime, the file is skipped.
    """
    if isinstance(file, FileResult):
        return file
    task, image, colored = file.task, file.image, file.colored
    source = colored.source(image)
    like, not_embedded = embed_provenance(source, task.target, file.origin)
    try:
        if output_format(task.target) == "OpenRaster":
            write_layers(task.target, colored.layers(source), like, overwrite=task.overwrite)
        else:
            levels, quality = colored.levels(output_bit_depth(task.target, image)), task.settings.quality
            write_image(task.target, levels, like, quality=quality, overwrite=task.overwrite)
    except ImageError:
        if task.overwrite or file.origin is None:
            raise
        if result_state(read_provenance(task.target), file.origin) != "done":
            raise
        return task.result("skipped", ALREADY_DONE)
    written = update_sidecar(task.target, source.metadata, not_embedded)
    if task.bucket:
        task.bucket.upload(task.target)
    result = task.result("colored", *file.notes, *image.notes, *colored.notes, *written)
    return replace(result, model=colored.task.network.name, stages=tuple(colored.task.log))


def _color_frames(opened: OpenedFile, frames: Frames) -> FileResult:
    """Read, colorize and write one frame at a time, so that only one frame is in memory."""
    task, first = opened.task, opened.source.first.image
    like, not_embedded = embed_provenance(first, task.target, opened.source.origin)
    colored = _ColoredFrames(opened, like)
    quality, overwrite = task.settings.quality, task.overwrite
    write_frames(task.target, colored, frames, quality=quality, overwrite=overwrite)
    written = update_sidecar(task.target, first.metadata, not_embedded)
    if task.bucket:
        task.bucket.upload(task.target)
    notes = dict.fromkeys((*frames_notes(task.target, frames), *colored.notes))
    result = task.result("colored", *opened.notes, *notes, *written)
    return replace(result, model=opened.prepared.network.name)


@dataclass
class _ColoredFrames:
    """Iterable that colorizes each frame of a file when the frame is requested.

    Attributes:
        opened: The file.
        first_like: First frame with the metadata of the result.
        notes: Notes for the user on the frames that have been colorized, in order.
    """

    opened: OpenedFile
    first_like: RasterImage
    notes: list[str] = field(default_factory=list)

    def __iter__(self) -> Iterator[ColoredFrame]:
        source = self.opened.source
        yield self._color(self.opened.prepared, source.first, self.first_like)
        for frame in source.later:
            yield self._color(self.opened.prepare(frame.image), frame, frame.image)

    def _color(self, image_task: ColorizeTask, frame: ImageFrame, like: RasterImage) -> ColoredFrame:
        colored = colorize_task(image_task)
        self.notes += [*frame.image.notes, *colored.notes]
        levels = colored.levels(output_bit_depth(self.opened.task.target, like))
        return ColoredFrame(levels, colored.source(like), frame.milliseconds)


def overlapped(
    items: Iterable[Item],
    read: Callable[[Item], Opened],
    color: Callable[[Opened], Colored],
    write: Callable[[Colored], Result],
    size_of: Callable[[Item], int],
    *,
    threads: int,
    max_size: int,
) -> Generator[Result, None, None]:
    """Process items in three overlapping steps, and yield the results in order.

    Args:
        items: Items to process; the iterator is read a few items ahead.
        read: First step, which runs in a thread pool.
        color: Second step, which runs in the caller's thread, one item at a time and in order.
        write: Third step, which runs in the thread pool.
        size_of: Function that returns the size of an item, such as the number of pixels.
        threads: Number of threads in the pool. At most this number of items is queued before the second step,
            and at most this number after the second step.
        max_size: Maximum total size of the items in progress; a larger item is processed alone.
    """
    torch_threads = torch.get_num_threads()
    # The network uses the cores that the pool does not use, because a parallel operation is as slow as its
    # slowest thread, and a thread that shares a core is slow. If the pool is large, its threads mostly wait
    # for the network, so the network uses half of the cores.
    torch.set_num_threads(max(torch_threads - threads, (torch_threads + 1) // 2))
    pool = ThreadPoolExecutor(threads, "colorzoo", initializer=torch.set_num_threads, initargs=(1,))
    try:
        sized = ((item, size_of(item)) for item in items)
        yield from _Overlap(sized, read, color, write, pool, threads, max_size).results()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)  # completes files that are being written
        torch.set_num_threads(torch_threads)


@dataclass
class _Overlap(Generic[Item, Opened, Colored, Result]):
    """State of `overlapped`: the items in progress and their total size.

    Attributes:
        items: Items and their sizes.
        read: First step, which runs in the pool.
        color: Second step.
        write: Third step, which runs in the pool.
        pool: Pool of threads.
        threads: Maximum number of items before the second step, and after the second step.
        max_size: Maximum total size of the items in progress.
        size: Total size of the items in progress.
        reading: Size and result of the first step of each item before the second step.
        writing: Size and result of the third step of each item after the second step.
    """

    items: Iterator[tuple[Item, int]]
    read: Callable[[Item], Opened]
    color: Callable[[Opened], Colored]
    write: Callable[[Colored], Result]
    pool: ThreadPoolExecutor
    threads: int
    max_size: int
    size: int = 0
    reading: deque[tuple[int, Future[Opened]]] = field(default_factory=deque)
    writing: deque[tuple[int, Future[Result]]] = field(default_factory=deque)

    def __post_init__(self) -> None:
        self.next_item = next(self.items, None)

    def results(self) -> Generator[Result, None, None]:
        """Process all items and yield their results in order."""
        self._start_reading()
        while self.reading or self.writing:
            if self.reading:
                self._color_next()
            while self.writing and self._must_yield():
                size, written = self.writing.popleft()
                yield written.result()
                self.size -= size
                self._start_reading()

    def _start_reading(self) -> None:
        """Start the first step of further items within the limits."""
        while self.next_item is not None and len(self.reading) < self.threads:
            item, size = self.next_item
            if self.size and self.size + size > self.max_size:
                return
            self.size += size
            self.reading.append((size, self.pool.submit(self.read, item)))
            self.next_item = next(self.items, None)

    def _color_next(self) -> None:
        """Run the second step of the oldest item, and start its third step."""
        size, read = self.reading.popleft()
        opened = read.result()
        self._start_reading()
        self.writing.append((size, self.pool.submit(self.write, self.color(opened))))

    def _must_yield(self) -> bool:
        is_done = self.writing[0][1].done()
        return is_done or len(self.writing) > self.threads or not self.reading
