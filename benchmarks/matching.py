"""Class-wise matching against global matching: time and peak memory.

4096 positions of 256 channels, 22 uneven classes (sizes from Dirichlet(1), scattered), tau 0.01. Global
matching as published by Zhang et al. 2019.
"""

from __future__ import annotations

import ctypes
import statistics
from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor

from benchmarks._common import Options, Row, megabytes, reset_peak, share_of, time_in_turn, where
from colorzoo.networks.matching import match

POSITIONS, CHANNELS, CLASSES, TAU = 4096, 256, 22, 0.01
GOAL_TIME, GOAL_MEMORY = 0.35, 0.25
Labels = tuple[Tensor, Tensor]
Call = Callable[[Tensor, Tensor, Tensor], tuple[Tensor, Tensor]]


def run(options: Options) -> list[Row]:
    """Return time and memory, forward and with backward."""
    del options
    generator = torch.Generator().manual_seed(0)
    data = tuple(torch.randn(1, POSITIONS, size, generator=generator) for size in (CHANNELS, CHANNELS, 3))
    shares = [torch.empty(1, CLASSES).exponential_(generator=generator) for _ in range(2)]
    first, second = (
        torch.multinomial(each, POSITIONS, replacement=True, generator=generator) for each in shares
    )
    calls: dict[str, Call] = {
        "ours": partial(classwise_match, labels=(first, second)),
        "global": global_match,
    }
    rows = []
    for name, step in (("forward", forward), ("forward and backward", forward_and_backward)):
        steps = {key: partial(step, call, data) for key, call in calls.items()}
        seconds = time_in_turn(steps, runs=7)
        claim = f"ms of class-wise matching, {name}; reference: global"
        rows.append(share_of(claim, 1000 * seconds["ours"], 1000 * seconds["global"], GOAL_TIME, where()))
        peaks: dict[str, list[float]] = {key: [] for key in steps}
        for _ in range(3):
            for key, call in steps.items():
                peaks[key].append(peak_growth(call))
        ours, reference = (statistics.median(peaks[key]) for key in ("ours", "global"))
        claim = f"peak memory of class-wise matching in MB, {name}; reference: global"
        rows.append(share_of(claim, ours, reference, GOAL_MEMORY, where()))
    return rows


def forward(call: Call, data: tuple[Tensor, ...]) -> None:
    """Match without gradients."""
    with torch.inference_mode():
        call(*data)


def forward_and_backward(call: Call, data: tuple[Tensor, ...]) -> None:
    """Match and differentiate by both features."""
    query, key = (part.clone().requires_grad_() for part in data[:2])
    found, similarity = call(query, key, data[2])
    torch.autograd.backward(found.square().mean() + similarity.mean())


def classwise_match(query: Tensor, key: Tensor, values: Tensor, *, labels: Labels) -> tuple[Tensor, Tensor]:
    """Match with `colorzoo.networks.matching`."""
    matched = match(query, key, values, labels, tau=TAU)
    return matched.values, matched.similarity


def global_match(query: Tensor, key: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
    """Match every position with every position, in the published order of steps."""
    query, key = (part - part.mean(dim=1, keepdim=True) for part in (query, key))
    query, key = (part / (part.norm(dim=2, keepdim=True) + 1e-12) for part in (query, key))
    scores = query @ key.transpose(1, 2)
    similarity = scores.max(dim=2).values
    return torch.softmax(scores / TAU, dim=2) @ values, similarity


def peak_growth(call: Callable[[], object]) -> float:
    """Return the growth of memory during a call in MB; at least 1."""
    ctypes.CDLL(None).malloc_trim(0)  # return freed memory of earlier calls to the system
    reset_peak()
    before = megabytes("VmRSS")
    call()
    return max(1.0, megabytes("VmHWM") - before)
