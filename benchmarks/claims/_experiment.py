"""Experiments: measurements on held-out images, recorded image by image."""

from __future__ import annotations

import ast
import hashlib
import inspect
import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache, partial
from pathlib import Path
from typing import Any, TypeVar

import colorzoo
from benchmarks._common import weights_digest, where
from benchmarks.claims._claim import Result
from colorzoo.card import ModelCard
from colorzoo.files import write_atomic
from colorzoo.registry import list_models, load_model_class, model_card

GOLDEN = (5**0.5 - 1) / 2  # multiples of it, modulo 1, are spread evenly at any number of them
LOOKS = "looks.csv"
PROBES = 3  # recorded images that are measured again after a change of the code
MOST, ENOUGH = 200, 60  # images of an experiment; of one whose images are few or slow
_DECISIVE = ("color", "guidance", "losses", "metrics", "networks", "simulation")

T = TypeVar("T")


@dataclass(frozen=True)
class Item:
    """Input of one row of an experiment.

    Attributes:
        name: Unique within the experiment.
        files: Files that are read.
        payload: Further input of ``measure``.
    """

    name: str
    files: tuple[Path, ...] = ()
    payload: Any = None

    @property
    def digest(self) -> str:
        """Hash of the files."""
        hashes = (hashlib.sha256(path.read_bytes()).hexdigest() for path in self.files)
        return hashlib.sha256("".join(hashes).encode()).hexdigest()[:12]


@dataclass(frozen=True)
class Setup:
    """Options of a run.

    Attributes:
        data: Folder of the data sets.
        out: Folder of the page and the records.
        count: Number of images of each experiment; None for the experiment's own number.
        quick: Dry run on two small images each; the results are meaningless.
        scratch: Folder for trained weights.
    """

    data: Path
    out: Path
    count: int | None = None
    quick: bool = False
    scratch: Path = Path("runs/claims")

    @property
    def side(self) -> int:
        """Side of the images in pixels."""
        return 64 if self.quick else 256


Measure = Callable[[Item], Mapping[str, float]]


@dataclass(frozen=True)
class Experiment:
    """A measurement.

    Attributes:
        name: Name of its record, ``PAPER-NAME``.
        models: Models whose weights determine the numbers.
        set_name: Name of the images; empty for timings and reference files.
        items: Finds the items.
        begin: Loads or trains models and returns the function that measures an item.
        settings: Settings of the measurement; a record with others is not used.
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

    def digests(self) -> dict[str, str]:
        """Return digests of the present weights."""
        return {name: weights_digest(name) for name in self.models}

    def code(self) -> str:
        """Return a digest of the code that decides the numbers."""
        return code_digest(self.begin, self.models)


def run(experiment: Experiment, setup: Setup) -> None:
    """Measure the items that the record lacks, and write the record after each.

    Recorded items beyond those of the setup stay. After a change of the code, a few recorded items are
    measured first: where these give the same numbers, the others stay, else all are measured again.
    """
    items = list(experiment.items(setup))[: 2 if setup.quick else None]
    path = experiment.record(setup.out)
    content = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    present = {"weights": experiment.digests(), "settings": experiment.settings}
    comparable = all(content.get(key) == value for key, value in present.items())
    rows: dict[str, Any] = {row["item"]: row for row in content["rows"]} if comparable else {}
    digests = {item.name: item.digest for item in items}
    recorded = [item for item in items if rows.get(item.name, {}).get("data") == digests[item.name]]
    same_code = content.get("code") == experiment.code()
    if same_code and len(recorded) == len(items):
        return
    measure = experiment.begin(setup)
    if not same_code:
        probes = spread(recorded, PROBES)[:PROBES] if experiment.set_name else []  # timings always change
        if probes:
            count_look(setup.out, experiment, len(probes))
        again = {item.name: _row(item, digests, measure) for item in probes}
        if not again or any(row != rows[name] for name, row in again.items()):
            rows, recorded = again, probes
        if rows:
            write_atomic(path, to_json(experiment, rows.values()).encode())
    missing = [item for item in items if item not in recorded]
    if experiment.set_name and missing:
        count_look(setup.out, experiment, len(missing))
    for number, item in enumerate(missing, 1):
        rows[item.name] = _row(item, digests, measure)
        first = {each.name: rows[each.name] for each in items if each.name in rows}
        write_atomic(path, to_json(experiment, {**first, **rows}.values()).encode())
        print(f"{experiment.name}: {number} of {len(missing)}", flush=True)


def _row(item: Item, digests: Mapping[str, str], measure: Measure) -> dict[str, Any]:
    values = measure(item).items()
    numbers = {name: rounded(value) if isinstance(value, float) else value for name, value in values}
    return {"item": item.name, "data": digests[item.name], **numbers}


def count_look(out: Path, experiment: Experiment, count: int) -> None:
    """Append a line to the list of looks, before the images are looked at."""
    path = out / LOOKS
    out.mkdir(parents=True, exist_ok=True)
    today = datetime.now(UTC).date().isoformat()
    heading = "" if path.exists() else "date,set_name,count,why\n"
    with path.open("a", encoding="utf-8", newline="") as file:
        file.write(f'{heading}{today},"{experiment.set_name}",{count},{experiment.name}\n')


def read_result(experiment: Experiment, out: Path) -> Result | None:
    """Return the recorded numbers, or None."""
    path = experiment.record(out)
    if not path.is_file():
        return None
    content = json.loads(path.read_text(encoding="utf-8"))
    present = experiment.digests().items()
    stale = [f"weights: {name}" for name, now in present if content["weights"].get(name) != now]
    if content.get("code") != experiment.code():
        stale.append("code")
    return Result(content["rows"], tuple(stale))


def code_digest(begin: Callable[..., Any], models: Sequence[str]) -> str:
    """Return a digest of the code that decides the numbers of an experiment.

    These are its own module, the folders of its models and of the models that lend them layers, and the
    packages that every coloring runs through. Comments, docstrings, imports at the top and the layout of
    lines do not count.

    Args:
        begin: See `Experiment`.
        models: Registered names.
    """
    while isinstance(begin, partial):
        begin = begin.func
    package = Path(colorzoo.__file__).parent
    folders = {package / name for name in _DECISIVE}
    folders |= {Path(inspect.getfile(load_model_class(card))).parent for card in lenders(models)}
    files = {file for folder in folders for file in folder.rglob("*.py")}
    files |= {package / "model.py", package / "prediction.py", Path(inspect.getfile(begin))}
    return hashlib.sha256("".join(map(_code_of, sorted(files))).encode()).hexdigest()[:16]


def lenders(models: Sequence[str]) -> list[ModelCard]:
    """Return the cards of models, and of the models whose layers they use."""
    known, found, names = set(list_models()), dict[str, ModelCard](), list(models)
    while names:
        card = model_card(names.pop())
        if card.name not in found:
            found[card.name] = card
            names += [each for each in card.hparams.values() if isinstance(each, str) and each in known]
    return [found[name] for name in sorted(found)]


@cache
def _code_of(path: Path) -> str:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        body: Any = getattr(node, "body", None)
        is_text = isinstance(body, list) and body and isinstance(body[0], ast.Expr)
        if is_text and isinstance(body[0].value, ast.Constant) and isinstance(body[0].value.value, str):
            body.pop(0)
    lines = (node for node in tree.body if not isinstance(node, ast.Import | ast.ImportFrom))
    return "\n".join(map(ast.dump, lines))


def to_json(experiment: Experiment, rows: Iterable[Mapping[str, Any]]) -> str:
    """Return a record: numbers with six digits, null for NaN."""
    head = {
        "experiment": experiment.name,
        "set": experiment.set_name,
        "made": datetime.now(UTC).date().isoformat(),
        "where": where(),
        "weights": experiment.digests(),
        "code": experiment.code(),
        "settings": experiment.settings,
    }
    lines = ",\n".join(f"  {json.dumps(row)}" for row in rows)
    return f'{json.dumps(head, indent=1)[:-2]},\n "rows": [\n{lines}\n ]\n}}\n'


def rounded(value: float) -> float | None:
    """Return a number with six digits, or None for one that is not finite."""
    return float(f"{value:.6g}") if math.isfinite(value) else None


def spread(values: Sequence[T], number: int, first: int = 0) -> list[T]:
    """Return all values in an order whose beginnings are spread evenly.

    A longer beginning contains a shorter one, so measured items stay when more are taken.

    Args:
        values: All values.
        number: Length of the beginning that is spaced evenly.
        first: Index of the first value.
    """
    evenly = range(len(values))[first :: max(1, len(values) // number)]
    others = sorted(set(range(len(values))) - set(evenly), key=lambda index: index * GOLDEN % 1)
    return [values[index] for index in [*evenly, *others]]
