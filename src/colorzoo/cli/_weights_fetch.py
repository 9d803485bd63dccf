"""The work of ``colorzoo weights fetch``: one file, or the best ones for some uses."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from colorzoo.card import ModelCard, Use
from colorzoo.cli._tables import print_table
from colorzoo.errors import WeightsError
from colorzoo.tiers import Place, places, state_in_words
from colorzoo.weights._files import megabytes
from colorzoo.weights.catalog import WeightFile, list_weights, weights_entry, weights_path
from colorzoo.weights.download import fetch, is_offline
from colorzoo.weights.ledger import FileState, inspect

BEST: tuple[Use, ...] = ("automatic", "points", "exemplar", "sketch")
"""The uses of ``fetch best``: what people do most."""

_HEADER = ("MODEL", "FOR", "SIZE", "LICENSE", "FROM", "STATE")


@dataclass(frozen=True)
class Wanted:
    """A weight file to fetch.

    Attributes:
        row: The file.
        uses: For which it is the best one that can be fetched.
        place: The model and what is known of the file.
    """

    row: WeightFile
    uses: tuple[Use, ...]
    place: Place


def fetch_one(card: ModelCard, tag: str, *, offline: bool = False) -> Path:
    """Make sure that a weight file of a card is on this machine and is the right one; return its path.

    Raises:
        WeightsError: It cannot be had, is broken, or the model refuses it.
    """
    entry, path = weights_entry(card, tag), weights_path(card, tag)
    if entry.file is not None:
        if not (state := inspect(entry, path, thorough=True)).trusted:
            problem = "missing" if state.verdict == "missing" else f"broken: {state.reason}"
            raise WeightsError(f"{path} ships inside the package but is {problem}; reinstall colorzoo")
        return path
    fetch(entry, path, offline=offline)
    if inspect(entry, path).verdict == "unchecked":
        (row,) = (row for row in list_weights([card]) if row.tag == tag)
        if not (state := first_use(row)).trusted:
            raise WeightsError(f"{path} is not used: {state.reason}")
        print(f"{path.name}: sha256 {state.sha256}, recorded (its authors state none)", file=sys.stderr)
    return path


def first_use(row: WeightFile) -> FileState:
    """Let the model look at a file that nobody has used yet; its hash is recorded if it fits."""
    from colorzoo.factory import create_model

    try:
        create_model(row.model, row.tag, offline=True)
    except WeightsError as error:
        return FileState("refused", reason=str(error))
    return inspect(row.weights, row.path)


def fetch_best(uses: Sequence[Use], *, yes: bool, offline: bool) -> int:
    """Show the best weights for some uses, ask once, and fetch those that are not here.

    Args:
        uses: What for.
        yes: Do not ask.
        offline: Open no connection; say what is to be done by hand.

    Returns:
        0 if all are here now, 1 if some could not be had.

    Raises:
        WeightsError: None could be had, there is no room, or nobody can be asked.
    """
    wanted = best_files(uses)
    if not wanted:
        print(f"what ships with colorzoo is the best there is to have for {', '.join(uses)}")
        return 0
    print_table(_HEADER, [_cells(each) for each in wanted])
    missing = [each for each in wanted if not each.place.ready]
    if not missing:
        print("all of them are here")
        return 0
    if offline or is_offline():
        _print_by_hand(missing)
        raise WeightsError(f"offline: fetch the {len(missing)} files above by hand")
    _check_room(missing)
    if not (yes or _agrees()):
        print("nothing was fetched")
        return 0
    return _fetch_all(missing)


def best_files(uses: Sequence[Use]) -> list[Wanted]:
    """Return the best file to be fetched for each use, each file once; none where the best one ships."""
    found: dict[Path, Wanted] = {}
    for use in uses:
        best = next((place for place in places(use) if place.embedded or place.fetchable), None)
        if best is None or best.embedded or best.path is None:
            continue
        known = found.get(best.path)
        (row,) = (row for row in list_weights([best.card]) if row.tag == best.tag)
        found[best.path] = Wanted(row, (*(known.uses if known else ()), use), best)
    return list(found.values())


def _cells(wanted: Wanted) -> tuple[str, ...]:
    row = wanted.row
    size = megabytes(row.weights.size)
    about = size if row.weights.sha256 or row.weights.size_stated else f"about {size}"
    uses = ", ".join(wanted.uses)
    return (row.model, uses, about, row.weights.license, row.origin, state_in_words(wanted.place))


def _print_by_hand(missing: Sequence[Wanted]) -> None:
    """Print what a person has to download, and where to put it."""
    for each in missing:
        print(f"{' or '.join(each.row.weights.urls)}\n  to {each.row.path}")
    print("then run `colorzoo weights verify`")


def _check_room(missing: Sequence[Wanted]) -> None:
    """Say how much is to be fetched and how much room there is.

    Raises:
        WeightsError: There is not enough.
    """
    needed = sum(each.row.weights.size for each in missing)
    folder = missing[0].row.path.parent
    there = next(each for each in (folder, *folder.parents) if each.is_dir())
    free = shutil.disk_usage(there).free
    print(f"{megabytes(needed)} to fetch; {megabytes(free)} free for {folder}", flush=True)
    if free < needed:
        raise WeightsError(
            f"{megabytes(needed)} do not fit into the {megabytes(free)} that are free for {folder}; make "
            "room, or set COLORZOO_HOME to another folder"
        )


def _agrees() -> bool:
    """Ask on a terminal.

    Raises:
        WeightsError: Nobody can be asked.
    """
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise WeightsError("this is no terminal on which to ask; add --yes to fetch them")
    try:
        return input("fetch them? [y/N] ").strip().lower() in ("y", "yes")
    except EOFError:
        return False


def _fetch_all(missing: Sequence[Wanted]) -> int:
    """Fetch one after the other; one that fails does not stop the others."""
    failures = []
    for each in missing:
        try:
            print(fetch_one(each.place.card, each.row.tag), flush=True)
        except WeightsError as error:
            failures.append(str(error))
    if len(failures) == len(missing):
        raise WeightsError("; ".join(failures))
    for failure in failures:
        print(f"colorzoo: error: {failure}", file=sys.stderr)
    return int(bool(failures))
