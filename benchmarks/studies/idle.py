"""Count the channels of small models that never fire: behind a ReLU, on photos, with and without points.

``python -m benchmarks.studies.idle --data FOLDER [--models a,b] [--pictures N]`` prints for each model and
each of its blocks how many channels of its rectified layers answer at fewer than 1 of 5,000 places. What
never fires is not trained, and is room that was paid for.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks._command import run_command
from benchmarks._photos import photos
from colorzoo import Guidance
from colorzoo.color import rgb_to_lab
from colorzoo.factory import create_inference_model
from colorzoo.guidance import uniform_points

MODELS = ("zhang2016_small", "zhang2017_local_small", "kang2023_small", "su2020_small")
LEAST = 1 / 5000  # share of the places at which a channel fires
POINTS = (0, 10)


@dataclass
class Fired:
    """How often the channels of one layer fired.

    Attributes:
        counts: ``(C,)``, places where each did.
        places: How many there were.
    """

    counts: Tensor = field(default_factory=lambda: torch.zeros(1))
    places: int = 0

    def add(self, values: Tensor) -> None:
        """Count an output ``(B, C, h, w)``."""
        self.counts = self.counts + (values > 0).sum((0, 2, 3))
        self.places += values.numel() // values.shape[1]

    @property
    def idle(self) -> int:
        """Channels that fired nearly nowhere."""
        return int((self.counts < LEAST * self.places).sum())


def main() -> None:
    """Print a row for each model and block."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--models", default=",".join(MODELS))
    parser.add_argument("--pictures", type=int, default=40)
    args = parser.parse_args()
    torch.set_num_threads(1)
    seen = [rgb_to_lab(rgb[None]) for rgb in islice(photos(args.data), args.pictures)]
    for name in args.models.split(","):
        model = create_inference_model(name)
        with watched(model.network) as layers, torch.inference_mode():
            for number, lab in enumerate(seen):
                for guidance in _guidances(model.accepts, lab, number):
                    model(lab[:, :1], guidance)
        _report(name, layers)


@contextmanager
def watched(network: nn.Module) -> Iterator[dict[str, Fired]]:
    """Count what fires behind every ReLU that sees maps, by its name."""
    layers: dict[str, Fired] = defaultdict(Fired)

    def look(name: str, _: nn.Module, __: Any, out: Tensor) -> None:
        if out.ndim == 4:
            layers[name].add(out)

    named = [(name, module) for name, module in network.named_modules() if isinstance(module, nn.ReLU)]
    hooks = [module.register_forward_hook(partial(look, name)) for name, module in named]
    try:
        yield layers
    finally:
        for hook in hooks:
            hook.remove()


def _guidances(accepted: frozenset[str], lab: Tensor, seed: int) -> Iterator[Guidance]:
    for count in POINTS if "points" in accepted else POINTS[:1]:
        points = uniform_points(lab[:, 1:], count, torch.Generator().manual_seed(seed)) if count else None
        yield Guidance(points=points)


def _report(name: str, layers: dict[str, Fired]) -> None:
    blocks: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    for layer, fired in layers.items():
        block = layer.rpartition(".")[0]
        for key in (block, "all"):
            blocks[key][0] += fired.idle
            blocks[key][1] += len(fired.counts)
    for block, (idle, channels) in blocks.items():
        print(f"{name} {block}: {idle} of {channels} channels never fire ({idle / channels:.0%})", flush=True)


if __name__ == "__main__":
    run_command(main)
