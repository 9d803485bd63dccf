"""Intersection over union of what one click selects with the true thing.

Clicks are at random places in true things of the images of ``python -m benchmarks reach``, on which nothing
was trained, and on the small things of ``python -m benchmarks small_things``, whose outlines were drawn by
hand.
Measured are the likeliest thing, and the best one of those that *Less* and *More* offer.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from benchmarks import reach, small_things
from benchmarks._common import Options, Row, SkippedError, where
from colorzoo.color import rgb_to_lab
from colorzoo.image_io.read import read_image
from colorzoo.inference.selection import segmenter_features, select_at
from colorzoo.inference.task import preprocess

SIDE = 256  # shorter side of the images
SIZES = (1.0, 0.8, 0.64, 1.25, 1.5625)  # the likeliest thing, and two smaller and two larger ones
GOAL = 0.7

Overlaps = list[tuple[float, float]]


def run(options: Options) -> list[Row]:
    """Return the overlap of the likeliest and of the best thing, for things of COCO and for small things."""
    photos = options.data or small_things.FOLDER
    things = small_things.read_things()
    if not all((photos / thing.photo).is_file() for thing in things):
        raise SkippedError(f"{photos} needs the photos of small_things.json; name the folder with --data")
    small = [overlap_of(thing, photos) for thing in things]
    coco = list(overlaps(reach.FOLDER, options.images or reach.IMAGES))
    return [*rows("things of COCO", coco), *rows("small things", small)]


def rows(name: str, found: Overlaps) -> list[Row]:
    """Return the mean overlap of the likeliest and of the best thing."""
    place = f"{len(found)} clicks, {where()}"
    likeliest, best = (statistics.fmean(pair[index] for pair in found) for index in (0, 1))
    return [
        Row(f"{name}: overlap of the best thing", best, GOAL, best / GOAL, 1.0, "higher", place),
        Row(
            f"{name}: overlap of the likeliest thing", likeliest, best, likeliest / best, 1.0, "higher", place
        ),
    ]


def overlaps(folder: Path, most: int) -> Iterator[tuple[float, float]]:
    """Yield the overlaps for a click into each thing of COCO images."""
    annotations = reach.read_annotations(folder)
    images = reach.in_order(annotations)
    kinds = {kind["id"]: kind["isthing"] for kind in annotations["categories"]}
    for rgb, segments, number in reach.read_images(folder, most, SIDE):
        lab, found = rgb_to_lab(rgb[None]), images[number]["segments"]
        true = [each["id"] for each in found if kinds[each["category_id"]] and not each["iscrowd"]]
        kept = np.where(np.isin(segments, true), segments, 0)
        for click in reach.draw_clicks(lab[0], kept, number):
            place = (click.hint.x, click.hint.y)
            yield overlap_at(lab[:, :1], place, click.inside.numpy())


def overlap_of(thing: small_things.Thing, folder: Path) -> tuple[float, float]:
    """Return the overlaps for a small thing."""
    image = read_image(folder / thing.photo)
    lightness = preprocess(image, None, min(image.size)).lightness
    return overlap_at(lightness, thing.click, thing.inside(*image.size))


def overlap_at(
    lightness: Tensor, place: tuple[float, float], inside: NDArray[np.bool_]
) -> tuple[float, float]:
    """Return the intersection over union of a true thing with the likeliest and with the best thing there."""
    height, width = inside.shape
    features = cache(segmenter_features)
    found = []
    for size in SIZES:
        mask = select_at(lightness, place, (width, height), size, features=features).array()
        found.append(float((mask & inside).sum() / (mask | inside).sum()))
    return found[0], max(found)
