"""What int8 costs and saves: graphs by ONNX Runtime in int8 against float32, as `colorize` makes them.

Ranges come from photos of scikit-image; loss and seconds from photos below ``--data``: ``--pictures``
of them (100 unless said), spread over all, without guidance.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice

from torch import Tensor

from benchmarks._harness import Options, Row, SkippedError, share_of, where
from benchmarks._photos import photos
from colorzoo.data.sources import find_sources
from colorzoo.factory import create_model
from colorzoo.guidance import Guidance
from colorzoo.inference.colorizer import Colorizer
from colorzoo.inference.export import require_onnx
from colorzoo.inference.int8 import MOST_LOSS, mean_psnr

MODELS = ("zhang2017_local_small",)
PICTURES = 100


@dataclass
class Tally:
    """What a way made of the photos: PSNR in dB and processor seconds of each."""

    psnr: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)


def run(options: Options) -> list[Row]:
    """Return loss and seconds of int8, for each model."""
    require_onnx()
    if options.data is None:
        raise SkippedError("give a folder of photos with --data")
    count = options.pictures or PICTURES
    step = max(1, len(find_sources(options.data)) // count)
    rows: list[Row] = []
    for name in options.models or MODELS:
        model = create_model(name)  # a module, as models by name are refused until they are measured
        ways = {way: Colorizer(model, engine="onnxruntime", precision=way) for way in ("float32", "int8")}
        tallies = {way: Tally() for way in ways}
        for rgb in islice(photos(options.data), 0, step * count, step):
            for way, colorizer in ways.items():
                _measure(colorizer, rgb[None], tallies[way])
        rows += _rows(name, tallies["int8"], tallies["float32"])
    return rows


def _measure(colorizer: Colorizer, rgb: Tensor, tally: Tally) -> None:
    def color(tensors: Sequence[Tensor]) -> dict[str, Tensor]:
        begun = time.process_time()
        ab = colorizer.predict_ab(tensors[0], Guidance())
        tally.seconds.append(time.process_time() - begun)
        return {"ab": ab}

    tally.psnr.append(mean_psnr(color, [rgb]))


def _rows(name: str, ours: Tally, base: Tally) -> Iterator[Row]:
    place = f"{len(ours.psnr)} photos of 256 pixels, {where()}"
    before, after = statistics.mean(base.psnr), statistics.mean(ours.psnr)
    yield Row(
        f"{name} in int8: PSNR in dB, and loss", after, before, before - after, MOST_LOSS, "lower", place
    )
    # the first picture makes the graph
    seconds = statistics.median(ours.seconds[1:]), statistics.median(base.seconds[1:])
    yield share_of(f"{name} in int8: processor seconds a picture, against float32", *seconds, 1.0, place)
