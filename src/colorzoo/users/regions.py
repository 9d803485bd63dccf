"""The user of models that ask for the color of one region after the other (Cho et al. 2023)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from torch import Tensor

from colorzoo.card import GuidanceKind
from colorzoo.errors import GuidanceError
from colorzoo.guidance import Guidance, Regions
from colorzoo.users.protocol import Answer, Given, Hand, ProposesRegions, Scene


@dataclass(frozen=True)
class PriorityRegions:
    """Answers each region that the model proposes with its mean true color, in the model's order.

    Regions without a pixel are passed over and cost no interaction.
    """

    kind: ClassVar[GuidanceKind] = "regions"
    watches: ClassVar[bool] = False

    def begin(self, scene: Scene, first: Answer, model: object) -> Hand:
        """Return the hand; see `SimulatedUser`."""
        del first
        if not isinstance(model, ProposesRegions):
            raise GuidanceError(f"{type(model).__name__} proposes no regions (it has no `propose`)")
        proposed = model.propose(scene.luma)
        colors, pixels = region_means(proposed.index, scene.rgb, proposed.given.shape[1])
        filled = (pixels[0] > 0).nonzero()[:, 0]

        def hand(count: int, shown: Answer) -> Given:
            del shown
            given = torch.zeros_like(proposed.given)
            given[0, filled[:count]] = 1
            regions: Regions = replace(proposed, rgb=colors, given=given)
            return Given(Guidance(regions=regions), min(count, len(filled)))

        return hand


def region_means(index: Tensor, rgb: Tensor, regions: int) -> tuple[Tensor, Tensor]:
    """Return the mean color and the size of each region.

    Args:
        index: ``(B, 1, H, W)`` int64, region of each pixel.
        rgb: ``(B, 3, H, W)`` in [0, 1].
        regions: N, number of regions.

    Returns:
        ``(B, N, 3)`` in [0, 1], black for a region without a pixel, and ``(B, N)`` pixels.
    """
    where = index.flatten(2)
    batch = len(index)
    pixels = rgb.new_zeros(batch, regions).scatter_add_(1, where[:, 0], torch.ones_like(where[:, 0]).float())
    sums = rgb.new_zeros(batch, 3, regions).scatter_add_(2, where.expand(-1, 3, -1), rgb.flatten(2))
    return (sums / pixels.clamp(min=1)[:, None]).transpose(1, 2), pixels
