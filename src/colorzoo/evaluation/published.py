"""Published numbers with their protocols; reports compare ours with those of the same protocol only."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files
from typing import Any

from colorzoo.evaluation.protocol import Protocol, load_yaml
from colorzoo.metrics.base import Output


@dataclass(frozen=True)
class Published:
    """A published number.

    Attributes:
        source: Paper and table.
        protocol: Label of our most similar protocol.
        pictures: The pictures.
        metric: Our key of the number without the resize, or its name if we have no such number.
        resize: Key of the resize.
        method: Name of the method in the paper.
        model: Our registered name, or empty.
        count: Number of interactions.
        value: The number.
        error: Its standard error, or None.
        exact: True if its protocol equals ours, as far as the paper specifies it.
        remark: Differences and unknowns.
        differs: Reason why it cannot be compared with ours; empty if it can.
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
    """Return the numbers that were published for a protocol, with the reason if they are not comparable.

    Args:
        protocol: Protocol of the evaluation.
        outputs: Numbers of the evaluation.
        deviation: Difference of its pictures from the protocol's.
    """
    keys = {output.key for output in outputs}
    return tuple(
        replace(entry, differs=_differs(entry, protocol, keys, deviation))
        for entry in all_published()
        if entry.protocol.partition("/")[0] == protocol.name
    )


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
            for table in load_yaml(entry.read_bytes()):
                found.extend(_numbers(table))
    return tuple(found)


def _numbers(table: Mapping[str, Any]) -> Iterator[Published]:
    """Return the numbers of a table, whose fields apply to all rows and columns that do not override them."""
    shared = {key: value for key, value in table.items() if key not in ("rows", "columns")}
    columns: Sequence[Mapping[str, Any]] = table.get("columns", [{}])
    for row in table["rows"]:
        values = row["values"] if "values" in row else [row["value"]]
        own = {key: value for key, value in row.items() if key not in ("values", "value")}
        for column, value in zip(columns, values, strict=True):
            if value is not None:
                yield Published(**{"model": "", "count": 0, **shared, **column, **own, "value": float(value)})
