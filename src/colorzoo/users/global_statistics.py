"""The user that describes the whole picture: its color histogram or saturation (Zhang et al. 2017)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from colorzoo.card import GuidanceKind
from colorzoo.guidance import GlobalStatistics, Guidance, statistics_of
from colorzoo.users.protocol import Given, Hand, Scene, SeenResult


@dataclass(frozen=True)
class TrueStatistics:
    """Gives the true statistics in one interaction.

    Attributes:
        give: What is given: the color histogram, the mean saturation, or both.
    """

    give: Literal["histogram", "saturation", "both"] = "histogram"
    kind: ClassVar[GuidanceKind] = "statistics"
    watches: ClassVar[bool] = False

    def begin(self, scene: Scene, first: SeenResult, model: object) -> Hand:
        """Return the hand; see `SimulatedUser`."""
        del first, model
        true = statistics_of(scene.rgb)
        given = GlobalStatistics(
            true.histogram if self.give != "saturation" else None,
            true.saturation if self.give != "histogram" else None,
        )

        def hand(count: int, shown: SeenResult) -> Given:
            del shown
            return Given(Guidance(statistics=given if count else None), min(count, 1))

        return hand
