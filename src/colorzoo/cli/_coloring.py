"""The work of ``colorzoo colorize``: find the pictures, color them, and say what became of each."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import FrameType
from typing import Literal, TextIO

from rich.console import Console
from rich.progress import Progress

from colorzoo.errors import ColorzooError, PictureError
from colorzoo.guidance import Exemplar, Recipe
from colorzoo.inference.colorizer import Colorizer
from colorzoo.inference.guide import wanted_model
from colorzoo.inference.picture_io import (
    FoundPicture,
    chroma_note,
    find_pictures,
    output_paths,
    read_picture,
    write_notes,
    write_picture,
)
from colorzoo.inference.references import Reference, named_references, recipe_references


@dataclass(frozen=True)
class Report:
    """What became of one picture.

    Attributes:
        source: The picture.
        output: Where the result is, or would be; empty for a picture that was not found.
        status: Whether it was colored, left alone, impossible, or only planned.
        notes: What the user should know.
    """

    source: str
    output: str
    status: Literal["colored", "skipped", "failed", "planned"]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Job:
    """A picture to color, and the report if all goes well."""

    found: FoundPicture
    report: Report


@dataclass(frozen=True)
class Coloring:
    """How the user wants it.

    Attributes:
        recipe: Points and settings.
        args: The command line.
    """

    recipe: Recipe
    args: argparse.Namespace

    def say(self, report: Report) -> None:
        """Print the line of one picture: failures on standard error, and all if that is for JSON."""
        notes = "; ".join(report.notes)
        if report.status == "failed":
            _print(f"colorzoo: error: {' '.join(notes.split())}", sys.stderr)
        else:
            line = f"{report.output} ({notes})" if notes else report.output
            _print(line, sys.stderr if self.args.json else sys.stdout)


def find_jobs(inputs: Sequence[str], how: Coloring) -> tuple[list[Job], list[Report]]:
    """Find the pictures that are to be colored; say and return what is left out.

    A result that is already there is left alone, so that an interrupted run can be taken up again; only for a
    single named picture that is a failure, because nothing of what was asked for would be done.

    Raises:
        PictureError: The output cannot serve for these pictures.
    """
    out = Path(how.args.output) if how.args.output else None
    existing, reports = [], []
    for name in inputs:
        try:
            find_pictures([name], exclude=out)
            existing.append(name)
        except PictureError as error:  # the others shall not suffer
            reports.append(Report(name, "", "failed", (str(error),)))
    found = find_pictures(existing, exclude=out)
    jobs = []
    single = len(inputs) == 1 and Path(inputs[0]).is_file()
    targets = output_paths(found, how.args.output)
    for picture, target in zip(found, targets, strict=True):
        report = Report(str(picture.path), str(target), "colored")
        if how.args.overwrite or not os.path.lexists(target):
            jobs.append(Job(picture, report))
        elif single:
            text = f"{target} exists already; --overwrite replaces it, -o names another file"
            reports.append(replace(report, status="failed", notes=(text,)))
        else:
            reports.append(
                replace(report, status="skipped", notes=("is already there; --overwrite replaces it",))
            )
    for report in reports:
        how.say(report)
    return jobs, reports


def color_all(jobs: Sequence[Job], how: Coloring) -> list[Report]:
    """Color the pictures one after the other under a progress bar on standard error.

    Raises:
        ColorzooError: There is no such model or device, or its weights cannot be had.
    """
    if not jobs:
        return []
    args = how.args
    named = _references(how)
    colorizer = Colorizer(
        wanted_model(args.model, how.recipe, args.weights, reference=bool(named)),
        weights=args.weights,
        device=args.device,
        precision=args.precision,
        size=args.size,
        temperature=args.temperature,
        render_factor=args.render_factor,
    )
    reference = colorizer.exemplar(named) if named and "exemplar" in colorizer.model.accepts else None
    console = Console(stderr=True)
    reports = []
    interrupts = remember_interrupts()
    with Progress(
        console=console,
        disable=len(jobs) == 1 or not console.is_terminal,
        redirect_stdout=sys.stdout.isatty(),  # else the lines for a file or pipe would land on standard error
    ) as progress:
        for job in progress.track(jobs, description="coloring"):
            reports.append(_color_one(colorizer, job, how, reference))
            how.say(reports[-1])
            if interrupts:
                raise KeyboardInterrupt
    return reports


def remember_interrupts() -> list[int]:
    """Return a list that grows with every Ctrl+C, besides the `KeyboardInterrupt` that each one raises.

    Python drops an exception that is raised inside a destructor or a callback; the run would then
    go on as if nothing had been pressed.
    """
    seen: list[int] = []

    def note(number: int, frame: FrameType | None) -> None:
        seen.append(number)
        signal.default_int_handler(number, frame)

    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, note)
    return seen


def _references(how: Coloring) -> list[Reference]:
    """Read the references: those named, or the recipe's, which lie beside it."""
    args = how.args
    if not args.reference:
        return recipe_references(how.recipe, Path(args.recipe).parent) if args.recipe else []
    return named_references(args.reference, args.reference_weights)


def _color_one(colorizer: Colorizer, job: Job, how: Coloring, reference: Exemplar | None) -> Report:
    try:
        return _colored(colorizer, job, how, reference)
    except Exception as error:  # one odd picture must not end a run of thousands
        text = failure(error, str(job.found.path), job.report.output)
        return replace(job.report, status="failed", notes=(text,))


def failure(error: Exception, picture: str, result: str = "") -> str:
    """Return the line that says why a picture could not be colored; it names the picture, or the result.

    Raises:
        Exception: The error itself, if it was not foreseen and ``COLORZOO_DEBUG`` is set.
    """
    if isinstance(error, ColorzooError):
        text = str(error)
        named = picture in text or (result and result in text)
        return text if named else f"{picture}: {text}"
    if isinstance(error, MemoryError):
        return f"{picture} does not fit into memory"
    if os.environ.get("COLORZOO_DEBUG", "0") not in ("", "0"):
        raise error
    return (
        f"{picture}: unexpected {type(error).__name__}: {error} (COLORZOO_DEBUG=1 shows where; "
        "please report it)"
    )


def _colored(colorizer: Colorizer, job: Job, how: Coloring, reference: Exemplar | None) -> Report:
    args, target = how.args, Path(job.report.output)
    picture = read_picture(job.found.path)
    tint = chroma_note(picture)
    if args.skip_colored and tint == "already in color":
        return replace(job.report, status="skipped", notes=(tint,))
    lost = write_notes(target, picture)  # before the work, as it refuses formats that cannot be written
    colored = colorizer.colorize(picture, how.recipe, strength=args.strength, reference=reference)
    write_picture(target, colored.rgb, picture, quality=args.quality, overwrite=args.overwrite)
    notes = (*picture.notes, *((tint,) if tint else ()), *colored.notes, *lost)
    return replace(job.report, notes=notes)


def _print(text: str, stream: TextIO) -> None:
    # a file name may hold bytes that are no text, or letters that the terminal does not know
    encoding = stream.encoding or "utf-8"
    print(text.encode(encoding, "backslashreplace").decode(encoding), file=stream, flush=True)
