"""The kinds of guidance that need the model or another picture: regions, classes, exemplar, statistics."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Protocol, cast, runtime_checkable

import torch
from torch import Tensor

from colorzoo.color import hull_centers
from colorzoo.errors import GuidanceError
from colorzoo.guidance import (
    Exemplar,
    GlobalStatistics,
    Guidance,
    Recipe,
    Regions,
    statistics_of,
)
from colorzoo.guidance.fields import Fields
from colorzoo.inference.classes import FindsClasses, class_map, find_classes
from colorzoo.inference.picture import Picture
from colorzoo.inference.resample import working_size
from colorzoo.tasks import ColorizationModule

__all__ = [
    "FindsClasses",
    "ProposesRegions",
    "add_kinds",
    "as_reference",
    "color_regions",
    "describe_statistics",
    "find_classes",
    "propose_regions",
    "read_statistics",
]


@runtime_checkable
class ProposesRegions(Protocol):
    """A model that asks for the colors of regions."""

    def propose(self, luma: Tensor) -> Regions:
        """Return the regions of ``(B, 1, H, W)``, none of them colored yet, the most wanted first."""


def as_reference(picture: Picture, size: int) -> Tensor:
    """Return a reference picture ``(1, 3, h, w)`` in [0, 1], as small as the network sees pictures."""
    rgb = torch.from_numpy(picture.rgb).permute(2, 0, 1)[None]
    shape = working_size(rgb.shape[2], rgb.shape[3], size)
    small = torch.nn.functional.interpolate(rgb, size=shape, mode="bicubic", antialias=True)
    return small.clamp(0, 1)


def add_kinds(
    guidance: Guidance, recipe: Recipe, model: ColorizationModule, luma: Tensor, reference: Tensor | None
) -> Guidance:
    """Add to the drawn points and scribbles what else a recipe gives and the model takes.

    Args:
        guidance: Points and scribbles at the network's size.
        recipe: What the user wishes.
        model: Whose regions and classes the recipe speaks of.
        luma: ``(1, 1, h, w)`` in [0, 100].
        reference: ``(1, 3, h', w')`` in [0, 1], or None.

    Raises:
        GuidanceError: A region or statistic that does not exist.
    """
    found: dict[str, Any] = {}
    if "exemplar" in model.accepts and reference is not None:
        found["exemplar"] = Exemplar(reference)
    if "statistics" in model.accepts and recipe.extra.get("statistics"):
        found["statistics"] = read_statistics(recipe.extra["statistics"])
    if "regions" in model.accepts and recipe.regions and isinstance(model, ProposesRegions):
        found["regions"] = color_regions(propose_regions(model, luma), recipe)
    if "classes" in model.accepts and isinstance(model, FindsClasses):
        found["classes"] = guidance.classes or class_map(model, recipe, luma, reference)
    return replace(guidance, **found)


def propose_regions(model: ProposesRegions, luma: Tensor) -> Regions:
    """Ask a model for its regions, on its device; the answer is on the CPU."""
    device = cast(ColorizationModule, model).device
    with torch.inference_mode():
        return model.propose(luma.to(device)).to("cpu")


def color_regions(regions: Regions, recipe: Recipe) -> Regions:
    """Fill in the colors that a recipe gives.

    Raises:
        GuidanceError: The recipe colors a region that the model did not propose.
    """
    rgb, given = regions.rgb.clone(), regions.given.clone()
    for region in recipe.regions:
        if region.index >= rgb.shape[1]:
            raise GuidanceError(
                f"recipe.regions colors region {region.index}, but the model found {rgb.shape[1]} (from 0)."
            )
        levels = [int(region.color[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        rgb[:, region.index], given[:, region.index] = rgb.new_tensor(levels), 1
    return replace(regions, rgb=rgb, given=given)


def read_statistics(values: Mapping[str, Any]) -> GlobalStatistics:
    """Read ``statistics`` of a recipe: mean saturation, and shares of the 313 bins.

    Raises:
        GuidanceError: They are not of the right number or range.
    """
    fields = Fields(dict(values), "recipe.statistics")
    saturation = fields.number("saturation", -1.0, low=0, high=1)
    shares = fields.numbers("histogram", len(hull_centers()), low=0, high=1e9)
    histogram = None if shares is None else torch.tensor(shares)[None]
    if histogram is not None:
        if not histogram.sum() > 0:
            raise GuidanceError("recipe.statistics.histogram must have a share above 0.")
        histogram = histogram / histogram.sum()
    return GlobalStatistics(histogram, None if saturation < 0 else torch.tensor([[saturation]]))


def describe_statistics(picture: Picture) -> dict[str, Any]:
    """Return histogram and saturation of a reference picture as a recipe has them."""
    found = statistics_of(torch.from_numpy(picture.rgb).permute(2, 0, 1)[None])
    assert found.histogram is not None
    assert found.saturation is not None
    shares = [round(share, 6) for share in found.histogram[0].tolist()]
    return {"saturation": round(float(found.saturation), 4), "histogram": shares}
