"""The kinds of guidance that need the model or another picture: classes, exemplar, statistics."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Protocol, cast, runtime_checkable

import torch
from torch import Tensor

from colorzoo.color import hull_centers
from colorzoo.errors import GuidanceError
from colorzoo.guidance import (
    Boxes,
    Exemplar,
    GlobalStatistics,
    Guidance,
    Recipe,
    statistics_of,
)
from colorzoo.guidance.fields import Fields
from colorzoo.inference.classes import FindsClasses, class_map
from colorzoo.inference.picture import Picture
from colorzoo.tasks import ColoringModel


@runtime_checkable
class FindsBoxes(Protocol):
    """A model that colors the things of a picture, and may look for them."""

    @property
    def detects(self) -> bool:
        """Whether it has what it takes to look."""

    def find_boxes(self, luma: Tensor) -> Boxes:
        """Return where the things of ``(B, 1, H, W)`` are, or say that it cannot find out."""


def add_kinds(
    guidance: Guidance, recipe: Recipe, model: ColoringModel, luma: Tensor, exemplar: Exemplar | None
) -> Guidance:
    """Add to the drawn points and scribbles what else a recipe gives and the model takes.

    Args:
        guidance: Points and scribbles at the network's size.
        recipe: What the user wishes.
        model: Whose classes the recipe speaks of.
        luma: ``(1, 1, h, w)`` in [0, 100].
        exemplar: What a reference gives, or None; the recipe says how far to go towards it.

    Raises:
        GuidanceError: A statistic that does not exist.
    """
    found: dict[str, Any] = {}
    reference = None if exemplar is None else exemplar.rgb
    if "exemplar" in model.accepts and exemplar is not None:
        alpha = (recipe.extra.get("exemplar") or {}).get("alpha", exemplar.alpha)
        found["exemplar"] = replace(exemplar, alpha=float(alpha))
    if "statistics" in model.accepts and recipe.extra.get("statistics"):
        found["statistics"] = read_statistics(recipe.extra["statistics"])
    if "boxes" in model.accepts and guidance.boxes is None and isinstance(model, FindsBoxes):
        found["boxes"] = find_boxes(model, luma)
    if "classes" in model.accepts and isinstance(model, FindsClasses):
        found["classes"] = guidance.classes or class_map(model, recipe, luma, reference)
    return replace(guidance, **found)


def find_boxes(model: FindsBoxes, luma: Tensor) -> Boxes:
    """Ask a model where the things of a lightness are, on its device; the answer is on the CPU.

    Raises:
        GuidanceError: It has no detector.
    """
    device = cast(ColoringModel, model).device
    with torch.inference_mode():
        return model.find_boxes(luma.to(device)).to("cpu")


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
