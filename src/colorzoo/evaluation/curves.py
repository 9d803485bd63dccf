"""Curves of quality against interactions, as pictures in SVG."""

from __future__ import annotations

import math
from base64 import b64encode
from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING, Any

import numpy as np

from colorzoo.evaluation.bootstrap import Estimate
from colorzoo.evaluation.outputs import Output
from colorzoo.evaluation.summary import Summary

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLORS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#6a3d9a", "#555555")
SIZE = (4.6, 3.0)  # inches of 72 units
_DIM, _LINE = "#667080", "#e6e9ee"  # of the page
_STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",  # text stays text
    "svg.hashsalt": "colorzoo",  # the same file every time
    "font.size": 8,
    "font.family": "sans-serif",
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


@dataclass(frozen=True)
class Curve:
    """The numbers of one method.

    Attributes:
        name: Of the method.
        points: Interactions and the number after them.
    """

    name: str
    points: tuple[tuple[int, Estimate], ...]


def curves_of(summary: Summary, output: Output) -> list[Curve]:
    """Return a curve for each method that has finite numbers."""
    found = []
    for method in summary.evaluated.methods:
        rows = [row for row in summary.rows if row.method == method.name]
        points = [(row.count, row.scores[output.key].estimate) for row in rows]
        finite = tuple((count, value) for count, value in points if math.isfinite(value.value))
        if finite:
            found.append(Curve(method.name, finite))
    return found


def color_of(summary: Summary, name: str) -> str:
    """Return the color of a method, the same in all curves of a report."""
    names = [method.name for method in summary.evaluated.methods]
    return COLORS[names.index(name) % len(COLORS)]


def draw(summary: Summary, output: Output) -> str:
    """Return the address (``data:``) of a picture of all curves of one number.

    The axis of interactions is logarithmic and begins with 0; a method without interactions is a dashed line.
    """
    from matplotlib import style
    from matplotlib.figure import Figure

    counts = sorted({row.count for row in summary.rows})
    with style.context(["default", _STYLE]):  # whatever the user's matplotlibrc says
        figure = Figure(figsize=SIZE, layout="constrained")
        axes = figure.add_subplot()
        axes.set_xscale("function", functions=(np.log1p, np.expm1))
        for curve in curves_of(summary, output):
            _plot(axes, curve, color_of(summary, curve.name), guided=counts[-1] > 0)
        axes.set_xticks(counts, [str(count) for count in counts])
        axes.set_xlabel("interactions")
        axes.grid(axis="y")
        return _address(figure)


def _plot(axes: Axes, curve: Curve, color: str, *, guided: bool) -> None:
    counts, estimates = zip(*curve.points, strict=True)
    if len(counts) == 1 and guided:  # takes no guidance: the same after any number
        axes.axhline(estimates[0].value, color=color, linestyle="--")
        return
    low, high = ([getattr(each, end) for each in estimates] for end in ("low", "high"))
    axes.fill_between(counts, low, high, color=color, alpha=0.18, linewidth=0)
    axes.plot(counts, [each.value for each in estimates], color=color, marker="o", markersize=4)


def _address(figure: Figure) -> str:
    file = BytesIO()
    # no date and no release: the same numbers give the same bytes
    figure.savefig(file, format="svg", metadata=dict.fromkeys(("Creator", "Date", "Format", "Type")))
    return "data:image/svg+xml;base64," + b64encode(file.getvalue()).decode("ascii")
