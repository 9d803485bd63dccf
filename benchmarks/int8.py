"""ONNX Runtime in int8 against float32: loss of PSNR and speed, as in ``colorzoo colorize``.

Ranges are calibrated on photos of scikit-image; loss and seconds are measured on photos below ``--data``,
without guidance.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from itertools import islice

from torch import Tensor

from benchmarks._common import Options, Row, SkippedError, photos, share_of, where
from colorzoo.data.sources import find_sources
from colorzoo.engines.export import require_onnx
from colorzoo.engines.int8 import MOST_LOSS, mean_psnr
from colorzoo.factory import create_coloring_model
from colorzoo.guidance import Guidance
from colorzoo.inference.colorizer import Colorizer

MODELS = ("colorzoo2026", "zhang2017_local_small")
PICTURES = 100


def run(options: Options) -> list[Row]:
    """Return loss and seconds of int8 for each model."""
    require_onnx()
    if options.data is None:
        raise SkippedError("give a folder of photos with --data")
    count = options.pictures or PICTURES
    step = max(1, len(find_sources(options.data)) // count)
    rows = []
    for name in options.models or MODELS:
        model = create_coloring_model(name)  # an instance, as int8 refuses names that were not measured
        ways = {way: Colorizer(model, engine="onnxruntime", precision=way) for way in ("float32", "int8")}
        found: dict[str, list[tuple[float, float]]] = {way: [] for way in ways}
        for rgb in islice(photos(options.data), 0, step * count, step):
            for way, colorizer in ways.items():
                found[way].append(measure(colorizer, rgb[None]))
        place = f"{len(found['int8'])} photos of 256 pixels, {where()}"
        before, after = (statistics.mean(psnr for psnr, _ in found[way]) for way in ("float32", "int8"))
        claim = f"{name} in int8: PSNR in dB, and loss"
        rows.append(Row(claim, after, before, before - after, MOST_LOSS, "lower", place))
        # the first picture builds the graph
        ours, theirs = (
            statistics.median(spent for _, spent in found[way][1:]) for way in ("int8", "float32")
        )
        claim = f"{name} in int8: processor seconds a picture, against float32"
        rows.append(share_of(claim, ours, theirs, 1.0, place))
    return rows


def measure(colorizer: Colorizer, rgb: Tensor) -> tuple[float, float]:
    """Return PSNR in dB and processor seconds of one picture."""
    seconds = 0.0

    def color(tensors: Sequence[Tensor]) -> dict[str, Tensor]:
        nonlocal seconds
        start = time.process_time()
        ab = colorizer.predict(tensors[0], Guidance()).to_ab()
        seconds = time.process_time() - start
        return {"ab": ab}

    return mean_psnr(color, [rgb]), seconds
