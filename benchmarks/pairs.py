"""Interaction of two points: the color of a point must not spread over the reach of the other point.

Pairs of points are placed at random positions of each photo: a point with small reach, and a point with
automatic reach that changes or keeps the color of its position. The benchmark measures the fraction of the
photo that the pair changes by more than 10 levels and that neither point changes alone.
"""

from __future__ import annotations

import statistics
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from benchmarks._common import Options, Row, SkippedError, where
from benchmarks._held_out import unseen
from colorzoo.guidance import PointHint, Recipe
from colorzoo.guidance.fields import format_hex
from colorzoo.image_io.read import read_image
from colorzoo.inference.colorizer import Colorizer
from colorzoo.inference.result import ColorizedImage

FOLDER = Path("data")
PHOTOS, PAIRS = 20, 10
VISIBLE = 10  # levels
MOST = 0.005  # share of a photo
COLORS = ("#a8443f", "#5f7a5a", "#3f78b5", "#c8a030", "#b08a3a", "#d9a385", "#4a4a5a", "#2f5a30")
SMALL = (0.05, 0.5)


def run(options: Options) -> list[Row]:
    """Return the mean and frequency of changes caused only by the pair."""
    colorizer = Colorizer(options.model or "colorzoo2026", device="cpu")
    rows = []
    paths = photos(options.data or FOLDER, options.images or PHOTOS)
    more = [share for number, path in enumerate(paths) for share in added_by_pairs(colorizer, path, number)]
    place = f"{len(more)} pairs on {len(paths)} photos, {colorizer.name}, {where()}"
    claim = "share of a photo that two points change and neither alone"
    mean, often = statistics.fmean(more), sum(share > MOST for share in more)
    rows.append(Row(claim, mean, MOST, mean / MOST, 1.0, "lower", place))
    claim = f"pairs with more than {MOST:g}"
    rows.append(Row(claim, often, len(more), often / len(more), 0.0, "lower", place))
    return rows


def photos(folder: Path, count: int) -> list[Path]:
    """Return photos of both folders alternately.

    Raises:
        SkippedError: A folder is missing.
    """
    found = [
        unseen(sorted((folder / name).resolve().glob("*.jpg"))) for name in ("legacy", "photos/val_people")
    ]
    if not all(found):
        raise SkippedError(f"{folder} needs legacy/ and photos/val_people/; name the folder with --data")
    each = -(-count // 2)
    spread = [paths[:: max(1, len(paths) // each)][:each] for paths in found]
    return [path for pair in zip(*spread, strict=True) for path in pair][:count]


def added_by_pairs(colorizer: Colorizer, path: Path, seed: int) -> list[float]:
    """Return the fraction of a photo that each pair changes and neither of its points changes alone."""
    image, random = read_image(path), np.random.default_rng(seed)

    def colored(*points: PointHint) -> ColorizedImage:
        return colorizer.colorize(image, Recipe(points=points))

    def changed(*points: PointHint) -> NDArray[np.bool_]:
        away = colored(*points).levels().astype(int) - levels
        visible: NDArray[np.bool_] = np.abs(away).max(axis=-1) > VISIBLE
        return visible

    plain = colored()
    levels = plain.levels().astype(int)
    shares = []
    for number in range(PAIRS):
        first, second = draw_pair(random, image.size)
        if number % 2:
            second = replace(second, color=format_hex(levels[int(second.y), int(second.x)]))
        alone = changed(first) | changed(second)
        shares.append(float((changed(first, second) & ~alone).mean()))
    return shares


def draw_pair(random: Generator, size: tuple[int, int]) -> tuple[PointHint, PointHint]:
    """Draw a point of small reach and a point of automatic reach at random positions."""
    places = random.uniform(0.02, 0.98, (2, 2)) * size
    colors = random.choice(COLORS, 2, replace=False)
    small, radius = float(np.exp(random.uniform(*np.log(SMALL)))), min(size) / 170
    (x, y), (u, v) = places.tolist()
    first = PointHint(x, y, radius, str(colors[0]), reach=small)
    return first, PointHint(u, v, radius, str(colors[1]), reach="automatic")
