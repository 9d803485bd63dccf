"""The user of edge-aware add-ons: strokes without color over the edges where color bled (Kim et al. 2021)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch.nn import functional as F

from colorzoo.card import GuidanceKind
from colorzoo.guidance import Guidance, Scribbles
from colorzoo.users.edges import bled_runs
from colorzoo.users.protocol import Answer, Given, Hand, Scene


@dataclass(frozen=True)
class BledEdgeScribbles:
    """Draws one stroke after the other over what bled in the first result, the worst first.

    Attributes:
        width: Width of a stroke in pixels, odd.
    """

    width: int = 5
    kind: ClassVar[GuidanceKind] = "scribbles"
    watches: ClassVar[bool] = False

    def begin(self, scene: Scene, first: Answer, model: object) -> Hand:
        """Return the hand; see `SimulatedUser`."""
        del model
        runs = bled_runs(first.ab, scene.ab)

        def hand(count: int, shown: Answer) -> Given:
            del shown
            mask = torch.zeros_like(scene.ab[:, :1])
            for run in runs[:count]:
                mask[0, 0, run[:, 0], run[:, 1]] = 1
            wide = F.max_pool2d(mask, self.width, stride=1, padding=self.width // 2)
            return Given(Guidance(scribbles=Scribbles(wide)), min(count, len(runs)))

        return hand
