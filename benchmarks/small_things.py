"""Change outside of a small thing that a click is on: a lip, an eye, a button, a flower.

``small_things.json`` lists clicks on things of `val` and `val_people` photos and outlines drawn by hand. Each
click gives its thing a color that a retoucher would, with the reach that the pad gives a new point there. The
share of the change of ab that lies more than two pixels outside of the outline is measured. The price beside
it: clicks into large true segments (of the images of ``python -m benchmarks reach``) that begin small, too.
The rule and its limits were chosen on these things and clicks.
"""

from __future__ import annotations

import json
import statistics
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from scipy import ndimage
from torch import Tensor
from torch.nn import functional as F

from benchmarks import reach
from benchmarks._common import Options, Row, SkippedError, share_of, where
from benchmarks._held_out import unseen
from colorzoo.capabilities import ComputesSimilarity
from colorzoo.color import rgb_to_lab
from colorzoo.guidance import PointHint, Recipe
from colorzoo.guidance.fields import Reach
from colorzoo.image_io.read import read_image
from colorzoo.inference.colorizer import Colorizer
from colorzoo.inference.pipeline import likeness_to, paths_from
from colorzoo.inference.steps.reach import PointPatches, on_grid, starting_reach
from colorzoo.inference.task import Part, preprocess

FOLDER = Path("data/photos")
LISTED = Path(__file__).with_suffix(".json")
COLORS = {"lips": "#a8443f", "eye": "#5f7a5a", "button": "#3f78b5", "flower": "#b0404c"}
RADIUS = 1.5  # pixels of a new point
AROUND = 2  # pixels around an outline that count as the thing
MOST, LEAST_SHARE = 0.1, 0.8  # change outside; clicks that must have less
LARGE, MOST_SMALL = 0.1, 0.2  # share of an image; of clicks into such segments, how many may begin small


@dataclass(frozen=True)
class Thing:
    """A thing of a photo, with the place of a click and its outline in pixels."""

    kind: str
    photo: str
    click: tuple[float, float]
    outline: tuple[tuple[float, float], ...]

    def inside(self, width: int, height: int) -> NDArray[np.bool_]:
        """Return the pixels of the thing, ``(H, W)``."""
        image = Image.new("1", (width, height))
        ImageDraw.Draw(image).polygon(list(self.outline), fill=1)
        return np.array(image)

    def mask(self, width: int, height: int) -> Tensor:
        """Return the thing and the pixels around it, ``(H, W)`` bool."""
        return torch.from_numpy(ndimage.binary_dilation(self.inside(width, height), iterations=AROUND))


def run(options: Options) -> list[Row]:
    """Return the median share of the change outside, of all things and by kind, and how many stay inside."""
    folder = options.data or FOLDER
    things = read_things()[: options.images]
    if not all((folder / thing.photo).is_file() for thing in things):
        raise SkippedError(f"{folder} needs the photos of {LISTED.name}; name the folder with --data")
    colorizer = Colorizer(options.model or "colorzoo2026", device="cpu")
    shares = [(thing.kind, change_outside(colorizer, folder / thing.photo, thing)) for thing in things]
    place = f"{len(shares)} clicks, {colorizer.name}, {where()}"
    rows = []
    for kind in ("small things", *dict.fromkeys(kind for kind, _ in shares)):
        found = statistics.median(share for each, share in shares if kind in (each, "small things"))
        rows.append(share_of(f"{kind}: median share of the change outside", found, 1.0, MOST, place))
    inside = sum(share < MOST for _, share in shares)
    claim = f"clicks with less than {MOST:g} of the change outside"
    rows.append(Row(claim, inside, len(shares), inside / len(shares), LEAST_SHARE, "higher", place))
    if (reach.FOLDER / "annotations.json").is_file() and isinstance(colorizer.model, ComputesSimilarity):
        rows.append(price(colorizer))
    return rows


def start_at(colorizer: Colorizer, part: Part, point: PointHint) -> Reach:
    """Return the reach that a point begins with; automatic if the model compares no places."""
    task, places = colorizer.prepare_part(part, Recipe()), PointPatches.of([point], part.size)
    costs = paths_from(task, places).costs
    alike = on_grid(likeness_to(task, places), costs)
    return "automatic" if alike is None else starting_reach(costs, alike)


def price(colorizer: Colorizer) -> Row:
    """Return how many clicks into large segments begin with a small reach."""
    small = []
    for rgb, segments, seed in reach.read_images(reach.FOLDER, reach.IMAGES, colorizer.size):
        lab = rgb_to_lab(rgb[None])
        for click in reach.draw_clicks(lab[0], segments, seed):
            if click.inside.float().mean() > LARGE:
                point = replace(click.hint, radius=RADIUS)
                size = (rgb.shape[2], rgb.shape[1])
                small.append(start_at(colorizer, Part(lab[:, :1], size), point) != "automatic")
    claim = f"clicks into segments larger than {LARGE:g} of the image that begin small"
    place = f"{len(small)} clicks, {colorizer.name}, {where()}"
    return Row(claim, sum(small), len(small), sum(small) / len(small), MOST_SMALL, "lower", place)


def read_things() -> list[Thing]:
    """Read the listed things of unseen photos."""
    listed = json.loads(LISTED.read_text(encoding="ascii"))
    return [
        Thing(each["kind"], each["photo"], (x, y), tuple((a, b) for a, b in each["outline"]))
        for each in listed
        for x, y in [each["click"]]
        if unseen([f"photos/{each['photo']}"])
    ]


def change_outside(colorizer: Colorizer, path: Path, thing: Thing) -> float:
    """Return the share of the change of ab outside of a thing that one point makes."""
    image = read_image(path)
    width, height = image.size
    lightness = preprocess(image, None, colorizer.size).lightness
    radius = RADIUS * min(image.size) / min(lightness.shape[2:])
    point = PointHint(*thing.click, radius, COLORS[thing.kind])
    start = start_at(colorizer, Part(lightness, image.size), point)
    none, one = (
        colorizer.colorize(image, Recipe(points=points)).ab for points in ((), (replace(point, reach=start),))
    )
    change = F.interpolate((one - none).norm(dim=0)[None, None], (height, width), mode="bilinear")[0, 0]
    return float(change[~thing.mask(width, height)].sum() / change.sum())
