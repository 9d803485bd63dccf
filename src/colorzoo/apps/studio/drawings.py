"""Fields of messages about drawings: region map, likely colors, next region, similar regions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor

from colorzoo.apps.studio.coloring import PadRequest, predict
from colorzoo.apps.studio.protocol import StudioError
from colorzoo.apps.studio.regions import innermost_pixel
from colorzoo.color import rgb_to_lab
from colorzoo.inference import predict_regions
from colorzoo.inference.steps import Drawing

VARIANTS = 4
"""Number of versions in the message ``colorings``: the most likely colors, and other colorings."""
_SIMILAR = 0.5  # minimum probability that two regions have one color
_MOST_REGIONS = np.iinfo(np.uint16).max


def describe_drawing(request: PadRequest) -> tuple[dict[str, Any], bytes]:
    """Return the fields of the message ``regions`` for a drawing, and the region number of each pixel.

    The numbers have the size of the preview and are encoded as little-endian uint16.
    """
    labels = _preview_of(request).regions.clip(max=_MOST_REGIONS)
    facts = {"count": int(labels.max()) + 1, "width": labels.shape[1], "height": labels.shape[0]}
    return {**facts, "items": [], "proposal": None}, labels.astype("<u2").tobytes()


def likely_region_colors(request: PadRequest, place: tuple[float, float], count: int) -> dict[str, Any]:
    """Return the fields of the message ``suggestions`` for the region at a location.

    Args:
        request: Drawing and recipe.
        place: Location ``(x, y)`` in pixels of the drawing.
        count: Maximum number of colors.
    """
    region = _drawing(request).region_at(*place, request.opened.size)
    model, prediction, votes = _predicted(request)
    with torch.inference_mode():
        colors, shares = model.suggest_colors(prediction, votes, region, count)
        order = shares.argsort(descending=True, stable=True)
        colors, shares = colors[order], shares[order]
        lab = rgb_to_lab(colors.mT[None, :, :, None])[0, :, :, 0].mT
    items = [
        {"ab": each[1:].tolist(), "color": _hex(rgb), "share": float(share)}
        for each, rgb, share in zip(lab, colors, shares, strict=True)
    ]
    return {"lightness": float(lab[0, 0]) if items else None, "items": items, "entropy": None}


def next_region(request: PadRequest) -> dict[str, Any]:
    """Return the fields of the message ``next``: a location in the most useful region without a point."""
    drawing = _drawing(request)
    model, prediction, votes = _predicted(request)
    with torch.inference_mode():
        ranked = model.rank_regions(prediction, votes, torch.from_numpy(drawing.areas))
    taken = _regions_of_points(request)
    x, y = next(_places(request, (each for each in ranked if each not in taken)), (None, None))
    return {"x": x, "y": y, "entropy": None}


def similar_regions(request: PadRequest, place: tuple[float, float]) -> dict[str, Any]:
    """Return the fields of the message ``same``.

    The fields are the color of the region at a location, a location in the region, and a location in each
    similar region that has no point.

    Args:
        request: Drawing and recipe.
        place: Location ``(x, y)`` in pixels of the drawing.

    Raises:
        StudioError: The model does not compare regions.
    """
    region = _drawing(request).region_at(*place, request.opened.size)
    model, prediction, votes = _predicted(request)
    with torch.inference_mode():
        similarity = model.region_similarity(prediction, votes)[region]
    taken = _regions_of_points(request) | {region}
    alike = [each for each in (similarity >= _SIMILAR).nonzero()[:, 0].tolist() if each not in taken]
    flats = predict(request).colors.flats
    assert flats is not None
    color = flats.colors[flats.drawing.region_at(*place, request.opened.size)]
    return {"color": _hex(torch.from_numpy(color)), "places": [place, *_places(request, alike)]}


def _predicted(request: PadRequest) -> tuple[Any, Any, Tensor]:
    """Return the model, its prediction, and the weight of each cell in each region."""
    model = request.colorizer.model
    if not model.supports("region_colors"):
        raise StudioError("unsupported", "this coloring model does not compare the regions of a drawing")
    with torch.inference_mode():
        return model, *predict_regions(request.task())


def _drawing(request: PadRequest) -> Drawing:
    return request.opened.drawing(request.recipe)


def _preview_of(request: PadRequest) -> Drawing:
    columns, rows = request.opened.view
    return _drawing(request).resized((rows, columns))


def _regions_of_points(request: PadRequest) -> set[int]:
    return {
        _drawing(request).region_at(point.x, point.y, request.opened.size) for point in request.recipe.points
    }


def _places(request: PadRequest, regions: Iterable[int]) -> Iterator[tuple[float, float]]:
    """Yield the location in each region that is farthest from its boundary.

    Regions without a pixel in the preview are skipped.
    """
    labels = _preview_of(request).regions
    width, height = request.opened.size
    for region in regions:
        inside = labels == region
        if inside.any():
            row, column = innermost_pixel(inside)
            yield (column + 0.5) * width / labels.shape[1], (row + 0.5) * height / labels.shape[0]


def _hex(rgb: Tensor) -> str:
    return "#{:02x}{:02x}{:02x}".format(*rgb.mul(255).round().int().tolist())
