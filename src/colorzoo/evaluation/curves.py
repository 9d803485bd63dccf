"""Curves of quality against interactions, as inline SVG."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from colorzoo.evaluation.cells import heading, number
from colorzoo.evaluation.outputs import Output
from colorzoo.evaluation.statistics import Estimate
from colorzoo.evaluation.summary import Summary

COLORS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#6a3d9a", "#555555")
WIDTH, HEIGHT = 460, 300
LEFT, RIGHT, TOP, BOTTOM = 52, 14, 14, 40


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
    """Return the curves of one number as SVG; a method without interactions is a dashed line."""
    curves = curves_of(summary, output)
    counts = sorted({row.count for row in summary.rows})
    plot = _Plot(counts, _range(curves))
    parts = [plot.axes(counts, output)]
    parts += [_curve(plot, curve, color_of(summary, curve.name), counts[-1]) for curve in curves]
    title = escape(heading(output))
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{title} against interactions">'
        f"{''.join(parts)}</svg>"
    )


class _Plot:
    """Maps numbers to places: interactions on a logarithmic axis that begins with 0."""

    def __init__(self, counts: Sequence[int], span: tuple[float, float]) -> None:
        self._most = math.log1p(max(counts[-1], 1))
        self.low, self.high = span

    def x(self, count: int) -> float:
        return round(LEFT + (WIDTH - LEFT - RIGHT) * math.log1p(count) / self._most, 1)

    def y(self, value: float) -> float:
        share = (value - self.low) / (self.high - self.low)
        return round(HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * share, 1)

    def axes(self, counts: Sequence[int], output: Output) -> str:
        parts = []
        for value in _ticks(self.low, self.high):
            y = self.y(value)
            parts.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y}" y2="{y}"/>')
            parts.append(f'<text class="right" x="{LEFT - 6}" y="{y + 4}">{value:g}</text>')
        for count in counts:
            parts.append(
                f'<text class="middle" x="{self.x(count)}" y="{HEIGHT - BOTTOM + 18}">{count}</text>'
            )
        middle = (LEFT + WIDTH - RIGHT) / 2
        parts.append(f'<text class="middle" x="{middle}" y="{HEIGHT - 4}">interactions</text>')
        base = HEIGHT - BOTTOM
        parts.append(f'<line class="axis" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{base}" y2="{base}"/>')
        del output
        return "".join(parts)


def _curve(plot: _Plot, curve: Curve, color: str, last: int) -> str:
    points = [(plot.x(count), plot.y(value.value)) for count, value in curve.points]
    if len(points) == 1 and last > 0:  # cannot be guided: the same after any number
        y = points[0][1]
        line = (
            f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y}" y2="{y}" stroke="{color}" stroke-width="2" '
            'stroke-dasharray="5 4"/>'
        )
        return f"<g>{_tip(curve)}{line}</g>"
    banded = [(count, value) for count, value in curve.points if math.isfinite(value.low)]
    upper = [f"{plot.x(count)},{plot.y(value.high)}" for count, value in banded]
    lower = [f"{plot.x(count)},{plot.y(value.low)}" for count, value in reversed(banded)]
    band = f'<polygon points="{" ".join(upper + lower)}" fill="{color}" opacity="0.18"/>'
    path = " ".join(f"{x},{y}" for x, y in points)
    line = f'<polyline points="{path}" fill="none" stroke="{color}" stroke-width="2"/>'
    dots = "".join(f'<circle cx="{x}" cy="{y}" r="3" fill="{color}"/>' for x, y in points)
    return f"<g>{_tip(curve)}{band}{line}{dots}</g>"


def _tip(curve: Curve) -> str:
    values = ", ".join(f"{count}: {number(value.value, 3)}" for count, value in curve.points)
    return f"<title>{escape(curve.name)} — {values}</title>"


def _range(curves: Sequence[Curve]) -> tuple[float, float]:
    ends = [
        end
        for curve in curves
        for _, value in curve.points
        for end in (value.value, value.low, value.high)
        if math.isfinite(end)
    ]
    low, high = min(ends, default=0.0), max(ends, default=1.0)
    margin = 0.06 * (high - low) or 0.5
    return low - margin, high + margin


def _ticks(low: float, high: float) -> list[float]:
    """Return some five round numbers between two ends."""
    raw = (high - low) / 6
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= raw)
    first = math.ceil(low / step)
    return [round(step * index, 10) for index in range(first, math.floor(high / step) + 1)]
