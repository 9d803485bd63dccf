"""Pictures of a run, each in three steps: opened, colored, finished; threads do the first and the last."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any, TypeVar

from torch import Tensor

from colorzoo import __version__
from colorzoo.cli._better import tell_of_better
from colorzoo.cli._coloring import Coloring, Job, Report, remember_interrupts
from colorzoo.cli._overlap import Steps, overlapped
from colorzoo.cli._progress import progress_bar
from colorzoo.cli._reading import pixel_limit
from colorzoo.cli._telling import told_warnings
from colorzoo.errors import DiskFullError, failure
from colorzoo.guidance import Exemplar
from colorzoo.inference.colorizer import Colored, Colorizer
from colorzoo.inference.frames import Frames
from colorzoo.inference.guide import uses_of, wanted_model
from colorzoo.inference.moving import color_frames, frames_to_color
from colorzoo.inference.origin import Origin, write_with_origin
from colorzoo.inference.picture_io import (
    Frame,
    chroma_note,
    depth_at,
    read_frames,
    read_picture,
    write_notes,
    write_picture,
)
from colorzoo.inference.references import Reference, named_references, recipe_references
from colorzoo.inference.write import remove_leftovers
from colorzoo.picture_formats import open_picture
from colorzoo.weights._files import sha256_of

Outcome = TypeVar("Outcome")

UNTRIED = "not tried: the disk is full"
_ROOM = 200_000_000  # pixels of all pictures at work; some ten bytes each
_MOST_MODELS = 2  # kept at once, where recipes name several


@dataclass(frozen=True)
class Painter:
    """What colors a picture.

    Attributes:
        colorizer: The model.
        references: What the user named.
        origin: What results say of how they were made; None for results that say nothing.
    """

    colorizer: Colorizer
    references: Sequence[Reference]
    origin: Origin | None

    @cached_property
    def reference(self) -> Exemplar | None:
        """What the model takes of the references, if there are any; computed on first use."""
        used = self.references and "exemplar" in self.colorizer.model.accepts
        return self.colorizer.exemplar(self.references) if used else None


@dataclass(frozen=True)
class Opened:
    """A picture that was read.

    Attributes:
        first: The picture, or the first of several.
        painter: What will color it.
        seen: The lightness that the network sees.
        tint: What is to be said of its colors, or None.
        lost: What the result's format cannot hold.
        frames: What the file holds, if all of several pictures are colored.
        others: The rest of them, not yet read.
    """

    first: Frame
    painter: Painter
    seen: Tensor
    tint: str | None
    lost: tuple[str, ...]
    frames: Frames | None
    others: Iterator[Frame]


def color_all(jobs: Sequence[Job], how: Coloring) -> list[Report]:
    """Color the pictures, several at once, under a progress bar on standard error.

    Raises:
        ColorzooError: There is no such model or device, or its weights cannot be had.
    """
    if not jobs:
        return []
    album = Album()
    if not how.args.recipe_folder:
        _ = album.painters.of(how).reference  # what is wrong is one error, not one for each picture
    for folder in {Path(job.report.output).parent for job in jobs}:
        remove_leftovers(folder)
    steps = Steps(album.open, album.color, album.finish, _pixels)
    reports: list[Report] = []
    interrupts = remember_interrupts()
    work = overlapped(jobs, steps, jobs=how.args.jobs, room=_ROOM)
    with progress_bar(len(jobs), "coloring") as advance, closing(work):
        for report in work:
            reports.append(report)
            if UNTRIED not in report.notes:
                how.say(report)
            if interrupts:
                raise KeyboardInterrupt
            advance()
    if how.may_hint and any(report.status == "colored" for report in reports):
        tell_of_better(
            uses_of(how.recipe, reference=bool(how.args.reference)), album.painters.of(how).colorizer.name
        )
    return reports


class Painters:
    """The models of a run: one, or several if recipes name their own."""

    def __init__(self) -> None:
        self._kept: dict[str, Painter] = {}
        self._lock = threading.Lock()

    def of(self, how: Coloring) -> Painter:
        """Return what colors the pictures that are wanted like that.

        Raises:
            ColorzooError: There is no such model or device, or its weights cannot be had.
        """
        with self._lock:
            key = how.asked.settings
            if key not in self._kept:
                self._kept[key] = self._made(how)
                while len(self._kept) > _MOST_MODELS:
                    del self._kept[next(iter(self._kept))]
            return self._kept[key]

    def _made(self, how: Coloring) -> Painter:
        args = how.args
        named = _references(how)
        with told_warnings():  # of weights that do not fit
            name = wanted_model(args.model, how.recipe, args.weights, reference=bool(named), fast=args.fast)
        like = next((one.colorizer for one in self._kept.values() if one.colorizer.name == name), None)
        colorizer = like or Colorizer(
            name,
            weights=args.weights,
            device=args.device,
            precision=args.precision,
            size=args.size,
            temperature=args.temperature,
            render_factor=args.render_factor,
            engine=args.engine,
        )
        origin = None if args.provenance == "none" else replace(how.asked, version=__version__)
        return Painter(colorizer, named, origin)


class Album:
    """The steps that each picture goes through; a picture that failed goes through the rest as its report."""

    def __init__(self) -> None:
        self.painters = Painters()
        self._full = threading.Event()
        self._lock = threading.Lock()

    def open(self, job: Job) -> Opened | Report:
        """Read a picture; in any thread."""
        return self._guarded(job, partial(self._open, job))

    def color(self, job: Job, opened: Opened | Report) -> Callable[[], Report] | Report:
        """Color a picture at the network's size, in one thread; return what finishes it."""
        if isinstance(opened, Report):
            return opened
        return self._guarded(job, partial(_color, job, opened))

    def finish(self, job: Job, rest: Callable[[], Report] | Report) -> Report:
        """Write the result; in any thread."""
        return rest if isinstance(rest, Report) else self._guarded(job, rest)

    def _guarded(self, job: Job, step: Callable[[], Outcome]) -> Outcome | Report:
        """Return what a step returns, or why it failed; nothing is tried once the disk is full."""
        if self._full.is_set():
            return replace(job.report, status="failed", notes=(UNTRIED,))
        try:
            return step()
        except DiskFullError as error:  # no other picture would fare better
            return self._ended(job, error)
        except Exception as error:  # one odd picture must not end a run of thousands
            text = failure(error, str(job.found.path), job.report.output)
            return replace(job.report, status="failed", notes=(text,))

    def _ended(self, job: Job, error: DiskFullError) -> Report:
        """Return the report of the picture that did not fit; of several at a time one tells it."""
        with self._lock:
            told = self._full.is_set()
            self._full.set()
        if told:
            return replace(job.report, status="failed", notes=(UNTRIED,))
        return replace(job.report, status="full", notes=(f"{error}; the same command goes on from here",))

    def _open(self, job: Job) -> Opened | Report:
        args, source, target = job.how.args, job.found.path, Path(job.report.output)
        painter = self.painters.of(job.how)
        limits = {"max_pixels": pixel_limit(args), "salvage": args.salvage}
        frames = frames_to_color(source, target) if args.frames == "all" else None
        others = read_frames(source, frames, **limits) if frames else iter(())
        first = next(others, None) or Frame(read_picture(source, **limits))
        tint = chroma_note(first.picture)
        if args.skip_colored and tint == "already in color":
            return replace(job.report, output="", status="skipped", notes=(f"{tint}, left alone",))
        lost = write_notes(target, first.picture)  # before the work: some cannot be written
        seen = painter.colorizer.see(first.picture)
        return Opened(first, painter, seen, tint, lost, frames, others)


def _color(job: Job, opened: Opened) -> Callable[[], Report]:
    """Color a picture; all frames of several, which are written on the way."""
    args, painter, target = job.how.args, opened.painter, Path(job.report.output)
    color = partial(
        painter.colorizer.colorize,
        guidance=job.how.recipe,
        strength=args.strength,
        reference=painter.reference,
    )
    made = painter.origin and replace(painter.origin, source=sha256_of(job.found.path))
    options = {"quality": args.quality, "overwrite": args.overwrite}
    if opened.frames is None:
        colored = color(opened.first.picture, seen=opened.seen)
        return partial(_write, job, opened, colored, made, options)
    done = color_frames(color, opened.first, opened.others, opened.frames, target, made, **options)
    return partial(_told, job, opened, done.model, done.notes)


def _write(
    job: Job, opened: Opened, colored: Colored, made: Origin | None, options: dict[str, Any]
) -> Report:
    """Join colors and lightness at full size, and write them."""
    picture, target = opened.first.picture, Path(job.report.output)
    save = partial(write_picture, target, colored.levels(depth_at(target, picture)), **options)
    kept = write_with_origin(save, target, picture, made)
    return _told(job, opened, colored.model, (*picture.notes, *colored.notes, *kept))


def _told(job: Job, opened: Opened, model: str, notes: tuple[str, ...]) -> Report:
    tint = opened.tint
    tint = "was in color already and is colored anew" if tint == "already in color" else tint
    said = (*job.report.notes, *((tint,) if tint else ()), *notes, *opened.lost)
    return replace(job.report, notes=said, model=model)


def _references(how: Coloring) -> list[Reference]:
    """Read the references: those named, or the recipe's, which lie beside it."""
    args = how.args
    if not args.reference:
        return recipe_references(how.recipe, Path(args.recipe).parent) if args.recipe else []
    return named_references(args.reference, args.reference_weights)


def _pixels(job: Job) -> int:
    """Return how many pixels a file says it has; 0 where it does not say, and reading it will tell why."""
    try:
        with open_picture(job.found.path) as image:
            return image.width * image.height
    except Exception:  # a damaged header raises whatever the format's parser stumbles on
        return 0
