"""Su et al. 2020: what coloring each thing by itself is worth."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence, Set
from typing import Any

import torch
from torch import Tensor

from benchmarks._stand_in import Looker
from benchmarks.claims._claim import Claim, judge
from benchmarks.claims._experiment import Experiment, Item, Measure, Setup, spread
from benchmarks.claims._numbers import Result
from benchmarks.claims._pictures import joined, read_square
from colorzoo import create_model
from colorzoo.color import rgb_to_lab
from colorzoo.guidance import Boxes, Guidance
from colorzoo.metrics.colorful import colorfulness
from colorzoo.metrics.psnr import psnr_8bit
from colorzoo.metrics.structure import ssim

PAPER = "su2020"
TITLE = "Su et al. 2020: Instance-aware Image Colorization"
INTRO = """`su2020_small` with the three largest true boxes of a picture against its own full-image network
on the same picture: central squares of 192 pixels of the pictures of COCO that its fusion was not trained
on. The paper's gains are those of table 1 (COCO-Stuff, Su'20 against Zhang'17, both fine-tuned), with boxes
of a detector. With any box the third network answers, which is paler than the first one and for that
alone nearer to the truth; so true boxes are held against a small one in a corner, too."""
NAME = "su2020_small"
SIDE = 192
CORNER = (0.01, 0.01, 0.06, 0.06)  # a box with nothing in it, as shares of the square
MOST, LEAST = 3, 0.01  # boxes of a picture, and the share of it that one covers at least
JUDGE = "xu2020_small"  # its encoder stands in for LPIPS; trained from random weights, part of neither side
SET = "coco_sample, held out"


def find_held_out(setup: Setup) -> Sequence[Item]:
    """Return the held-out pictures of COCO with boxes: all, or as many as are asked for."""
    found = all_held_out(setup)
    count = setup.number(len(found))
    return spread(found, count)[:count]


def all_held_out(setup: Setup) -> Sequence[Item]:
    """Return every fourth picture of COCO by name, which training left out, with its largest boxes."""
    folder = setup.data / "coco_sample"
    images = json.loads((folder / "annotations.json").read_text(encoding="utf-8"))
    things = {each["id"] for each in images["categories"] if each["isthing"]}
    found = []
    for image in sorted(images["images"], key=lambda image: str(image["file"]))[::4]:
        corners = largest_boxes(image, things)
        if len(corners):
            found.append(
                Item(image["file"].removesuffix(".jpg"), (folder / "images" / image["file"],), corners)
            )
    return found


def largest_boxes(image: Mapping[str, Any], things: Set[int]) -> Tensor:
    """Return the largest boxes of things, as shares of the central square: ``(K, 4)``, largest first."""
    width, height = image["width"], image["height"]
    side = min(width, height)
    shift = torch.tensor([(width - side) / 2, (height - side) / 2] * 2)
    whole = [each for each in image["segments"] if each["category_id"] in things and not each["iscrowd"]]
    boxes = torch.tensor([each["bbox"] for each in whole]).view(-1, 4)
    corners = torch.cat([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], dim=1)
    corners = ((corners - shift) / side).clamp(0, 1)
    areas = (corners[:, 2] - corners[:, 0]) * (corners[:, 3] - corners[:, 1])
    order = areas.argsort(descending=True, stable=True)[:MOST]
    return corners[order][areas[order] >= LEAST]


def begin(setup: Setup) -> Measure:
    """Return what measures a picture with boxes and without."""
    model, looker, side = create_model(NAME), Looker(JUDGE), min(SIDE, setup.side)

    @torch.inference_mode()
    def measure(item: Item) -> Mapping[str, float]:
        rgb = read_square(item.files[0], side)
        luma = rgb_to_lab(rgb)[:, :1]
        inside = mask_of(item.payload, side)
        corner = Boxes.of([torch.tensor([CORNER])])
        found = {}
        for name, boxes in (("full", None), ("fused", Boxes.of([item.payload])), ("corner", corner)):
            shown = joined(luma, model(luma, Guidance(boxes=boxes)).ab)
            error = (shown - rgb)[inside.expand_as(rgb)].square().mean()
            found |= {
                f"{name} psnr": float(psnr_8bit(shown, rgb)),
                f"{name} psnr in the boxes": float(-10 * error.log10()),
                f"{name} ssim": float(ssim(shown, rgb)),
                f"{name} colorfulness": float(colorfulness(shown)),
                f"{name} distance": looker.distance(shown, rgb),
            }
        return found

    return measure


def mask_of(corners: Tensor, side: int) -> Tensor:
    """Return where boxes are: ``(1, 1, side, side)``."""
    inside = torch.zeros(1, 1, side, side, dtype=torch.bool)
    for left, top, right, bottom in (corners * side).round().long().tolist():
        inside[..., top : bottom + 1, left : right + 1] = True
    return inside


INSTANCES = Experiment("su2020-instances", (NAME, JUDGE), SET, find_held_out, begin)
EXPERIMENTS = (INSTANCES,)


def claims(results: Mapping[str, Result]) -> list[Claim]:
    """Return the rows of the paper."""
    result = results[INSTANCES.name]
    rows = []
    for text, what, unit, number, stated in (
        ("instances bring the picture nearer to the truth", "psnr", "dB", "+1.34 dB", 28.592 - 27.251),
        ("likewise inside of the boxes", "psnr in the boxes", "dB", "none stated", None),
        ("instances raise SSIM", "ssim", "of SSIM", "+0.006", 0.944 - 0.938),
        (
            "instances make pictures more colorful",
            "colorfulness",
            "of colorfulness",
            "no number at hand",
            None,
        ),
    ):
        ours = result.gain(f"fused {what}", f"full {what}")
        rows.append(judge(PAPER, text, ours, unit, result, paper_number=number, stated=stated))
    for what in ("psnr", "psnr in the boxes"):
        text = f"true boxes do more than a small one in a corner ({what})"
        rows.append(judge(PAPER, text, result.gain(f"fused {what}", f"corner {what}"), "dB", result))
    text = "instances lower LPIPS (here a distance of features that stands in for it, before minus after)"
    ours = result.gain("full distance", "fused distance")
    rows.append(judge(PAPER, text, ours, "of the distance", result, paper_number="0.018 of LPIPS"))
    return rows
