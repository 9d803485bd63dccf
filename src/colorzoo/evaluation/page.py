"""The report as one HTML file that needs no network: what `templates/report.html` is filled with."""

from __future__ import annotations

import math
from functools import lru_cache

from jinja2 import Environment, PackageLoader, StrictUndefined

from colorzoo.evaluation.bootstrap import Estimate
from colorzoo.evaluation.cache import Cache
from colorzoo.evaluation.cells import Cell, heading, interval, number, score_cell
from colorzoo.evaluation.curves import color_of, curves_of, draw
from colorzoo.evaluation.gallery import Exhibit, ranking_output, worst_and_best
from colorzoo.evaluation.outputs import Output
from colorzoo.evaluation.published import Published
from colorzoo.evaluation.summary import Evaluated, Summary
from colorzoo.evaluation.tables import best_of

MOST_CURVES = 6
_NO_NUMBER = Cell(math.nan, "—")


def page(summary: Summary, cache: Cache) -> str:
    """Return the report.

    Args:
        summary: The numbers.
        cache: Holds the thumbnails.
    """
    evaluated = summary.evaluated
    outputs = evaluated.outputs
    return (
        _environment()
        .get_template("report.html")
        .render(
            summary=summary,
            evaluated=evaluated,
            protocol=evaluated.protocol,
            outputs=outputs,
            notes=_notes(summary),
            most=max(row.count for row in summary.rows),
            best={output.key: best_of(summary.rows, output) for output in outputs},
            legend=[(method.name, color_of(summary, method.name)) for method in evaluated.methods],
            curves=_curves(summary),
            published=[(entry, _ours(summary, entry)) for entry in summary.published],
            ranked_by=ranking_output(summary),
            gallery=_gallery(summary, cache),
        )
    )


@lru_cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("colorzoo.evaluation"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals |= {
        "heading": heading,
        "interval": interval,
        "number": number,
        "percent": _percent,
        "score_cell": score_cell,
    }
    environment.filters["titled"] = _titled
    return environment


def _titled(output: Output, evaluated: Evaluated) -> tuple[str, str]:
    """Return the head of a column and what is shown when the pointer rests on it."""
    return heading(output), evaluated.full_key(output)


def _percent(share: Estimate) -> str:
    return "" if math.isnan(share.low) else f"{100 * share.low:.0f} to {100 * share.high:.0f} %"


def _notes(summary: Summary) -> list[str]:
    evaluated, notes = summary.evaluated, []
    if evaluated.deviation:
        notes.append(f"These are not the pictures of the protocol: {evaluated.deviation}.")
    if summary.skipped:
        shown = "; ".join(reason for _, reason in summary.skipped[:5])
        notes.append(f"{len(summary.skipped)} picture(s) skipped: {shown}")
    return [*notes, *summary.gray_notes, *evaluated.notes]


def _curves(summary: Summary) -> list[tuple[Output, str]]:
    if len({row.count for row in summary.rows}) < 2:
        return []
    shown = [output for output in summary.evaluated.outputs if not output.detail]
    shown = [output for output in shown if curves_of(summary, output)]
    return [(output, draw(summary, output)) for output in shown[:MOST_CURVES]]


def _ours(summary: Summary, entry: Published) -> Cell:
    """Return our number to put beside a published one, a dash where they cannot be compared."""
    if entry.differs:
        return _NO_NUMBER
    outputs = {output.key: output for output in summary.evaluated.outputs}
    rows = (row for row in summary.rows if (row.method, row.count) == (entry.model, entry.count))
    found = (
        score_cell(row.scores[entry.metric], outputs[entry.metric])
        for row in rows
        if entry.metric in row.scores
    )
    return next(found, _NO_NUMBER)


def _gallery(summary: Summary, cache: Cache) -> list[tuple[str, str, list[Exhibit]]]:
    """Return title, explanation and pictures of each part of the gallery."""
    output = ranking_output(summary)
    if output is None:
        return []
    worst, best = worst_and_best(summary, cache)
    most = max(row.count for row in summary.rows)
    after = f" after {most} interaction{'s' if most > 1 else ''}" if most else ""
    how = f"ranked by {heading(output)}{after}, mean of the methods but truth and gray"
    return [("Worst pictures", how, worst), ("Best pictures", "", best)]
