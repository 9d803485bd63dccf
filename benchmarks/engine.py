"""ONNX Runtime against torch: speed and colors of the embedded models, float32 at 256 pixels."""

from __future__ import annotations

from functools import partial

import torch

from benchmarks._common import Options, Row, random_lightness, share_of, time_in_turn, times_faster, where
from colorzoo import Guidance
from colorzoo.engines.export import TOLERANCE, require_onnx
from colorzoo.inference.colorizer import Colorizer

MODELS = ("colorzoo2026", "zhang2016_small", "zhang2017_local_small")
FULL_SCALE = 100.0  # of ab


def run(options: Options) -> list[Row]:
    """Return speed and largest difference of ab for each model."""
    require_onnx()
    rows = []
    for name in options.models or MODELS:
        torch.manual_seed(0)
        lightness = random_lightness(1)
        colorizers = {
            "torch": Colorizer(name, device="cpu", precision="float32"),
            "onnx": Colorizer(name, engine="onnxruntime"),
        }
        calls = {key: partial(each.predict, lightness, Guidance()) for key, each in colorizers.items()}
        apart = float((calls["torch"]() - calls["onnx"]()).abs().max()) / FULL_SCALE
        seconds = time_in_turn(calls, runs=options.repeats or 5)
        speed = f"{name} in ONNX Runtime, seconds an image, against torch"
        colors = f"{name}: largest difference of ab, fraction of the full scale, against the tolerance"
        rows += [
            times_faster(speed, seconds["onnx"], seconds["torch"], 1.0, where()),
            share_of(colors, apart, TOLERANCE, 1.0, where()),
        ]
    return rows
