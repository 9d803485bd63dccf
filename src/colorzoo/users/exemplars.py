"""The user that shows a reference picture: one interaction, and all is said."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from colorzoo.card import GuidanceKind
from colorzoo.errors import GuidanceError
from colorzoo.guidance import Exemplar, Guidance
from colorzoo.users.protocol import Given, Hand, Scene, SeenResult


@dataclass(frozen=True)
class ExemplarUser:
    """Gives the reference picture that belongs to the scene."""

    kind: ClassVar[GuidanceKind] = "exemplar"
    watches: ClassVar[bool] = False

    def begin(self, scene: Scene, first: SeenResult, model: object) -> Hand:
        """Return the hand; see `SimulatedUser`."""
        del first, model
        if scene.exemplar is None:
            raise GuidanceError("the user exemplar needs a reference for every picture")
        shown_picture = Exemplar(scene.exemplar)

        def hand(count: int, shown: SeenResult) -> Given:
            del shown
            return Given(Guidance(exemplar=shown_picture if count else None), min(count, 1))

        return hand
