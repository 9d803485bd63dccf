"""Tables for papers and readme files, and the numbers of each picture."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence

import numpy as np

from colorzoo.evaluation.cells import Cell, heading, score_cell
from colorzoo.evaluation.outputs import Output
from colorzoo.evaluation.report_files import plain
from colorzoo.evaluation.summary import Row, Summary

_LATEX = str.maketrans(
    {
        "_": r"\_",
        "%": r"\%",
        "&": r"\&",
        "#": r"\#",
        "↑": r"$\uparrow$",
        "↓": r"$\downarrow$",
        "∞": r"$\infty$",
    }
)


def markdown(summary: Summary) -> str:
    """Return the results as a Markdown table, with its protocol below."""
    outputs = summary.evaluated.outputs
    lines = [_line(_heads(outputs)), _line(["---"] * 2 + ["---:"] * len(outputs))]
    for row in summary.rows:
        lines.append(_line([row.method, str(row.count), *(_spread(cell) for cell in _cells(row, outputs))]))
    return "\n".join([*lines, "", *_caption(summary), ""])


def latex(summary: Summary) -> str:
    """Return the results as a LaTeX table (booktabs); the best of a column is bold."""
    outputs = summary.evaluated.outputs
    heads = [head.translate(_LATEX) for head in _heads(outputs)]
    best = {output.key: best_of(summary.rows, output) for output in outputs}
    lines = [
        r"\begin{tabular}{lr" + "r" * len(outputs) + "}",
        r"\toprule",
        " & ".join(heads) + r" \\",
        r"\midrule",
    ]
    for row in summary.rows:
        cells = [row.method.translate(_LATEX), str(row.count)]
        for cell, output in zip(_cells(row, outputs), outputs, strict=True):
            text = cell.text.translate(_LATEX)
            cells.append(rf"\textbf{{{text}}}" if cell.value == best[output.key] else text)
        lines.append(" & ".join(cells) + r" \\")
    lines += [r"\bottomrule", r"\end{tabular}"]
    return "\n".join(["% " + line for line in _caption(summary)] + lines) + "\n"


def per_image(summary: Summary) -> str:
    """Return a CSV file with a row for each picture, method and number of interactions."""
    outputs = [output for output in summary.evaluated.outputs if output.per_picture]
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    keys = [summary.evaluated.full_key(output) for output in outputs]
    named = ["picture", "reference"] if _has_references(summary) else ["picture"]
    writer.writerow([*named, "sha256", "method", "interactions", "given", *keys])
    writer.writerows(_picture_rows(summary, outputs))
    return stream.getvalue()


def _picture_rows(summary: Summary, outputs: Sequence[Output]) -> Iterator[list[object]]:
    paired = _has_references(summary)
    for (method, count), table in summary.tables.items():
        values = [output.finish(table.moments[output.key]) for output in outputs]
        columns = np.stack(values, axis=1) if values else np.empty((len(table.given), 0))
        for item, given, numbers in zip(summary.items, table.given.tolist(), columns.tolist(), strict=True):
            written = ["" if value is None else value for value in plain(numbers)]
            named = [item.name, item.reference_name] if paired else [item.name]
            yield [*named, item.sha256, method, count, given, *written]


def _has_references(summary: Summary) -> bool:
    return any(item.reference_name for item in summary.items)


def _heads(outputs: Sequence[Output]) -> list[str]:
    return ["method", "interactions", *(heading(output) for output in outputs)]


def _cells(row: Row, outputs: Sequence[Output]) -> list[Cell]:
    return [score_cell(row.scores[output.key], output) for output in outputs]


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _spread(cell: Cell) -> str:
    note = f"; {cell.note}" if cell.note else ""
    return f"{cell.text} ({cell.interval}{note})" if cell.interval else cell.text


def best_of(rows: Sequence[Row], output: Output) -> float | None:
    """Return the best value of a column, truth and gray apart; None if there is none."""
    values = [row.scores[output.key].estimate.value for row in rows if row.method not in ("truth", "gray")]
    finite = [value for value in values if np.isfinite(value)]
    if not finite or output.better == "neither":
        return None
    return max(finite) if output.better == "higher" else min(finite)


def _caption(summary: Summary) -> list[str]:
    evaluated = summary.evaluated
    keys = ", ".join(evaluated.full_key(output) for output in evaluated.outputs)
    deviation = f" ({evaluated.deviation})" if evaluated.deviation else ""
    return [
        f"Protocol {evaluated.protocol.label}, {len(summary.items)} pictures{deviation}; in brackets 95 % "
        "intervals by bootstrap over pictures.",
        f"Keys: {keys}.",
    ]
