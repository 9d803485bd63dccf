"""Color change outside the clicked object: a point with automatic reach, and an area selected by a click.

A simulated user clicks the true color at a random position inside a true segment (four segments per image,
each covering 1 to 70 % of it), at the size of the network, as in the pad. The benchmark measures the mean ab
distance to the prediction without points outside the segment, and to the truth inside. An area is selected by
one click (`colorzoo.inference.selection`) and filled with the color of the point. The constants of both
methods were fitted on the images with even numbers; the images with odd numbers are measured.
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage
from torch import Tensor

from benchmarks._common import Options, Row, SkippedError, share_of, where
from benchmarks._held_out import unseen
from colorzoo import Guidance
from colorzoo.color import lab_to_rgb_in_gamut, rgb_to_lab
from colorzoo.guidance import Area, PointHint, Recipe
from colorzoo.guidance.fields import format_hex
from colorzoo.inference.colorizer import Colorizer
from colorzoo.inference.full_size import working_size
from colorzoo.inference.pipeline import colorize_edit
from colorzoo.inference.selection import segmenter_features, select_at
from colorzoo.networks.click_segmenter import SegmenterFeatures

FOLDER = Path("data/coco_sample")
IMAGES, CLICKS = 92, 4
SIDE = 5  # pixels of a click's square
LEAST, MOST = 0.01, 0.7  # size of a segment as a fraction of the image
GOAL_OUTSIDE, GOAL_INSIDE = 1 / 3, 1.0


@dataclass(frozen=True)
class Click:
    """A point, and masks of its segment and of all other segments."""

    hint: PointHint
    inside: Tensor
    outside: Tensor


def run(options: Options) -> list[Row]:
    """Return the change outside and the error inside, relative to a point of unlimited reach."""
    colorizer = Colorizer(options.model or "colorzoo2026", device="cpu")
    found: dict[str, list[tuple[float, float]]] = {}
    for rgb, segments, seed in read_images(options.data or FOLDER, options.images or IMAGES, colorizer.size):
        lab = rgb_to_lab(rgb[None])
        lightness = lab[:, :1]
        base = colorizer.predict(lightness, Guidance()).to_ab()
        features = cache(segmenter_features)
        for click in draw_clicks(lab[0], segments, seed):
            for way, ab in answers(colorizer, lightness, features, click).items():
                change = (ab - base)[0].norm(dim=0)[click.outside].mean()
                error = (ab - lab[:, 1:])[0].norm(dim=0)[click.inside].mean()
                found.setdefault(way, []).append((float(change), float(error)))
    place = f"{len(found['unlimited'])} clicks, {colorizer.name}, {where()}"
    rows = []
    for index, (name, goal) in enumerate((("change outside", GOAL_OUTSIDE), ("error inside", GOAL_INSIDE))):
        means = {way: statistics.fmean(pair[index] for pair in pairs) for way, pairs in found.items()}
        for way, words in (("automatic", "automatic reach"), ("area", "an area of one click")):
            claim = f"{words} against unlimited reach: mean Delta-E of {name}"
            rows.append(share_of(claim, means[way], means["unlimited"], goal, place))
    return rows


def read_images(folder: Path, most: int, side: int) -> Iterator[tuple[Tensor, NDArray[np.int64], int]]:
    """Yield RGB ``(3, H, W)`` in [0, 1], the segment of each pixel, and the number of every second image.

    Their shorter sides are ``side`` or less.
    """
    images = in_order(read_annotations(folder))
    for number, image in list(enumerate(images))[1 : 2 * most : 2]:
        photo = Image.open(folder / "images" / image["file"]).convert("RGB")
        height, width = working_size(photo.height, photo.width, side)
        rgb = np.array(photo.resize((width, height), Image.Resampling.BICUBIC))
        panoptic = Image.open(folder / "panoptic" / image["file"].replace(".jpg", ".png")).convert("RGB")
        colors = np.array(panoptic.resize((width, height), Image.Resampling.NEAREST)).astype(np.int64)
        segments = colors @ np.array([1, 256, 65536])
        yield torch.from_numpy(rgb).permute(2, 0, 1).float() / 255, segments, number


def read_annotations(folder: Path) -> dict[str, list[dict[str, Any]]]:
    """Read the lists of images and kinds."""
    listed = folder / "annotations.json"
    if not listed.is_file():
        raise SkippedError(f"{listed} is needed: images with true segments; name the folder with --data")
    found: dict[str, list[dict[str, Any]]] = json.loads(listed.read_text())
    return found


def in_order(annotations: dict[str, list[dict[str, Any]]]) -> list[dict[str, Any]]:
    """Return the unseen images sorted by number, which mixes them."""
    images = [each for each in annotations["images"] if unseen([f"coco_sample/images/{each['file']}"])]
    return sorted(images, key=lambda image: image["id"] * 7919 % 1009)


def draw_clicks(lab: Tensor, segments: NDArray[np.int64], seed: int) -> Iterator[Click]:
    """Yield clicks at random positions inside random segments."""
    random = np.random.default_rng(seed)
    numbers, counts = np.unique(segments, return_counts=True)
    fit = (numbers != 0) & (counts >= LEAST * segments.size) & (counts <= MOST * segments.size)
    for number in random.permutation(numbers[fit])[:CLICKS]:
        inside = segments == number
        deep = np.argwhere(ndimage.distance_transform_edt(np.pad(inside, 1))[1:-1, 1:-1] >= 4)
        if not len(deep):
            continue
        y, x = (int(place) for place in deep[random.integers(len(deep))])
        half = SIDE // 2
        patch = lab[1:, max(y - half, 0) : y + half + 1, max(x - half, 0) : x + half + 1].mean((1, 2))
        hint = PointHint(x + 0.5, y + 0.5, SIDE / 2, ab=(float(patch[0]), float(patch[1])))
        outside = torch.from_numpy(~inside & (segments != 0))
        if outside.any():
            yield Click(hint, torch.from_numpy(inside), outside)


def answers(
    colorizer: Colorizer, lightness: Tensor, features: Callable[[Tensor], SegmenterFeatures], click: Click
) -> dict[str, Tensor]:
    """Return ab ``(1, 2, H, W)`` for a point of unlimited reach, a point of automatic reach, and an area."""
    hint, (height, width) = click.hint, lightness.shape[-2:]
    assert hint.ab is not None
    there = float(lightness[0, 0, int(hint.y), int(hint.x)])
    rgb = lab_to_rgb_in_gamut(torch.tensor([there, *hint.ab]).view(3, 1, 1)).flatten()
    color = format_hex((rgb * 255).round().int().tolist())
    mask = select_at(lightness, (hint.x, hint.y), (width, height), features=features)
    recipes = {
        "unlimited": Recipe(points=(replace(hint, reach="everywhere"),)),
        "automatic": Recipe(points=(replace(hint, reach="automatic"),)),
        "area": Recipe(areas=(Area("color", mask=mask, color=color),)),
    }
    return {
        name: colorize_edit(colorizer.resolve_lightness(lightness, (width, height), each)).ab[None]
        for name, each in recipes.items()
    }
