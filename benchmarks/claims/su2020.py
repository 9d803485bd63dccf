"""Su et al. 2020: the value of coloring each object by itself."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence, Set
from typing import Any

import torch
from torch import Tensor

from benchmarks._held_out import unseen
from benchmarks.claims._claim import Claim, Result, make_claim
from benchmarks.claims._experiment import Experiment, Item, Measure, Setup, spread
from benchmarks.claims._images import FeatureDistance, join_lab, read_square
from colorzoo.color import rgb_to_lab
from colorzoo.factory import create_coloring_model
from colorzoo.guidance import Boxes, Guidance
from colorzoo.metrics.appearance import colorfulness
from colorzoo.metrics.perceptual import ssim
from colorzoo.metrics.psnr import psnr_8bit

PAPER = "su2020"
TITLE = "Su et al. 2020: Instance-aware Image Colorization"
INTRO = """`su2020_small` colorizes COCO test images without boxes and with the three largest ground-truth
boxes of each image. The published gains (table 1 of the paper) use boxes from a detector.

Even wrong boxes cause paler colors, which raise PSNR. Therefore, ground-truth boxes are also compared with a
small box in a corner."""
NAME = "su2020_small"
SIDE = 192
CORNER = (0.01, 0.01, 0.06, 0.06)  # an empty box, as fractions of the square
MOST, LEAST = 3, 0.01  # boxes of an image, and the smallest fraction of it that one covers
FEATURES = "xu2020_small"  # trained from random weights, part of neither side
SET = "coco_sample, held out"


def find_some(setup: Setup) -> Sequence[Item]:
    """Return the held-out images of COCO with boxes, or as many as the setup requests."""
    found = find_held_out(setup)
    count = setup.count or len(found)
    return spread(found, count)[:count]


def find_held_out(setup: Setup) -> Sequence[Item]:
    """Return every fourth image of COCO by name, which training left out, with its largest boxes."""
    folder = setup.data / "coco_sample"
    images = json.loads((folder / "annotations.json").read_text(encoding="utf-8"))
    objects = {each["id"] for each in images["categories"] if each["isthing"]}
    found = []
    for image in sorted(images["images"], key=lambda image: str(image["file"]))[::4]:
        boxes = largest_boxes(image, objects)
        path = folder / "images" / image["file"]
        if len(boxes) and unseen([path]):
            found.append(Item(path.stem, (path,), boxes))
    return found


def largest_boxes(image: Mapping[str, Any], objects: Set[int]) -> Tensor:
    """Return the largest boxes of objects ``(K, 4)``, as fractions of the central square, largest first."""
    width, height = image["width"], image["height"]
    side = min(width, height)
    shift = torch.tensor([(width - side) / 2, (height - side) / 2] * 2)
    whole = [each for each in image["segments"] if each["category_id"] in objects and not each["iscrowd"]]
    boxes = torch.tensor([each["bbox"] for each in whole]).view(-1, 4)
    corners = torch.cat([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], dim=1)
    corners = ((corners - shift) / side).clamp(0, 1)
    areas = (corners[:, 2] - corners[:, 0]) * (corners[:, 3] - corners[:, 1])
    order = areas.argsort(descending=True, stable=True)[:MOST]
    largest: Tensor = corners[order][areas[order] >= LEAST]
    return largest


def begin(setup: Setup) -> Measure:
    """Return the measurement of an image with and without boxes."""
    model, distance, side = create_coloring_model(NAME), FeatureDistance(FEATURES), min(SIDE, setup.side)

    @torch.inference_mode()
    def measure(item: Item) -> Mapping[str, float]:
        rgb = read_square(item.files[0], side)
        lightness = rgb_to_lab(rgb)[:, :1]
        inside = torch.zeros(1, 3, side, side, dtype=torch.bool)
        for left, top, right, bottom in (item.payload * side).round().long().tolist():
            inside[..., top : bottom + 1, left : right + 1] = True
        corner = Boxes.of([torch.tensor([CORNER])])
        found: dict[str, float] = {}
        for name, boxes in (("full", None), ("fused", Boxes.of([item.payload])), ("corner", corner)):
            shown = join_lab(lightness, model(lightness, Guidance(boxes=boxes)).ab)
            error = (shown - rgb)[inside].square().mean()
            found |= {
                f"{name} psnr": float(psnr_8bit(shown, rgb)),
                f"{name} psnr in the boxes": float(-10 * error.log10()),
                f"{name} ssim": float(ssim(shown, rgb)),
                f"{name} colorfulness": float(colorfulness(shown)),
                f"{name} distance": distance(shown, rgb),
            }
        return found

    return measure


INSTANCES = Experiment("su2020-instances", (NAME, FEATURES), SET, find_some, begin)
EXPERIMENTS = (INSTANCES,)


def claims(results: Mapping[str, Result]) -> list[Claim]:
    """Return the claims of the paper."""
    result = results[INSTANCES.name]
    rows = []
    for text, name, unit, number, stated in (
        ("boxes raise PSNR", "psnr", "dB", "+1.34 dB", 28.592 - 27.251),
        ("boxes raise PSNR inside the boxes", "psnr in the boxes", "dB", "none stated", None),
        ("boxes raise SSIM", "ssim", "SSIM", "+0.006", 0.944 - 0.938),
        ("boxes raise colorfulness", "colorfulness", "colorfulness", "not found", None),
    ):
        ours = result.gain(f"fused {name}", f"full {name}")
        recalled = stated is not None
        claim = make_claim(text, ours, unit, result, paper_number=number, stated=stated, recalled=recalled)
        rows.append(claim)
    for name in ("psnr", "psnr in the boxes"):
        text = f"ground-truth boxes are better than a box in a corner ({name})"
        rows.append(make_claim(text, result.gain(f"fused {name}", f"corner {name}"), "dB", result))
    text = "boxes lower LPIPS (here replaced by a distance of features)"
    ours = result.gain("full distance", "fused distance")
    rows.append(make_claim(text, ours, "(distance)", result, paper_number="0.018 LPIPS"))
    return rows
