"""An experiment: what is measured on which pictures, remembered picture by picture."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

from benchmarks._digests import weights_digest
from benchmarks._files import write_text
from benchmarks._harness import where
from benchmarks.claims._looks import Look, append_look
from benchmarks.claims._numbers import Result

GOLDEN = (5**0.5 - 1) / 2  # steps of it fill a circle evenly, wherever one stops

T = TypeVar("T")


@dataclass(frozen=True)
class Item:
    """What one row is measured on.

    Attributes:
        name: Unique within its experiment.
        files: What is read.
        payload: Whatever else ``measure`` needs.
    """

    name: str
    files: tuple[Path, ...] = ()
    payload: Any = None

    @property
    def digest(self) -> str:
        """Hash of the files."""
        return hashlib.sha256("".join(map(_file_digest, self.files)).encode()).hexdigest()[:12]


@dataclass(frozen=True)
class Setup:
    """Where and how experiments run.

    Attributes:
        data: Folder of the data sets.
        out: Folder of the pages.
        count: How many pictures each experiment takes, as far as there are so many held-out ones; by default
            its own number. Timings and files of reference are no pictures.
        quick: A few items of small pictures, to try that everything runs; the pages are then worth nothing.
        scratch: Folder of what is trained.
    """

    data: Path
    out: Path
    count: int | None = None
    quick: bool = False
    scratch: Path = Path("runs/claims")

    @property
    def side(self) -> int:
        """Side of the pictures in pixels."""
        return 64 if self.quick else 256

    def number(self, own: int) -> int:
        """Return how many pictures an experiment takes whose own number is ``own``."""
        return self.count or own


def spread(things: Sequence[T], own: int, first: int = 0) -> list[T]:
    """Return all things in an order whose beginnings are spread evenly; none is chosen by looking at it.

    A larger number of them holds what a smaller one does, and more: what is measured already stays.

    Args:
        things: All there are.
        own: How many are taken when nobody asks for another number.
        first: Where these begin.
    """
    evenly = range(len(things))[first :: max(1, len(things) // own)]
    others = sorted(set(range(len(things))) - set(evenly), key=lambda place: place * GOLDEN % 1)
    return [things[place] for place in [*evenly, *others]]


Measure = Callable[[Item], Mapping[str, float]]


@dataclass(frozen=True)
class Experiment:
    """A measurement.

    Attributes:
        name: Of its record, ``PAPER-NAME``.
        models: Whose weights the numbers depend on.
        set_name: Which pictures, as the list of looks names them; empty where none are shown to anybody.
        items: Finds them.
        begin: Loads or trains what is needed and returns what measures an item.
        settings: Of the measurement; a record made with others is not used.
    """

    name: str
    models: tuple[str, ...]
    set_name: str
    items: Callable[[Setup], Sequence[Item]]
    begin: Callable[[Setup], Measure]
    settings: str = ""

    def record(self, out: Path) -> Path:
        """Return the file of the numbers."""
        return out / "data" / f"{self.name}.json"


def run(experiment: Experiment, setup: Setup) -> None:
    """Measure what is missing in the record of an experiment, and keep each item's numbers at once.

    What is recorded beyond the items stays, so a run over fewer pictures takes nothing away.
    """
    items = list(experiment.items(setup))[: 2 if setup.quick else None]
    path = experiment.record(setup.out)
    content = _valid_record(experiment, path)
    rows = {row["item"]: row for row in content.get("rows", [])}
    missing = {item.name: item for item in items if rows.get(item.name, {}).get("data") != item.digest}
    if not missing:
        return
    measure = experiment.begin(setup)
    begun = _count_look(experiment, setup, missing, content.get("begun", {}))
    for number, item in enumerate(missing.values(), 1):
        rows[item.name] = {"item": item.name, "data": begun.pop(item.name), **measure(item)}
        write_text(path, _to_json(experiment, _in_order(rows, items), begun))
        print(f"{experiment.name}: {number} of {len(missing)}", flush=True)


def _count_look(
    experiment: Experiment, setup: Setup, missing: Mapping[str, Item], begun: Mapping[str, str]
) -> dict[str, str]:
    """Count a look at what is missing before it begins: an interrupted look is one, going on with it none.

    Returns:
        The digests of what is missing by name: what the record calls begun.
    """
    now = {name: item.digest for name, item in missing.items()}
    new = [name for name in now if begun.get(name) != now[name]]
    if new and experiment.set_name:
        today = datetime.now(UTC).date().isoformat()
        append_look(setup.out, Look(today, experiment.set_name, len(new), experiment.name))
    return now


def _in_order(rows: Mapping[str, Any], items: Sequence[Item]) -> list[Any]:
    """Return the rows of the items in their order, then all others."""
    first = {item.name: rows[item.name] for item in items if item.name in rows}
    return list({**first, **rows}.values())


def read_result(experiment: Experiment, out: Path) -> Result | None:
    """Return what was measured, and which models have got newer weights since; None if nothing was."""
    path = experiment.record(out)
    if not path.is_file():
        return None
    content = json.loads(path.read_text(encoding="utf-8"))
    now = _digests(experiment)
    return Result(content["rows"], tuple(name for name in now if content["weights"].get(name) != now[name]))


def _valid_record(experiment: Experiment, path: Path) -> dict[str, Any]:
    """Return what was recorded with the present weights and settings, or nothing."""
    if not path.is_file():
        return {}
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    same = content["weights"] == _digests(experiment) and content["settings"] == experiment.settings
    return content if same else {}


def _digests(experiment: Experiment) -> dict[str, str]:
    return {name: weights_digest(name) for name in experiment.models}


def _to_json(experiment: Experiment, rows: Iterable[Mapping[str, Any]], begun: Mapping[str, str]) -> str:
    head = {
        "experiment": experiment.name,
        "set": experiment.set_name,
        "made": datetime.now(UTC).date().isoformat(),
        "where": where(),
        "weights": _digests(experiment),
        "settings": experiment.settings,
        **({"begun": begun} if begun else {}),
    }
    lines = ",\n".join(f"  {json.dumps(_rounded(row))}" for row in rows)
    return f'{json.dumps(head, indent=1)[:-2]},\n "rows": [\n{lines}\n ]\n}}\n'


def _rounded(row: Mapping[str, Any]) -> dict[str, Any]:
    """Keep six digits; what is no number is null in JSON."""
    return {
        key: (float(f"{v:.6g}") if math.isfinite(v) else None) if isinstance(v, float) else v
        for key, v in row.items()
    }


def _file_digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
