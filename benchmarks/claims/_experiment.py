"""An experiment: what is measured on which pictures, remembered picture by picture."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks._digests import weights_digest
from benchmarks._files import write_text
from benchmarks._harness import where
from benchmarks.claims._looks import Look, append_look
from benchmarks.claims._numbers import Result

EVERY = 5  # items after which the record is written


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
        quick: A few items of small pictures, to try that everything runs; the pages are then worth nothing.
        scratch: Folder of what is trained.
    """

    data: Path
    out: Path
    quick: bool = False
    scratch: Path = Path("runs/claims")

    @property
    def side(self) -> int:
        """Side of the pictures in pixels."""
        return 64 if self.quick else 256


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
    """Measure what is missing in the record of an experiment."""
    items = list(experiment.items(setup))[: 2 if setup.quick else None]
    path = experiment.record(setup.out)
    rows = {row["item"]: row for row in _valid_rows(experiment, path)}
    missing = [item for item in items if rows.get(item.name, {}).get("data") != item.digest]
    if not missing:
        return
    if experiment.set_name:  # before it begins, so that an interrupted look is counted too
        today = datetime.now(UTC).date().isoformat()
        append_look(setup.out, Look(today, experiment.set_name, len(missing), experiment.name))
    measure = experiment.begin(setup)
    for number, item in enumerate(missing, 1):
        rows[item.name] = {"item": item.name, "data": item.digest, **measure(item)}
        if number % EVERY == 0 or number == len(missing):
            kept = [rows[each.name] for each in items if each.name in rows]
            write_text(path, _to_json(experiment, kept))
            print(f"{experiment.name}: {number} of {len(missing)}", flush=True)


def read_result(experiment: Experiment, out: Path) -> Result | None:
    """Return what was measured, and which models have got newer weights since; None if nothing was."""
    path = experiment.record(out)
    if not path.is_file():
        return None
    content = json.loads(path.read_text(encoding="utf-8"))
    now = _digests(experiment)
    return Result(content["rows"], tuple(name for name in now if content["weights"].get(name) != now[name]))


def _valid_rows(experiment: Experiment, path: Path) -> list[dict[str, Any]]:
    if not path.is_file():
        return []
    content = json.loads(path.read_text(encoding="utf-8"))
    same = content["weights"] == _digests(experiment) and content["settings"] == experiment.settings
    return list(content["rows"]) if same else []


def _digests(experiment: Experiment) -> dict[str, str]:
    return {name: weights_digest(name) for name in experiment.models}


def _to_json(experiment: Experiment, rows: Sequence[Mapping[str, Any]]) -> str:
    head = {
        "experiment": experiment.name,
        "set": experiment.set_name,
        "made": datetime.now(UTC).date().isoformat(),
        "where": where(),
        "weights": _digests(experiment),
        "settings": experiment.settings,
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
