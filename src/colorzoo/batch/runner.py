"""Color many images: skip what is done, overlap reading, coloring and writing, and report each."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Generator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Literal, Protocol, TypeVar

from colorzoo.atomic import remove_leftovers
from colorzoo.batch.bucket import ResultBucket
from colorzoo.batch.file import ColoredFile, FileOptions, color_file, open_file
from colorzoo.batch.origin import origin_of_result
from colorzoo.batch.overlap import overlapped
from colorzoo.batch.request import Prepared
from colorzoo.errors import DiskFullError, ImageError, failure
from colorzoo.image_io.formats import open_image
from colorzoo.image_io.provenance import ImageProvenance, read_provenance, result_state
from colorzoo.image_io.raster_image import IN_COLOR, chroma_note
from colorzoo.image_io.write import write_notes
from colorzoo.inference.stages import StageRun
from colorzoo.weights.files import digest_of

Status = Literal["colored", "skipped", "failed", "full", "planned"]
Outcome = TypeVar("Outcome")

ALREADY_DONE = "is already there, of the same image with the same settings"
NOT_TRIED = "not tried: the disk is full"
_ROOM = 200_000_000  # pixels of all images at work, some ten bytes each


@dataclass(frozen=True)
class BatchResult:
    """Result of one image of a run.

    Attributes:
        source: The image.
        output: File of the result, or that it would have; empty for an image that was not found.
        status: ``"full"`` is an image that failed because the disk is full, which ends the run.
        notes: Notes for the user; of an image that failed the reason, as one line that names it.
        model: Registered name of the model; empty if nothing was colored.
        steps: The steps that colored it; none if it has several frames.
    """

    source: str
    output: str
    status: Status
    notes: tuple[str, ...] = ()
    model: str = ""
    steps: tuple[StageRun, ...] = ()

    @property
    def failed(self) -> bool:
        """True if the image could not be colored or written."""
        return self.status in ("failed", "full")

    @property
    def finished(self) -> bool:
        """True if the result is there, of this run or of one before."""
        return self.status == "colored" or ALREADY_DONE in self.notes


@dataclass(frozen=True)
class ImageJob:
    """An image to color.

    Attributes:
        name: Its name in reports.
        source: The file; or a function that returns the bytes of a stored image.
        target: File to write.
        prepare: Loads the model and references, or returns them; called in any thread.
        notes: Notes for the user, known before.
    """

    name: str
    source: Path | Callable[[], bytes]
    target: Path
    prepare: Callable[[], Prepared]
    notes: tuple[str, ...] = ()


class Jobs(Protocol):
    """Images to color by number; a list, or a class that makes each when it comes close."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int, /) -> ImageJob: ...


@dataclass
class BatchSummary:
    """Summary of a run.

    Attributes:
        counts: Number of images by status; ``"full"`` counts as ``"failed"``.
        failures: Name and reason of each image that failed.
    """

    counts: Counter[str] = field(default_factory=Counter)
    failures: list[tuple[str, str]] = field(default_factory=list)

    def add(self, result: BatchResult) -> None:
        """Count a result."""
        self.counts["failed" if result.failed else result.status] += 1
        if result.failed:
            self.failures.append((result.source, "; ".join(result.notes)))

    @property
    def exit_code(self) -> int:
        """0 if no image failed, 1 if some did, 2 if all did."""
        if not self.failures:
            return 0
        return 2 if len(self.failures) == self.counts.total() else 1


def color_images(
    jobs: Jobs,
    options: FileOptions,
    *,
    threads: int = 1,
    skip_colored: bool = False,
    skip_done: bool = False,
    bucket: ResultBucket | None = None,
    rank: int = 0,
    world_size: int = 1,
    limit: int | None = None,
) -> Generator[BatchResult, None, None]:
    """Color images and yield their results in order; an image that fails does not stop the others.

    Only a full disk ends the run: the images that follow fail untried.

    Args:
        jobs: The images of all processes.
        options: How files are read and written.
        threads: Threads that read and write beside the network; 1 colors one image after the other.
        skip_colored: Leave images alone that have colors.
        skip_done: Skip results that are in their place, of the same image and settings.
        bucket: Look for results there instead, and send those that are written.
        rank: Index of this process, which colors every ``world_size``-th image.
        world_size: Number of processes.
        limit: Color at most so many images.
    """
    share = range(rank, len(jobs), world_size)[:limit]
    run = _Run(options, skip_colored, skip_done, bucket)
    if threads > 1 and len(share) > 1:
        waiting = (jobs[number] for number in share)
        yield from overlapped(waiting, run.open, _pixels, threads=threads, room=_ROOM)
        return
    for number in share:
        yield run.open(jobs[number])()()


class _Run:
    """Steps of a run, each of which returns the next step."""

    def __init__(
        self, options: FileOptions, skip_colored: bool, skip_done: bool, bucket: ResultBucket | None
    ) -> None:
        self._options, self._skip_colored = options, skip_colored
        self._skip_done, self._bucket = skip_done, bucket
        self._disk_full, self._lock = threading.Event(), threading.Lock()
        self._folders: set[Path] = set()

    def open(self, job: ImageJob) -> Callable[[], Callable[[], BatchResult]]:
        """Read an image, in any thread; return the step that colors it, which returns the step that writes.

        An error becomes the result, which the later steps pass on.
        """
        opened = self._guarded(job, partial(self._open, job))

        def color() -> Callable[[], BatchResult]:
            colored = opened if isinstance(opened, BatchResult) else self._guarded(job, opened)
            return lambda: colored if isinstance(colored, BatchResult) else self._guarded(job, colored)

        return color

    def _guarded(self, job: ImageJob, step: Callable[[], Outcome]) -> Outcome | BatchResult:
        """Run a step and turn errors into results; nothing is tried once the disk is full."""
        failed = BatchResult(job.name, str(job.target), "failed")
        if self._disk_full.is_set():
            return replace(failed, notes=(NOT_TRIED,))
        try:
            return step()
        except DiskFullError as error:  # every other image would fail too
            with self._lock:
                is_first = not self._disk_full.is_set()
                self._disk_full.set()
            if not is_first:
                return replace(failed, notes=(NOT_TRIED,))
            return replace(failed, status="full", notes=(f"{error}; the same command goes on from here",))
        except Exception as error:  # one odd image must not end a run of thousands
            return replace(failed, notes=(failure(error, job.name, str(job.target)),))

    def _open(self, job: ImageJob) -> BatchResult | Callable[[], Callable[[], BatchResult]]:
        job_of, shared_origin = job.prepare()
        try:
            source = job.source if isinstance(job.source, Path) else job.source()
            name = Path(job.name).name
            origin = shared_origin and origin_of_result(shared_origin, digest_of(source), name)
        except OSError as error:
            raise ImageError(f"{job.name} cannot be read: {error.strerror or error}") from error
        if job.target.parent not in self._folders:
            self._folders.add(job.target.parent)
            remove_leftovers(job.target.parent)
        done = BatchResult(job.name, str(job.target), "skipped", (ALREADY_DONE,))
        if origin is not None and self._is_done(job.target, origin):
            return done
        file = open_file(source, job.target, self._options)
        image = file.first.image
        note = chroma_note(image)
        if note == IN_COLOR:
            if self._skip_colored:
                return BatchResult(job.name, "", "skipped", (f"{IN_COLOR}, left alone",))
            note = f"input was {IN_COLOR}, which is not used"
        # before the work, as it refuses formats that cannot be written
        lost = write_notes(job.target, image)
        first = job_of(image)

        def color() -> Callable[[], BatchResult]:
            return partial(finish, color_file(file, job_of, job.target, origin, self._options, first))

        def finish(write: Callable[[], ColoredFile]) -> BatchResult:
            try:
                written = write()
            except ImageError:
                if self._options.overwrite or origin is None:
                    raise
                if result_state(read_provenance(job.target), origin) != "done":
                    raise
                return done  # another run on the same images was faster
            if self._bucket is not None:
                self._bucket.add(job.target)
            notes = (*job.notes, *([note] if note else ()), *written.notes, *lost)
            return BatchResult(job.name, str(job.target), "colored", notes, written.model, written.steps)

        return color

    def _is_done(self, target: Path, origin: ImageProvenance) -> bool:
        if self._bucket is not None:
            return self._bucket.is_done(target, origin)
        return self._skip_done and result_state(read_provenance(target), origin) == "done"


def _pixels(job: ImageJob) -> int:
    """Return the number of pixels that a file states; 0 if unknown."""
    if isinstance(job.source, Path):
        # a damaged header raises whatever the parser stumbles on; reading reports it
        with suppress(Exception), open_image(job.source) as image:
            return image.width * image.height
    return 0
