"""Formatting of values, tables for papers, and the table of single images."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from colorzoo.evaluation.statistics import Estimate
from colorzoo.evaluation.summary import Score, Summary
from colorzoo.metrics.base import Output

_LATEX = str.maketrans(
    {
        "_": r"\_",
        "%": r"\%",
        "&": r"\&",
        "#": r"\#",
        "$": r"\$",
        "{": r"\{",
        "}": r"\}",
        "\\": r"\textbackslash{}",
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
        "<": r"$<$",
        ">": r"$>$",
        "—": "---",
        "↑": r"$\uparrow$",
        "↓": r"$\downarrow$",
        "∞": r"$\infty$",
    }
)


ARROWS = {"higher": "↑", "lower": "↓", "neither": ""}
DIGITS = 6  # significant digits in files, coarser than rounding noise


@dataclass(frozen=True)
class Cell:
    """Formatted value and interval.

    Attributes:
        value: Numeric value, for sorting.
        text: Formatted value.
        interval: Formatted interval, or empty.
        note: Further notes, such as excluded images.
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
        notes.append(f"{score.exact} exact results are not in the mean")
    if score.excluded:
        notes.append(f"{score.excluded} images excluded")
    found = score.estimate
    return Cell(
        found.value, number(found.value, output.digits), interval(found, output.digits), ", ".join(notes)
    )


def heading(output: Output) -> str:
    """Return a column heading: title, unit and an arrow in the better direction."""
    return titled_heading({"title": output.title, "unit": output.unit, "better": output.better})


def titled_heading(metric: Mapping[str, Any]) -> str:
    """Return a column heading from title, unit and better direction."""
    unit = f" [{metric['unit']}]" if metric["unit"] else ""
    arrow = ARROWS[metric["better"]]
    return f"{metric['title']}{unit}{' ' + arrow if arrow else ''}"


def plain(value: Any) -> Any:
    """Convert a value to JSON types.

    Floats are rounded to `DIGITS` significant digits. Infinity becomes ``"inf"`` or ``"-inf"``.
    NaN becomes None.
    """
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
    """Return the results as a Markdown table, followed by the protocol."""
    outputs = summary.setup.outputs
    guided = any(row.count for row in summary.rows)
    rows = [["method", *(["interactions"] if guided else []), *map(heading, outputs)]]
    for row in summary.rows:
        texts = []
        for cell in (score_cell(row.scores[output.key], output) for output in outputs):
            note = f"; {cell.note}" if cell.note else ""
            texts.append(f"{cell.text} ({cell.interval}{note})" if cell.interval else cell.text)
        rows.append([row.method, *([str(row.count)] if guided else []), *texts])
    lines = ["| " + " | ".join(cells) + " |" for cells in rows]
    lines.insert(1, "|---|" + "---|" * guided + "---:|" * len(outputs))
    return "\n".join([*lines, "", *_caption(summary), ""])


def per_image(summary: Summary) -> str:
    """Return a CSV file with a row for each image, method and number of interactions."""
    outputs = [output for output in summary.setup.outputs if output.per_image]
    paired = any(item.reference_name for item in summary.items)
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    keys = [summary.setup.full_key(output) for output in outputs]
    names = ["image", "reference"] if paired else ["image"]
    writer.writerow([*names, "sha256", "method", "interactions", "actual_interactions", *keys])
    for (method, count), table in summary.tables.items():
        values = [output.finish(table.moments[output.key]) for output in outputs]
        columns = np.stack(values, axis=1) if values else np.empty((len(table.actual_interactions), 0))
        actual = table.actual_interactions.tolist()
        for item, interactions, numbers in zip(summary.items, actual, columns.tolist(), strict=True):
            written = ["" if value is None else value for value in plain(numbers)]
            names = [item.name, item.reference_name] if paired else [item.name]
            writer.writerow([*names, item.sha256, method, count, interactions, *written])
    return stream.getvalue()


def of_sets(per_image: Iterable[bool]) -> str:
    """Return the text on jackknife intervals, or an empty string if all outputs are per image."""
    return "" if all(per_image) else " or, for distances between image sets, from a jackknife"


def latex(found: Mapping[str, Any]) -> str:
    r"""Return the results as a LaTeX table (booktabs), with the keys to cite in a comment above it.

    In each column and number of interactions, the best methods are bold if they are significantly better than
    all others.

    Examples:
        >>> import json
        >>> protocol, report = load_protocol("automatic"), Path("table")
        >>> plan = Plan(["gray"], Path("album/val"), report, protocol, metrics=("psnr",), resamples=10)
        >>> outcome = evaluate(plan)
        >>> found = json.loads((report / "results.json").read_text())
        >>> latex(found).splitlines()[-2]
        '\\bottomrule'

    Args:
        found: Content of ``results.json``.
    """
    metrics = found["metrics"]
    guided = any(row["interactions"] for row in found["results"])
    heads = ["method", *(["interactions"] if guided else []), *map(titled_heading, metrics.values())]
    lines = [
        r"\begin{tabular}{l" + "r" * (len(heads) - 1) + "}",
        r"\toprule",
        " & ".join(head.translate(_LATEX) for head in heads) + r" \\",
        r"\midrule",
    ]
    for row in found["results"]:
        cells = [row["method"].translate(_LATEX), *([str(row["interactions"])] if guided else [])]
        cells += [_cell(row["scores"][key], metric["digits"]) for key, metric in metrics.items()]
        lines.append(" & ".join(cells) + r" \\")
    lines += [r"\bottomrule", r"\end{tabular}"]
    cited = ",".join(found["setup"]["references"])
    return "\n".join([rf"% \cite{{{cited}}}", *lines]) + "\n"


def _cell(score: Mapping[str, Any], digits: int) -> str:
    values = Estimate(*(_float(score[name]) for name in ("value", "low", "high")))
    text = number(values.value, digits).translate(_LATEX)
    text = rf"\textbf{{{text}}}" if score["best"] else text
    span = interval(values, digits)
    return rf"{text} {{\scriptsize ({span})}}" if span else text


def _float(value: float | str | None) -> float:
    return math.nan if value is None else float(value)


def _caption(summary: Summary) -> list[str]:
    setup = summary.setup
    keys = ", ".join(setup.full_key(output) for output in setup.outputs)
    deviation = f" ({setup.deviation})" if setup.deviation else ""
    sets = of_sets(output.per_image for output in setup.outputs)
    return [
        f"Protocol {setup.protocol.label}, {len(summary.items)} images{deviation}. Brackets contain 95 % "
        f"intervals from a bootstrap over images{sets}.",
        setup.protocol.coloring_note,
        f"Metric keys: {keys}.",
    ]
