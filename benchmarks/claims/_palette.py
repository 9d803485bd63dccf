"""How often one of nine suggested colors lies near the true color of a random pixel."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import torch
from torch import Tensor

from benchmarks.claims._experiment import Item, Measure, Setup
from benchmarks.claims._pictures import read_square
from benchmarks.palette import fixed_colors, nearest_suggestion, suggest
from colorzoo import create_model
from colorzoo.color import rgb_to_lab

PIXELS, RADII = 12, (5, 10, 15)


def begin(setup: Setup) -> Measure:
    """Return what measures the shares of pixels by radius and by what the suggestions know."""
    model, fixed = create_model("zhang2017_local_small"), fixed_colors()

    def measure(item: Item) -> Mapping[str, float]:
        lab = rgb_to_lab(read_square(item.files[0], setup.side))
        seed = int(item.digest, 16) % 2**31
        places = torch.randint(setup.side, (PIXELS, 2), generator=torch.Generator().manual_seed(seed))
        truth = torch.stack([lab[0, 1:, y, x] for y, x in places.tolist()])
        suggested: dict[str | int, Tensor] = {"fixed": fixed.expand(PIXELS, -1, -1)}
        for count in (0, 10):
            suggested[count] = torch.stack([*suggest(model, lab, places.tolist(), count, seed, [])])
        return dict(_shares(truth, suggested))

    return measure


def _shares(truth: Tensor, suggested: Mapping[str | int, Tensor]) -> Iterator[tuple[str, float]]:
    for name, colors in suggested.items():
        distance = nearest_suggestion(truth, colors)
        for radius in RADII:
            yield f"within {radius}, {name}", float((distance <= radius).float().mean())
