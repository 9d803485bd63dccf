"""Text of numbers, the table of readme files, and the table of single pictures."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from colorzoo.evaluation.statistics import Estimate
from colorzoo.evaluation.summary import Row, Score, Summary
from colorzoo.metrics.outputs import Output

ARROWS = {"higher": "↑", "lower": "↓", "neither": ""}
DIGITS = 6  # significant digits of all numbers in files: enough for readers, coarser than rounding noise


@dataclass(frozen=True)
class Cell:
    """Text of a number and its interval.

    Attributes:
        value: The number, for sorting.
        text: Text of the number.
        interval: Text of the interval, or empty.
        note: Further remarks, such as pictures left out.
    """

    value: float
    text: str
    interval: str = ""
    note: str = ""


def number(value: float, digits: int) -> str:
    """Format a number with ``digits`` decimals; ``∞`` if infinite, a dash if NaN."""
    if math.isnan(value):
        return "—"
    if math.isinf(value):
        return "∞" if value > 0 else "-∞"
    text = f"{value:.{digits}f}"
    return text.removeprefix("-") if float(text) == 0 else text


def interval(estimate: Estimate, digits: int) -> str:
    """Format an interval as ``low to high``; empty if there is none."""
    if math.isnan(estimate.low):
        return ""
    return f"{number(estimate.low, digits)} to {number(estimate.high, digits)}"


def score_cell(score: Score, output: Output) -> Cell:
    """Return the cell of a score."""
    notes = []
    if score.exact and not math.isinf(score.estimate.value):
        notes.append(f"{score.exact} exact not in the mean")
    if score.left_out:
        notes.append(f"{score.left_out} left out")
    found = score.estimate
    return Cell(
        found.value, number(found.value, output.digits), interval(found, output.digits), ", ".join(notes)
    )


def heading(output: Output) -> str:
    """Return a column heading: title, unit and an arrow in the better direction."""
    return titled_heading({"title": output.title, "unit": output.unit, "better": output.better})


def titled_heading(metric: Mapping[str, Any]) -> str:
    """Return a column heading from the title, unit and better direction of a number."""
    unit = f" [{metric['unit']}]" if metric["unit"] else ""
    arrow = ARROWS[metric["better"]]
    return f"{metric['title']}{unit}{' ' + arrow if arrow else ''}"


def plain(value: Any) -> Any:
    """Convert a value to JSON types, with floats of `DIGITS` digits; infinity becomes ``"inf"``, NaN null."""
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if not isinstance(value, float):
        return value
    if math.isnan(value):
        return None
    if math.isinf(value):
        return "inf" if value > 0 else "-inf"
    return float(f"{value:.{DIGITS}g}") + 0.0  # no negative zero


def markdown(summary: Summary) -> str:
    """Return the results as a Markdown table with the protocol below."""
    outputs = summary.setup.outputs
    rows = [_headings(outputs)]
    for row in summary.rows:
        texts = []
        for cell in _cells(row, outputs):
            note = f"; {cell.note}" if cell.note else ""
            texts.append(f"{cell.text} ({cell.interval}{note})" if cell.interval else cell.text)
        rows.append([row.method, str(row.count), *texts])
    lines = ["| " + " | ".join(cells) + " |" for cells in rows]
    lines.insert(1, "|---|---|" + "---:|" * len(outputs))
    return "\n".join([*lines, "", *_caption(summary), ""])


def per_image(summary: Summary) -> str:
    """Return a CSV file with a row for each picture, method and number of interactions."""
    outputs = [output for output in summary.setup.outputs if output.per_picture]
    paired = any(item.reference_name for item in summary.items)
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    keys = [summary.setup.full_key(output) for output in outputs]
    names = ["picture", "reference"] if paired else ["picture"]
    writer.writerow([*names, "sha256", "method", "interactions", "given", *keys])
    for (method, count), table in summary.tables.items():
        values = [output.finish(table.moments[output.key]) for output in outputs]
        columns = np.stack(values, axis=1) if values else np.empty((len(table.given), 0))
        for item, given, numbers in zip(summary.items, table.given.tolist(), columns.tolist(), strict=True):
            written = ["" if value is None else value for value in plain(numbers)]
            names = [item.name, item.reference_name] if paired else [item.name]
            writer.writerow([*names, item.sha256, method, count, given, *written])
    return stream.getvalue()


def of_sets(per_picture: Iterable[bool]) -> str:
    """Return what to add to a note on intervals by bootstrap: nothing if single pictures have all numbers."""
    return "" if all(per_picture) else ", of distances of sets by jackknife"


def _headings(outputs: Sequence[Output]) -> list[str]:
    return ["method", "interactions", *(heading(output) for output in outputs)]


def _cells(row: Row, outputs: Sequence[Output]) -> list[Cell]:
    return [score_cell(row.scores[output.key], output) for output in outputs]


def _caption(summary: Summary) -> list[str]:
    setup = summary.setup
    keys = ", ".join(setup.full_key(output) for output in setup.outputs)
    deviation = f" ({setup.deviation})" if setup.deviation else ""
    sets = of_sets(output.per_picture for output in setup.outputs)
    return [
        f"Protocol {setup.protocol.label}, {len(summary.items)} pictures{deviation}; in brackets 95 % "
        f"intervals by bootstrap over pictures{sets}.",
        setup.protocol.coloring_note,
        f"Keys: {keys}.",
    ]
