"""Cho et al. 2023: what answers about regions are worth, and whether their order matters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from benchmarks.claims._claim import Claim, Earlier, judge
from benchmarks.claims._experiment import Experiment, Item, Measure, Setup
from benchmarks.claims._numbers import Result, estimate
from benchmarks.claims._pictures import evenly
from benchmarks.claims._plot import Line, draw_curves
from colorzoo import Guidance, create_model
from colorzoo.data.sources import Source
from colorzoo.evaluation.bootstrap import Estimate
from colorzoo.evaluation.methods import model_painter
from colorzoo.evaluation.picture_list import Item as Picture
from colorzoo.evaluation.picture_list import Truth, read_truth
from colorzoo.evaluation.protocol import Protocol, load_protocol
from colorzoo.guidance import Regions
from colorzoo.metrics.psnr import psnr_8bit
from colorzoo.users import make_user, play
from colorzoo.users.regions import region_means
from colorzoo.zoo.cho2023.pieces import cut_segments

PAPER = "cho2023"
TITLE = "Cho et al. 2023: Guiding Users to Where to Give Color Hints"
INTRO = """`cho2023_small` on held-out illustrations at 128 x 128, protocols `cho2023-regions`, `-shuffled`
and `-superpixels` of `colorzoo evaluate`: PSNR over 8-bit RGB after n answers of a user who knows the true
mean colors. The paper's tables could not be had, so effects have no size to be compared with. The order of
the small model is measured on training pictures (areas times how wrong it paints each segment when nobody
tells), not learned as the paper's is. Its control `cho2023_points_small`, the same painter guided by points,
ships no weights: the rows that need it are [recorded](../regions.md)."""
NAME = "cho2023_small"
SIDE, COUNT, REGIONS = 128, 24, 30
SET = "sketch/val"
COUNTS = (0, 1, 2, 3, 5, 10, 20, 30)
ARMS = {
    "asked": "cho2023-regions",
    "shuffled": "cho2023-regions-shuffled",
    "superpixels": "cho2023-regions-superpixels",
}
FIGURES = (("cho2023_answers.svg", "PSNR against the number of answers, by what is asked for"),)


def begin_order(setup: Setup) -> Measure:
    """Return what measures PSNR by number of answers and by what is asked for."""
    model: Any = create_model(NAME)
    side = min(SIDE, setup.side)
    protocols = {arm: _at_side(load_protocol(name), side) for arm, name in ARMS.items()}

    @torch.inference_mode()
    def measure(item: Item) -> Mapping[str, float]:
        picture = Picture("", Source(str(item.files[0]))).hashed()
        truth = read_truth(picture, protocols["asked"], torch.device("cpu"))
        paint = model_painter(model)(picture, truth)
        found = {}
        for arm, protocol in protocols.items():
            assert protocol.user is not None
            user = make_user(protocol.user.name, **protocol.user.options)
            for turn in play(paint, user, truth.sketch_scene, COUNTS, model=model):
                found[f"{arm} {turn.count}"] = float(psnr_8bit(turn.answer.rgb, truth.rgb))
        return found | _by_area(model, truth)

    return measure


def _at_side(protocol: Protocol, side: int) -> Protocol:
    return replace(protocol, resize=replace(protocol.resize, size=side))


def _by_area(model: Any, truth: Truth) -> dict[str, float]:
    """Return PSNR when the same pieces are asked for by area alone, and when lines alone make the pieces."""
    sketch = truth.sketch_scene.luma
    regions: Regions = model.propose(sketch)
    alike = [1.0] * (REGIONS + 1)
    ways = {
        "by area": cut_segments(regions.segments, sketch, REGIONS, alike),
        "lines alone": cut_segments(torch.zeros_like(regions.segments), sketch, REGIONS, alike),
    }
    found = {}
    for name, index in ways.items():
        colors, _ = region_means(index, truth.rgb, REGIONS)
        for count in (1, 10):
            given = torch.zeros_like(regions.given)
            given[:, :count] = 1
            asked = replace(regions, index=index, rgb=colors, given=given)
            painted: Tensor = model(sketch, Guidance(regions=asked)).rgb
            found[f"{name} {count}"] = float(psnr_8bit(painted, truth.rgb))
    return found


ORDER = Experiment("cho2023-order", (NAME,), SET, evenly(SET, COUNT), begin_order)
EXPERIMENTS = (ORDER,)


def claims(results: Mapping[str, Result]) -> list[Claim]:
    """Return the rows of the paper."""
    result = results[ORDER.name]
    rows = []
    for count in (1, 3, 10):
        ours = result.gain(f"asked {count}", f"shuffled {count}")
        rows.append(_gain(f"the model's order beats a shuffled one after {_answers(count)}", ours, result))
    for count in (1, 10):
        ours = result.gain(f"asked {count}", f"superpixels {count}")
        rows.append(_gain(f"regions beat superpixels after {_answers(count)}", ours, result))
    for name, text in (
        ("by area", "order by need beats order by area"),
        ("lines alone", "f's division beats lines alone"),
    ):
        for count in (1, 10):
            ours = result.gain(f"asked {count}", f"{name} {count}")
            rows.append(_gain(f"{text} after {_answers(count)} (not in the paper)", ours, result))
    first = (result.column("asked 3") - result.column("asked 0")) / 3
    later = (result.column("asked 10") - result.column("asked 5")) / 5
    rows.append(
        _gain(
            "early answers gain more than later ones (each of 1 to 3, against 6 to 10)",
            estimate(first - later),
            result,
        )
    )
    return [*rows, *_against_points()]


def _answers(count: int) -> str:
    return "1 answer" if count == 1 else f"{count} answers"


def _gain(text: str, ours: Estimate, result: Result) -> Claim:
    return judge(PAPER, text, ours, "dB", result, paper_number="no number at hand")


def _against_points() -> list[Claim]:
    """Regions against points, from an earlier measurement with weights of the control that do not ship."""
    source = "[regions.md](../regions.md), the same painter trained on points"
    rows = [
        judge(
            PAPER,
            f"after {_answers(count)} regions beat as many color points at random places",
            Estimate(value, low, high),
            "dB",
            Earlier(159, source),
            paper_number="no number at hand",
        )
        for count, value, low, high in ((1, 0.77, 0.54, 1.02), (3, 2.15, 1.86, 2.48), (10, 3.84, 3.45, 4.29))
    ]
    fewer = judge(
        PAPER,
        "fewer interactions: answers saved on the way to what ten points reach (10 points, 2 regions)",
        Estimate(8.0, float("nan"), float("nan")),
        "answers",
        Earlier(159, source),
        paper_number="no number at hand",
        note="of the mean curve; 97 % of the pictures reach it with regions, 68 % with points",
    )
    return [fewer, *rows]


def draw(results: Mapping[str, Result], folder: Path) -> None:
    """Draw PSNR by number of answers."""
    result = results[ORDER.name]
    lines = [Line(arm, COUNTS, [result.mean(f"{arm} {count}") for count in COUNTS]) for arm in ARMS]
    draw_curves(folder / FIGURES[0][0], lines, ("answers", "PSNR, dB"))
