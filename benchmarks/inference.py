"""The network as published (float32, contiguous, a plain eager call) against how the `Colorizer` runs it."""

from __future__ import annotations

import copy
from collections.abc import Callable

import torch
from torch import Tensor

from benchmarks._harness import Options, Row, multiplies_bfloat16, share_of, time_in_turn, times_faster, where
from benchmarks._models import random_luma, random_model
from colorzoo import Guidance
from colorzoo.inference.colorizer import Colorizer
from colorzoo.tasks import ColorizationModule

GOAL_WITH_BFLOAT16, GOAL_WITHOUT, GOAL_SMALL, GOAL_DELTA_E = 2.5, 1.3, 12.0, 1.0


def run(options: Options) -> list[Row]:
    """Time the full-size network at batch 1 and 8 and the small one beside it; compare their colors."""
    del options
    torch.manual_seed(0)
    full, small = random_model("zhang2017_local"), random_model("zhang2017_local_small")
    luma = random_luma(1)
    published, ours, compact = _published(full), _ours(full), _ours(small)
    times = time_in_turn(
        {"published": lambda: published(luma), "ours": lambda: ours(luma), "small": lambda: compact(luma)}
    )
    batch = random_luma(8)
    times_8 = time_in_turn({"published": lambda: published(batch), "ours": lambda: ours(batch)}, runs=2)
    goal = GOAL_WITH_BFLOAT16 if multiplies_bfloat16() else GOAL_WITHOUT
    title = "zhang2017_local at 256x256, batch {}, seconds a batch, against the published way"
    return [
        times_faster(title.format(1), times["ours"], times["published"], goal, where()),
        times_faster(title.format(8), times_8["ours"], times_8["published"], goal, where()),
        times_faster(
            "zhang2017_local_small at 256x256, seconds, against zhang2017_local the published way",
            times["small"],
            times["published"],
            GOAL_SMALL,
            where(),
        ),
        *_difference("zhang2017_local", published(luma), ours(luma)),
        *_difference("zhang2017_local_small", _published(small)(luma), compact(luma)),
    ]


def _difference(name: str, published: Tensor, ours: Tensor) -> list[Row]:
    """Hold the distance of the colors from those in float32 against 1 Delta-E (1976; L is equal)."""
    distance = (published - ours).norm(dim=1)
    claim = f"{name}: mean Delta-E from float32 in units of 1 (largest {float(distance.max()):.2f})"
    return [share_of(claim, float(distance.mean()), 1.0, GOAL_DELTA_E, where())]


def _published(model: ColorizationModule) -> Callable[[Tensor], Tensor]:
    """Return the call of the authors' ``demo_release.py``, which records gradients that nobody asks for."""
    plain = copy.deepcopy(model).to(memory_format=torch.contiguous_format)
    return lambda luma: plain(luma, Guidance()).ab.detach()


def _ours(model: ColorizationModule) -> Callable[[Tensor], Tensor]:
    colorizer = Colorizer(model, device="cpu", allow_untrained=True)
    return lambda luma: colorizer.predict_ab(luma, Guidance())
