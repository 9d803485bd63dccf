"""The work of ``colorzoo colorize``: find the pictures, color them, and say what became of each."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from types import FrameType
from typing import Literal, TextIO

from rich.console import Console
from rich.progress import Progress

from colorzoo import __version__
from colorzoo.cli._better import tell_of_better
from colorzoo.cli._results import Place, asked_of, find_place
from colorzoo.errors import ColorzooError, DiskFullError, PictureError
from colorzoo.guidance import Exemplar, Recipe
from colorzoo.inference.colorizer import Colorizer
from colorzoo.inference.guide import uses_of, wanted_model
from colorzoo.inference.origin import Origin, write_with_origin
from colorzoo.inference.paths import names_file
from colorzoo.inference.picture_io import (
    FoundPicture,
    chroma_note,
    depth_at,
    find_pictures,
    output_paths,
    read_picture,
    write_notes,
    write_picture,
)
from colorzoo.inference.references import Reference, named_references, recipe_references
from colorzoo.weights import model_of_file
from colorzoo.weights._files import sha256_of

_DONE = "is already there, of the same picture with the same settings"
_UNTRIED = "not tried: the disk is full"
_IN_THE_WAY = {
    "changed": "exists already, made with other settings; --overwrite replaces it",
    "foreign": "exists already, made of another picture; --overwrite replaces it, -o names another file",
    "unknown": "exists already and does not say of which picture it was made; --overwrite replaces it, "
    "-o names another place",
}


@dataclass(frozen=True)
class Report:
    """What became of one picture.

    Attributes:
        source: The picture.
        output: Where the result is, or would be; empty for a picture that was not found.
        status: Whether it was colored, left alone, impossible, the end of a disk, or only planned.
        notes: What the user should know.
        model: Registered name of what colored it; empty where nothing did.
    """

    source: str
    output: str
    status: Literal["colored", "skipped", "failed", "full", "planned"]
    notes: tuple[str, ...] = ()
    model: str = ""


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

    @cached_property
    def asked(self) -> Origin:
        """What decides the colors besides the picture; see `asked_of`."""
        return asked_of(self.args, self.recipe)

    @cached_property
    def names_model(self) -> bool:
        """Whether the user says which model: by name, by recipe or by a file of weights, which is opened."""
        named = self.args.model or self.recipe.model or model_of_file(self.args.weights)
        return named is not None

    @property
    def may_hint(self) -> bool:
        """Whether a user who lets us choose, and reads what we say, may want to know of better weights."""
        args = self.args
        return not (self.names_model or args.fast or args.json) and args.weights == "default"

    def say(self, report: Report) -> None:
        """Print the line of one picture: failures on standard error, and all if that is for JSON.

        It names the model if that was ours to choose.
        """
        chosen = (report.model,) if report.model and not self.names_model else ()
        notes = "; ".join((*chosen, *report.notes))
        if report.status in ("failed", "full"):
            _print(f"colorzoo: error: {' '.join(notes.split())}", sys.stderr)
        else:
            name = "standard output" if self.args.piped else report.output or report.source
            line = f"{name} ({notes})" if notes else name
            _print(line, sys.stderr if self.args.json or self.args.piped else sys.stdout)


def find_jobs(inputs: Sequence[str], how: Coloring) -> tuple[list[Job], list[Report]]:
    """Find the pictures that are to be colored; say and return what is left out.

    A result of the same picture with the same settings is left alone, so that an interrupted run can be taken
    up again. The result of another picture stays too: this one's gets the next free name.

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
    for picture, place in zip(found, _places(found, how), strict=True):
        report = Report(str(picture.path), str(place.path), "colored")
        if place.plan == "color":
            notes = (f"{place.other.name} is of another picture",) if place.other else ()
            jobs.append(Job(picture, replace(report, notes=notes)))
        elif place.plan == "done":
            reports.append(replace(report, status="skipped", notes=(_DONE,)))
        else:
            reports.append(
                replace(report, status="failed", notes=(f"{place.path} {_IN_THE_WAY[place.plan]}",))
            )
    for report in reports:
        how.say(report)
    return jobs, reports


def _places(found: Sequence[FoundPicture], how: Coloring) -> list[Place]:
    """Say where the result of each picture goes, no two at one place."""
    targets = output_paths(found, how.args.output)
    if how.args.overwrite or not any(os.path.lexists(target) for target in targets):
        return [Place(target, "color") for target in targets]
    fixed = how.args.output is not None and names_file(how.args.output)
    taken = set(targets)
    places = []
    for picture, target in zip(found, targets, strict=True):
        places.append(find_place(picture.path, target, how.asked, fixed=fixed, taken=taken))
        taken.add(places[-1].path)
    return places


def color_all(jobs: Sequence[Job], how: Coloring) -> list[Report]:
    """Color the pictures one after the other under a progress bar on standard error.

    Raises:
        ColorzooError: There is no such model or device, or its weights cannot be had.
    """
    if not jobs:
        return []
    args = how.args
    named = _references(how)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        name = wanted_model(args.model, how.recipe, args.weights, reference=bool(named), fast=args.fast)
    for warning in caught:  # of weights that do not fit
        _print(f"colorzoo: {' '.join(str(warning.message).split())}", sys.stderr)
    colorizer = Colorizer(
        name,
        weights=args.weights,
        device=args.device,
        precision=args.precision,
        size=args.size,
        temperature=args.temperature,
        render_factor=args.render_factor,
        engine=args.engine,
    )
    reference = colorizer.exemplar(named) if named and "exemplar" in colorizer.model.accepts else None
    origin = None if args.provenance == "none" else replace(how.asked, version=__version__)
    console = Console(stderr=True)
    reports = []
    interrupts = remember_interrupts()
    with Progress(
        console=console,
        disable=len(jobs) == 1 or not console.is_terminal,
        redirect_stdout=sys.stdout.isatty(),  # else the lines for a file or pipe would land on standard error
    ) as progress:
        for job in progress.track(jobs, description="coloring"):
            reports.append(_color_one(colorizer, job, how, reference, origin))
            how.say(reports[-1])
            if interrupts:
                raise KeyboardInterrupt
            if reports[-1].status == "full":
                reports += [
                    replace(rest.report, status="failed", notes=(_UNTRIED,)) for rest in jobs[len(reports) :]
                ]
                break
    if how.may_hint and any(report.status == "colored" for report in reports):
        tell_of_better(uses_of(how.recipe, reference=bool(named)), name)
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


def _color_one(
    colorizer: Colorizer, job: Job, how: Coloring, reference: Exemplar | None, origin: Origin | None
) -> Report:
    try:
        return _colored(colorizer, job, how, reference, origin)
    except DiskFullError as error:  # no other picture would fare better
        return replace(job.report, status="full", notes=(f"{error}; the same command goes on from here",))
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


def _colored(
    colorizer: Colorizer, job: Job, how: Coloring, reference: Exemplar | None, origin: Origin | None
) -> Report:
    args, target = how.args, Path(job.report.output)
    picture = read_picture(job.found.path)
    tint = chroma_note(picture)
    if args.skip_colored and tint == "already in color":
        return replace(job.report, output="", status="skipped", notes=(f"{tint}, left alone",))
    lost = write_notes(target, picture)  # before the work, as it refuses formats that cannot be written
    colored = colorizer.colorize(picture, how.recipe, strength=args.strength, reference=reference)
    levels = colored.levels(depth_at(target, picture))
    save = partial(write_picture, target, levels, quality=args.quality, overwrite=args.overwrite)
    made = origin and replace(origin, source=sha256_of(job.found.path))
    kept = write_with_origin(save, target, picture, made)
    tint = "was in color already and is colored anew" if tint == "already in color" else tint
    notes = (*job.report.notes, *picture.notes, *((tint,) if tint else ()), *colored.notes, *lost, *kept)
    return replace(job.report, notes=notes, model=colored.model)


def _print(text: str, stream: TextIO) -> None:
    # a file name may hold bytes that are no text, or letters that the terminal does not know
    encoding = stream.encoding or "utf-8"
    print(text.encode(encoding, "backslashreplace").decode(encoding), file=stream, flush=True)
