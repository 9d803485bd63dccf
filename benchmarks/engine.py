"""ONNX Runtime against torch: seconds and colors of the embedded models, in float32 at 256 pixels."""

from __future__ import annotations

from functools import partial

import torch

from benchmarks._harness import Options, Row, share_of, time_in_turn, times_faster, where
from benchmarks._models import random_luma
from colorzoo import Guidance
from colorzoo.inference.colorizer import Colorizer
from colorzoo.inference.export import TOLERANCE, require_onnx

MODELS = ("zhang2016_small", "zhang2017_local_small")
GOAL_SPEED, FULL_SCALE = 1.0, 100.0


def run(options: Options) -> list[Row]:
    """Return seconds a picture of both engines, and how far apart their ab is."""
    require_onnx()
    rows = []
    for name in options.models or MODELS:
        torch.manual_seed(0)
        luma = random_luma(1)
        torch_way = Colorizer(name, device="cpu", precision="float32")
        graph_way = Colorizer(name, engine="onnxruntime")
        apart = torch_way.predict_ab(luma, Guidance()) - graph_way.predict_ab(luma, Guidance())
        calls = {
            "torch": partial(torch_way.predict_ab, luma, Guidance()),
            "onnxruntime": partial(graph_way.predict_ab, luma, Guidance()),
        }
        seconds = time_in_turn(calls, runs=options.repeats or 5)
        rows += [
            times_faster(
                f"{name} by ONNX Runtime, seconds a picture, against torch",
                seconds["onnxruntime"],
                seconds["torch"],
                GOAL_SPEED,
                where(),
            ),
            share_of(
                f"{name}: largest difference of ab, share of the full scale, against the tolerance",
                float(apart.abs().max()) / FULL_SCALE,
                TOLERANCE,
                1.0,
                where(),
            ),
        ]
    return rows
