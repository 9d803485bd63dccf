"""The user of edge-aware add-ons: strokes without color over the edges where color bled (Kim et al. 2021)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from colorzoo.card import GuidanceKind
from colorzoo.errors import GuidanceError
from colorzoo.guidance import Guidance, Scribbles
from colorzoo.users.bled_edges import bled_runs
from colorzoo.users.protocol import Given, Hand, Scene, SeenResult

_BEND = 12  # pixels along a stroke from one turn of a trembling hand to the next

Run = NDArray[np.int64]


@dataclass(frozen=True)
class BledEdgeScribbles:
    """Draws one stroke after the other over what bled in the first result, the worst first.

    Attributes:
        width: Width of a stroke in pixels, odd.
        jitter: Largest distance of a stroke from its edge in pixels, each way; it changes smoothly.
        coverage: Share of each edge that is drawn over, one piece of it anywhere.
    """

    width: int = 5
    jitter: float = 0.0
    coverage: float = 1.0
    kind: ClassVar[GuidanceKind] = "scribbles"
    watches: ClassVar[bool] = False

    def __post_init__(self) -> None:
        if self.width < 1 or self.width % 2 == 0 or self.jitter < 0 or not 0 < self.coverage <= 1:
            raise GuidanceError(
                "bled_edge_scribbles needs an odd width, a jitter of at least 0 and a coverage above 0 and "
                f"at most 1, got {self.width}, {self.jitter} and {self.coverage}"
            )

    def begin(self, scene: Scene, first: SeenResult, model: object) -> Hand:
        """Return the hand; see `SimulatedUser`."""
        del model
        random = np.random.default_rng([scene.seed & (2**63 - 1), 0])
        runs = [self._drawn(run, random) for run in bled_runs(first.ab, scene.ab)]

        def hand(count: int, shown: SeenResult) -> Given:
            del shown
            mask = draw_runs(runs[:count], self.width, scene.ab[:, :1])
            return Given(Guidance(scribbles=Scribbles(mask)), min(count, len(runs)))

        return hand

    def _drawn(self, run: Run, random: np.random.Generator) -> Run:
        """Return the part of an edge that is drawn, as an unsteady hand draws it."""
        length = max(1, round(self.coverage * len(run)))
        start = int(random.integers(len(run) - length + 1))
        piece = run[start : start + length]
        turns = np.arange(0, length + _BEND, _BEND)
        offsets = random.uniform(-self.jitter, self.jitter, (2, len(turns)))
        bent = np.stack([np.interp(np.arange(length), turns, each) for each in offsets], axis=1)
        moved: Run = np.rint(piece + bent).astype(np.int64)
        return moved


def draw_runs(runs: list[Run], width: int, like: Tensor) -> Tensor:
    """Draw paths of pixels.

    Args:
        runs: For each stroke its ``(N, 2)`` pixels, row and column; those outside the picture are left out.
        width: Width of the strokes in pixels, odd.
        like: ``(1, 1, H, W)``.

    Returns:
        ``(1, 1, H, W)`` float32 in {0, 1}.
    """
    rows, columns = like.shape[-2:]
    mask = torch.zeros_like(like)
    for run in runs:
        inside = run[(run >= 0).all(axis=1) & (run[:, 0] < rows) & (run[:, 1] < columns)]
        mask[0, 0, inside[:, 0], inside[:, 1]] = 1
    return F.max_pool2d(mask, width, stride=1, padding=width // 2)
