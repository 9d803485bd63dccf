"""The work of ``colorzoo colorize``: find the pictures, color them, and say what became of each."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from types import FrameType
from typing import Literal

from colorzoo.cli._recipes import recipe_for, recipe_of, unused_recipes
from colorzoo.cli._results import Place, asked_of, find_place
from colorzoo.cli._telling import print_line
from colorzoo.errors import ColorzooError, PictureError
from colorzoo.guidance import Recipe
from colorzoo.inference.origin import Origin
from colorzoo.inference.paths import names_file
from colorzoo.inference.picture_io import (
    FoundPicture,
    find_pictures,
    output_paths,
)
from colorzoo.weights import model_of_file

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
    """A picture to color, the report if all goes well, and how it is wanted."""

    found: FoundPicture
    report: Report
    how: Coloring


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

    def of(self, found: FoundPicture) -> Coloring:
        """Return how one picture is wanted: with a recipe of its own, if there is a folder of them.

        Raises:
            GuidanceError: Its recipe is none.
        """
        folder = self.args.recipe_folder
        own = recipe_for(found, Path(folder)) if folder else None
        if own is None:
            return self
        args = argparse.Namespace(**{**vars(self.args), "recipe": str(own)})
        return Coloring(recipe_of(args), args)

    @property
    def may_hint(self) -> bool:
        """Whether a user who lets us choose, and reads what we say, may want to know of better weights."""
        args = self.args
        chosen = self.names_model or args.fast or args.recipe_folder
        return not (chosen or args.json) and args.weights == "default"

    def say(self, report: Report) -> None:
        """Print the line of one picture: failures on standard error, and all if that is for JSON.

        It names the model if that was ours to choose.
        """
        chosen = (report.model,) if report.model and not self.names_model else ()
        notes = "; ".join((*chosen, *report.notes))
        if report.status in ("failed", "full"):
            print_line(f"colorzoo: error: {' '.join(notes.split())}", sys.stderr)
        else:
            name = "standard output" if self.args.piped else report.output or report.source
            line = f"{name} ({notes})" if notes else name
            print_line(line, sys.stderr if self.args.json or self.args.piped else sys.stdout)


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
    wishes = _wishes(found, how)
    jobs = []
    for place, (picture, wish) in zip(
        _places(found, wishes, how), zip(found, wishes, strict=True), strict=True
    ):
        report = Report(str(picture.path), str(place.path), "colored")
        if isinstance(wish, ColorzooError):
            reports.append(replace(report, output="", status="failed", notes=(f"{picture.path}: {wish}",)))
        elif place.plan == "color":
            notes = (f"{place.other.name} is of another picture",) if place.other else ()
            jobs.append(Job(picture, replace(report, notes=notes), wish))
        elif place.plan == "done":
            reports.append(replace(report, status="skipped", notes=(_DONE,)))
        else:
            reports.append(
                replace(report, status="failed", notes=(f"{place.path} {_IN_THE_WAY[place.plan]}",))
            )
    for report in reports:
        how.say(report)
    return jobs, reports


def _wishes(found: Sequence[FoundPicture], how: Coloring) -> list[Coloring | ColorzooError]:
    """Say how each picture is wanted, or what is wrong with its recipe; name recipes of no picture."""
    if not how.args.recipe_folder:
        return [how] * len(found)
    wishes: list[Coloring | ColorzooError] = []
    folder = Path(how.args.recipe_folder)
    for picture in found:
        try:
            wishes.append(how.of(picture))
        except ColorzooError as error:  # the others shall not suffer
            wishes.append(error)
    for path in unused_recipes(folder, [recipe_for(picture, folder) for picture in found]):
        print_line(f"colorzoo: {path} belongs to no picture", sys.stderr)
    return wishes


def _places(
    found: Sequence[FoundPicture], wishes: Sequence[Coloring | ColorzooError], how: Coloring
) -> list[Place]:
    """Say where the result of each picture goes, no two at one place."""
    targets = output_paths(found, how.args.output)
    if how.args.overwrite or not any(os.path.lexists(target) for target in targets):
        return [Place(target, "color") for target in targets]
    fixed = how.args.output is not None and names_file(how.args.output)
    taken = set(targets)
    places = []
    for picture, target, wish in zip(found, targets, wishes, strict=True):
        asked = (wish if isinstance(wish, Coloring) else how).asked
        places.append(find_place(picture.path, target, asked, fixed=fixed, taken=taken))
        taken.add(places[-1].path)
    return places


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
