"""Numbers from the literature with their protocols; they stand beside ours only where that is the same."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from colorzoo.evaluation.outputs import Output
from colorzoo.evaluation.protocol import Protocol, load_yaml


@dataclass(frozen=True)
class Published:
    """One published number.

    Attributes:
        source: Paper and table.
        protocol: The protocol of ours that is nearest to it, with its version.
        pictures: On which pictures.
        metric: Our key of the number without the resize, or its name where we have no such number.
        resize: Key of the resize.
        method: As the paper calls it.
        model: Our registered name, or empty.
        count: Interactions.
        value: The number.
        error: Its standard error, or None.
        exact: Whether it was taken exactly as our protocol takes it, as far as the paper says.
        remark: What is not the same, or not known.
        differs: Why it cannot stand beside ours; empty if it can.
    """

    source: str
    protocol: str
    pictures: str
    metric: str
    resize: str
    method: str
    model: str
    count: int
    value: float
    error: float | None = None
    exact: bool = True
    remark: str = ""
    differs: str = ""


def published_for(protocol: Protocol, outputs: Sequence[Output], deviation: str) -> tuple[Published, ...]:
    """Return the numbers that were published for a protocol, each marked where it is not comparable.

    Args:
        protocol: Of the evaluation.
        outputs: Numbers of the evaluation.
        deviation: Why its pictures are not the protocol's.
    """
    keys = {output.key for output in outputs}
    found = []
    for entry in all_published():
        if entry.protocol.partition("/")[0] == protocol.name:
            found.append(Published(**{**vars(entry), "differs": _differs(entry, protocol, keys, deviation)}))
    return tuple(found)


def _differs(entry: Published, protocol: Protocol, keys: set[str], deviation: str) -> str:
    reasons = []
    if deviation:
        reasons.append(f"other pictures ({deviation})")
    if entry.protocol != protocol.label:
        reasons.append(f"protocol {entry.protocol}")
    if entry.resize != protocol.resize.key:
        reasons.append(f"resize {entry.resize}")
    if entry.metric not in keys:
        reasons.append(f"metric {entry.metric}")
    if not entry.exact:
        reasons.append(entry.remark or "protocol not fully known")
    return "; ".join(reasons)


@cache
def all_published() -> tuple[Published, ...]:
    """Return every published number that ships with the package."""
    folder = files("colorzoo.evaluation") / "published"
    found: list[Published] = []
    for entry in sorted(folder.iterdir(), key=lambda path: path.name):
        if entry.name.endswith(".yaml"):
            for table in load_yaml(entry.read_text(encoding="utf-8")):
                found.extend(_numbers(table))
    return tuple(found)


def _numbers(table: Mapping[str, Any]) -> Iterator[Published]:
    """Unfold a table: its fields hold for all of its rows unless a row says otherwise."""
    shared = {key: value for key, value in table.items() if key not in ("rows", "columns")}
    columns: Sequence[Mapping[str, Any]] = table.get("columns", [{}])
    for row in table["rows"]:
        values = row["values"] if "values" in row else [row["value"]]
        own = {key: value for key, value in row.items() if key not in ("values", "value")}
        for column, value in zip(columns, values, strict=True):
            if value is not None:
                yield Published(**{"model": "", "count": 0, **shared, **column, **own, "value": float(value)})
