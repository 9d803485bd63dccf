"""Plots for papers and notebooks: curves with intervals, maps of differences, histograms over the gamut.

Each function draws into the given axes or a new figure and returns the axes. matplotlib is imported when
something is drawn.

>>> from colorzoo import plots
>>> plots.draw_curves(plots.report_curves("report/results.json", "psnr"))  # doctest: +SKIP
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from colorzoo.color import hull_centers, lab_to_rgb, nearest_bin, rgb_to_lab
from colorzoo.errors import ColorzooError

if TYPE_CHECKING:
    from matplotlib.axes import Axes

ImageLike = Image.Image | NDArray[np.uint8]

__all__ = [
    "Curve",
    "draw_curve",
    "draw_curves",
    "draw_difference",
    "draw_gamut",
    "report_curves",
]

COLORS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#6a3d9a", "#555555")
"""Colors of curves that color-blind readers can distinguish (Okabe and Ito 2008, and two more)."""
_SWATCH_LIGHTNESS = 65.0  # at this lightness most bins are inside sRGB
_MAX_AREA = 900.0  # square points; area of a bin that contains all pixels


@dataclass(frozen=True)
class Curve:
    """A curve with intervals.

    Examples:
        >>> Curve("mine", at=(0, 10), value=(22.0, 27.0), low=(21.0, 26.0), high=(23.0, 28.0)).name
        'mine'

    Attributes:
        name: Label in the legend.
        at: Positions on the horizontal axis, ascending, such as numbers of points.
        value: Value at each position.
        low: Lower ends of the intervals.
        high: Upper ends.
    """

    name: str
    at: tuple[float, ...]
    value: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]


def report_curves(results: str | Path, metric: str) -> list[Curve]:
    """Return a curve for each method of a report of ``colorzoo evaluate``.

    Examples:
        >>> curves = report_curves("report/results.json", "psnr")  # doctest: +SKIP

    Args:
        results: Path of ``results.json``.
        metric: Start of the key of a number, such as ``psnr``; the first match is used.

    Raises:
        ColorzooError: No key of the report starts with ``metric``.
    """
    report = json.loads(Path(results).read_bytes())
    key = next((key for key in report["metrics"] if key.startswith(metric)), None)
    if key is None:
        known = ", ".join(report["metrics"])
        raise ColorzooError(f"metric must be the start of one of {known} in {results}, got {metric!r}.")
    points: dict[str, list[tuple[float, ...]]] = {}
    for row in report["results"]:
        score = [row["scores"][key][part] for part in ("value", "low", "high")]
        numbers = [math.nan if number is None else float(number) for number in score]  # "inf" is infinite
        if math.isfinite(numbers[0]):
            points.setdefault(row["method"], []).append((row["interactions"], *numbers))
    return [Curve(name, *zip(*sorted(found), strict=True)) for name, found in points.items()]


def draw_curves(
    curves: Sequence[Curve], *, axes: Axes | None = None, xlabel: str = "interactions", ylabel: str = ""
) -> Axes:
    """Draw curves with bands for their intervals; a curve with a single position is a dashed line.

    Examples:
        >>> curve = Curve("mine", at=(0, 10), value=(22.0, 27.0), low=(21.0, 26.0), high=(23.0, 28.0))
        >>> draw_curves([curve], xlabel="points", ylabel="PSNR [dB]").get_ylabel()
        'PSNR [dB]'

    The horizontal axis is logarithmic and starts at 0.

    Args:
        curves: The curves, in the order of the legend.
        axes: Axes to draw into; by default the axes of a new figure.
        xlabel: Label of the horizontal axis.
        ylabel: Label of the vertical axis.
    """
    axes = _axes(axes)
    axes.set_xscale("function", functions=(np.log1p, np.expm1))
    for index, curve in enumerate(curves):
        draw_curve(curve, COLORS[index % len(COLORS)], axes)
    ticks = sorted({at for curve in curves for at in curve.at})
    axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.set(xlabel=xlabel, ylabel=ylabel)
    axes.grid(axis="y", color="0.9")
    axes.legend(frameon=False)
    return axes


def draw_curve(curve: Curve, color: str, axes: Axes) -> None:
    """Draw one curve with a band for its intervals, or a dashed line for a single position.

    Examples:
        >>> import matplotlib.pyplot as plt
        >>> figure, axes = plt.subplots()
        >>> curve = Curve("mine", at=(0, 10), value=(22.0, 27.0), low=(21.0, 26.0), high=(23.0, 28.0))
        >>> draw_curve(curve, "#0072b2", axes)
    """
    if len(curve.at) == 1:
        axes.axhline(curve.value[0], color=color, linestyle="--", label=curve.name)
        return
    axes.fill_between(curve.at, curve.low, curve.high, color=color, alpha=0.18, linewidth=0)
    axes.plot(curve.at, curve.value, color=color, marker="o", markersize=4, label=curve.name)


def draw_difference(
    image: ImageLike, truth: ImageLike, *, axes: Axes | None = None, largest: float = 60.0
) -> Axes:
    """Draw the distance between the colors of two images, ignoring lightness, with the mean in the title.

    Examples:
        >>> truth = np.full((32, 48, 3), 128, dtype=np.uint8)
        >>> axes = draw_difference(truth, truth)

    Args:
        image: The result: ``(H, W, 3)`` 8-bit sRGB, or a Pillow image.
        truth: Image of the same size.
        axes: Axes to draw into; by default the axes of a new figure.
        largest: Distance at the end of the color scale in CIE units; use the same value for maps to be
            compared.

    Raises:
        ColorzooError: The sizes differ.
    """
    axes = _axes(axes)
    lab, true_lab = _lab(image), _lab(truth)
    if lab.shape != true_lab.shape:
        sizes = " and ".join(f"{each.shape[2]}x{each.shape[1]}" for each in (lab, true_lab))
        raise ColorzooError(f"both images must have the same size, got {sizes}. Resize one of them.")
    distance = np.hypot(*(lab[1:] - true_lab[1:]))
    drawn = axes.imshow(distance, cmap="inferno", vmin=0, vmax=largest)
    axes.set_axis_off()
    axes.set_title(f"mean {distance.mean():.1f}")
    figure = axes.get_figure()
    if figure is not None:
        figure.colorbar(drawn, ax=axes, label="distance in ab", shrink=0.8)
    return axes


def draw_gamut(image: ImageLike, *, axes: Axes | None = None) -> Axes:
    """Draw the 313 bins of the ab plane (Zhang et al. 2016) in their own colors.

    The area of a bin is proportional to the root of its fraction of the pixels.

    Examples:
        >>> axes = draw_gamut(np.full((32, 48, 3), 128, dtype=np.uint8))

    Args:
        image: ``(H, W, 3)`` 8-bit sRGB, or a Pillow image.
        axes: Axes to draw into; by default the axes of a new figure.
    """
    axes = _axes(axes)
    centers = hull_centers()
    lab = torch.cat([torch.full((1, len(centers)), _SWATCH_LIGHTNESS), centers.T])[:, None]
    colors = lab_to_rgb(lab).clamp(0, 1)[:, 0].T.numpy()
    bins = nearest_bin(torch.from_numpy(_lab(image)[1:].reshape(2, -1).T))
    fractions = np.bincount(bins.numpy(), minlength=len(centers)) / len(bins)
    axes.scatter(centers[:, 1], centers[:, 0], s=2, color="0.88")
    axes.scatter(centers[:, 1], centers[:, 0], s=_MAX_AREA * np.sqrt(fractions), c=colors)
    axes.set(xlabel="b", ylabel="a", xlim=(-120, 120), ylim=(-120, 120))
    axes.set_aspect("equal")
    return axes


def _axes(axes: Axes | None) -> Axes:
    if axes is not None:
        return axes
    from matplotlib import pyplot

    _, axes = pyplot.subplots(figsize=(4.6, 3.0), layout="constrained")
    return axes


def _lab(image: ImageLike) -> NDArray[np.float32]:
    """Return ``(3, H, W)`` Lab of an 8-bit image."""
    rgb: NDArray[Any] = np.array(image.convert("RGB") if hasattr(image, "convert") else image)
    lab: NDArray[np.float32] = rgb_to_lab(torch.from_numpy(rgb).permute(2, 0, 1) / 255).numpy()
    return lab
