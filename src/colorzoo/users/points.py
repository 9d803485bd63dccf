"""Users that place color points: anywhere, where the result is most wrong, or where the model asks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F

from colorzoo.card import GuidanceKind
from colorzoo.color import rgb_to_lab
from colorzoo.errors import GuidanceError
from colorzoo.guidance import Guidance, Points, paint_patches, uniform_points
from colorzoo.randomness import picture_generators
from colorzoo.users.protocol import Given, Hand, ProposesPoints, Scene, SeenResult


@dataclass(frozen=True)
class UniformPoints:
    """Places points uniformly, whatever the result (the test of Zhang et al. 2017, sec. 4.1).

    The first n of its points are the same for every number of points.

    Attributes:
        side: Side of a point's patch in pixels; the patch is filled with its mean true color.
    """

    side: int = 6
    kind: ClassVar[GuidanceKind] = "points"
    watches: ClassVar[bool] = False

    def begin(self, scene: Scene, first: SeenResult, model: object) -> Hand:
        """Return the hand; see `SimulatedUser`."""
        del first, model

        def hand(count: int, shown: SeenResult) -> Given:
            del shown
            generators = picture_generators(torch.tensor([scene.seed]), "points")
            points = uniform_points(_lab(scene), count, generators, side=self.side)
            return Given(Guidance(points=points), count)

        return hand


@dataclass(frozen=True)
class MostWrongPoints:
    """Always clicks where the result is farthest from the truth, averaged over the point's patch.

    Attributes:
        side: Side of a point's patch in pixels.
    """

    side: int = 6
    kind: ClassVar[GuidanceKind] = "points"
    watches: ClassVar[bool] = True

    def begin(self, scene: Scene, first: SeenResult, model: object) -> Hand:
        """Return the hand; see `SimulatedUser`."""
        del first, model
        side = min(self.side, *scene.ab.shape[-2:])

        def place(shown: SeenResult, given: Points) -> Tensor:
            error = (shown.ab - scene.ab).square().sum(dim=1, keepdim=True)
            return worst_corner(error * (1 - given.mask), side)

        return _one_by_one(scene, side, place)


@dataclass(frozen=True)
class ProposedPoints:
    """Clicks where the model asks for a color, by its ``propose_points``.

    Attributes:
        side: Side of a point's patch in pixels.
    """

    side: int = 6
    kind: ClassVar[GuidanceKind] = "points"
    watches: ClassVar[bool] = True

    def begin(self, scene: Scene, first: SeenResult, model: object) -> Hand:
        """Return the hand; see `SimulatedUser`."""
        del first
        if not isinstance(model, ProposesPoints):
            raise GuidanceError(
                f"{type(model).__name__} proposes no points; use the user uniform_points instead"
            )
        side = min(self.side, *scene.ab.shape[-2:])
        limit = torch.tensor(scene.ab.shape[-2:]) - side

        def place(shown: SeenResult, given: Points) -> Tensor:
            del shown
            center = model.propose_points(scene.luma, Guidance(points=given)).cpu()
            return torch.minimum((center - side // 2).clamp(min=0), limit)[0]

        return _one_by_one(scene, side, place)


def worst_corner(error: Tensor, side: int) -> Tensor:
    """Return the ``(2,)`` row and column of the top left pixel of the worst square.

    Args:
        error: ``(1, 1, H, W)``.
        side: Side of the square in pixels, at most H and W.
    """
    means = F.avg_pool2d(error, side, stride=1)
    place = int(means.flatten().argmax())
    return torch.tensor(divmod(place, means.shape[-1]))


def _one_by_one(scene: Scene, side: int, place: Callable[[SeenResult, Points], Tensor]) -> Hand:
    """Return a hand that adds one point a time, at the corner that ``place`` answers."""
    corners: list[Tensor] = []
    lab = _lab(scene)

    def hand(count: int, shown: SeenResult) -> Given:
        while len(corners) < count:
            corners.append(place(shown, _painted(lab, corners, side)))
        return Given(Guidance(points=_painted(lab, corners, side)), len(corners))

    return hand


def _painted(lab: Tensor, corners: list[Tensor], side: int) -> Points:
    if not corners:
        return Points.none(lab)
    corner = torch.stack(corners)[None].to(lab.device)
    sides = torch.full(corner.shape[:2], side, device=lab.device)
    return paint_patches(lab, corner, sides, torch.ones_like(sides, dtype=torch.bool))


def _lab(scene: Scene) -> Tensor:
    """Return the true colors with their lightness, which models that paint sketches need to be told."""
    return torch.cat([rgb_to_lab(scene.rgb)[:, :1], scene.ab], dim=1)
