"""Self-contained HTML report with curves and a gallery."""

from __future__ import annotations

from base64 import b64encode
from io import BytesIO
from typing import Any

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined

from colorzoo.evaluation.cache import REFERENCE, TRUE_IMAGE, Cache
from colorzoo.evaluation.methods import BASELINES, TRUTH
from colorzoo.evaluation.summary import Summary
from colorzoo.evaluation.tables import (
    OMITTED_NOTE,
    curve_digits,
    curve_heading,
    details,
    format_interval,
    format_number,
    metric_heading,
    of_sets,
)
from colorzoo.metrics.base import Output
from colorzoo.plots import Curve, draw_curves, join_points

MAX_CURVES = 6
GALLERY_SIZE = 5  # number of worst images and of best images
SIZE = (4.6, 3.0)  # inches; an inch has 72 SVG units
# keep text as text, and write equal bytes for equal values
_STYLE: dict[Any, Any] = {"svg.fonttype": "none", "svg.hashsalt": "colorzoo", "font.size": 8}


def page(summary: Summary, cache: Cache) -> str:
    """Render the HTML report of an evaluation: tables, curves and a gallery of thumbnails.

    Args:
        summary: Results of the evaluation.
        cache: Cache with the thumbnails.
    """
    setup = summary.setup
    counts = {row.count for row in summary.rows}
    # notes on the images and methods
    notes = [setup.protocol.coloring_note]
    if setup.deviation:
        notes.append(f"The images differ from the images of the protocol: {setup.deviation}.")
    if summary.skipped:
        shown = "; ".join(reason for _, reason in summary.skipped[:5])
        notes.append(f"{len(summary.skipped)} image(s) skipped: {shown}")
    if summary.omits_images:
        notes.append(OMITTED_NOTE)
    notes += [*summary.seen_notes, *summary.gray_notes, *setup.notes]
    # curves of the first report columns with finite values
    curves: list[tuple[Output, str]] = []
    if len(counts) > 1:
        charted = [output for output in setup.outputs if not output.detail and curves_of(summary, output)]
        curves = [(output, draw(summary, output)) for output in charted[:MAX_CURVES]]
    # the first report column that can rank single images selects the images of the gallery
    ranking = (output for output in setup.outputs if output.per_image and output.better != "neither")
    ranking_output = next(ranking, None)
    return render_template(
        "report.html",
        summary=summary,
        setup=setup,
        protocol=setup.protocol,
        outputs=setup.outputs,
        notes=notes,
        most=max(counts),
        curves=curves,
        ranked_by=ranking_output,
        gallery=() if ranking_output is None else _gallery(summary, cache, ranking_output),
        metric_heading=metric_heading,
        curve_digits=curve_digits,
        curve_heading=curve_heading,
        details=details,
        format_interval=format_interval,
        format_number=format_number,
        of_sets=of_sets,
    )


def render_template(name: str, **values: Any) -> str:
    """Render an HTML template of this package.

    Args:
        name: File name in the folder ``templates``.
        **values: Variables of the template.
    """
    loader = PackageLoader("colorzoo.evaluation")
    environment = Environment(loader=loader, autoescape=True, undefined=StrictUndefined)
    return environment.get_template(name).render(values)


def curves_of(summary: Summary, output: Output) -> list[Curve]:
    """Return the curve of each method: values of a report column over numbers of interactions.

    The curves omit NaN and infinite values.
    """
    points = []
    for row in summary.rows:
        estimate = row.scores[output.key].estimate
        points.append((summary.label(row.method), row.count, estimate.value, estimate.low, estimate.high))
    return join_points(points)


def draw(summary: Summary, output: Output) -> str:
    """Draw the curves of all methods for a report column and return an SVG ``data:`` URL."""
    from matplotlib import style
    from matplotlib.figure import Figure

    with style.context(["default", _STYLE]):  # independent of the user's matplotlibrc
        figure = Figure(figsize=SIZE, layout="constrained")
        draw_curves(curves_of(summary, output), axes=figure.add_subplot())
        file = BytesIO()
        # without date and version, so that equal values give equal bytes
        figure.savefig(file, format="svg", metadata=dict.fromkeys(("Creator", "Date", "Format", "Type")))
    return "data:image/svg+xml;base64," + b64encode(file.getvalue()).decode("ascii")


def _gallery(summary: Summary, cache: Cache, output: Output) -> list[tuple[str, list[dict[str, Any]]]]:
    """Return the images with the worst and best mean over all methods except truth and gray.

    A row contains truth and reference URLs, and each method's name, URL, value and color points.
    """
    setup = summary.setup
    # values after the largest number of interactions
    values = {
        method.name: summary.tables[method.name, setup.counts[method.name][-1]].image_values(output)
        for method in setup.methods
    }
    ranked_values = [column for name, column in values.items() if name not in BASELINES]
    with np.errstate(invalid="ignore"):  # infinite minus infinite
        means = np.mean(ranked_values or list(values.values()), axis=0)
    means = np.where(np.isposinf(means), np.nan, means)  # exact images
    worst_first = np.argsort(means if output.better == "higher" else -means, kind="stable")
    images_with_mean = np.count_nonzero(~np.isnan(means))  # the other images are last
    ranked_images = worst_first[:images_with_mean].tolist()
    worst_count = min(GALLERY_SIZE, (len(ranked_images) + 1) // 2)
    worst, rest = ranked_images[:worst_count], ranked_images[worst_count:]
    gallery = []
    for heading, indices in (("Worst images", worst), ("Best images", rest[::-1][:GALLERY_SIZE])):
        rows = []
        for index in indices:
            item, urls, results = summary.items[index], dict[int, str](), []
            for method in setup.methods:
                entry = cache.read(method.key, item.key)
                urls = entry.thumbnails
                if method.name != TRUTH:  # the truth has its own column
                    url = urls[setup.counts[method.name][-1]]
                    results.append((method.name, url, float(values[method.name][index]), entry.points))
            reference = urls.get(REFERENCE, "")
            rows.append({"item": item, "truth": urls[TRUE_IMAGE], "reference": reference, "results": results})
        gallery.append((heading, rows))
    return gallery
