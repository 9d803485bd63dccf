"""The report as one HTML file that needs no network."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape
from importlib.resources import files

from colorzoo.evaluation.cache import Cache
from colorzoo.evaluation.cells import Cell, heading, interval, number, score_cell
from colorzoo.evaluation.curves import color_of, curves_of, draw
from colorzoo.evaluation.gallery import Exhibit, ranking_output, worst_and_best
from colorzoo.evaluation.outputs import Output
from colorzoo.evaluation.summary import Summary
from colorzoo.evaluation.tables import best_of

MOST_CURVES = 6


def page(summary: Summary, cache: Cache) -> str:
    """Return the report.

    Args:
        summary: The numbers.
        cache: Holds the thumbnails.
    """
    protocol = summary.evaluated.protocol
    sections = [
        _head(summary),
        _results(summary),
        _curves(summary),
        _target(summary),
        _comparison(summary),
        _published(summary),
        _gallery(summary, cache),
        _about(summary),
    ]
    folder = files("colorzoo.evaluation")
    style, script = ((folder / name).read_text(encoding="utf-8") for name in ("page.css", "page.js"))
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>Evaluation: {escape(protocol.label)}</title><style>{style}</style></head>\n<body>"
        + "\n".join(section for section in sections if section)
        + f"<script>{script}</script></body></html>\n"
    )


def _head(summary: Summary) -> str:
    evaluated = summary.evaluated
    protocol = evaluated.protocol
    notes = (
        [f"These are not the pictures of the protocol: {evaluated.deviation}."] if evaluated.deviation else []
    )
    if summary.skipped:
        shown = "; ".join(f"{reason}" for _, reason in summary.skipped[:5])
        notes.append(f"{len(summary.skipped)} picture(s) skipped: {shown}")
    notes += summary.gray_notes
    notes += evaluated.notes
    return (
        f"<h1>{escape(protocol.title)}</h1>"
        f'<p class="dim">Protocol <code>{escape(protocol.label)}</code> · {len(summary.items)} pictures · '
        f"{len(evaluated.methods)} methods · 95 % intervals by bootstrap over pictures "
        f"({evaluated.resamples} resamples)</p>"
        + "".join(f'<p class="note">{escape(note)}</p>' for note in notes)
    )


def _results(summary: Summary) -> str:
    evaluated = summary.evaluated
    outputs = evaluated.outputs
    best = {output.key: best_of(summary.rows, output) for output in outputs}
    guided = any(row.count for row in summary.rows)
    heads = [("method", ""), ("interactions", "number asked for; in small the mean that there were")]
    heads += [(heading(output), evaluated.full_key(output)) for output in outputs]
    rows = []
    for row in summary.rows:
        cells = [_text(row.method), _number(row.count, str(row.count), _given(row.count, row.given))]
        for output in outputs:
            cell = score_cell(row.scores[output.key], output)
            cells.append(_cell(cell, best=cell.value == best[output.key]))
        rows.append(cells if guided else [cells[0], *cells[2:]])
    keys = "; ".join(
        f"{output.title}: <code>{escape(evaluated.full_key(output))}</code>" for output in outputs
    )
    return (
        f"<h2>Results</h2>{_table(heads if guided else [heads[0], *heads[2:]], rows)}"
        f'<p class="dim">{keys}</p>'
    )


def _given(count: int, given: float) -> str:
    return f"{given:.1f} had" if abs(given - count) > 0.05 else ""


def _curves(summary: Summary) -> str:
    if len({row.count for row in summary.rows}) < 2:
        return ""
    outputs = [o for o in summary.evaluated.outputs if not o.detail and curves_of(summary, o)][:MOST_CURVES]
    legend = "".join(
        f'<span><i style="background:{color_of(summary, method.name)}"></i>{escape(method.name)}</span>'
        for method in summary.evaluated.methods
    )
    figures = "".join(
        f"<figure><figcaption>{escape(heading(output))}</figcaption>{draw(summary, output)}</figure>"
        for output in outputs
    )
    return (
        f'<h2>Quality against interactions</h2><div class="legend">{legend}</div>'
        f'<div class="curves">{figures}</div><p class="dim">Bands are 95 % intervals; a dashed '
        "method takes no such guidance.</p>"
    )


def _target(summary: Summary) -> str:
    target = summary.evaluated.protocol.target
    if target is None or not summary.reaches:
        return ""
    heads = [("method", ""), ("pictures that reach it", ""), ("interactions they need", "")]
    rows = []
    for name, reach in summary.reaches.items():
        share, needed = reach.share, reach.interactions
        rows.append(
            [
                _text(name),
                _number(share.value, f"{100 * share.value:.0f} %", _percent(share.low, share.high)),
                _number(needed.value, number(needed.value, 1), interval(needed, 1)),
            ]
        )
    most = max(row.count for row in summary.rows)
    return (
        f"<h2>Interactions to reach {escape(target.metric)} ≥ {target.value:g}</h2>{_table(heads, rows)}"
        f'<p class="dim">Of at most {most}; the mean is over the pictures that reach it, at the '
        "numbers of interactions tried.</p>"
    )


def _percent(low: float, high: float) -> str:
    return "" if math.isnan(low) else f"{100 * low:.0f} to {100 * high:.0f} %"


def _comparison(summary: Summary) -> str:
    if summary.compared is None:
        return ""
    one, other = summary.compared
    heads = [("number", ""), ("interactions", ""), ("difference", f"{one} minus {other}")]
    heads += [("p (Holm)", "adjusted for the number of comparisons"), ("real?", ""), ("pictures", "")]
    rows = []
    for found in summary.comparisons:
        value, digits = found.difference.estimate, found.output.digits + 1
        verdict = "yes" if found.real else "no"
        rows.append(
            [
                _text(heading(found.output)),
                _number(found.count, str(found.count)),
                _number(value.value, _signed(value.value, digits), interval(value, digits)),
                _number(found.adjusted, number(found.adjusted, 4)),
                f'<td class="{"real" if found.real else ""}" data-v="{verdict}">{verdict}</td>',
                _number(found.difference.pictures, str(found.difference.pictures)),
            ]
        )
    return f"<h2>{escape(one)} minus {escape(other)}, picture by picture</h2>{_table(heads, rows)}"


def _signed(value: float, digits: int) -> str:
    text = number(value, digits)
    return f"+{text}" if value > 0 else text


def _published(summary: Summary) -> str:
    if not summary.published:
        return ""
    ours = {(row.method, row.count): row.scores for row in summary.rows}
    digits = {output.key: output.digits for output in summary.evaluated.outputs}
    heads = [
        (text, "")
        for text in ("method", "interactions", "number", "published", "ours", "comparable?", "source")
    ]
    rows = []
    for entry in summary.published:
        shown = ours.get((entry.model, entry.count), {}).get(entry.metric)
        error = "" if entry.error is None else f"± {entry.error:g}"
        beside = _number(math.nan, "—")
        if shown is not None and not entry.differs:
            beside = _number(shown.estimate.value, number(shown.estimate.value, digits[entry.metric]))
        verdict = "yes" if not entry.differs else f"no: {entry.differs}"
        cells = [_text(entry.method), _number(entry.count, str(entry.count)), _text(entry.metric)]
        cells += [_number(entry.value, f"{entry.value:g}", error), beside, _text(verdict)]
        rows.append([*cells, _text(f"{entry.source}; {entry.pictures}")])
    comparable = sum(not entry.differs for entry in summary.published)
    return (
        f"<details{' open' if comparable else ''}><summary>Published numbers ({comparable} of "
        f"{len(summary.published)} comparable with this run)</summary>{_table(heads, rows)}</details>"
    )


def _gallery(summary: Summary, cache: Cache) -> str:
    worst, best = worst_and_best(summary, cache)
    output = ranking_output(summary)
    if output is None or not worst:
        return ""
    most = max(row.count for row in summary.rows)
    after = f" after {most} interaction{'s' if most > 1 else ''}" if most else ""
    what = f"ranked by {escape(heading(output))}{after}, mean of the methods but truth and gray"
    parts = [f"<h2>Worst pictures <span class='dim'>({what})</span></h2>", _exhibits(worst, output)]
    if best:
        parts += ["<h2>Best pictures</h2>", _exhibits(best, output)]
    return "".join(parts)


def _exhibits(exhibits: Sequence[Exhibit], output: Output) -> str:
    given = ["truth", "reference"] if any(shown.reference for shown in exhibits) else ["truth"]
    heads = "".join(f"<th>{escape(name)}</th>" for name in [*given, *(r[0] for r in exhibits[0].results)])
    rows = []
    for shown in exhibits:
        name, reference = shown.item.name, shown.item.reference_name
        cells = [_shot(shown.truth, f"{name}, truth", name)]
        if len(given) > 1:
            cells.append(_shot(shown.reference, f"{name}, its reference {reference}", reference))
        for method, address, value in shown.results:
            cells.append(_shot(address, f"{name}, {method}", number(value, output.digits)))
        rows.append(f"<tr>{''.join(cells)}</tr>")
    return f'<div class="scroll"><table class="shots"><tr>{heads}</tr>{"".join(rows)}</table></div>'


def _shot(address: str, alt: str, below: str) -> str:
    return f'<td><img alt="{escape(alt)}" src="{address}"><small>{escape(below)}</small></td>'


def _about(summary: Summary) -> str:
    about = {
        method.name: "; ".join(f"{key}: {value}" for key, value in method.about.items())
        for method in summary.evaluated.methods
    }
    methods = "".join(
        f"<tr><td>{escape(name)}</td><td>{escape(text)}</td></tr>" for name, text in about.items()
    )
    return (
        f"<details><summary>Methods</summary><table>{methods}</table></details>"
        f"<details><summary>Protocol</summary><pre>{escape(summary.evaluated.protocol.text)}</pre></details>"
        '<p class="dim">Hashes of all pictures and versions of all libraries: <code>manifest.json</code>; '
        "numbers of each picture: <code>per_image.csv</code>.</p>"
    )


def _table(heads: Sequence[tuple[str, str]], rows: Sequence[Sequence[str]]) -> str:
    head = "".join(
        f'<th><button type="button" title="{escape(hint)}">{escape(text)}</button></th>'
        for text, hint in heads
    )
    body = "".join(f"<tr>{''.join(row)}</tr>" for row in rows)
    return (
        f'<div class="scroll"><table class="sortable"><thead><tr>{head}</tr></thead><tbody>{body}</tbody>'
        "</table></div>"
    )


def _cell(cell: Cell, *, best: bool) -> str:
    small = "".join(f"<small>{escape(text)}</small>" for text in (cell.interval, cell.note) if text)
    return (
        f'<td class="n{" best" if best else ""}" data-v="{_sort(cell.value)}">{escape(cell.text)}{small}</td>'
    )


def _number(value: float, text: str, small: str = "") -> str:
    below = f"<small>{escape(small)}</small>" if small else ""
    return f'<td class="n" data-v="{_sort(value)}">{escape(text)}{below}</td>'


def _text(text: str) -> str:
    return f'<td data-v="{escape(text)}">{escape(text)}</td>'


def _sort(value: float) -> str:
    return f"{value:.9g}"
