"""Xu et al. 2020: the value of a reference, and runtime by the size of the image."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import torch
from torch import Tensor

from benchmarks._common import time_in_turn
from benchmarks.claims._claim import Claim, Result, estimate, make_claim
from benchmarks.claims._experiment import Experiment, Item, Measure, Setup
from benchmarks.claims._images import FeatureDistance, find_references, join_lab, psnr_of, read_square
from colorzoo import Exemplar, Guidance
from colorzoo.color import rgb_to_lab
from colorzoo.factory import create_coloring_model
from colorzoo.metrics.exemplar import histogram_intersection
from colorzoo.metrics.perceptual import ssim

PAPER = "xu2020"
TITLE = "Xu et al. 2020: Stylization-Based Fast Deep Exemplar Colorization"
INTRO = """`xu2020_small` colorizes photos with a *related* reference, which shows a similar scene, and with
an *unrelated* reference from another category. The paper contains no quality metrics. Measured runtimes are
CPU times, and published runtimes are GPU times. The CPU times depend on the memory that the process holds:
after other experiments in one process, the growth factor of `xu2020_small` was 7.1, of feature matching 13.1
and of pixel matching 7.9, so the sign of the comparison with pixel matching changed."""
NAME = "xu2020_small"
MODELS = (NAME, "welsh2002", "feature_match")
SIDE, SIDES, ROUNDS = 176, (128, 256, 384), 3
MARGIN = 0.5  # dB of PSNR that a reference may cost; set before these numbers were taken, after older ones
FEATURES = "cho2023_small"  # trained on line art, part of none that is compared


def begin_references(setup: Setup) -> Measure:
    """Return the measurement of a pair, with its reference and with an unrelated one."""
    side = min(SIDE, setup.side)
    models: dict[str, Any] = {name: create_coloring_model(name) for name in MODELS}
    distance = FeatureDistance(FEATURES)

    @torch.inference_mode()
    def measure(item: Item) -> Mapping[str, float]:
        truth = read_square(item.files[0], side)
        lightness = rgb_to_lab(truth)[:, :1]
        found: dict[str, float] = {}
        for kind, path in zip(("related", "unrelated"), item.files[1:], strict=True):
            reference = read_square(path, side)
            look = rgb_to_lab(reference)[:, 1:]
            given = Guidance(exemplar=Exemplar(reference))
            stages = models[NAME](lightness, given)
            answers: dict[str, Tensor] = {
                "automatic": stages.extras["automatic"],
                "transfer": stages.extras["transferred"],
                "both": stages.ab,
                "welsh2002": models["welsh2002"](lightness, given).ab,
                "feature_match": models["feature_match"](lightness, given).ab,
            }
            for name, ab in answers.items():
                rgb = join_lab(lightness, ab)
                found[f"{kind} {name} psnr"] = psnr_of(lightness, ab, truth)
                found[f"{kind} {name} ssim"] = float(ssim(rgb, truth))
                similarity = histogram_intersection(rgb_to_lab(rgb)[:, 1:], look)
                found[f"{kind} {name} similarity"] = float(similarity)
                found[f"{kind} {name} distance"] = distance(rgb, truth)
        return found

    return measure


def begin_runtime(setup: Setup) -> Measure:
    """Return a timing of one round of all methods at all sides."""
    generator = torch.Generator().manual_seed(0)
    calls = {}
    models = {name: create_coloring_model(name) for name in MODELS}
    for label in SIDES:
        side = label // 4 if setup.quick else label
        rgb = torch.rand(1, 3, side, side, generator=generator)
        for name, model in models.items():
            calls[f"{name} {label}"] = partial(model, 100 * rgb[:, :1], Guidance(exemplar=Exemplar(rgb)))

    @torch.inference_mode()
    def measure(_: Item) -> Mapping[str, float]:
        return time_in_turn(calls, runs=1, warmup=0)

    measure(Item("warm-up"))
    return measure


PAIRS = "exemplar and photos/val pairs"
REFERENCES = Experiment("xu2020-references", (NAME, FEATURES), PAIRS, find_references, begin_references)
ROUND_ITEMS = [Item(f"round {number}") for number in range(ROUNDS)]
RUNTIME = Experiment("xu2020-runtime", (), "", lambda _: ROUND_ITEMS, begin_runtime)
EXPERIMENTS = (REFERENCES, RUNTIME)


def claims(results: Mapping[str, Result]) -> list[Claim]:
    """Return the claims of the paper."""
    result, runtime = results[REFERENCES.name], results[RUNTIME.name]
    first, last = SIDES[0], SIDES[-1]
    growth = {name: runtime.column(f"{name} {last}") / runtime.column(f"{name} {first}") for name in MODELS}
    rows = []
    for name, words, number in (
        ("feature_match", "feature matching", "5.8 and 8.3 (Xiao)"),
        ("welsh2002", "pixel matching (Welsh et al. 2002)", "5.8 and 15.1"),
    ):
        text = f"runtime grows by a smaller factor than with {words} ({first} to {last} pixels)"
        ours = estimate(growth[name] - growth[NAME])
        note = f"factors {growth[NAME].mean():.1f} and {growth[name].mean():.1f}"
        row = make_claim(text, ours, "(factor)", runtime, paper_number=number, note=note)
        rows.append(row)
    for text, kind, measure, over in (
        ("a related reference raises the histogram intersection", "related", "similarity", "automatic"),
        ("a related reference raises PSNR", "related", "psnr", "automatic"),
        ("the second network is better than the transfer alone (figure 4)", "related", "psnr", "transfer"),
        ("an unrelated reference does no harm", "unrelated", "psnr", "automatic"),
        (
            "with an unrelated reference, the model is better than feature matching",
            "unrelated",
            "psnr",
            "feature_match",
        ),
        (
            "with an unrelated reference, the model is better than pixel matching (Welsh et al. 2002)",
            "unrelated",
            "psnr",
            "welsh2002",
        ),
    ):
        ours = result.gain(f"{kind} both {measure}", f"{kind} {over} {measure}")
        unit = "dB" if measure == "psnr" else "(intersection)"
        margin = MARGIN if text.endswith("no harm") else None
        number = "figure 4, no number" if "figure 4" in text else "none stated"
        rows.append(make_claim(text, ours, unit, result, margin=margin, paper_number=number))
    text = "a related reference lowers LPIPS (here replaced by a distance of features)"
    nearer = result.gain("related automatic distance", "related both distance")
    rows.insert(4, make_claim(text, nearer, "(distance)", result))
    return rows
