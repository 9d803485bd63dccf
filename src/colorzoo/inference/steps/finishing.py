"""Adjustments of all colors after the network, at any image size."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from colorzoo.guidance.finish import Finish


@dataclass(frozen=True)
class FinishingConstants:
    """Constants of the adjustments.

    Attributes:
        warmest: Change of a and b in CIE units at a temperature of 100 and a lightness of 50.
        most_magenta: Change of a and b in CIE units at a tint of 100 and a lightness of 50.
        vivid: Chroma in CIE units at which vibrance has a third of its effect on pale colors.
    """

    warmest: tuple[float, float] = (5.0, 20.0)
    most_magenta: tuple[float, float] = (16.0, -6.0)
    vivid: float = 35.0


FINISHING = FinishingConstants()


@dataclass(frozen=True)
class Finishing:
    """Adjustments as an overlay.

    Attributes:
        finish: The adjustments.
    """

    finish: Finish

    def add_to(self, ab: Tensor, lightness: Tensor, first: int) -> None:
        """Adjust the colors in the rows from ``first`` of an ab map; see `Overlay`."""
        finish = self.finish
        share = (lightness / 50 - 1).clamp(-1, 1)  # -1 for black, 1 for white
        pale = torch.exp(-ab.square().sum(dim=0).sqrt() / FINISHING.vivid)
        factor = 1 + finish.vibrance / 100 * pale
        factor *= 1 + finish.shadows / 100 * (-share).clamp(min=0)
        factor *= 1 + finish.highlights / 100 * share.clamp(min=0)
        ab *= factor
        if finish.temperature or finish.tint:
            weight = 1 - share**4  # black and white stay neutral
            for channel in (0, 1):
                warmer = finish.temperature / 100 * FINISHING.warmest[channel]
                pinker = finish.tint / 100 * FINISHING.most_magenta[channel]
                ab[channel] += (warmer + pinker) * weight
