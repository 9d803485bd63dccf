"""Paint that keeps to edges: what a brush wider than a thing covers inside and outside of it.

A stroke follows the border of one of four true segments a picture, at 5 to 14 pixels from it at the network's
size, with a brush that reaches as far beyond it. Measured is the share of the unlimited stroke that is left
by the pad's *Keep to edges*. The factor was chosen on the pictures with even numbers; the odd ones are
measured.
"""

from __future__ import annotations

import re
import statistics
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage

import colorzoo
from benchmarks._common import Options, Row, share_of, where
from benchmarks.reach import CLICKS, FOLDER, LEAST, MOST, PICTURES, read_pictures
from colorzoo.color import rgb_to_lab
from colorzoo.guidance import PaintStroke, Recipe
from colorzoo.inference.colorizer import Colorizer
from colorzoo.inference.job import Part

NEAREST, FARTHEST = 5, 14  # pixels of the stroke's middle from the border
GOAL_INSIDE, GOAL_OUTSIDE = 0.85, 0.33
_FACTOR = re.compile(r"EDGE_REACH = ([\d.]+);")
_PANEL = Path(colorzoo.__path__[0]) / "studio" / "static" / "js" / "painting.js"


def run(options: Options) -> list[Row]:
    """Return the shares inside and outside."""
    colorizer = Colorizer(options.model or "colorzoo2026", device="cpu")
    (factor,) = _FACTOR.findall(_PANEL.read_text("utf-8"))
    inside, outside = [], []
    for rgb, segments, seed in read_pictures(
        options.data or FOLDER, options.pictures or PICTURES, colorizer.size
    ):
        lightness = rgb_to_lab(rgb[None])[:, :1]
        part = Part(lightness, (segments.shape[1], segments.shape[0]))
        for path, size, there in islice(_strokes(segments, seed), CLICKS):
            kept = _cover(colorizer, part, PaintStroke(path, "#c04020", size, reach=float(factor)))
            whole = _cover(colorizer, part, PaintStroke(path, "#c04020", size))
            other = ~there & (segments != 0)
            if whole[other].sum() > 0:
                inside.append(float(kept[there].sum() / whole[there].sum()))
                outside.append(float(kept[other].sum() / whole[other].sum()))
    place = f"{len(inside)} strokes, {colorizer.name}, {where()}"
    share = statistics.fmean(inside)
    return [
        Row("share of a stroke inside its thing", share, 1.0, share, GOAL_INSIDE, "higher", place),
        share_of("share of a stroke beyond its thing", statistics.fmean(outside), 1.0, GOAL_OUTSIDE, place),
    ]


def _strokes(
    segments: NDArray[np.int64], seed: int
) -> Iterator[tuple[tuple[tuple[float, float], ...], float, NDArray[np.bool_]]]:
    """Yield path and size of strokes near borders, and the segment of each."""
    random = np.random.default_rng(seed)
    numbers, counts = np.unique(segments, return_counts=True)
    fit = (numbers != 0) & (counts >= LEAST * segments.size) & (counts <= MOST * segments.size)
    for number in random.permutation(numbers[fit]):
        inside = segments == number
        away = ndimage.distance_transform_edt(inside | (segments == 0))
        places = np.argwhere(inside & (away >= NEAREST) & (away <= FARTHEST))
        if not len(places):
            continue
        y, x = places[random.integers(len(places))]
        near = float(away[y, x])
        apart = np.hypot(places[:, 0] - y, places[:, 1] - x)
        ends = places[(apart > 1.5 * near) & (apart < 3 * near)]
        row, column = ends[random.integers(len(ends))] if len(ends) else (y, x)
        path = ((x + 0.5, y + 0.5), (column + 0.5, row + 0.5))
        yield path, 4 * near, inside


def _cover(colorizer: Colorizer, part: Part, stroke: PaintStroke) -> NDArray[np.float32]:
    """Return how much of its color a stroke gives to each pixel of an even gray."""
    answer = colorizer.run(colorizer.job_of(part, Recipe(paint=(stroke,))))
    (painting,) = answer.over(part.lightness[0, 0]).overlays
    painted = torch.zeros(2, *part.seen)
    painting.add_to(painted, torch.full(part.seen, 50.0), 0)
    return painted.norm(dim=0).numpy()
