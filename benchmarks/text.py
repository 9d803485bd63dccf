"""Colors of named objects: pairs of an object and a color term, on the held-out COCO images.

The text ``COLOR OBJECT`` is compared with no text. The object has the named color if the mean hue of its
pixels differs by at most 30 degrees from the hue of the color term (`colorzoo.zoo.weng2022code.task.HUES`)
and their mean chroma is above 15. The model runs at a shorter side of 192 pixels.
"""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Iterator, Sequence
from pathlib import Path
from random import Random

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from benchmarks._common import Options, Row, SkippedError, trained_model, where
from colorzoo import Guidance
from colorzoo.color import rgb_to_lab
from colorzoo.guidance.kinds import guidance_kind
from colorzoo.model import ColoringModel
from colorzoo.zoo.weng2022code.model import OBJECTS
from colorzoo.zoo.weng2022code.task import HUES, KEPT_COLORS

FOLDER = Path("data/coco_sample")
PAIRS, SIDE = 200, 192
LEAST_AREA = 0.02  # of the image, for an object that is named
HUE_DIFFERENCE, LEAST_CHROMA = 30.0, 15.0
GOAL_NAMED, GOAL_CHANGE = 0.7, 4.0
CATEGORIES = {
    "sky": "sky-other-merged",
    "tree": "tree-merged",
    "grass": "grass-merged, playingfield",
    "wall": "wall-other-merged, wall-brick, wall-stone, wall-tile, wall-wood",
    "building": "building-other-merged, house",
    "road": "road, pavement-merged",
    "floor": "floor-wood, floor-other-merged",
    "ceiling": "ceiling-merged",
    "table": "table-merged, dining table, counter",
    "sea": "sea, river, water-other",
    "sand": "sand, dirt-merged, gravel",
    "mountain": "mountain-merged, rock-merged",
    "door": "door-stuff",
    "cabinet": "cabinet-merged, shelf",
    "curtain": "curtain, window-blind",
    "rug": "rug-merged",
    "bed": "bed, blanket",
    "chair": "chair, bench",
    "window": "window-other",
    "fence": "fence-merged",
    "bear": "bear, teddy bear",
    "bottle": "bottle, wine glass",
    "vegetable": "broccoli, carrot",
    "cake": "cake, donut",
    "plant": "potted plant",
    "laptop": "laptop, keyboard",
    "bag": "handbag, backpack, bag, purse",
    "oven": "oven, microwave",
    "shirt": "shirt, blouse, top, t-shirt, sweater, sweatshirt, hoodie, jumper, bodysuit",
    "jacket": "jacket, blazer, coat, cardigan, vest, cape, suit",
    "dress": "dress, romper",
    "pants": "pants, jeans, leggings",
    "shoes": "shoes, boots, clogs, flats, heels, loafers, pumps, sandals, sneakers, wedges",
    "stockings": "tights, stockings, socks",
}
"""Categories of COCO (panoptic) and Clothing Co-Parsing for each word; other words are their own category."""

Classes = NDArray[np.uint8]


def class_numbers() -> dict[str, int]:
    """Return the number of the object, from 1, by the name of the category."""
    return {
        name: number
        for number, word in enumerate(OBJECTS, start=1)
        for name in CATEGORIES.get(word, word).split(", ")
    }


def run(options: Options) -> list[Row]:
    """Return the fraction of objects with the named color, and the mean change of the other pixels."""
    model = trained_model(options.model or "weng2022code_small", options)
    if "text" not in model.accepts:
        raise SkippedError("the model must accept text")
    images = [(image, classes) for _, image, classes in coco_images(options.data or FOLDER, "val")]
    found = name_objects(model, images, options.images or PAIRS)
    place = f"{len(found)} pairs, {len(images)} images, {where()}"
    named = statistics.fmean(named for named, _ in found)
    change = statistics.fmean(change for _, change in found)
    return [
        Row("objects with the named color", named, 1.0, named, GOAL_NAMED, "higher", place),
        Row("mean change outside the object, CIE units", change, 0.0, change, GOAL_CHANGE, "lower", place),
    ]


def coco_images(folder: Path, split: str) -> Iterator[tuple[str, Image.Image, Classes]]:
    """Yield the file name, the image and the object of each pixel (0 for others) of the COCO images.

    Raises:
        SkippedError: The folder is missing.
    """
    if not (folder / "annotations.json").is_file():
        raise SkippedError(f"COCO images with class maps are needed in {folder}; give --data")
    listed = json.loads((folder / "annotations.json").read_text(encoding="utf-8"))
    numbers, table = class_numbers(), np.zeros(256, np.uint8)
    for category in listed["categories"]:
        table[category["id"]] = numbers.get(category["name"], 0)
    for entry in listed["images"]:
        if entry["split"] == split:
            with Image.open(folder / "images" / entry["file"]) as image:
                rgb = image.convert("RGB")
            with Image.open(folder / "semantic" / Path(entry["file"]).with_suffix(".png")) as semantic:
                yield entry["file"], rgb, table[np.array(semantic)]


def name_objects(
    model: ColoringModel, images: Sequence[tuple[Image.Image, Classes]], count: int, seed: int = 0
) -> list[tuple[bool, float]]:
    """Return, for random pairs, whether the object has the named color, and the change of other pixels.

    Args:
        model: A model with text guidance.
        images: Images with the object of each pixel.
        count: Number of pairs of an object and a chromatic color term.
        seed: Seed of the pairs.
    """
    random = Random(seed)
    areas = [
        np.bincount(classes.ravel(), minlength=len(OBJECTS) + 1)[1:] / classes.size for _, classes in images
    ]
    objects = [
        (index, word)
        for index, area in enumerate(areas)
        for word, part in zip(OBJECTS, area, strict=True)
        if part > LEAST_AREA and word not in KEPT_COLORS
    ]
    random.shuffle(objects)
    found = []
    for index, word in objects[:count]:
        color = random.choice(list(HUES))
        image, classes = images[index]
        rgb = torch.from_numpy(np.array(image)).permute(2, 0, 1)[None].float() / 255
        lightness = rgb_to_lab(rgb)[:, :1]
        scale = SIDE / min(lightness.shape[2:])
        lightness = F.interpolate(lightness, scale_factor=scale, mode="bilinear", antialias=True)
        inside = torch.from_numpy((classes == OBJECTS.index(word) + 1).astype(np.float32))[None, None]
        inside = F.interpolate(inside, lightness.shape[2:], mode="nearest")[0, 0] > 0
        with torch.inference_mode():
            colored = predict(model, lightness, f"{color} {word}")
            change = (colored - predict(model, lightness, "")).norm(dim=0)[~inside].mean()
        a, b = colored[:, inside].mean(dim=1).tolist()
        hue = abs((math.degrees(math.atan2(b, a)) - HUES[color] + 180) % 360 - 180)
        is_named = hue <= HUE_DIFFERENCE and math.hypot(a, b) > LEAST_CHROMA
        found.append((is_named, float(change)))
    return found


def predict(model: ColoringModel, lightness: Tensor, text: str) -> Tensor:
    """Return ab ``(2, H, W)`` with a text, which is empty for automatic colors."""
    if not text:
        return model(lightness).to_ab()[0]
    height, width = lightness.shape[2:]
    words = guidance_kind("text").tensors(text, lightness, (height, width))
    return model(lightness, Guidance(extra={"text": words})).to_ab()[0]
