"""Fields of messages about drawings: region map, likely colors, next region, similar regions."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from colorzoo.abilities import DrawingModel
from colorzoo.apps.studio.coloring import PadRequest, predict
from colorzoo.apps.studio.opened_image import jpeg
from colorzoo.apps.studio.protocol import StudioError
from colorzoo.apps.studio.regions import innermost_location
from colorzoo.color import rgb_to_lab
from colorzoo.guidance.fields import format_hex
from colorzoo.inference import predict_regions
from colorzoo.pixels.raster import FloatArray

_SIMILAR = 0.5  # minimum probability that two regions have one color


def describe_drawing(request: PadRequest) -> tuple[dict[str, Any], bytes, bytes]:
    """Return the fields of the ``regions`` message for a drawing, its region map, and its lines.

    With the map and the lines, the drawing pad fills a region at once. The map has the full size of the
    drawing, so that the pad and `Drawing.region_at` agree on the region of each location. It is run-length
    encoded; runs continue across row ends. The first binary part contains the index of the first pixel of
    each run and then the region number of each run, as little-endian uint32, compressed by zlib. The second
    part is a JPEG of the transmission of the lines at the size of the preview.
    """
    drawing = request.drawing()
    numbers = drawing.regions.ravel()
    starts = np.concatenate([[0], np.flatnonzero(numbers[1:] != numbers[:-1]) + 1])
    runs = np.concatenate([starts, numbers[starts]]).astype("<u4")
    columns, rows = request.opened.view
    transmission = drawing.resized((rows, columns)).art.transmission(0, rows).mean(axis=2)
    height, width = drawing.regions.shape
    fields = {"width": width, "height": height, "inverted": drawing.art.inverted, "mime": "image/jpeg"}
    lines = jpeg(Image.fromarray(np.rint(transmission * 255).astype(np.uint8)))
    return fields, zlib.compress(runs.tobytes(), level=1), lines


def describe_region_colors(request: PadRequest, place: tuple[float, float], count: int) -> dict[str, Any]:
    """Return the fields of the ``suggestions`` message for the region at a location.

    The fields are ``items`` (likely colors of the region, the most likely first) and ``lightness`` (of the
    most likely color, in [0, 100]).

    Args:
        request: Drawing and recipe.
        place: Location ``(x, y)`` in pixels of the drawing.
        count: Maximum number of colors.
    """
    region = request.drawing().region_at(*place, request.opened.size)
    model, prediction, votes = _predict(request)
    with torch.inference_mode():
        rgb, probabilities = model.suggest_colors(prediction, votes, region, count)
        lab = rgb_to_lab(rgb.mT[None, :, :, None])[0, :, :, 0].mT
    items = [
        {"ab": ab, "color": _hex(color), "share": probability}
        for ab, color, probability in zip(lab[:, 1:].tolist(), rgb, probabilities.tolist(), strict=True)
    ]
    return {"lightness": float(lab[0, 0]) if items else None, "items": items}


def describe_next_region(request: PadRequest) -> dict[str, Any]:
    """Return the fields of the ``next`` message: a location in the most useful region without a point."""
    areas = torch.from_numpy(request.drawing().areas)
    model, prediction, votes = _predict(request)
    with torch.inference_mode():
        ranked = model.rank_regions(prediction, votes, areas)
    with_points = _regions_with_points(request)
    locations = _inner_locations(request, (region for region in ranked if region not in with_points))
    x, y = next(locations, (None, None))
    return {"x": x, "y": y}


def describe_similar_regions(request: PadRequest, place: tuple[float, float]) -> dict[str, Any]:
    """Return the fields of the ``same`` message.

    The fields are the color of the region at a location, a location in the region, and a location in each
    similar region that has no point.

    Args:
        request: Drawing and recipe.
        place: Location ``(x, y)`` in pixels of the drawing.

    Raises:
        StudioError: The model does not compare regions.
    """
    region = request.drawing().region_at(*place, request.opened.size)
    model, prediction, votes = _predict(request)
    with torch.inference_mode():
        regions = torch.tensor([region], device=votes.device)
        (similarities,) = model.region_similarity(prediction, votes, regions)
        similar = (similarities >= _SIMILAR).nonzero()[:, 0].tolist()
    excluded = _regions_with_points(request) | {region}
    remaining = [other for other in similar if other not in excluded]
    flats = predict(request).flats
    color: FloatArray = flats.colors[flats.drawing.region_at(*place, request.opened.size)]
    locations = _inner_locations(request, remaining)
    return {"color": _hex(torch.from_numpy(color)), "places": [place, *locations]}


def _predict(request: PadRequest) -> tuple[Any, Any, Tensor]:
    """Return the model, its prediction, and the weight ``(n, h * w)`` of each cell in each region.

    Raises:
        StudioError: The model does not predict colors of regions.
    """
    model = request.colorizer.model
    if not isinstance(model, DrawingModel):
        raise StudioError("unsupported", "this coloring model does not compare the regions of a drawing")
    with torch.inference_mode():
        return model, *predict_regions(request.edit())


def _regions_with_points(request: PadRequest) -> set[int]:
    return {
        request.drawing().region_at(point.x, point.y, request.opened.size) for point in request.recipe.points
    }


def _inner_locations(request: PadRequest, regions: Iterable[int]) -> Iterator[tuple[float, float]]:
    """Yield the location (x, y) in each region that is farthest from its boundary, in photo pixels.

    Regions without a pixel in the preview are skipped.
    """
    columns, rows = request.opened.view
    labels = request.drawing().resized((rows, columns)).regions
    for region in regions:
        inside = labels == region
        if inside.any():
            yield innermost_location(inside, request.opened.size)


def _hex(rgb: Tensor) -> str:
    return format_hex(rgb.mul(255).round().int().tolist())
