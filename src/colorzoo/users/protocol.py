"""The one protocol of all simulated users, and what a model may offer them.

A user begins a session with a picture and gets back a *hand*: a function that answers "what have you given
after n interactions, having seen this result?". Whoever runs the session calls it with growing n.

A model may guide the user: by ``propose(luma)``, which returns `Regions` without colors in the order in which
it wants them, and by ``propose_points(luma, guidance)``, which returns the ``(B, 2)`` row and column where
it wants the next point.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from torch import Tensor

from colorzoo.card import GuidanceKind
from colorzoo.guidance import ClassMap, Guidance, Regions


@dataclass(frozen=True)
class Scene:
    """One picture and what its user knows.

    Attributes:
        luma: ``(1, 1, H, W)``, what the model reads: L in [0, 100], or a sketch in [0, 1].
        rgb: ``(1, 3, H, W)`` truth in [0, 1].
        ab: ``(1, 2, H, W)`` truth in CIE units.
        seed: The picture's own seed.
        exemplar: ``(1, 3, h, w)`` reference picture in [0, 1], where there is one.
        classes: True classes of the picture (and of its reference), where they are known.
    """

    luma: Tensor
    rgb: Tensor
    ab: Tensor
    seed: int
    exemplar: Tensor | None = None
    classes: ClassMap | None = None


@dataclass(frozen=True)
class SeenResult:
    """A result as the user sees it.

    Attributes:
        rgb: ``(1, 3, H, W)`` in [0, 1].
        ab: ``(1, 2, H, W)`` in CIE units.
    """

    rgb: Tensor
    ab: Tensor


@dataclass(frozen=True)
class Given:
    """What a user has given so far.

    Attributes:
        guidance: Of the user's own kind alone.
        interactions: How many interactions that took; fewer than asked for where there is nothing left to do.
    """

    guidance: Guidance
    interactions: int


Hand = Callable[[int, SeenResult], Given]
"""Maps n and the last result to what was given after n interactions; a watching user is asked for every n."""


class SimulatedUser(Protocol):
    """What all simulated users have in common; see the module.

    Attributes:
        kind: The kind of guidance that this user gives.
        watches: Whether an interaction depends on the result before it, so that none can be skipped.
    """

    @property
    def kind(self) -> GuidanceKind:
        """The kind of guidance."""

    @property
    def watches(self) -> bool:
        """Whether each interaction depends on the last result."""

    def begin(self, scene: Scene, first: SeenResult, model: object) -> Hand:
        """Sit down before a picture.

        Args:
            scene: The picture.
            first: What the model makes of it without this user.
            model: Asked for proposals, where the user follows them.

        Raises:
            GuidanceError: The scene or the model lacks what this user needs.
        """
        ...


@runtime_checkable
class ProposesRegions(Protocol):
    """A model that divides the picture into regions and orders them (Cho et al. 2023)."""

    def propose(self, luma: Tensor) -> Regions:
        """Return regions without colors, the first being the one to color first."""
        ...


@runtime_checkable
class ProposesPoints(Protocol):
    """A model that says where it would like the next point."""

    def propose_points(self, luma: Tensor, guidance: Guidance) -> Tensor:
        """Return ``(B, 2)`` int64: row and column of the next point's center."""
        ...
