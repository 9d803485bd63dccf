"""Color change outside a small clicked object: a lip, an eye, a button, a flower.

``small_objects.json`` lists clicks on objects in `val` and `val_people` photos and outlines drawn manually.
Each click assigns a plausible color with the reach that the pad assigns to a new point there. The benchmark
measures the fraction of the ab change that lies more than two pixels outside the outline. It also measures
the cost: clicks into large true segments (of the images of ``python -m benchmarks reach``) that start with a
small reach. The rule and its limits were chosen on these objects and clicks.
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
from colorzoo.abilities import SimilarityModel
from colorzoo.color import rgb_to_lab
from colorzoo.guidance import PointHint, Recipe
from colorzoo.guidance.fields import Reach
from colorzoo.image_io.read import read_image
from colorzoo.inference.colorizer import Colorizer
from colorzoo.inference.edit import paths_from, similarity_to
from colorzoo.inference.full_size import FullLightness, preprocess
from colorzoo.inference.steps.reach import PointPatches, on_grid, starting_reach

FOLDER = Path("data/photos")
LISTED = Path(__file__).with_suffix(".json")
COLORS = {"lips": "#a8443f", "eye": "#5f7a5a", "button": "#3f78b5", "flower": "#b0404c"}
RADIUS = 1.5  # pixels of a new point
AROUND = 2  # pixels around an outline that count as the target
MOST, LEAST_SHARE = 0.1, 0.8  # change outside; clicks that must have less
LARGE, MOST_SMALL = 0.1, 0.2  # share of an image; of clicks into such segments, how many may begin small


@dataclass(frozen=True)
class SmallObject:
    """An object of a photo, with the position of a click and the outline in pixels."""

    kind: str
    photo: str
    click: tuple[float, float]
    outline: tuple[tuple[float, float], ...]

    def inside(self, width: int, height: int) -> NDArray[np.bool_]:
        """Return the pixels of the object, ``(H, W)``."""
        image = Image.new("1", (width, height))
        ImageDraw.Draw(image).polygon(list(self.outline), fill=1)
        return np.array(image)

    def mask(self, width: int, height: int) -> Tensor:
        """Return the object and the pixels around it, ``(H, W)`` bool."""
        return torch.from_numpy(ndimage.binary_dilation(self.inside(width, height), iterations=AROUND))


def run(options: Options) -> list[Row]:
    """Return the median fraction of the change outside, overall and by kind, and how many stay inside."""
    folder = options.data or FOLDER
    objects = read_objects()[: options.images]
    if not all((folder / target.photo).is_file() for target in objects):
        raise SkippedError(f"{folder} needs the photos of {LISTED.name}; name the folder with --data")
    colorizer = Colorizer(options.model or "colorzoo2026", device="cpu")
    shares = [(target.kind, change_outside(colorizer, folder / target.photo, target)) for target in objects]
    place = f"{len(shares)} clicks, {colorizer.name}, {where()}"
    rows = []
    for kind in ("small objects", *dict.fromkeys(kind for kind, _ in shares)):
        found = statistics.median(share for each, share in shares if kind in (each, "small objects"))
        rows.append(share_of(f"{kind}: median fraction of the change outside", found, 1.0, MOST, place))
    inside = sum(share < MOST for _, share in shares)
    claim = f"clicks with less than {MOST:g} of the change outside"
    rows.append(Row(claim, inside, len(shares), inside / len(shares), LEAST_SHARE, "higher", place))
    if (reach.FOLDER / "annotations.json").is_file() and isinstance(colorizer.model, SimilarityModel):
        rows.append(price(colorizer))
    return rows


def start_at(colorizer: Colorizer, lightness: Tensor, size: tuple[int, int], point: PointHint) -> Reach:
    """Return the initial reach of a point; automatic if the model does not compare positions."""
    edit, places = colorizer.resolve_lightness(lightness, size, Recipe()), PointPatches.of([point], size)
    costs = paths_from(edit, places).costs
    alike = on_grid(similarity_to(edit, places), costs)
    return "automatic" if alike is None else starting_reach(costs, alike)


def price(colorizer: Colorizer) -> Row:
    """Return how many clicks into large segments start with a small reach."""
    small = []
    for rgb, segments, seed in reach.read_images(reach.FOLDER, reach.IMAGES, colorizer.size):
        lab = rgb_to_lab(rgb[None])
        for click in reach.draw_clicks(lab[0], segments, seed):
            if click.inside.float().mean() > LARGE:
                point = replace(click.hint, radius=RADIUS)
                size = (rgb.shape[2], rgb.shape[1])
                small.append(start_at(colorizer, lab[:, :1], size, point) != "automatic")
    claim = f"clicks into segments larger than {LARGE:g} of the image that begin small"
    place = f"{len(small)} clicks, {colorizer.name}, {where()}"
    return Row(claim, sum(small), len(small), sum(small) / len(small), MOST_SMALL, "lower", place)


def read_objects() -> list[SmallObject]:
    """Read the listed objects of unseen photos."""
    listed = json.loads(LISTED.read_text(encoding="ascii"))
    return [
        SmallObject(each["kind"], each["photo"], (x, y), tuple((a, b) for a, b in each["outline"]))
        for each in listed
        for x, y in [each["click"]]
        if unseen([f"photos/{each['photo']}"])
    ]


def change_outside(colorizer: Colorizer, path: Path, target: SmallObject) -> float:
    """Return the fraction of the ab change of a point outside the object."""
    image = read_image(path)
    width, height = image.size
    lightness = preprocess(FullLightness(image.levels), colorizer.size)
    radius = RADIUS * min(image.size) / min(lightness.shape[2:])
    point = PointHint(*target.click, radius, COLORS[target.kind])
    start = start_at(colorizer, lightness, image.size, point)
    none, one = (
        colorizer.colorize(image, Recipe(points=points)).ab for points in ((), (replace(point, reach=start),))
    )
    change = F.interpolate((one - none).norm(dim=0)[None, None], (height, width), mode="bilinear")[0, 0]
    return float(change[~target.mask(width, height)].sum() / change.sum())
