"""Plots of the claims, as SVG that is the same every time."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib as mpl

from benchmarks.claims._claim import Claim
from colorzoo.evaluation.bootstrap import Estimate

COLORS = {"reproduced": "tab:green", "direction only": "tab:orange", "not reproduced": "tab:red"}


@dataclass(frozen=True)
class Line:
    """A curve with its intervals.

    Attributes:
        name: In the legend.
        places: On the horizontal axis.
        values: At these places.
    """

    name: str
    places: Sequence[float]
    values: Sequence[Estimate]


def draw_claims(path: Path, claims: Sequence[Claim]) -> None:
    """Draw one row a claim: the effect with its interval, zero, and the paper's effect as a cross.

    Each row has a scale of its own, with zero at the same place, as the units differ.
    """
    plt = _pyplot()
    figure, axis = plt.subplots(figsize=(8, 0.42 * len(claims) + 0.5))
    axis.axvline(0, color="gray", linewidth=0.8)
    for row, claim in enumerate(claims):
        _draw_claim(axis, -row, claim)
    axis.set(xlim=(-1.1, 1.1), ylim=(-len(claims) + 0.4, 0.8), xlabel="against the claim | for the claim")
    axis.set_xticks([])
    axis.set_yticks([])
    axis.spines[["left", "right", "top", "bottom"]].set_visible(False)
    figure.tight_layout()
    _save(figure, path)


def draw_curves(
    path: Path,
    lines: Sequence[Line],
    labels: tuple[str, str],
    *,
    stated: tuple[Sequence[float], Sequence[float]] | None = None,
    shifted_log: bool = False,
) -> None:
    """Draw curves with shaded intervals; ``stated`` is the paper's, dashed."""
    plt = _pyplot()
    figure, axis = plt.subplots(figsize=(7, 4.2))
    shift = 1 if shifted_log else 0
    for line in lines:
        places = [place + shift for place in line.places]
        values = [each.value for each in line.values]
        axis.plot(places, values, marker=".", label=line.name)
        axis.fill_between(places, *_ends(line.values), alpha=0.12)
    if stated is not None:
        axis.plot([p + shift for p in stated[0]], stated[1], linestyle="--", color="gray", label="the paper")
    if shifted_log:
        _label_shifted(axis, lines)
    axis.set(xlabel=labels[0], ylabel=labels[1])
    axis.grid(alpha=0.3)
    axis.legend(frameon=False)
    figure.tight_layout()
    _save(figure, path)


def _label_shifted(axis: Any, lines: Sequence[Line]) -> None:
    axis.set_xscale("log")
    ticks = max((line.places for line in lines), key=len)
    axis.set_xticks([tick + 1 for tick in ticks], [str(tick) for tick in ticks])
    axis.minorticks_off()


def _ends(values: Sequence[Estimate]) -> tuple[list[float], list[float]]:
    return [each.low for each in values], [each.high for each in values]


def _draw_claim(axis: Any, place: float, claim: Claim) -> None:
    ours, color = claim.ours, COLORS[claim.verdict]
    reach = [abs(each) for each in (ours.value, ours.low, ours.high, claim.stated or 0.0)]
    scale = max(each for each in reach if math.isfinite(each)) or 1.0
    axis.plot([ours.low / scale, ours.high / scale], [place, place], color=color, linewidth=3, alpha=0.5)
    axis.plot([ours.value / scale], [place], marker="o", color=color)
    if claim.stated is not None:
        axis.plot([claim.stated / scale], [place], marker="x", color="black")
    text = claim.claim if len(claim.claim) < 100 else f"{claim.claim[:97]}..."
    axis.text(-1.1, place + 0.28, f"{text}: {ours.value:+.3g} {claim.unit}", fontsize=7)


def _pyplot() -> Any:
    mpl.use("svg")
    from matplotlib import pyplot as plt

    mpl.rcParams["svg.hashsalt"] = "colorzoo"
    return plt


def _save(figure: Any, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, metadata={"Date": None})
    _pyplot().close(figure)
