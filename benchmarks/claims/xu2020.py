"""Xu et al. 2020: what a reference is worth, and how runtime grows with the picture."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from benchmarks._stand_in import Looker
from benchmarks.claims._claim import Claim, judge
from benchmarks.claims._experiment import Experiment, Item, Measure, Setup
from benchmarks.claims._numbers import Result, estimate
from benchmarks.claims._pairs import find_pairs
from benchmarks.claims._pictures import joined, psnr_of, read_square
from colorzoo import Exemplar, Guidance, create_model
from colorzoo.color import rgb_to_lab
from colorzoo.metrics.histogram import histogram_intersection
from colorzoo.metrics.structure import ssim

PAPER = "xu2020"
TITLE = "Xu et al. 2020: Stylization-Based Fast Deep Exemplar Colorization"
INTRO = """`xu2020_small` on held-out pairs: pairs in color of `exemplar/pairs.csv` and two photos of one
category, central squares of 176 pixels; an unrelated reference is that of a pair of another category.
*Automatic* is its own first pass without a reference. The paper shows a user study and no number of quality.
Runtime: processor seconds of one thread, at sides of 128, 256 and 384 pixels, in turn in the same process;
the paper's are of a GPU at 256 to 1024."""
NAME = "xu2020_small"
SIDE = 176
SIDES = (128, 256, 384)
ROUNDS = 3
MARGIN = 0.5  # dB of PSNR that a reference may cost; set before these numbers were taken, knowing older ones
JUDGE = "cho2023_small"  # its features stand in for LPIPS: trained on line art, related to none compared


def begin_references(setup: Setup) -> Measure:
    """Return what measures a pair, with its reference and with an unrelated one."""
    side = min(SIDE, setup.side)
    models = {name: create_model(name) for name in (NAME, "welsh2002", "feature_match")}
    looker = Looker(JUDGE)

    @torch.inference_mode()
    def measure(item: Item) -> Mapping[str, float]:
        truth = read_square(item.files[0], side)
        luma = rgb_to_lab(truth)[:, :1]
        found: dict[str, float] = {}
        for kind, path in zip(("related", "unrelated"), item.files[1:], strict=True):
            reference = read_square(path, side)
            look = rgb_to_lab(reference)[:, 1:]
            for name, ab in _answers(models, luma, Guidance(exemplar=Exemplar(reference))).items():
                rgb = joined(luma, ab)
                found[f"{kind} {name} psnr"] = psnr_of(luma, ab, truth)
                found[f"{kind} {name} ssim"] = float(ssim(rgb, truth))
                found[f"{kind} {name} likeness"] = float(histogram_intersection(rgb_to_lab(rgb)[:, 1:], look))
                found[f"{kind} {name} distance"] = looker.distance(rgb, truth)
        return found

    return measure


def _answers(models: Mapping[str, Any], luma: Tensor, given: Guidance) -> dict[str, Tensor]:
    stages = models[NAME](luma, given)
    return {
        "automatic": stages.extras["automatic"],
        "transfer": stages.extras["transferred"],
        "both": stages.ab,
        "welsh2002": models["welsh2002"](luma, given).ab,
        "feature_match": models["feature_match"](luma, given).ab,
    }


def list_rounds(setup: Setup) -> Sequence[Item]:
    """Return the rounds of the timing."""
    del setup
    return [Item(f"round {number}") for number in range(ROUNDS)]


def begin_runtime(setup: Setup) -> Measure:
    """Return what times one round of all methods at all sides."""
    sides = (32, 64, 96) if setup.quick else SIDES
    models = {name: create_model(name) for name in (NAME, "welsh2002", "feature_match")}
    generator = torch.Generator().manual_seed(0)
    pictures = {side: torch.rand(1, 3, side, side, generator=generator) for side in sides}

    @torch.inference_mode()
    def measure(item: Item) -> Mapping[str, float]:
        del item
        found = {}
        for name, model in models.items():
            for label, (side, rgb) in zip(SIDES, pictures.items(), strict=True):
                given = Guidance(exemplar=Exemplar(rgb))
                luma = 100 * pictures[side][:, :1]
                found[f"{name} {label}"] = _seconds(lambda luma=luma, given=given, m=model: m(luma, given))
        return found

    measure(Item("warm-up"))
    return measure


def _seconds(call: Callable[[], object]) -> float:
    start = time.process_time()
    call()
    return time.process_time() - start


REFERENCES = Experiment(
    "xu2020-references", (NAME, JUDGE), "exemplar and photos/val pairs", find_pairs, begin_references
)
RUNTIME = Experiment("xu2020-runtime", (), "", list_rounds, begin_runtime)
EXPERIMENTS = (REFERENCES, RUNTIME)


def claims(results: Mapping[str, Result]) -> list[Claim]:
    """Return the rows of the paper."""
    return [*_of_runtime(results[RUNTIME.name]), *_of_references(results[REFERENCES.name])]


def _of_runtime(result: Result) -> list[Claim]:
    first, last = SIDES[0], SIDES[-1]
    growth = {
        name: result.column(f"{name} {last}") / result.column(f"{name} {first}")
        for name in (NAME, "feature_match", "welsh2002")
    }
    rows = []
    for name, what, number in (
        ("feature_match", "matching of features", "5.8 (Xu) against 8.3 (Xiao) times from 256 to 1024"),
        ("welsh2002", "matching of pixels (Welsh et al. 2002)", "5.8 against 15.1 times from 256 to 1024"),
    ):
        text = (
            f"from {first} to {last} pixels a side its runtime grows by a smaller factor than that of {what}"
        )
        ours = estimate(growth[name] - growth[NAME])
        note = f"{growth[NAME].mean():.1f} times against {growth[name].mean():.1f} on a CPU"
        row = judge(PAPER, text, ours, "in the factor", result, paper_number=number, note=note)
        rows.append(row)
    return rows


def _of_references(result: Result) -> list[Claim]:
    def gain(kind: str, what: str, over: str = "automatic", method: str = "both") -> Any:
        return result.gain(f"{kind} {method} {what}", f"{kind} {over} {what}")

    unrelated = gain("unrelated", "psnr")
    return [
        judge(
            PAPER,
            "a related reference brings the colors nearer to it",
            gain("related", "likeness"),
            "of the histogram",
            result,
        ),
        judge(
            PAPER,
            "a related reference brings the picture nearer to the truth",
            gain("related", "psnr"),
            "dB",
            result,
        ),
        judge(
            PAPER,
            "the same by a distance of features that stands in for LPIPS (automatic minus both)",
            result.gain("related automatic distance", "related both distance"),
            "of the distance",
            result,
        ),
        judge(
            PAPER,
            "the second coloring beats the transfer alone (figure 4)",
            gain("related", "psnr", "transfer"),
            "dB",
            result,
            paper_number="figure 4, no number",
        ),
        judge(PAPER, "an unrelated reference does no harm", unrelated, "dB", result, margin=MARGIN),
        judge(
            PAPER,
            "with an unrelated reference it beats matching of features",
            gain("unrelated", "psnr", "feature_match"),
            "dB",
            result,
        ),
        judge(
            PAPER,
            "with an unrelated reference it beats matching of pixels (Welsh et al. 2002)",
            gain("unrelated", "psnr", "welsh2002"),
            "dB",
            result,
        ),
    ]
