"""Users who color regions: those that a model asks for (Cho et al. 2023), and superpixels as a control."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar, Literal, get_args

import torch
from skimage.segmentation import slic
from torch import Tensor

from colorzoo.card import GuidanceKind
from colorzoo.errors import GuidanceError
from colorzoo.guidance import Guidance, Regions
from colorzoo.randomness import picture_generators
from colorzoo.users.protocol import Given, Hand, ProposesRegions, Scene, SeenResult

Order = Literal["asked", "random"]
Ground = Literal["sketch", "picture"]


@dataclass(frozen=True)
class PriorityRegions:
    """Answers each region that the model proposes with its mean true color.

    Regions without a pixel are passed over and cost no interaction.

    Attributes:
        order: As the model asks, or shuffled: the control that tells what its order is worth.
    """

    order: Order = "asked"
    kind: ClassVar[GuidanceKind] = "regions"
    watches: ClassVar[bool] = False

    def __post_init__(self) -> None:
        _check("order", self.order, get_args(Order))

    def begin(self, scene: Scene, first: SeenResult, model: object) -> Hand:
        """Return the hand; see `SimulatedUser`."""
        del first
        if not isinstance(model, ProposesRegions):
            raise GuidanceError(f"{type(model).__name__} proposes no regions (it has no `propose`)")
        proposed = model.propose(scene.luma)
        filled = torch.unique(proposed.index)
        if self.order == "random":
            (generator,) = picture_generators(torch.tensor([scene.seed]), "regions")
            filled = filled[torch.randperm(len(filled), generator=generator).to(filled.device)]
        return _answering(scene, proposed, filled)


@dataclass(frozen=True)
class SuperpixelRegions:
    """Colors superpixels (SLIC) with their mean true colors, the largest first: regions without learning.

    Attributes:
        count: About how many superpixels, 1 .. 30.
        ground: Divide the sketch that the model sees, or the true picture, which no user of a sketch has.
        compactness: Of SLIC: low values follow edges, high values make squares.
    """

    count: int = 30
    ground: Ground = "sketch"
    compactness: float = 0.1
    kind: ClassVar[GuidanceKind] = "regions"
    watches: ClassVar[bool] = False

    def __post_init__(self) -> None:
        _check("ground", self.ground, get_args(Ground))

    def begin(self, scene: Scene, first: SeenResult, model: object) -> Hand:
        """Return the hand; see `SimulatedUser`."""
        del first
        seen = scene.luma.expand(-1, 3, -1, -1) if self.ground == "sketch" else scene.rgb
        pixels = seen[0].permute(1, 2, 0).cpu().double().numpy()
        labels = torch.from_numpy(
            slic(
                pixels,
                n_segments=self.count,
                compactness=self.compactness,
                sigma=1.0,
                start_label=0,
                convert2lab=False,
                channel_axis=2,
            )
        )
        _, labels, sizes = torch.unique(labels, return_inverse=True, return_counts=True)
        place = sizes.argsort(descending=True, stable=True).argsort()
        index = place[labels].clamp(max=self.count - 1)[None, None].to(scene.luma.device)
        empty = torch.zeros(1, self.count, 3, device=index.device)
        segments = None
        if isinstance(
            model, ProposesRegions
        ):  # what a painter sees beside the hints shall not be the difference
            own = model.propose(scene.luma)
            segments = own.index if own.segments is None else own.segments
        return _answering(scene, Regions(index, empty, empty[..., 0], segments), torch.unique(index))


def _answering(scene: Scene, proposed: Regions, order: Tensor) -> Hand:
    """Return a hand that colors the regions ``order`` ``(K,)`` one after the other."""
    colors, _ = region_means(proposed.index, scene.rgb, proposed.given.shape[1])

    def hand(count: int, shown: SeenResult) -> Given:
        del shown
        given = torch.zeros_like(proposed.given)
        given[0, order[:count]] = 1
        regions: Regions = replace(proposed, rgb=colors, given=given)
        return Given(Guidance(regions=regions), min(count, len(order)))

    return hand


def _check(name: str, value: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise GuidanceError(f"{name} must be one of {', '.join(allowed)}, got {value!r}")


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
