"""SPColor (Chen et al. 2023): the value of classes in matching, and their number."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from benchmarks.claims._claim import Claim, Earlier, Result, estimate, make_claim
from benchmarks.claims._experiment import Experiment, Item, Measure, Setup
from benchmarks.claims._images import (
    LEAST_SHARE,
    find_classified,
    find_labeled_pairs,
    join_lab,
    make_judge,
    most_alike,
    read_labels,
    read_square,
)
from colorzoo.color import rgb_to_lab
from colorzoo.evaluation.statistics import Estimate
from colorzoo.factory import create_coloring_model
from colorzoo.guidance import ClassMap, Exemplar, Guidance
from colorzoo.networks.exemplar import to_grid
from colorzoo.networks.matching import match, unit_features

PAPER = "chen2023"
TITLE = "Chen et al. 2023: SPColor"
INTRO = """SPColor transfers reference colors only between regions of the same semantic class.

- **Images.** `chen2023_small` colorizes COCO test images. The reference of an image is a random image that
  contains one of the image's classes.
- **Metrics.** Errors are mean ab distances to the true colors. The published FID is not comparable, because
  the paper does not name the FID network. EfficientNet-Lite0 replaces ResNet-101.
- **Shifted classes.** The model receives the true class map of the image, shifted by half the image size."""
NAME = "chen2023_small"
SIDE = 192
COUNTS = (1, 4, 10, 22, 27)
SET = "coco_sample pairs"
MARGIN = 0.1  # ab by which warped colors may change elsewhere when a class is treated as another
PAGE = "[the paper's page](../../src/colorzoo/zoo/chen2023/README.md)"


def begin_pairs(numbers: Callable[..., dict[str, float]]) -> Callable[[Setup], Measure]:
    """Return a function that begins to measure pairs.

    Args:
        numbers: Takes the model, a target, its true classes, a reference and its true classes.
    """

    def begin(setup: Setup) -> Measure:
        model = create_coloring_model(NAME)
        side = min(SIDE, setup.side)

        @torch.inference_mode()
        def measure(item: Item) -> Mapping[str, float]:
            parts = [read(path, side) for path in item.files for read in (read_square, read_labels)]
            return numbers(model, *parts)

        return measure

    return begin


def errors_by_region(
    model: Any, rgb: Tensor, ours: Tensor, reference: Tensor, theirs: Tensor
) -> dict[str, float]:
    """Return the errors of matching by true classes and of global matching, and their wrong matches."""
    maps = {
        "class-wise": ClassMap(ours, theirs),
        "global": ClassMap(torch.zeros_like(ours), torch.zeros_like(theirs)),
    }
    wrong = wrong_matches(model, rgb, ours, reference, theirs)
    return wrong | errors_by_map(model, rgb, ours, reference, theirs, maps)


def errors_of_misplaced(
    model: Any, rgb: Tensor, ours: Tensor, reference: Tensor, theirs: Tensor
) -> dict[str, float]:
    """Return the errors of matching by true classes, and by these classes at wrong places.

    Fewer places match under any classes, and places without a match have no color of the reference. Classes
    moved by half the image show how much that alone lowers the error.
    """
    half = (rgb.shape[-2] // 2, rgb.shape[-1] // 2)
    maps = {
        "class-wise": ClassMap(ours, theirs),
        "misplaced": ClassMap(ours.roll(half, dims=(-2, -1)), theirs),
    }
    return errors_by_map(model, rgb, ours, reference, theirs, maps)


def errors_by_map(
    model: Any,
    rgb: Tensor,
    ours: Tensor,
    reference: Tensor,
    theirs: Tensor,
    maps: Mapping[str, ClassMap],
) -> dict[str, float]:
    """Return the error of each class map where the reference lacks the true class, has it, and everywhere."""
    lab, exemplar = rgb_to_lab(rgb), Exemplar(reference)
    known = ours >= 0
    present = torch.isin(ours, theirs) & known
    regions = {"missing": known & ~present, "present": present, "whole": torch.ones_like(known)}
    found = {}
    for name, classes in maps.items():
        ab = model(lab[:, :1], Guidance(exemplar=exemplar, classes=classes)).ab
        distance = (ab - lab[:, 1:]).norm(dim=1, keepdim=True)
        for region, mask in regions.items():
            large = float(mask.float().mean()) >= LEAST_SHARE
            found[f"{name} {region}"] = float(distance[mask].mean()) if large else math.nan
    return found


def wrong_matches(
    model: Any, rgb: Tensor, ours: Tensor, reference: Tensor, theirs: Tensor
) -> dict[str, float]:
    """Return the share of labeled positions whose best match has another true class."""
    side = (rgb.shape[-2], rgb.shape[-1])
    grid = (side[0] // 4, side[1] // 4)
    maps = [model.features.of_lightness(rgb_to_lab(rgb)[:, :1]), model.features.of_rgb(reference)]
    query, key = (model.correspondence(unit_features(seen.hooks)).flatten(2).transpose(1, 2) for seen in maps)
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


def errors_by_count(model: Any, rgb: Tensor, _: Tensor, reference: Tensor, __: Tensor) -> dict[str, float]:
    """Return the errors by the number of its own clusters, and the change by re-assigning one."""
    lab, exemplar = rgb_to_lab(rgb), Exemplar(reference)
    lightness = lab[:, :1]
    found = {}
    for count in COUNTS:
        model.segmenter.classes = count
        ab = model(lightness, Guidance(exemplar=exemplar)).ab
        found[f"{count} classes"] = float((ab - lab[:, 1:]).norm(dim=1).mean())
    # the largest common class is treated as the reference's largest class that the image lacks
    found |= {"moved inside": math.nan, "moved elsewhere": math.nan}
    ours, theirs = model.segment(lightness), model.segment(rgb_to_lab(reference)[:, :1])
    here, there = (torch.bincount(part.flatten(), minlength=32) for part in (ours, theirs))
    common, new = here * (there > 0), there * (here == 0)
    if common.any() and new.any():
        region = ours == int(common.argmax())
        before, after = (
            model(lightness, Guidance(exemplar=exemplar, classes=ClassMap(labels, theirs))).extras[
                "warped_ab"
            ]
            for labels in (ours, torch.where(region, int(new.argmax()), ours))
        )
        moved = (before - after).norm(dim=1, keepdim=True)
        found["moved inside"] = float(moved[region].mean())
        found["moved elsewhere"] = float(moved[~region].mean())
    return found


def begin_recognized(setup: Setup) -> Measure:
    """Return the measurement of what a classifier recognizes, by the number of classes."""
    model: Any = create_coloring_model(NAME)
    judge, side = make_judge(), min(SIDE, setup.side)
    # among all of them, whatever number is measured
    references = most_alike([item.files[0] for item in find_classified(replace(setup, count=None))], side)

    @torch.inference_mode()
    def recognized(item: Item) -> Mapping[str, float]:
        path = item.files[0]
        rgb, reference = read_square(path, side), read_square(references[path], side)
        lightness = rgb_to_lab(rgb)[:, :1]
        found = judge("gray", join_lab(lightness, torch.zeros_like(rgb[:, :2])), item.payload)
        for count in (1, 22):
            model.segmenter.classes = count
            ab = model(lightness, Guidance(exemplar=Exemplar(reference))).ab
            found |= judge(f"{count} classes", join_lab(lightness, ab), item.payload)
        return found

    return recognized


MISMATCH = Experiment("chen2023-mismatch", (NAME,), SET, find_labeled_pairs, begin_pairs(errors_by_region))
NUMBER = Experiment("chen2023-classes", (NAME,), SET, find_labeled_pairs, begin_pairs(errors_by_count))
MISPLACED = Experiment(
    "chen2023-misplaced", (NAME,), SET, find_labeled_pairs, begin_pairs(errors_of_misplaced)
)
RECOGNIZED = Experiment("chen2023-recognized", (NAME,), "photos/val pairs", find_classified, begin_recognized)
EXPERIMENTS = (MISMATCH, NUMBER, MISPLACED, RECOGNIZED)
RECOGNITION = (  # claim, larger, smaller, the paper's difference in words and as a number
    (
        "a classifier recognizes more results with 22 classes than with one (top-1)",
        "22 classes top1",
        "1 classes top1",
        "+0.0112 (ResNet-101)",
        0.7225 - 0.7113,
    ),
    (
        "a classifier recognizes more results with 22 classes than with one (top-5)",
        "22 classes top5",
        "1 classes top5",
        "+0.0078 (ResNet-101)",
        0.9125 - 0.9047,
    ),
    (
        "a classifier recognizes colorized images better than gray images (top-1)",
        "22 classes top1",
        "gray top1",
        "+0.0641 (ResNet-101)",
        0.7225 - 0.6584,
    ),
    (
        "a classifier recognizes colorized images better than gray images (top-5)",
        "22 classes top5",
        "gray top5",
        "+0.0332 (ResNet-101)",
        0.9125 - 0.8793,
    ),
)


def claims(results: Mapping[str, Result]) -> list[Claim]:
    """Return the claims of the paper."""
    result, by_count, misplaced, recognized = (results[each.name] for each in EXPERIMENTS)
    rows = [
        make_claim(
            "class-wise matching avoids matches with other classes",
            result.gain("global mismatch", "class-wise mismatch"),
            "of positions",
            result,
            paper_number="not found",
            note="by construction",
        )
    ]
    for region, text in (
        ("missing", "classes lower the error where the reference lacks the class"),
        ("present", "classes lower the error where the reference has the class"),
        ("whole", "classes lower the error over the whole image"),
    ):
        ours = result.gain(f"global {region}", f"class-wise {region}")
        rows.append(make_claim(text, ours, "ab", result, paper_number="FID 4.98 against 4.24"))
    for region, text in (
        ("missing", "where the reference lacks the class"),
        ("present", "where the reference has the class"),
        ("whole", "over the whole image"),
    ):
        rows.append(
            make_claim(
                f"true classes are better than shifted classes {text}",
                misplaced.gain(f"misplaced {region}", f"class-wise {region}"),
                "ab",
                misplaced,
                paper_number="not in the paper",
            )
        )
    for more, fewer, number in ((22, 1, "FID 3.73 against 4.34"), (22, 10, "FID 3.73 against 3.88")):
        ours = by_count.gain(f"{fewer} classes", f"{more} classes")
        text = f"{more} classes are better than {fewer}"
        rows.append(make_claim(text, ours, "ab", by_count, paper_number=number))
    return [
        *rows,
        make_claim(
            "22 classes are as good as 27",
            by_count.gain("27 classes", "22 classes"),
            "ab",
            by_count,
            margin=0.5,
            paper_number="FID 3.74 against 3.73",
        ),
        make_claim(
            "re-assigning a class does not change the matches of other classes",
            estimate(-by_count.column("moved elsewhere")),
            "ab",
            by_count,
            margin=MARGIN,
            paper_number="not found",
        ),
        make_claim(
            "the semantic perceptual loss is better than the perceptual loss (Fréchet distance of features)",
            Estimate(0.28 - 0.34, math.nan, math.nan),
            "(distance)",
            Earlier(96, f"{PAGE}, 120 steps each from equal weights"),
            paper_number="FID 4.24 against 3.73",
            note="errors 18.36 and 18.34, each ±1.4",
        ),
        *(
            make_claim(
                text,
                recognized.gain(one, other),
                "of images",
                recognized,
                paper_number=number,
                stated=stated,
            )
            for text, one, other, number, stated in RECOGNITION
        ),
    ]
