"""Formatting of values, tables for papers, and the per-image table."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any

from colorzoo.errors import DataError
from colorzoo.evaluation.statistics import Estimate
from colorzoo.evaluation.summary import SEEN_MARK, CurveValue, EvaluationSetup, Row, Score, Summary
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
        SEEN_MARK: r"$\dagger$",
    }
)


ARROWS = {"higher": "↑", "lower": "↓", "neither": ""}
OMITTED_NOTE = (
    "A mean does not include exact images, which equal the truth and have infinite PSNR, and images without "
    "value."
)
BEST_NOTE = (
    "Bold values are the best of the models with the same number of interactions. They need not be "
    "significantly better."
)
DIGITS = 6  # significant digits in files; hides rounding errors


def format_number(value: float, digits: int) -> str:
    """Format a number with ``digits`` decimals, infinity as ``∞``, and NaN as a dash.

    Examples:
        >>> format_number(float("inf"), 2)
        '∞'
    """
    if math.isnan(value):
        return "—"
    if math.isinf(value):
        return "∞" if value > 0 else "-∞"
    text = f"{value:.{digits}f}"
    return text.removeprefix("-") if float(text) == 0 else text


def format_interval(estimate: Estimate, digits: int) -> str:
    """Format an interval as ``low to high``; return an empty string if it is undefined."""
    if math.isnan(estimate.low):
        return ""
    return f"{format_number(estimate.low, digits)} to {format_number(estimate.high, digits)}"


def details(score: Score, digits: int) -> str:
    """Return the interval of a score and the numbers of omitted images; empty if both are undefined."""
    return "; ".join(filter(None, (format_interval(score.estimate, digits), score.omitted)))


def metric_heading(output: Output) -> str:
    """Return a column heading: title, unit, and an arrow in the direction of better values.

    Examples:
        >>> from colorzoo.metrics import Output
        >>> metric_heading(Output("psnr", "PSNR", "dB", "higher", 2))
        'PSNR [dB] ↑'
    """
    unit = f" [{output.unit}]" if output.unit else ""
    return f"{output.title}{unit} {ARROWS[output.better]}".rstrip()


def curve_heading(curve: CurveValue) -> str:
    """Return ``area, PSNR [dB] ↑`` or ``number for 25 dB PSNR``."""
    if curve.goal is None:
        return f"area, {metric_heading(curve.output)}"
    return " ".join(filter(None, ("number for", f"{curve.goal:g}", curve.output.unit, curve.output.title)))


def curve_digits(curve: CurveValue) -> int:
    """Return the number of decimals of a curve value."""
    return curve.output.digits if curve.goal is None else 1


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
    """Return the results as a Markdown table, followed by a description of the protocol."""
    setup = summary.setup

    def format_cell(text: str, span: str, best: bool) -> str:
        text = f"**{text}**" if best else text
        return f"{text} ({span})" if span else text

    rows = _rows(summary, format_cell)
    lines = ["| " + " | ".join(cells) + " |" for cells in rows]
    outputs = len(setup.columns or setup.outputs)
    lines.insert(1, "|" + "---|" * (len(rows[0]) - outputs) + "---:|" * outputs)
    if summary.curves:
        lines += ["", "| method | over the interactions | value |", "|---|---|---:|"]
        for curve in summary.curves:
            span = format_interval(curve.estimate, curve_digits(curve))
            value = format_number(curve.estimate.value, curve_digits(curve))
            cell = f"{value} ({span})" if span else value
            lines.append(f"| {summary.label(curve.method)} | {curve_heading(curve)} | {cell} |")
    # description of the protocol
    keys = ", ".join(setup.full_key(output) for output in setup.outputs)
    deviation = f" ({setup.deviation})" if setup.deviation else ""
    sets = of_sets(output.per_image for output in setup.outputs)
    notes = list(summary.seen_notes)
    if summary.omits_images:
        notes.append(OMITTED_NOTE)
    notes += [
        f"The protocol is {setup.protocol.label} with {len(summary.items)} images{deviation}. Values in "
        f"parentheses are 95 % confidence intervals from a bootstrap over images{sets}.",
        setup.protocol.coloring_note,
        f"The metric keys are {keys}.",
        *setup.notes,
    ]
    if any(summary.best.values()):
        notes.append(BEST_NOTE)
    return "\n".join([*lines, "", *(f"- {note}" for note in notes), ""])


def _rows(summary: Summary, format_cell: Callable[[str, str, bool], str]) -> list[list[str]]:
    """Return the header row and the data rows of the main table.

    Args:
        summary: Results of the evaluation.
        format_cell: Function that formats a cell from value, `details` and best-value flag.
    """
    setup = summary.setup
    if not setup.columns:
        has_interactions = any(row.count > 0 for row in summary.rows)
        heading = ["method", "interactions"] if has_interactions else ["method"]
        rows = [heading + [metric_heading(output) for output in setup.outputs]]
        for row in summary.rows:
            cells = [summary.label(row.method), *([str(row.count)] if has_interactions else [])]
            rows.append(cells + [_cell(summary, row, output, format_cell) for output in setup.outputs])
        return rows
    # a row for each method, with the selected columns
    columns = table_columns(setup)
    titles = []
    for output, count in columns:
        number = "" if count is None else f" ({count})"
        titles.append(metric_heading(replace(output, title=f"{output.title}{number}")))
    rows = [["method", *titles]]
    by_count = {(row.method, row.count): row for row in summary.rows}
    for method in setup.counts:
        cells = [summary.label(method)]
        for output, count in columns:
            found = by_count.get((method, setup.counts[method][-1] if count is None else count))
            cells.append(_cell(summary, found, output, format_cell) if found else format_cell("—", "", False))
        rows.append(cells)
    return rows


def _cell(summary: Summary, row: Row, output: Output, format_cell: Callable[[str, str, bool], str]) -> str:
    score = row.scores[output.key]
    value = format_number(score.estimate.value, output.digits)
    is_best = row.method in summary.best[output.key, row.count]
    is_constant = output.detail and score.estimate.low == score.estimate.high  # such as parameters
    return format_cell(value, "" if is_constant else details(score, output.digits), is_best)


def table_columns(setup: EvaluationSetup) -> list[tuple[Output, int | None]]:
    """Return report column and number of interactions of each selected column of the tables for papers.

    A column ``psnr@10`` selects a metric after 10 interactions. Without ``@``, the number is None and selects
    the largest number of each method.

    Raises:
        DataError: The report does not contain a selected metric or number of interactions.
    """
    counts = {str(count): count for method in setup.counts.values() for count in method}
    found: list[tuple[Output, int | None]] = []
    for column in setup.columns:
        name, at, count = column.partition("@")
        if at and count not in counts:
            raise DataError(f"--columns must use the interactions {', '.join(counts)}, got {column!r}")
        found.append((setup.find_output(name), counts[count] if at else None))
    return found


def score_rows(summary: Summary) -> list[dict[str, Any]]:
    """Return the values over all images, with a row for each method and number of interactions."""
    keys = {output.key: summary.setup.full_key(output) for output in summary.setup.outputs}
    return [
        {
            "method": row.method,
            "interactions": row.count,
            **{key: row.scores[short].estimate.value for short, key in keys.items()},
        }
        for row in summary.rows
    ]


def image_rows(summary: Summary) -> list[dict[str, Any]]:
    """Return metric values of single images as rows of `per_image`.

    There is a row for each image, method and number of interactions. The key ``reference`` exists only if
    images have references.
    """
    outputs = [output for output in summary.setup.outputs if output.per_image]
    has_references = any(item.reference_name for item in summary.items)
    rows = []
    for (method, count), table in summary.tables.items():
        columns = {summary.setup.full_key(output): table.image_values(output) for output in outputs}
        for index, item in enumerate(summary.items):
            reference = {"reference": item.reference_name} if has_references else {}
            values = {key: float(column[index]) for key, column in columns.items()}
            row = {
                "image": item.name,
                **reference,
                **({"group": item.clip} if item.clip else {}),
                "sha256": item.sha256,
                "method": method,
                "interactions": count,
                "actual_interactions": int(table.actual_interactions[index]),
                **values,
            }
            rows.append(row)
    return rows


def per_image(summary: Summary) -> str:
    """Return values as CSV text, with a row for each image, method and number of interactions."""
    rows, stream = image_rows(summary), io.StringIO()
    writer = csv.DictWriter(stream, rows[0], lineterminator="\n")
    writer.writeheader()
    writer.writerows(plain(rows))  # None is written as an empty field
    return stream.getvalue()


def of_sets(per_image: Iterable[bool]) -> str:
    """Return a note on jackknife intervals; empty if no report column compares image sets.

    Args:
        per_image: For each report column, whether its value is defined for a single image.
    """
    return "" if all(per_image) else ". Intervals of distances between image sets come from a jackknife"


def latex(summary: Summary, references: Sequence[str]) -> str:
    r"""Return the results as a LaTeX table (booktabs) below comments with citation keys and notes.

    The best values of each column and number of interactions are bold.

    Args:
        summary: Results of the evaluation.
        references: Citation keys of the models and metrics.
    """

    def format_cell(text: str, span: str, best: bool) -> str:
        text = text.translate(_LATEX)
        text = rf"\textbf{{{text}}}" if best else text
        return rf"{text} {{\scriptsize ({span})}}" if span else text

    header, *rows = _rows(summary, format_cell)  # the cells are already LaTeX, names and headings are not
    setup = summary.setup
    lines = [rf"% \cite{{{','.join(references)}}}"]
    deviation = f" ({setup.deviation})" if setup.deviation else ""
    lines.append(f"% {setup.protocol.label}, {len(summary.items)} images{deviation}")
    notes = [*summary.seen_notes, *setup.notes, *([BEST_NOTE] if any(summary.best.values()) else [])]
    lines += [f"% {' '.join(note.split())}" for note in notes]
    lines.append(r"\begin{tabular}{l" + "r" * (len(header) - 1) + "}")
    lines.append(r"\toprule")
    lines.append(" & ".join(heading.translate(_LATEX) for heading in header) + r" \\")
    lines.append(r"\midrule")
    for method, *cells in rows:
        lines.append(" & ".join([method.translate(_LATEX), *cells]) + r" \\")
    lines += [r"\bottomrule", r"\end{tabular}"]
    return "\n".join(lines) + "\n"
