"""SPColor (Chen et al. 2023): what classes are worth in matching, and how many of them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from benchmarks.claims._claim import Claim, Earlier, judge
from benchmarks.claims._experiment import Experiment, Item, Measure, Setup
from benchmarks.claims._labeled import LEAST, find_pairs, read_pair
from benchmarks.claims._numbers import Result, estimate
from benchmarks.claims._plot import Line, draw_curves
from colorzoo import create_model
from colorzoo.color import rgb_to_lab
from colorzoo.evaluation.bootstrap import Estimate
from colorzoo.guidance import ClassMap, Exemplar, Guidance
from colorzoo.networks.exemplar import to_grid
from colorzoo.networks.matching import match
from colorzoo.networks.warp_net import unit_features

PAPER = "chen2023"
TITLE = "Chen et al. 2023: SPColor"
INTRO = """`chen2023_small` on pictures of COCO, none of which it was trained on: central squares of 192
pixels, each with a reference that shares a class with it, drawn by a seed; errors are distances in ab.
*Global* matching is one class for all, with the same weights. In the rows on mismatches the true label maps
name the classes; in those on their number its own clusters do, merged when used, not when trained. The
paper's FID and accuracy need networks that cannot be had here."""
NAME = "chen2023_small"
SIDE = 192
COUNTS = (1, 4, 10, 22, 27)
SET = "coco_sample pairs"
MARGIN = 0.1  # ab by which warped colors may change elsewhere when a class is treated as another
FIGURES = (("chen2023_classes.svg", "Error in ab against the number of classes"),)


def begin_pairs(numbers: Callable[..., dict[str, float]]) -> Callable[[Setup], Measure]:
    """Return what begins to measure pairs.

    Args:
        numbers: Takes the model, then a target, its true classes, a reference and its true classes.
    """

    def begin(setup: Setup) -> Measure:
        model = create_model(NAME)
        side = min(SIDE, setup.side)

        @torch.inference_mode()
        def measure(item: Item) -> Mapping[str, float]:
            return numbers(model, *read_pair(item, side))

        return measure

    return begin


def errors_by_region(
    model: Any, rgb: Tensor, ours: Tensor, reference: Tensor, theirs: Tensor
) -> dict[str, float]:
    """Return the errors of matching by true classes and of global matching, and their wrong matches."""
    lab, exemplar = rgb_to_lab(rgb), Exemplar(reference)
    maps = {
        "class-wise": ClassMap(ours, theirs),
        "global": ClassMap(torch.zeros_like(ours), torch.zeros_like(theirs)),
    }
    known = ours >= 0
    present = torch.isin(ours, theirs) & known
    regions = {"missing": known & ~present, "present": present, "whole": torch.ones_like(known)}
    found = wrong_matches(model, rgb, ours, reference, theirs)
    for name, classes in maps.items():
        ab = model(lab[:, :1], Guidance(exemplar=exemplar, classes=classes)).ab
        distance = (ab - lab[:, 1:]).norm(dim=1, keepdim=True)
        for region, mask in regions.items():
            large = float(mask.float().mean()) >= LEAST
            found[f"{name} {region}"] = float(distance[mask].mean()) if large else math.nan
    return found


def wrong_matches(
    model: Any, rgb: Tensor, ours: Tensor, reference: Tensor, theirs: Tensor
) -> dict[str, float]:
    """Return the share of labeled places whose best match has another true class."""
    side = (rgb.shape[-2], rgb.shape[-1])
    grid = (side[0] // 4, side[1] // 4)
    maps = [model.features.of_luma(rgb_to_lab(rgb)[:, :1]), model.features.of_rgb(reference)]
    query, key = (model.correspondence(unit_features(seen.taps)).flatten(2).transpose(1, 2) for seen in maps)
    query, key = model.correspondence.theta(query), model.correspondence.phi(key)
    here, there = (to_grid(labels, side, grid).flatten(1) for labels in (ours, theirs))
    values = F.one_hot(there + 1, 256).float()
    found = {}
    for name, labels in (("global", None), ("class-wise", (here, there))):
        matched = match(query, key, values, labels, tau=1e-10).values
        has = (matched.sum(dim=2) > 0.5) & (here >= 0)
        wrong = (matched.argmax(dim=2) - 1 != here)[has].float()
        found[f"{name} mismatch"] = float(wrong.mean()) if len(wrong) else math.nan
    return found


def errors_by_count(
    model: Any, rgb: Tensor, ours: Tensor, reference: Tensor, theirs: Tensor
) -> dict[str, float]:
    """Return the errors by the number of its own clusters, and what re-assigning one changes."""
    del ours, theirs
    lab = rgb_to_lab(rgb)
    found = {}
    for count in COUNTS:
        model.segmenter.classes = count
        ab = model(lab[:, :1], Guidance(exemplar=Exemplar(reference))).ab
        found[f"{count} classes"] = float((ab - lab[:, 1:]).norm(dim=1).mean())
    return found | _reassigned(model, lab[:, :1], reference)


def _reassigned(model: Any, luma: Tensor, reference: Tensor) -> dict[str, float]:
    """Return how far warped colors move when the largest common class is treated as one of the reference."""
    ours, theirs = model.segment(luma), model.segment(rgb_to_lab(reference)[:, :1])
    here, there = (torch.bincount(part.flatten(), minlength=32) for part in (ours, theirs))
    common, new = here * (there > 0), there * (here == 0)
    if not common.any() or not new.any():
        return {"moved inside": math.nan, "moved elsewhere": math.nan}
    region = ours == int(common.argmax())
    before, after = (
        model(luma, Guidance(exemplar=Exemplar(reference), classes=ClassMap(labels, theirs))).extras[
            "warped_ab"
        ]
        for labels in (ours, torch.where(region, int(new.argmax()), ours))
    )
    moved = (before - after).norm(dim=1, keepdim=True)
    return {"moved inside": float(moved[region].mean()), "moved elsewhere": float(moved[~region].mean())}


MISMATCH = Experiment("chen2023-mismatch", (NAME,), SET, find_pairs, begin_pairs(errors_by_region))
NUMBER = Experiment("chen2023-classes", (NAME,), SET, find_pairs, begin_pairs(errors_by_count))
EXPERIMENTS = (MISMATCH, NUMBER)


def claims(results: Mapping[str, Result]) -> list[Claim]:
    """Return the rows of the paper."""
    return [*_of_mismatch(results[MISMATCH.name]), *_of_number(results[NUMBER.name]), *_recorded()]


def _of_mismatch(result: Result) -> list[Claim]:
    rows = [
        judge(
            PAPER,
            "classes avoid best matches of another class (share of places, global minus class-wise)",
            result.gain("global mismatch", "class-wise mismatch"),
            "of the places",
            result,
            paper_number="no number at hand",
            note="none are left by construction",
        )
    ]
    for region, text in (
        ("missing", "where the reference lacks the class, classes lower the error"),
        ("present", "where it has the class, too"),
        ("whole", "and over the whole picture"),
    ):
        ours = result.gain(f"global {region}", f"class-wise {region}")
        rows.append(judge(PAPER, text, ours, "ab", result, paper_number="FID 4.98 against 4.24"))
    return rows


def _of_number(result: Result) -> list[Claim]:
    rows = []
    for more, fewer, number in ((22, 1, "FID 3.73 against 4.34"), (22, 10, "FID 3.73 against 3.88")):
        text = f"{more} classes are better than {fewer}"
        ours = result.gain(f"{fewer} classes", f"{more} classes")
        rows.append(judge(PAPER, text, ours, "ab", result, paper_number=number))
    column = result.column("27 classes") - result.column("22 classes")
    text = "27 classes are no better than 22 (merging does no harm)"
    number = "FID 3.74 against 3.73"
    rows.append(judge(PAPER, text, estimate(column), "ab", result, margin=0.5, paper_number=number))
    moved = result.mean("moved elsewhere")
    elsewhere = Estimate(-moved.value, -moved.high, -moved.low)
    text = "a class treated as another leaves the matches of the others alone (change of ab, with a minus)"
    rows.append(judge(PAPER, text, elsewhere, "ab", result, margin=MARGIN, paper_number="no number at hand"))
    return rows


def _recorded() -> list[Claim]:
    """The semantic perceptual loss and accuracy, from earlier trainings and measurements."""
    page = "[the model's page](../models/chen2023_small.md), 120 steps each from the same weights"
    return [
        judge(
            PAPER,
            "the semantic perceptual loss beats the plain one (Frechet distance of features)",
            Estimate(0.28 - 0.34, math.nan, math.nan),
            "of the distance",
            Earlier(96, page),
            paper_number="FID 4.24 against 3.73",
            note="error 18.36 with it, 18.34 with the plain one, +- 1.4 each",
        ),
        judge(
            PAPER,
            "22 classes are recognized better than one (top-1 of a nearest-mean classifier of scenes)",
            Estimate(0.0, math.nan, math.nan),
            "of the pictures",
            Earlier(144, "[the model's page](../models/chen2023_small.md), numbers of classes"),
            paper_number="72.25 % against 71.13 %",
            note="23.6 % each, of 32.6 % for true colors",
        ),
    ]


def draw(results: Mapping[str, Result], folder: Path) -> None:
    """Draw the error by number of classes."""
    result = results[NUMBER.name]
    line = Line("clusters, merged", COUNTS, [result.mean(f"{count} classes") for count in COUNTS])
    draw_curves(folder / FIGURES[0][0], [line], ("classes", "error, ab"))
