"""Would int8 pay on a CPU? ONNX Runtime's own quantization of the default model against its float32 graph.

``--data`` is a folder with ``train`` and ``val``: ranges of activations come from 24 photos of ``train``
alone, loss and seconds from ``--pictures`` photos of ``val`` (100 unless said), without points.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from torch import Tensor

from benchmarks._harness import Options, Row, SkippedError, share_of, where
from benchmarks._models import random_luma
from benchmarks._photos import photos
from colorzoo import Guidance, create_model
from colorzoo.color import lab_to_rgb, rgb_to_lab
from colorzoo.inference.export import load_onnx, require_onnx, write_graph

MODEL = "zhang2017_local_small"
CALIBRATED, EVERY, PICTURES = 24, 40, 100
MOST_LOSS = 0.2  # dB
LAYERS = ["Conv", "ConvTranspose", "Gemm", "MatMul"]

Run = Callable[[list[Tensor]], Any]


@dataclass
class Tally:
    """What a graph made of the photos: PSNR in dB and processor seconds of each."""

    psnr: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)


def run(options: Options) -> list[Row]:
    """Return loss and seconds of the static and the dynamic quantization."""
    require_onnx()
    if options.data is None or not (options.data / "train").is_dir():
        raise SkippedError("give --data, a folder with train and val")
    name = options.model or MODEL
    with TemporaryDirectory() as folder:
        graphs = _graphs(name, Path(folder), options.data / "train")
        tallies = {way: Tally() for way in graphs}
        for rgb in islice(photos(options.data / "val"), options.pictures or PICTURES):
            for way, graph in graphs.items():
                _measure(graph, rgb[None], tallies[way])
    base = tallies.pop("float32")
    return [row for way, tally in tallies.items() for row in _rows(name, way, tally, base)]


def _graphs(name: str, folder: Path, train: Path) -> dict[str, Run]:
    """Write the float32 graph and both quantized ones, and open them."""
    from onnxruntime.quantization import QuantType, quantize_dynamic, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    plain, ready = folder / "float32.onnx", folder / "ready.onnx"
    static, dynamic = folder / "static.onnx", folder / "dynamic.onnx"
    samples = [(random_luma(count), Guidance()) for count in (2, 1)]
    write_graph(create_model(name), samples[0], samples[1:], plain, {"model": name})
    quant_pre_process(plain, ready, skip_symbolic_shape=True)
    quantize_static(ready, static, _Calibration(train), per_channel=True, op_types_to_quantize=LAYERS)
    quantize_dynamic(ready, dynamic, weight_type=QuantType.QUInt8)
    files = {"float32": plain, "static int8": static, "dynamic int8": dynamic}
    return {way: load_onnx(path, ["luma"]) for way, path in files.items()}


class _Calibration:
    """Hands the quantizer the lightness of some training photos."""

    def __init__(self, train: Path) -> None:
        chosen: Iterator[Tensor] = islice(photos(train), 0, EVERY * CALIBRATED, EVERY)
        self._lumas = ({"luma": rgb_to_lab(rgb[None])[:, :1].contiguous().numpy()} for rgb in chosen)
        self.get_next = partial(next, self._lumas, None)


def _measure(graph: Run, rgb: Tensor, tally: Tally) -> None:
    luma = rgb_to_lab(rgb)[:, :1]
    begun = time.process_time()
    ab = graph([luma])["ab"]
    tally.seconds.append(time.process_time() - begun)
    made = lab_to_rgb(torch.cat([luma, ab], dim=1)).clamp(0, 1)
    tally.psnr.append(float(-10 * torch.log10((made - rgb).square().mean())))


def _rows(name: str, way: str, tally: Tally, base: Tally) -> Iterator[Row]:
    place = f"{len(tally.psnr)} photos of 256 pixels, {where()}"
    before, after = statistics.mean(base.psnr), statistics.mean(tally.psnr)
    yield Row(
        f"{name}, {way}: PSNR in dB, and loss", after, before, before - after, MOST_LOSS, "lower", place
    )
    seconds = statistics.median(tally.seconds), statistics.median(base.seconds)
    yield share_of(f"{name}, {way}: processor seconds a picture, against float32", *seconds, 1.0, place)
