"""Published results with their protocols, for comparison under the same protocol."""

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
    """A number from a paper, for comparison with a result of `evaluate`.

    Attributes:
        source: Paper and table.
        protocol: Label of the most similar protocol in the package.
        images: Description of the images.
        metric: Key of the corresponding output without the resize, or the name in the paper.
        resize: Key of the resize.
        method: Name of the method in the paper.
        model: Registered name of the model; empty if the package does not have the model.
        count: Number of interactions.
        value: The published number.
        error: Standard error, or None.
        exact: Whether the paper's protocol equals ``protocol`` in all details that the paper specifies.
        remark: Differences and unknown details of the paper's protocol.
        differs: Reason why an evaluation is not comparable with this number; empty if it is comparable.
    """

    source: str
    protocol: str
    images: str
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
    """Return the published results of a protocol, with a reason for results that are not comparable.

    Args:
        protocol: Protocol of the evaluation.
        outputs: Outputs of the evaluation.
        deviation: Difference between the images and the images of the protocol; empty if there is none.
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
        reasons.append(f"other images ({deviation})")
    if entry.protocol != protocol.label:
        reasons.append(f"protocol {entry.protocol}")
    if entry.resize != protocol.resize.key:
        reasons.append(f"resize {entry.resize}")
    if entry.metric not in keys:
        reasons.append(f"metric {entry.metric}")
    if not entry.exact:
        reasons.append(entry.remark or "the protocol is not fully known")
    return "; ".join(reasons)


@cache
def all_published() -> tuple[Published, ...]:
    """Return all published results in the package."""
    folder = files("colorzoo.evaluation") / "published"
    found: list[Published] = []
    for entry in sorted(folder.iterdir(), key=lambda path: path.name):
        if entry.name.endswith(".yaml"):
            for table in load_yaml(entry.read_bytes()):
                found.extend(_numbers(table))
    return tuple(found)


def _numbers(table: Mapping[str, Any]) -> Iterator[Published]:
    """Return the results of a table; rows and columns override the fields of the table."""
    shared = {key: value for key, value in table.items() if key not in ("rows", "columns")}
    columns: Sequence[Mapping[str, Any]] = table.get("columns", [{}])
    for row in table["rows"]:
        values = row["values"] if "values" in row else [row["value"]]
        own = {key: value for key, value in row.items() if key not in ("values", "value")}
        for column, value in zip(columns, values, strict=True):
            if value is not None:
                yield Published(**{"model": "", "count": 0, **shared, **column, **own, "value": float(value)})
