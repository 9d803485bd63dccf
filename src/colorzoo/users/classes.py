"""The user of models whose colors travel only inside a class: corrects the class map (Chen et al. 2023)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from colorzoo.card import GuidanceKind
from colorzoo.errors import GuidanceError
from colorzoo.guidance import ClassMap, Exemplar, Guidance
from colorzoo.users.protocol import Given, Hand, Scene, SeenResult


@dataclass(frozen=True)
class ClassMapUser:
    """Names the true classes one by one, the largest first; what is not named yet stays class 0.

    The reference picture, where there is one, is given from the start together with its classes.
    """

    kind: ClassVar[GuidanceKind] = "classes"
    watches: ClassVar[bool] = False

    def begin(self, scene: Scene, first: SeenResult, model: object) -> Hand:
        """Return the hand; see `SimulatedUser`."""
        del first, model
        if scene.classes is None:
            raise GuidanceError("the user class_map needs the true classes of every picture")
        true = scene.classes
        order = by_size(true.target)
        exemplar = None if scene.exemplar is None else Exemplar(scene.exemplar)

        def hand(count: int, shown: SeenResult) -> Given:
            del shown
            named = order[:count]
            target = torch.where(torch.isin(true.target, named), true.target, 0)
            reference = None
            if true.exemplar is not None:
                reference = torch.where(torch.isin(true.exemplar, named), true.exemplar, 0)
            guidance = Guidance(exemplar=exemplar, classes=ClassMap(target, reference))
            return Given(guidance, len(named))

        return hand


def by_size(classes: Tensor) -> Tensor:
    """Return the classes of a map except 0 (unnamed), that of most pixels first."""
    pixels = torch.bincount(classes.flatten())
    pixels[0] = 0
    order = torch.argsort(pixels, descending=True, stable=True)
    return order[pixels[order] > 0]
