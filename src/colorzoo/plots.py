"""Plots for papers and notebooks: curves, difference maps and histograms of ab.

Functions draw into ``axes``, or into a new figure if ``axes`` is None. matplotlib is imported on first use.

>>> from colorzoo import plots
>>> plots.draw_curves(plots.report_curves("report/results.json", "psnr"))  # doctest: +SKIP
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
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

__all__ = [
    "COLORS",
    "Curve",
    "draw_curves",
    "draw_difference",
    "draw_gamut",
    "join_points",
    "report_curves",
]

_ImageLike = Image.Image | NDArray[np.uint8]
"""Pillow image, or an 8-bit sRGB array ``(H, W, 3)``."""

COLORS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#6a3d9a", "#555555")
"""Curve colors that color-blind readers can distinguish (Okabe and Ito 2008, plus two colors)."""
_SWATCH_LIGHTNESS = 65.0  # at this lightness most color bins are inside sRGB
_MAX_AREA = 900.0  # marker area in square points for a bin with all pixels


@dataclass(frozen=True)
class Curve:
    """Curve with an interval at each position, such as a confidence interval.

    Examples:
        >>> Curve("mine", at=(0, 10), value=(22.0, 27.0), low=(21.0, 26.0), high=(23.0, 28.0)).name
        'mine'

    Attributes:
        name: Label in the legend.
        at: Positions on the horizontal axis, ascending, such as numbers of points.
        value: Value at each position.
        low: Lower end of the interval at each position.
        high: Upper end of the interval at each position.
    """

    name: str
    at: tuple[float, ...]
    value: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]


def report_curves(results: str | Path, metric: str) -> list[Curve]:
    """Read the curve of each method from a report of ``colorzoo evaluate``.

    Examples:
        >>> curves = report_curves("report/results.json", "psnr")  # doctest: +SKIP

    Args:
        results: Path of ``results.json``.
        metric: Name of a metric in the report, or the start of the name, such as ``psnr``. The first match is
            used.

    Raises:
        ColorzooError: No metric of the report starts with ``metric``.
    """
    report = json.loads(Path(results).read_bytes())
    key = next((key for key in report["metrics"] if key.startswith(metric)), None)
    if key is None:
        known = ", ".join(report["metrics"])
        raise ColorzooError(
            f"'metric' must be a metric key in {results} ({known}), or the beginning of a key, got {metric!r}"
        )
    points = []
    for row in report["results"]:
        score = row["scores"][key]
        parts = (score[part] for part in ("value", "low", "high"))
        # an undefined number is None, and an infinite one "inf"
        value, low, high = (math.nan if part is None else float(part) for part in parts)
        points.append((row["label"], row["interactions"], value, low, high))
    return join_points(points)


def join_points(points: Iterable[tuple[str, float, float, float, float]]) -> list[Curve]:
    """Return a curve for each name, without points whose value is NaN or infinite.

    Examples:
        >>> join_points([("mine", 0, 22.0, 21.0, 23.0), ("mine", 10, 27.0, 26.0, 28.0)])[0].at
        (0, 10)

    Args:
        points: Name, position, value and interval of each point. Names are in the order of the legend.
    """
    by_name: dict[str, list[tuple[float, ...]]] = {}
    for name, *numbers in points:
        if math.isfinite(numbers[1]):
            by_name.setdefault(name, []).append(tuple(numbers))
    return [Curve(name, *zip(*sorted(rows), strict=True)) for name, rows in by_name.items()]


def draw_curves(
    curves: Sequence[Curve], *, axes: Axes | None = None, xlabel: str = "interactions", ylabel: str = ""
) -> Axes:
    """Draw curves with their intervals as bands.

    Examples:
        >>> curve = Curve("mine", at=(0, 10), value=(22.0, 27.0), low=(21.0, 26.0), high=(23.0, 28.0))
        >>> draw_curves([curve], xlabel="points", ylabel="PSNR [dB]").get_ylabel()
        'PSNR [dB]'

    A curve with a single position is drawn as a dashed horizontal line. The scale of the horizontal axis is
    log(1 + x), so the axis can start at 0.

    Args:
        curves: Curves in the order of the legend.
        axes: Axes to draw into; None creates a new figure.
        xlabel: Label of the horizontal axis.
        ylabel: Label of the vertical axis.
    """
    axes = _axes(axes)
    axes.set_xscale("function", functions=(np.log1p, np.expm1))
    for index, curve in enumerate(curves):
        _draw_curve(curve, COLORS[index % len(COLORS)], axes)
    ticks = sorted({at for curve in curves for at in curve.at})
    axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.set(xlabel=xlabel, ylabel=ylabel)
    axes.grid(axis="y", color="0.9")
    axes.legend(frameon=False)
    return axes


def _draw_curve(curve: Curve, color: str, axes: Axes) -> None:
    """Draw one curve with its intervals as a band.

    A curve with a single position is drawn as a dashed horizontal line.

    Examples:
        >>> import matplotlib.pyplot as plt
        >>> figure, axes = plt.subplots()
        >>> curve = Curve("mine", at=(0, 10), value=(22.0, 27.0), low=(21.0, 26.0), high=(23.0, 28.0))
        >>> _draw_curve(curve, "#0072b2", axes)
    """
    if len(curve.at) == 1:
        axes.axhline(curve.value[0], color=color, linestyle="--", label=curve.name)
        return
    axes.fill_between(curve.at, curve.low, curve.high, color=color, alpha=0.18, linewidth=0)
    axes.plot(curve.at, curve.value, color=color, marker="o", markersize=4, label=curve.name)


def draw_difference(
    image: _ImageLike, truth: _ImageLike, *, axes: Axes | None = None, largest: float = 60.0
) -> Axes:
    """Draw a map of the ab distance between two images, with the mean distance as the title.

    Examples:
        >>> truth = np.full((32, 48, 3), 128, dtype=np.uint8)
        >>> axes = draw_difference(truth, truth)

    Args:
        image: Colorized image, as an 8-bit sRGB array ``(H, W, 3)`` or a Pillow image.
        truth: Original color image, with the same size as ``image``.
        axes: Axes to draw into; None creates a new figure.
        largest: Distance at the upper end of the color scale, in CIE units. Use the same value for all
            compared maps.

    Raises:
        ColorzooError: The sizes of the images differ, or an array is not uint8.
    """
    axes = _axes(axes)
    lab, true_lab = _lab(image), _lab(truth)
    if lab.shape != true_lab.shape:
        sizes = " and ".join(f"{width}x{height}" for _, height, width in (lab.shape, true_lab.shape))
        raise ColorzooError(f"both images must have the same size, got {sizes}. Resize one image.")
    difference_a, difference_b = lab[1:] - true_lab[1:]
    distance = np.hypot(difference_a, difference_b)
    mappable = axes.imshow(distance, cmap="inferno", vmin=0, vmax=largest)
    axes.set_axis_off()
    axes.set_title(f"mean {distance.mean():.1f}")
    figure = axes.get_figure()
    if figure is not None:
        figure.colorbar(mappable, ax=axes, label="distance in ab", shrink=0.8)
    return axes


def draw_gamut(image: _ImageLike, *, axes: Axes | None = None) -> Axes:
    """Draw a histogram of an image over the 313 ab bins of Zhang et al. 2016.

    Each bin is drawn in its own color. The area of a bin is proportional to the square root of its fraction
    of pixels.

    Examples:
        >>> axes = draw_gamut(np.full((32, 48, 3), 128, dtype=np.uint8))

    Args:
        image: 8-bit sRGB array ``(H, W, 3)``, or a Pillow image.
        axes: Axes to draw into; None creates a new figure.

    Raises:
        ColorzooError: The array is not uint8.
    """
    centers = hull_centers()  # (313, 2)
    a, b = centers.T
    _, image_a, image_b = _lab(image)
    pixels = torch.from_numpy(np.stack([image_a.ravel(), image_b.ravel()], axis=1))
    bins = nearest_bin(pixels)
    fractions = np.bincount(bins.numpy(), minlength=len(centers)) / len(bins)
    swatches = torch.stack([torch.full_like(a, _SWATCH_LIGHTNESS), a, b])[:, None]  # Lab image (3, 1, 313)
    colors = lab_to_rgb(swatches).clamp(0, 1)[:, 0].T.numpy()
    axes = _axes(axes)
    axes.scatter(b, a, s=2, color="0.88")  # also marks bins without pixels
    axes.scatter(b, a, s=_MAX_AREA * np.sqrt(fractions), c=colors)
    axes.set(xlabel="b", ylabel="a", xlim=(-120, 120), ylim=(-120, 120))
    axes.set_aspect("equal")
    return axes


def _axes(axes: Axes | None) -> Axes:
    if axes is not None:
        return axes
    from matplotlib import pyplot

    _, axes = pyplot.subplots(figsize=(4.6, 3.0), layout="constrained")
    return axes


def _lab(image: _ImageLike) -> NDArray[np.float32]:
    """Return ``(3, H, W)`` Lab of an 8-bit image; raise an error for arrays of another type."""
    rgb: NDArray[Any] = np.array(image.convert("RGB") if hasattr(image, "convert") else image)
    if rgb.dtype != np.uint8:
        raise ColorzooError(
            f"an image array must be uint8, got {rgb.dtype}. Convert values in [0, 1] with "
            "(255 * image).round().astype(np.uint8)."
        )
    return rgb_to_lab(torch.from_numpy(rgb).permute(2, 0, 1) / 255).numpy()
