"""Intersection over union of the object selected by one click with the true object.

Clicks are at random positions in true objects of the images of ``python -m benchmarks reach``, none of which
was used for training, and on the small objects of ``python -m benchmarks small_objects``, whose outlines were
drawn manually. The most likely object is measured, and the best of the objects offered by *Less* and *More*.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from benchmarks import reach, small_objects
from benchmarks._common import Options, Row, SkippedError, where
from colorzoo.color import rgb_to_lab
from colorzoo.image_io.read import read_image
from colorzoo.inference.full_size import FullLightness, preprocess
from colorzoo.inference.selection import segmenter_features, select_at

SIDE = 256  # shorter side of the images
SIZES = (1.0, 0.8, 0.64, 1.25, 1.5625)  # the likeliest target, and two smaller and two larger ones
GOAL = 0.7

Overlaps = list[tuple[float, float]]


def run(options: Options) -> list[Row]:
    """Return the IoU of the most likely and of the best object, for COCO objects and for small objects."""
    photos = options.data or small_objects.FOLDER
    objects = small_objects.read_objects()
    if not all((photos / target.photo).is_file() for target in objects):
        raise SkippedError(f"{photos} needs the photos of small_objects.json; name the folder with --data")
    small = [overlap_of(target, photos) for target in objects]
    coco = list(overlaps(reach.FOLDER, options.images or reach.IMAGES))
    return [*rows("objects of COCO", coco), *rows("small objects", small)]


def rows(name: str, found: Overlaps) -> list[Row]:
    """Return the mean IoU of the most likely and of the best object."""
    place = f"{len(found)} clicks, {where()}"
    likeliest, best = (statistics.fmean(pair[index] for pair in found) for index in (0, 1))
    return [
        Row(f"{name}: IoU of the best object", best, GOAL, best / GOAL, 1.0, "higher", place),
        Row(
            f"{name}: IoU of the most likely object", likeliest, best, likeliest / best, 1.0, "higher", place
        ),
    ]


def overlaps(folder: Path, most: int) -> Iterator[tuple[float, float]]:
    """Yield the IoU for a click into each object of COCO images."""
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


def overlap_of(target: small_objects.SmallObject, folder: Path) -> tuple[float, float]:
    """Return the IoU for a small object."""
    image = read_image(folder / target.photo)
    lightness = preprocess(FullLightness(image.levels), min(image.size))
    return overlap_at(lightness, target.click, target.inside(*image.size))


def overlap_at(
    lightness: Tensor, place: tuple[float, float], inside: NDArray[np.bool_]
) -> tuple[float, float]:
    """Return the IoU of a true object with the most likely and the best object at a position."""
    height, width = inside.shape
    features = cache(segmenter_features)
    found = []
    for size in SIZES:
        mask = select_at(lightness, place, (width, height), size, features=features).array()
        found.append(float((mask & inside).sum() / (mask | inside).sum()))
    return found[0], max(found)
