"""Report as a self-contained HTML file: `templates/report.html`, with curves and a gallery."""

from __future__ import annotations

import math
from base64 import b64encode
from dataclasses import dataclass
from functools import lru_cache
from io import BytesIO
from typing import Any

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined
from numpy.typing import NDArray

from colorzoo.evaluation.cache import REFERENCE, TRUE_IMAGE, Cache
from colorzoo.evaluation.images import Item
from colorzoo.evaluation.methods import BASELINES, TRUTH, Method
from colorzoo.evaluation.summary import EvaluationSetup, Summary
from colorzoo.evaluation.tables import heading, interval, number, of_sets, score_cell
from colorzoo.metrics.base import Output
from colorzoo.plots import COLORS, Curve, draw_curve

MAX_CURVES = 6
GALLERY_SIZE = 5  # images at each end
SIZE = (4.6, 3.0)  # inches; an inch has 72 SVG units
_DIM, _LINE = "#667080", "#e6e9ee"  # colors of text and lines on the page
_STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",  # text stays text
    "svg.hashsalt": "colorzoo",  # reproducible bytes
    "font.size": 8,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "axes.edgecolor": _DIM,
    "axes.labelcolor": _DIM,
    "axes.spines.left": False,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.axisbelow": True,
    "grid.color": _LINE,
    "xtick.color": _DIM,
    "ytick.color": _DIM,
    "ytick.major.size": 0,
}


def page(summary: Summary, cache: Cache) -> str:
    """Return the HTML of the report, with the thumbnails in the cache."""
    setup = summary.setup
    template = _environment().get_template("report.html")
    return template.render(
        summary=summary,
        setup=setup,
        protocol=setup.protocol,
        outputs=setup.outputs,
        notes=_notes(summary),
        most=max(row.count for row in summary.rows),
        legend=[(method.name, color_of(summary, method.name)) for method in setup.methods],
        curves=_curves(summary),
        ranked_by=ranking_output(summary),
        gallery=_gallery(summary, cache),
    )


@lru_cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("colorzoo.evaluation"), autoescape=True, undefined=StrictUndefined
    )
    environment.globals |= {
        "heading": heading,
        "interval": interval,
        "number": number,
        "of_sets": of_sets,
        "score_cell": score_cell,
    }
    environment.filters["titled"] = _titled
    return environment


def _titled(output: Output, setup: EvaluationSetup) -> tuple[str, str]:
    """Return a column heading and its tooltip."""
    return heading(output), setup.full_key(output)


def _notes(summary: Summary) -> list[str]:
    setup = summary.setup
    notes = [setup.protocol.coloring_note]
    if setup.deviation:
        notes.append(f"These are not the images of the protocol: {setup.deviation}.")
    if summary.skipped:
        shown = "; ".join(reason for _, reason in summary.skipped[:5])
        notes.append(f"{len(summary.skipped)} image(s) skipped: {shown}")
    return [*notes, *summary.gray_notes, *setup.notes]


def curves_of(summary: Summary, output: Output) -> list[Curve]:
    """Return a curve for each method with finite values."""
    points: dict[str, list[tuple[float, ...]]] = {method.name: [] for method in summary.setup.methods}
    for row in summary.rows:
        found = row.scores[output.key].estimate
        if math.isfinite(found.value):
            points[row.method].append((row.count, found.value, found.low, found.high))
    return [Curve(name, *zip(*rows, strict=True)) for name, rows in points.items() if rows]


def color_of(summary: Summary, name: str) -> str:
    """Return the color of a method, the same in all curves of a report."""
    names = [method.name for method in summary.setup.methods]
    return COLORS[names.index(name) % len(COLORS)]


def draw(summary: Summary, output: Output) -> str:
    """Draw all curves of an output and return the SVG as a ``data:`` URL.

    The axis of interactions is logarithmic and starts at 0; a method without interactions is a dashed line.
    """
    from matplotlib import style
    from matplotlib.figure import Figure

    counts = sorted({row.count for row in summary.rows})
    with style.context(["default", _STYLE]):  # independent of the user's matplotlibrc
        figure = Figure(figsize=SIZE, layout="constrained")
        axes = figure.add_subplot()
        axes.set_xscale("function", functions=(np.log1p, np.expm1))
        for curve in curves_of(summary, output):
            draw_curve(curve, color_of(summary, curve.name), axes)
        axes.set_xticks(counts, [str(count) for count in counts])
        axes.set_xlabel("interactions")
        axes.grid(axis="y")
        file = BytesIO()
        # without date and version, so that equal values give equal bytes
        metadata = dict.fromkeys(("Creator", "Date", "Format", "Type"))
        figure.savefig(file, format="svg", metadata=metadata)
    return _data_url("image/svg+xml", file.getvalue())


def _curves(summary: Summary) -> list[tuple[Output, str]]:
    """Return the outputs with curves and the URL of each drawing."""
    if len({row.count for row in summary.rows}) < 2:
        return []
    shown = [output for output in summary.setup.outputs if not output.detail and curves_of(summary, output)]
    return [(output, draw(summary, output)) for output in shown[:MAX_CURVES]]


@dataclass(frozen=True)
class GalleryImage:
    """Image of the gallery with the results of all methods.

    Attributes:
        item: The image.
        truth: URL of the true image.
        reference: URL of the reference, empty if there is none.
        results: Method, URL of the result, and the value that ranks images.
    """

    item: Item
    truth: str
    reference: str
    results: tuple[tuple[str, str, float], ...]


def ranking_output(summary: Summary) -> Output | None:
    """Return the output that ranks images: the first per-image output with a better direction."""
    available = (o for o in summary.setup.outputs if o.per_image and o.better != "neither")
    return next(available, None)


def worst_and_best(summary: Summary, cache: Cache) -> tuple[list[GalleryImage], list[GalleryImage]]:
    """Return the images with the worst and best mean value over all methods except truth and gray."""
    output = ranking_output(summary)
    methods = summary.setup.methods
    ranked = [method for method in methods if method.name not in BASELINES] or list(methods)
    if output is None:
        return [], []
    values = np.mean([_values(summary, method, output) for method in ranked], axis=0)
    values = np.where(np.isfinite(values), values, np.nan)
    order = np.argsort(values if output.better == "higher" else -values, kind="stable")
    order = order[: int(np.isfinite(values).sum())]  # images without a value are last
    shown = order.tolist()
    if len(shown) > 2 * GALLERY_SIZE:
        shown = shown[:GALLERY_SIZE] + shown[-GALLERY_SIZE:]
    images = [_gallery_image(summary, cache, index, output) for index in shown]
    half = (len(images) + 1) // 2
    return images[:half], images[half:][::-1]


def _last(summary: Summary, method: Method) -> int:
    return summary.setup.counts[method.name][-1]


def _values(summary: Summary, method: Method, output: Output) -> NDArray[np.float64]:
    table = summary.tables[method.name, _last(summary, method)]
    return np.asarray(output.finish(table.moments[output.key]))


def _gallery_image(summary: Summary, cache: Cache, index: int, output: Output) -> GalleryImage:
    item = summary.items[index]
    results, truth, reference = [], "", ""
    for method in summary.setup.methods:
        thumbnails = cache.read(method.key, item.key).thumbnails
        truth = truth or _data_url("image/jpeg", thumbnails[TRUE_IMAGE])
        if REFERENCE in thumbnails:
            reference = _data_url("image/jpeg", thumbnails[REFERENCE])
        if method.name == TRUTH:
            continue  # the truth has its own column
        value = float(_values(summary, method, output)[index])
        results.append((method.name, _data_url("image/jpeg", thumbnails[_last(summary, method)]), value))
    return GalleryImage(item, truth, reference, tuple(results))


def _gallery(summary: Summary, cache: Cache) -> list[tuple[str, str, list[GalleryImage]]]:
    """Return title, explanation and images of each part of the gallery."""
    output = ranking_output(summary)
    if output is None:
        return []
    worst, best = worst_and_best(summary, cache)
    most = max(row.count for row in summary.rows)
    after = f" after {most} interaction{'s' if most > 1 else ''}" if most else ""
    how = f"ranked by {heading(output)}{after}, mean of the methods but truth and gray"
    return [("Worst images", how, worst), ("Best images", "", best)]


def _data_url(kind: str, data: bytes) -> str:
    return f"data:{kind};base64," + b64encode(data).decode("ascii")
