"""Simulated users that color regions proposed by a model, or superpixels as a control.

Cho et al. 2023 describe how a model proposes regions.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar, Literal, get_args

import torch
from torch import Tensor

from colorzoo.abilities import RegionModel
from colorzoo.card import GuidanceKind
from colorzoo.errors import GuidanceError
from colorzoo.guidance import Guidance, Regions
from colorzoo.guidance.color_statistics import region_means
from colorzoo.model import ColoringModel
from colorzoo.randomness import image_generators
from colorzoo.simulation.session import InputFunction, SessionResult, TargetImage

Order = Literal["proposed", "random"]


@dataclass(frozen=True)
class PriorityRegions:
    """Simulated user that fills regions proposed by a model with their mean true colors.

    Examples:
        >>> model = colorzoo.create_model("cho2023_small").model
        >>> sketch, rgb = torch.ones(1, 1, 32, 48), torch.rand(1, 3, 32, 48)
        >>> target = TargetImage(sketch, rgb, colorzoo.rgb_to_lab(rgb)[:, 1:], seed=0)
        >>> white = SessionResult(torch.ones(1, 3, 32, 48), torch.zeros(1, 2, 32, 48))
        >>> guidance, _ = PriorityRegions().begin(target, white, model)(1, white)
        >>> guidance.kinds()
        ('regions',)

    The model must support `RegionModel.propose`. Each filled region counts as one interaction. Empty
    regions are skipped.

    Attributes:
        order: Order of the regions: ``"proposed"`` by the model, or ``"random"`` as a control.
    """

    order: Order = "proposed"
    kind: ClassVar[GuidanceKind] = "regions"
    adaptive: ClassVar[bool] = False

    def __post_init__(self) -> None:
        if self.order not in get_args(Order):
            raise GuidanceError(f"'order' must be one of {', '.join(get_args(Order))}, got {self.order!r}")

    def begin(self, target: TargetImage, first: SessionResult, model: object) -> InputFunction:
        """Start a session and return its `InputFunction`; see `SimulatedUser.begin`."""
        proposed = _proposed_regions(model, target.lightness)
        if proposed is None:
            raise GuidanceError(
                f"this simulated user requires a model that proposes regions, got {type(model).__name__}"
            )
        filled = torch.unique(proposed.index)
        if self.order == "random":
            (generator,) = image_generators(torch.tensor([target.seed]), "regions")
            filled = filled[torch.randperm(len(filled), generator=generator).to(filled.device)]
        return _color_in_order(target, proposed, filled)


@dataclass(frozen=True)
class SuperpixelRegions:
    """Simulated user that fills SLIC superpixels with their mean true colors.

    Examples:
        >>> rgb = torch.rand(1, 3, 32, 48)
        >>> target = TargetImage(torch.rand(1, 1, 32, 48), rgb, colorzoo.rgb_to_lab(rgb)[:, 1:], seed=0)
        >>> white = SessionResult(torch.ones(1, 3, 32, 48), torch.zeros(1, 2, 32, 48))
        >>> guidance, _ = SuperpixelRegions(count=4).begin(target, white, None)(2, white)
        >>> guidance.kinds()
        ('regions',)

    The largest superpixels are filled first. Each superpixel counts as one interaction.

    Attributes:
        count: Approximate number of superpixels, 1 to 30.
        compactness: SLIC compactness: low values follow edges, high values give square superpixels.
    """

    count: int = 30
    compactness: float = 0.1
    kind: ClassVar[GuidanceKind] = "regions"
    adaptive: ClassVar[bool] = False

    def begin(self, target: TargetImage, first: SessionResult, model: object) -> InputFunction:
        """Start a session and return its `InputFunction`; see `SimulatedUser.begin`."""
        from skimage.segmentation import slic  # slow to import, and training imports this module

        labels = slic(
            target.lightness.expand(-1, 3, -1, -1)[0].permute(1, 2, 0).cpu().double().numpy(),
            n_segments=self.count,
            compactness=self.compactness,
            sigma=1.0,
            convert2lab=False,
        )
        _, labels, sizes = torch.unique(torch.from_numpy(labels), return_inverse=True, return_counts=True)
        rank = sizes.argsort(descending=True, stable=True).argsort()
        index = rank[labels].clamp(max=self.count - 1)[None, None].to(target.lightness.device)
        empty = torch.zeros(1, self.count, 3, device=index.device)
        proposed = _proposed_regions(model, target.lightness)
        # as in PriorityRegions, the model gets its own segments
        segments = None if proposed is None else proposed.original_segments
        return _color_in_order(target, Regions(index, empty, empty[..., 0], segments), torch.unique(index))


def _proposed_regions(model: object, lightness: Tensor) -> Regions | None:
    """Return the regions that a model proposes; None if the model does not propose regions."""
    if not isinstance(model, ColoringModel) or not isinstance(model, RegionModel):
        return None
    return model.propose(lightness)


def _color_in_order(target: TargetImage, proposed: Regions, order: Tensor) -> InputFunction:
    """Return an input function that fills one region per interaction in the specified order."""
    colors, _ = region_means(proposed.index, target.rgb, proposed.given.shape[1])

    def give_input(count: int, _: SessionResult) -> tuple[Guidance, int]:
        given = torch.zeros_like(proposed.given)
        given[0, order[:count]] = 1
        regions: Regions = replace(proposed, rgb=colors, given=given)
        return Guidance(regions=regions), min(count, len(order))

    return give_input
