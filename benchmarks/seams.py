"""Seams caused by points on even surfaces: steps of the color where the lightness has no step.

A seam is a pair of neighboring pixels whose lightness differs by less than 1.5 and whose ab differs by more
than 4. Ten points with automatic reach are placed on each photo: manually on six black-and-white photos, and
at listed positions with the true colors on color photos. The seams are compared with the seams of the
automatic result, and the error with the error of points of unlimited reach.

Stronger colors cause more seams. Therefore the seams are also compared with the seams of the automatic result
whose chroma is raised to the mean of the result, and with the seams of the true colors at the network's size.

Two other causes are excluded on even surfaces: the middle of a true edge, where both sides have equal
lightness for a pixel, and very dark or bright pixels, whose chroma sRGB limits. There the lightness within
two pixels differs by less than 6, and the colors before the limit are used.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from benchmarks._common import Options, Row, SkippedError, lab_of, share_of, where
from benchmarks._held_out import unseen
from colorzoo.guidance import PointHint, Recipe
from colorzoo.guidance.fields import Reach
from colorzoo.image_io.read import read_image
from colorzoo.inference.colorizer import Colorizer
from colorzoo.inference.full_size import FullLightness
from colorzoo.inference.result import ColorizedImage

FOLDER = Path("data")
PEOPLE = 20
EVEN, JUMP = 1.5, 4.0
SURFACE, AROUND = 6.0, 5  # difference in lightness within a window of pixels
MOST_ON_SURFACES = 1.0  # a photo
RADIUS = 1.5
REACHES: tuple[Reach, Reach] = ("automatic", "everywhere")
GOAL_SEAMS, GOAL_AS_COLORFUL, GOAL_ERROR = 1.3, 1.0, 1.0
PLACES = (
    (0.50, 0.30), (0.35, 0.45), (0.62, 0.48), (0.50, 0.62), (0.22, 0.20),
    (0.78, 0.22), (0.20, 0.75), (0.80, 0.78), (0.45, 0.85), (0.90, 0.50),
)  # fmt: skip
BY_HAND = {
    "039": "150,110 e3b08d 110,220 dfa98a 230,230 e0a888 190,335 d9a385 100,50 a8703c 200,30 a8703c "
    "190,270 b5484a 300,250 6f8f96 60,370 d8dfe8 270,365 d8dfe8",
    "015": "50,50 9db8d0 85,75 6b5a3c 85,100 a87052 95,150 b9c4d4 165,62 c04040 165,160 5b7a5a "
    "235,85 c98f6c 240,190 d3a0a8 165,220 d8d0c0 300,120 7b5a40",
    "030": "120,30 8fb0d8 250,60 8fb0d8 330,120 e8c090 60,120 b08a68 130,150 a05a44 150,285 9a8a78 "
    "210,262 b04030 360,180 b08058 110,240 4a7a5a 270,290 4a4a5a",
    "040": "60,40 d8bc90 320,40 d8b888 160,50 5a6a70 220,170 7f9bb0 246,77 7f9bb0 90,178 6a8aa8 "
    "345,165 7f9bb0 250,290 a09080 57,222 c0b8a8 380,70 b09878",
    "002": "170,30 4a7ac0 210,30 4a7ac0 260,60 c8b8a0 60,110 c8a030 130,60 2f5a30 200,160 a89880 "
    "390,100 d09030 200,190 3a6a90 250,250 b0a890 60,270 2a4a40",
    "010": "120,60 5a8a80 220,60 5a8a80 390,100 5a8a80 258,145 7a4a30 195,215 7a4a30 120,235 c8a040 "
    "290,240 4a5a88 282,182 e0e0e0 60,100 5a3a28 30,175 a05030",
}


def run(options: Options) -> list[Row]:
    """Return seams against the automatic result, and the error against points of unlimited reach."""
    folder = options.data or FOLDER
    if not (folder / "legacy").is_dir() or not (folder / "photos" / "val_people").is_dir():
        raise SkippedError(f"{folder} needs legacy/ and photos/val_people/; name the folder with --data")
    colorizer = Colorizer(options.model or "colorzoo2026", device="cpu")
    by_hand = [(folder / "legacy" / f"{name}.jpg", hand_points(text)) for name, text in BY_HAND.items()]
    people = unseen(sorted((folder / "photos" / "val_people").iterdir()))
    people = people[:: len(people) // PEOPLE][: options.images or PEOPLE]
    listed = [(path, listed_points(path)) for path in people]
    rows = []
    for name, photos in (("photos colored by hand", by_hand), ("color photos", listed)):
        place = f"{len(photos)} photos, {colorizer.name}, {where()}"
        none = [colored(colorizer, path, []) for path, _ in photos]
        ten = [colored(colorizer, path, points) for path, points in photos]
        before, after, vivid = (total_seams(answers) for answers in (none, ten, map(as_colorful, none, ten)))
        claim = f"seams of ten points on {name} against none"
        rows.append(share_of(claim, after, before, GOAL_SEAMS, place))
        claim = f"seams of ten points on {name} against no points with equal chroma"
        rows.append(share_of(claim, after, vivid, GOAL_AS_COLORFUL, place))
        if photos is listed:
            true = total_seams(
                in_true_colors(path, answer) for path, answer in zip(people, none, strict=True)
            )
            claim = f"seams of ten points on {name} against true colors at the network's size"
            rows.append(share_of(claim, after, true, GOAL_AS_COLORFUL, place))
        claim = f"seams of ten points on even surfaces of {name}, a photo, against the limit"
        rows.append(share_of(claim, statistics.fmean(map(surface_seams, ten)), MOST_ON_SURFACES, 1.0, place))
    limited, unlimited = (
        mean_error(colorizer, [(path, [replace(p, reach=reach) for p in points]) for path, points in listed])
        for reach in REACHES
    )
    claim = "mean Delta-E of ten points against the same of unlimited reach"
    rows.append(
        share_of(claim, limited, unlimited, GOAL_ERROR, f"{len(listed)} photos, {colorizer.name}, {where()}")
    )
    return rows


def hand_points(text: str) -> list[PointHint]:
    """Return points at positions and colors alternately."""
    words = text.split()
    places = (map(float, place.split(",")) for place in words[::2])
    return [
        PointHint(x, y, RADIUS, f"#{color}", reach="automatic")
        for (x, y), color in zip(places, words[1::2], strict=True)
    ]


def listed_points(path: Path) -> list[PointHint]:
    """Return points at the listed positions, with the mean colors of a photo around them."""
    lab, points = lab_of(read_rgb(path)), []
    height, width = lab.shape[1:]
    for across, down in PLACES:
        x, y = int(across * width), int(down * height)
        a, b = lab[1:, max(y - 2, 0) : y + 3, max(x - 2, 0) : x + 3].mean((1, 2)).tolist()
        points.append(PointHint(x + 0.5, y + 0.5, RADIUS, ab=(a, b), reach="automatic"))
    return points


def colored(colorizer: Colorizer, path: Path, points: Sequence[PointHint]) -> ColorizedImage:
    """Return a colorized photo."""
    return colorizer.colorize(read_image(path), Recipe(points=tuple(points)))


def read_rgb(path: Path) -> NDArray[np.float32]:
    """Return RGB ``(H, W, 3)`` in [0, 1]."""
    return np.asarray(Image.open(path).convert("RGB"), np.float32) / np.float32(255)


def count_seams(lab: Tensor, surface: Tensor | None = None) -> int:
    """Count the seams of an image ``(3, H, W)``, on a surface ``(H, W)`` or everywhere."""
    inside = torch.ones(lab.shape[1:]) if surface is None else surface.float()
    found = 0
    for axis in (1, 2):
        step = lab.diff(dim=axis)
        both = inside.diff(dim=axis - 1).eq(0) & inside.narrow(axis - 1, 1, step.shape[axis]).bool()
        found += int(((step[0].abs() < EVEN) & (step[1:].norm(dim=0) > JUMP) & both).sum())
    return found


def total_seams(answers: Iterable[ColorizedImage]) -> int:
    """Count the seams of images."""
    return sum(count_seams(lab_of(answer.rgb)) for answer in answers)


def as_colorful(answer: ColorizedImage, other: ColorizedImage) -> ColorizedImage:
    """Return an image with the mean chroma of another one."""
    factor = other.ab.norm(dim=0).mean() / answer.ab.norm(dim=0).mean()
    return with_ab(answer, answer.ab * factor)


def in_true_colors(path: Path, answer: ColorizedImage) -> ColorizedImage:
    """Return an image with the colors of its photo at the network resolution."""
    true = lab_of(read_rgb(path))[None, 1:]
    return with_ab(answer, F.interpolate(true, answer.ab.shape[1:], mode="bicubic", antialias=True)[0])


def with_ab(answer: ColorizedImage, ab: Tensor) -> ColorizedImage:
    """Return an image with other colors ``(2, h, w)`` in CIE units."""
    canvas: Any = answer.canvas
    return replace(answer, canvas=replace(canvas, changed=ab[None]))


def surface_seams(answer: ColorizedImage) -> int:
    """Count the seams on even surfaces within the border, before sRGB limits the colors."""
    full_size = answer.edit.full_size
    assert full_size is not None, "results of `colored` have a full-size lightness"
    part = full_size.part
    lightness = part.whole()[0] if isinstance(part, FullLightness) else part[None]
    highest, lowest = (F.max_pool2d(sign * lightness, AROUND, 1, AROUND // 2) for sign in (1, -1))
    ab = F.interpolate(answer.ab[None], lightness.shape[1:], mode="bicubic")[0]
    return count_seams(torch.cat([lightness, ab]), (highest + lowest)[0] < SURFACE)


def mean_error(colorizer: Colorizer, photos: Sequence[tuple[Path, list[PointHint]]]) -> float:
    """Return the mean ab distance to the color photos."""
    return statistics.fmean(
        float((lab_of(colored(colorizer, path, points).rgb) - lab_of(read_rgb(path)))[1:].norm(dim=0).mean())
        for path, points in photos
    )
