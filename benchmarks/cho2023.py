"""GuidingPainter (Cho et al. 2023): hints without a tensor per color, and answers that run the painter only.

The reference is the published formulation: segments times colors as ``(B, 30, 3, H, W)``, and both networks
for every answer.
"""

from __future__ import annotations

import gc
from collections.abc import Callable
from functools import partial
from typing import cast

import torch
from torch import Tensor

from benchmarks._common import (
    Options,
    Row,
    in_fresh_process,
    megabytes,
    multiplies_bfloat16,
    reset_peak,
    share_of,
    time_in_turn,
    times_faster,
    where,
)
from colorzoo.factory import create_coloring_model
from colorzoo.zoo.cho2023.network import (
    SEGMENTS,
    GuidingPainterNetwork,
    fill_hints,
    first_given,
    look_up_hints,
    mean_colors,
    one_hot,
)

BATCH, SIDE = 12, 256
GOAL_MEMORY, GOAL_MEMORY_BACKWARD, GOAL_HINTS, GOAL_ANSWER = 0.1, 0.22, 5.0, 2.0

Inputs = tuple[Tensor, Tensor, Tensor]
Formulation = Callable[[Tensor, Tensor, Tensor], tuple[Tensor, Tensor, Tensor]]
Work = Callable[[Formulation, Inputs], object]


def run(options: Options) -> list[Row]:
    """Measure hint generation and one answer."""
    del options
    place = f"{BATCH} x {SIDE} x {SIDE}, {where()}"
    rows = []
    for name, work, goal in (
        ("forward", forward, GOAL_MEMORY),
        ("forward and backward", forward_and_backward, GOAL_MEMORY_BACKWARD),
    ):
        ours, theirs = (in_fresh_process(peak, way, work) for way in (fill_hints, published_hints))
        rows.append(share_of(f"memory of hints in MB, {name}", ours, theirs, goal, place))
        inputs = hint_inputs()
        calls = {
            "ours": partial(work, fill_hints, inputs),
            "published": partial(work, published_hints, inputs),
        }
        seconds = time_in_turn(calls, runs=3)
        claim = f"seconds of hints, {name}"
        rows.append(times_faster(claim, seconds["ours"], seconds["published"], GOAL_HINTS, place))
    return [*rows, answer_row()]


def hint_inputs() -> Inputs:
    """Return one-hot segments, pictures, and which segments have a color."""
    generator = torch.Generator().manual_seed(0)
    index = torch.randint(0, SEGMENTS, (BATCH, 1, SIDE, SIDE), generator=generator)
    image = torch.rand(BATCH, 3, SIDE, SIDE, generator=generator)
    counts = torch.randint(0, SEGMENTS, (BATCH,), generator=generator)
    return one_hot(index, SEGMENTS).requires_grad_(), image, first_given(counts, SEGMENTS)


def published_hints(segments: Tensor, image: Tensor, given: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return filled segments, hint colors and mask by products of five axes."""
    area = segments.sum(dim=(2, 3))[:, :, None]
    means = (segments[:, :, None] * image[:, None]).sum(dim=(3, 4)) / (1e-20 + area)
    colored = means[..., None, None] * segments[:, :, None]
    active = given[:, :, None, None]
    hinted = (colored * active[:, :, None]).sum(1)
    return colored.sum(1), hinted, (segments * active).sum(1, keepdim=True)


def forward(formulation: Formulation, inputs: Inputs) -> object:
    """Compute the hints."""
    return formulation(*inputs)


def forward_and_backward(formulation: Formulation, inputs: Inputs) -> object:
    """Compute the hints and the gradients of the segments."""
    filled, color, mask = formulation(*inputs)
    total = (filled - inputs[1]).square().mean() + color.square().mean() + mask.mean()
    return torch.autograd.grad(total, inputs[0])


def peak(formulation: Formulation, work: Work) -> float:
    """Return the MB needed beside the inputs."""
    inputs = hint_inputs()
    gc.collect()
    reset_peak()
    before = megabytes("VmRSS")
    kept = work(formulation, inputs)
    grown = megabytes("VmHWM") - before
    del kept
    return grown


@torch.inference_mode()
def answer_row() -> Row:
    """Time one answer of the user with the networks at full width."""
    network = cast(GuidingPainterNetwork, create_coloring_model("cho2023", None).network).eval()
    generator = torch.Generator().manual_seed(0)
    sketch = (torch.rand(1, 1, SIDE, SIDE, generator=generator) > 0.1).float()
    image = torch.rand(1, 3, SIDE, SIDE, generator=generator)
    index = network.divide(sketch).argmax(1, keepdim=True)
    colors = mean_colors(one_hot(index, SEGMENTS), image)
    given = first_given(torch.tensor([7]), SEGMENTS)

    def published() -> Tensor:
        segments = one_hot(network.divide(sketch).argmax(1, keepdim=True), SEGMENTS)
        _, color, mask = published_hints(segments, image, given)
        return torch.tanh(network.colorizer(torch.cat([2 * sketch - 1, color, mask, segments], dim=1)))

    dtype = torch.bfloat16 if multiplies_bfloat16() else torch.float32

    def ours() -> Tensor:
        with torch.autocast("cpu", torch.bfloat16, enabled=dtype is torch.bfloat16):
            return network.paint(sketch, look_up_hints(index, colors, given), one_hot(index, SEGMENTS))

    seconds = time_in_turn({"ours": ours, "published": published}, runs=3)
    claim = f"seconds an answer, painter only, {dtype}".replace("torch.", "")
    place = f"full width, {SIDE} x {SIDE}, {where()}"
    return times_faster(claim, seconds["ours"], seconds["published"], GOAL_ANSWER, place)
