"""What a click changes outside the thing that it was put on: a point with its reach, an area grown from it.

A simulated user clicks the true color at a random place inside one segment of a picture with true segments
(two segments a picture, between 1 and 70 % of it). Measured is how far the answer moves from the one without
any point, outside of that segment, and how far it is from the truth inside: mean distance of ab (Delta E of
1976 at equal lightness). An area is what one click selects (``colorzoo.inference.select``), filled with the
color of the point. The constants of both were fitted on the pictures with even numbers; here the odd ones
count.
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage
from torch import Tensor

from benchmarks._harness import Options, Row, SkippedError, share_of, where
from colorzoo import Guidance
from colorzoo.color import lab_to_rgb_in_gamut, rgb_to_lab
from colorzoo.guidance import Area, PointHint, Recipe
from colorzoo.guidance.reach import Reach
from colorzoo.inference.colorizer import Colorizer
from colorzoo.inference.guide import draw_wishes, fit_points
from colorzoo.inference.honor import honor_points
from colorzoo.inference.reach import find_extent, limit_reach
from colorzoo.inference.select import features_of, select_at

FOLDER = Path("data/coco_sample")
PICTURES, CLICKS = 24, 2
SIDE = 5  # pixels of a click's square
SHARES = (0.01, 0.7)
REACHES: tuple[Reach, ...] = ("automatic", 0.5, 2.0)
GOAL_OUTSIDE, GOAL_INSIDE = 1 / 3, 1.0

Way = Reach | Literal["area"]


@dataclass(frozen=True)
class Click:
    """A point, and the segment that it belongs to."""

    hint: PointHint
    inside: Tensor
    outside: Tensor


@dataclass(frozen=True)
class Seen:
    """A picture as Lab, its colors without any point, and the network's features of it."""

    lab: Tensor
    base: Tensor
    features: Tensor | None


def run(options: Options) -> list[Row]:
    """Return change outside and error inside of the automatic reach, against a point without a limit.

    The same of an area. What other reaches give stands beside them: no claim is made of those.
    """
    colorizer = Colorizer(options.model or "zhang2017_local_small", device="cpu")
    found: dict[Way, list[tuple[float, float]]] = {}
    for rgb, segments, seed in _pictures(options.data or FOLDER, options.pictures or PICTURES):
        lab = rgb_to_lab(rgb[None])
        seen = Seen(
            lab, colorizer.predict_ab(lab[:, :1], Guidance()), features_of(colorizer.model, lab[:, :1])
        )
        for click in _clicks(lab[0], segments, seed):
            for way, figures in _measure(colorizer, seen, click).items():
                found.setdefault(way, []).append(figures)
    means = {r: [statistics.fmean(column) for column in zip(*rows, strict=True)] for r, rows in found.items()}
    before = means["everywhere"]
    rows = []
    for index, (name, goal) in enumerate((("change outside", GOAL_OUTSIDE), ("error inside", GOAL_INSIDE))):
        others = ", ".join(f"reach {reach} {means[reach][index]:.3g}" for reach in REACHES[1:])
        place = f"{others}; {len(found['everywhere'])} clicks, {colorizer.name}, {where()}"
        for way, words in (("automatic", "automatic reach"), ("area", "an area of one click")):
            claim = f"{words} against everywhere: mean Delta E of {name}"
            rows.append(share_of(claim, means[way][index], before[index], goal, place))
    return rows


def _pictures(folder: Path, most: int) -> Iterator[tuple[Tensor, NDArray[np.int64], int]]:
    """Yield RGB ``(3, H, W)`` in [0, 1], the segment of each pixel, and the number of every other picture."""
    listed = folder / "annotations.json"
    if not listed.is_file():
        raise SkippedError(f"{listed} is needed: pictures with true segments; name the folder with --data")
    images = sorted(json.loads(listed.read_text())["images"], key=lambda image: image["id"] * 7919 % 1009)
    for number, image in list(enumerate(images))[1 : 2 * most : 2]:
        rgb = np.array(Image.open(folder / "images" / image["file"]).convert("RGB"))
        drawn = np.array(
            Image.open(folder / "panoptic" / image["file"].replace(".jpg", ".png")).convert("RGB")
        )
        segments = drawn.astype(np.int64) @ np.array([1, 256, 65536])
        yield torch.from_numpy(rgb).permute(2, 0, 1).float() / 255, segments, number


def _clicks(lab: Tensor, segments: NDArray[np.int64], seed: int) -> Iterator[Click]:
    random = np.random.default_rng(seed)
    numbers, counts = np.unique(segments, return_counts=True)
    fit = (numbers != 0) & (counts >= SHARES[0] * segments.size) & (counts <= SHARES[1] * segments.size)
    for number in random.permutation(numbers[fit])[:CLICKS]:
        inside = segments == number
        deep = np.argwhere(ndimage.distance_transform_edt(np.pad(inside, 1))[1:-1, 1:-1] >= 4)
        if not len(deep):
            continue
        y, x = (int(place) for place in deep[random.integers(len(deep))])
        reach = SIDE // 2
        patch = lab[1:, max(y - reach, 0) : y + reach + 1, max(x - reach, 0) : x + reach + 1].mean((1, 2))
        hint = PointHint(x + 0.5, y + 0.5, SIDE / 2, ab=(float(patch[0]), float(patch[1])))
        outside = torch.from_numpy(~inside & (segments != 0))
        if outside.any():
            yield Click(hint, torch.from_numpy(inside), outside)


def _measure(colorizer: Colorizer, seen: Seen, click: Click) -> dict[Way, tuple[float, float]]:
    """Return change outside and error inside for each reach and for an area; the network runs three times."""
    lab, base = seen.lab, seen.base
    luma, (height, width) = lab[:, :1], lab.shape[-2:]
    drawn = Guidance.from_recipe(Recipe(points=(click.hint,)), width, height)
    given = fit_points(drawn, luma)
    assert given.points is not None
    whole = honor_points(colorizer.predict_ab(luma, given), luma, given.points)
    answers: dict[Way, Tensor] = {"everywhere": whole, "area": _with_area(colorizer, seen, click)}
    for reach in REACHES:
        hint = PointHint(click.hint.x, click.hint.y, click.hint.radius, reach=reach)
        extent = find_extent(luma, [hint], (width, height))
        answers[reach] = limit_reach(whole, base, given.points, extent)
    found = {}
    for way, ab in answers.items():
        change = (ab - base)[0].norm(dim=0)[click.outside].mean()
        error = (ab - lab[:, 1:])[0].norm(dim=0)[click.inside].mean()
        found[way] = (float(change), float(error))
    return found


def _with_area(colorizer: Colorizer, seen: Seen, click: Click) -> Tensor:
    """Return the ``(1, 2, H, W)`` answer to an area that a click selects, in the color of its place."""
    luma, (height, width) = seen.lab[:, :1], seen.lab.shape[-2:]
    hint = click.hint
    assert hint.ab is not None
    row, column = int(hint.y), int(hint.x)
    there = torch.tensor([float(luma[0, 0, row, column]), *hint.ab]).view(3, 1, 1)
    levels = (lab_to_rgb_in_gamut(there).flatten() * 255).round().int().tolist()
    color = "#" + "".join(f"{level:02x}" for level in levels)
    mask = select_at(luma, seen.features, (hint.x, hint.y), (width, height))
    recipe = Recipe(areas=(Area("color", mask=mask, color=color),))
    return colorizer.solve(luma, draw_wishes(recipe, (width, height), (height, width))).ab[None]
