"""GuidingPainter: hints without a tensor per color, and an interaction that costs the painter alone.

The reference is the published formulation, written out from the fact sheet: segments times colors as
``(B, 30, 3, H, W)``, and f and g for every answer.
"""

from __future__ import annotations

import gc
import multiprocessing
from collections.abc import Callable
from pathlib import Path
from typing import cast

import torch
from torch import Tensor

from benchmarks._harness import (
    Options,
    Row,
    multiplies_bfloat16,
    share_of,
    single_thread,
    time_in_turn,
    times_faster,
    where,
)
from colorzoo import create_model
from colorzoo.inference.fast import speed_up
from colorzoo.zoo.cho2023.hints import fill_hints, first_given, look_up_hints, mean_colors, one_hot
from colorzoo.zoo.cho2023.network import SEGMENTS, GuidingPainterNetwork

BATCH, SIDE = 12, 256
LESS_MEMORY, FASTER, PER_ANSWER = 0.1, 5.0, 2.0


def run(options: Options) -> list[Row]:
    """Return the rows of hint generation and of an interaction."""
    del options
    single_thread()
    return [*_hint_rows(), *_answer_rows()]


def _hint_rows() -> list[Row]:
    place = f"{BATCH} x {SIDE} x {SIDE}, {where()}"
    ours, theirs = _peak(_ours), _peak(_published)
    rows = [share_of("memory of hints in MB", ours, theirs, LESS_MEMORY, place)]
    for what, work in (("forward", _forward), ("forward and backward", _backward)):
        rows.append(_timed(what, work, place))
    return rows


def _timed(what: str, work: Callable[[Formulation, Inputs], object], place: str) -> Row:
    inputs = _inputs()
    calls = {"ours": lambda: work(_ours, inputs), "published": lambda: work(_published, inputs)}
    seconds = time_in_turn(calls, runs=3)
    return times_faster(f"seconds of hints, {what}", seconds["ours"], seconds["published"], FASTER, place)


Inputs = tuple[Tensor, Tensor, Tensor]
Formulation = Callable[[Tensor, Tensor, Tensor], tuple[Tensor, Tensor, Tensor]]


def _inputs() -> Inputs:
    """Return segments, pictures and which segments are colored."""
    generator = torch.Generator().manual_seed(0)
    index = torch.randint(0, SEGMENTS, (BATCH, 1, SIDE, SIDE), generator=generator)
    image = torch.rand(BATCH, 3, SIDE, SIDE, generator=generator)
    counts = torch.randint(0, SEGMENTS, (BATCH,), generator=generator)
    return one_hot(index, SEGMENTS).requires_grad_(), image, first_given(counts, SEGMENTS)


def _ours(segments: Tensor, image: Tensor, given: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    return fill_hints(segments, image, given)


def _published(segments: Tensor, image: Tensor, given: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return filled segments, hint colors and mask by products of five axes."""
    area = segments.sum(dim=(2, 3))[:, :, None]
    means = (segments[:, :, None] * image[:, None]).sum(dim=(3, 4)) / (1e-20 + area)
    colored = means[..., None, None] * segments[:, :, None]
    active = given[:, :, None, None]
    hinted = (colored * active[:, :, None]).sum(1)
    return colored.sum(1), hinted, (segments * active).sum(1, keepdim=True)


def _forward(formulation: Formulation, inputs: Inputs) -> object:
    return formulation(*inputs)


def _backward(formulation: Formulation, inputs: Inputs) -> object:
    filled, color, mask = formulation(*inputs)
    total = (filled - inputs[1]).square().mean() + color.square().mean() + mask.mean()
    return torch.autograd.grad(total, inputs[0])


def _peak(formulation: Formulation) -> float:
    """Return how many MB a formulation needs beside its inputs, in a process of its own."""
    context = multiprocessing.get_context("fork")
    receiver, sender = context.Pipe(duplex=False)

    def measure() -> None:
        inputs = _inputs()
        gc.collect()
        Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
        before = _status("VmRSS")
        kept = formulation(*inputs)
        sender.send(_status("VmHWM") - before)
        del kept

    child = context.Process(target=measure)
    child.start()
    found = float(receiver.recv())
    child.join()
    return found


def _status(field: str) -> float:
    """Return a size of this process in MB, by its name in ``/proc/self/status``."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1]) / 1024
    raise RuntimeError(f"/proc/self/status has no {field}")


@torch.inference_mode()
def _answer_rows() -> list[Row]:
    """Time one answer of the user, with the networks at their full width."""
    network = cast(GuidingPainterNetwork, create_model("cho2023", None).network).eval()
    generator = torch.Generator().manual_seed(0)
    sketch = (torch.rand(1, 1, SIDE, SIDE, generator=generator) > 0.1).float()
    image = torch.rand(1, 3, SIDE, SIDE, generator=generator)
    index = network.divide(sketch).argmax(1, keepdim=True)
    colors = mean_colors(one_hot(index, SEGMENTS), image)
    given = first_given(torch.tensor([7]), SEGMENTS)

    def published() -> Tensor:
        segments = one_hot(network.divide(sketch).argmax(1, keepdim=True), SEGMENTS)
        _, color, mask = _published(segments, image, given)
        return torch.tanh(network.colorizer(torch.cat([2 * sketch - 1, color, mask, segments], dim=1)))

    def answer(painter: GuidingPainterNetwork) -> Tensor:
        return painter.paint(sketch, look_up_hints(index, colors, given), one_hot(index, SEGMENTS))

    fast = cast(GuidingPainterNetwork, speed_up(network, torch.float32))
    calls: dict[str, Callable[[], object]] = {"published": published, "ours": lambda: answer(fast)}
    if multiplies_bfloat16():
        low = cast(GuidingPainterNetwork, speed_up(network, torch.bfloat16))

        def answer_low() -> Tensor:
            with torch.autocast("cpu", torch.bfloat16):
                return answer(low)

        calls["bfloat16"] = answer_low
    seconds = time_in_turn(calls, runs=3)
    place = f"full width, {SIDE} x {SIDE}, {where()}"
    names = {"ours": "only g, float32", "bfloat16": "only g, bfloat16"}
    return [
        times_faster(f"seconds an answer, {text}", seconds[key], seconds["published"], PER_ANSWER, place)
        for key, text in names.items()
        if key in seconds
    ]
