"""Rows of results, and a timer that runs ours and the reference in turn."""

from __future__ import annotations

import platform
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import torch


class SkippedError(Exception):
    """The benchmark lacks what it needs, such as pictures; the message says what."""


@dataclass(frozen=True)
class Options:
    """What the command line may give to every benchmark.

    Attributes:
        data: Folder of color photos.
        weights: Weight file or checkpoint of the small model; by default those that ship.
        pictures: On how many pictures to measure, where a benchmark lets one choose.
        model: Which model to measure, where a benchmark lets one choose.
        strength: Factor on its colors, where a benchmark lets one choose.
        aged: Show the model every photo as an old print of it, where a benchmark lets one choose.
        models: Which models to measure, where a benchmark takes several.
        sizes: At which sides in pixels, where a benchmark lets one choose.
        repeats: How many rounds to time, where a benchmark lets one choose.
        device: Where to measure, where a benchmark lets one choose; empty for its own choice.
        quick: Only rehearse: little of everything, whose figures mean nothing.
    """

    data: Path | None = None
    weights: Path | None = None
    pictures: int | None = None
    model: str | None = None
    strength: float = 1.0
    aged: bool = False
    models: tuple[str, ...] = ()
    sizes: tuple[int, ...] = ()
    repeats: int | None = None
    device: str = ""
    quick: bool = False


@dataclass(frozen=True)
class Row:
    """One claim.

    Attributes:
        claim: What is claimed, with the unit of ``ours`` and ``reference``.
        ours: Our figure.
        reference: The figure it is held against.
        ratio: What is compared with the goal.
        goal: What ``ratio`` should reach.
        better: Whether a higher or a lower ratio is better.
        where: On what it was measured.
    """

    claim: str
    ours: float
    reference: float
    ratio: float
    goal: float
    better: Literal["higher", "lower"]
    where: str

    @property
    def reached(self) -> bool:
        """Whether the goal is reached; a ratio that is no number never is."""
        return self.ratio >= self.goal if self.better == "higher" else self.ratio <= self.goal

    def to_dict(self) -> dict[str, Any]:
        """Return the row as JSON types."""
        return asdict(self)

    def __str__(self) -> str:
        sign = ">=" if self.better == "higher" else "<="
        verdict = "ok   " if self.reached else "BELOW"
        figures = f"ours {self.ours:.5g}, reference {self.reference:.5g}, ratio {self.ratio:.4g}"
        return f"{verdict} {self.claim}: {figures} (goal {sign} {self.goal:g}; {self.where})"


def times_faster(claim: str, ours: float, reference: float, goal: float, where: str) -> Row:
    """Return the row of a speed: how many times longer the reference takes."""
    return Row(claim, ours, reference, reference / ours, goal, "higher", where)


def share_of(claim: str, ours: float, reference: float, goal: float, where: str) -> Row:
    """Return the row of a cost or an error: which part of the reference it is."""
    return Row(claim, ours, reference, ours / reference, goal, "lower", where)


def time_in_turn(
    calls: Mapping[str, Callable[[], object]], *, runs: int = 5, warmup: int = 1
) -> dict[str, float]:
    """Return the median seconds of each call; in every round each of them runs once.

    Seconds are those that the processor spent on this process, so that other programs count little. With one
    thread, which `single_thread` sets, they are the wall seconds of an idle machine.
    """
    spent: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(warmup + runs):
        for name, call in calls.items():
            start = time.process_time()
            call()
            spent[name].append(time.process_time() - start)
    return {name: statistics.median(seconds[warmup:]) for name, seconds in spent.items()}


def single_thread() -> None:
    """Let torch use one thread, the same for ours and the reference."""
    torch.set_num_threads(1)


def multiplies_bfloat16() -> bool:
    """Say whether this CPU has instructions that multiply bfloat16."""
    return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())


def where() -> str:
    """Describe the machine in words."""
    kind = "bf16 instructions" if multiplies_bfloat16() else "no bf16 instructions"
    return f"CPU {platform.machine()}, {kind}, {torch.get_num_threads()} thread, torch {torch.__version__}"
