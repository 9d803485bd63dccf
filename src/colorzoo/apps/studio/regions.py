"""Fields of messages to drawing pads: regions, classes, selections, locked colors, reach."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from colorzoo.abilities import SegmentationModel
from colorzoo.apps.studio.coloring import PadRequest, predict
from colorzoo.apps.studio.opened_image import png
from colorzoo.apps.studio.protocol import StudioError
from colorzoo.color import lab_to_rgb_in_gamut, rgb_to_lab
from colorzoo.errors import GuidanceError
from colorzoo.guidance import Area, PointHint
from colorzoo.guidance.areas import Mask
from colorzoo.guidance.fields import Reach
from colorzoo.inference import (
    ColorizedImage,
    divided_regions,
    extent_of,
    find_parts,
    outline_mask,
    paths_from,
    proposed_regions,
    resize_mask,
    segmenter_features,
    select_at,
    select_outlined,
    similarity_to,
)
from colorzoo.inference.steps import (
    Paths,
    PointPatches,
    draw_areas,
    encode_locked_colors,
    even_reaches,
    filled_regions,
    find_classes,
    locked_share,
    mean_region_colors,
    on_grid,
    proposal_hash,
    starting_reach,
)
from colorzoo.model import ColoringModel
from colorzoo.networks.click_segmenter import SegmenterFeatures
from colorzoo.pixels.raster import FloatArray

NEW_POINT = 1.5  # radius of a new point in pixels of the network input
MASK_SIZE = 384  # shorter side of the mask of an object or a part
REACH_STEPS = 23  # number of steps of the reach slider between its ends
# color of the overlay, and its alpha where a point has its full effect
TINT, TINT_ALPHA = (26, 109, 255), 150


def describe_regions(request: PadRequest, result: ColorizedImage) -> tuple[dict[str, Any], bytes]:
    """Return the fields of the ``regions`` message, and the region index of each pixel.

    The indices are the binary part of the message, encoded as little-endian uint16. Regions without pixels
    are omitted.

    Args:
        request: Photo, recipe, and a model that proposes regions.
        result: Current result; the mean color of each region becomes its suggested color.

    Raises:
        GuidanceError: The model does not propose regions.
    """
    edit = request.edit()
    proposal = proposed_regions(edit)
    regions = divided_regions(edit)
    # suggest the mean color of each region in the result at the size of the network input
    predicted = result.canvas.shown_lightness()
    lightness = request.lightness() if predicted is None else predicted
    rgb = lab_to_rgb_in_gamut(torch.cat([lightness[0], result.ab]))[None]
    colors = mean_region_colors(regions, rgb)
    index = regions.index[0, 0]
    items = []
    for number in filled_regions(regions):
        inside = (index == number).numpy()
        x, y = innermost_location(inside, request.opened.size)
        items.append({"index": number, "x": x, "y": y, "suggested": colors[number]})
    fields = {
        "width": index.shape[1],
        "height": index.shape[0],
        "items": items,
        "proposal": proposal_hash(proposal),
    }
    return fields, _uint16_bytes(index)


def innermost_location(inside: NDArray[np.bool_], size: tuple[int, int]) -> tuple[float, float]:
    """Return the location (x, y) in a region that is farthest from its boundary, in pixels of the photo.

    Args:
        inside: ``(h, w)`` mask of the region.
        size: Width and height of the photo.
    """
    row, column = innermost_pixel(inside)
    height, width = inside.shape
    return (column + 0.5) * size[0] / width, (row + 0.5) * size[1] / height


def innermost_pixel(inside: NDArray[np.bool_]) -> tuple[int, int]:
    """Return the row and column of the pixel that is farthest from the boundary of a region.

    Args:
        inside: ``(H, W)``, True inside the region.
    """
    padded = np.pad(inside, 1).astype(np.uint8)
    distance = cv2.distanceTransform(padded, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)[1:-1, 1:-1]
    row, column = np.unravel_index(int(distance.argmax()), distance.shape)
    return int(row), int(column)


def describe_classes(request: PadRequest) -> tuple[dict[str, Any], tuple[bytes, ...]]:
    """Return the fields of the ``classes`` message, and class maps encoded as little-endian uint16.

    The first map contains the predicted classes of the photo. If a reference is attached, a second map
    contains the predicted classes of the reference. The maps are row-major. The fields ``width`` and
    ``height`` contain the size of a map, which usually differs from the size of the photo.

    Args:
        request: Photo, model and, if attached, reference.

    Raises:
        StudioError: The model does not predict classes.
    """
    model: ColoringModel = request.colorizer.model
    if not isinstance(model, SegmentationModel):
        raise StudioError("unsupported", "this coloring model does not support object types")
    photo_classes = find_classes(model, request.lightness())[0, 0]
    window = request.opened.window
    if window is not None:  # the model predicts classes only inside the scan border
        photo_classes = torch.from_numpy(window.surrounded(photo_classes.numpy(), edge=True))
    class_names: dict[int, str] = getattr(model, "class_names", {})
    fields = {**_describe_class_map(photo_classes, class_names), "reference": None}
    class_maps = [_uint16_bytes(photo_classes)]
    if request.reference is not None:
        reference_lightness = rgb_to_lab(request.reference.rgb)[:, :1]
        reference_classes = find_classes(model, reference_lightness)[0, 0]
        fields["reference"] = _describe_class_map(reference_classes, class_names)
        class_maps.append(_uint16_bytes(reference_classes))
    return fields, tuple(class_maps)


def _describe_class_map(classes: Tensor, class_names: dict[int, str]) -> dict[str, Any]:
    """Return the size of a class map ``(h, w)`` and the share of each class, the largest share first."""
    ids, counts = torch.unique(classes, return_counts=True)
    count_and_id = sorted(zip(counts.tolist(), ids.tolist(), strict=True), reverse=True)
    items = [
        {"id": class_id, "name": str(class_names.get(class_id, class_id)), "share": count / classes.numel()}
        for count, class_id in count_and_id
    ]
    return {"width": classes.shape[1], "height": classes.shape[0], "items": items}


def _uint16_bytes(values: Tensor) -> bytes:
    return values.numpy().astype("<u2").tobytes()


def select_at_point(
    request: PadRequest, place: tuple[float, float], size: float, visible: float = 1.0
) -> dict[str, Any]:
    """Segment the object at a click and return its mask, as the recipe field ``mask``.

    Args:
        request: Photo and recipe.
        place: Location ``(x, y)`` of the click in photo pixels.
        size: 1 selects the most likely object. Larger values select larger objects, and smaller values select
            smaller objects.
        visible: Fraction of the photo that is visible on the screen. If ``size`` is 1, objects that cover a
            larger fraction are not selected.
    """
    lightness = request.opened.approximate_lightness(MASK_SIZE)
    features = partial(_features, request)
    mask = select_at(lightness, place, request.opened.size, size, visible=visible, features=features)
    return _mask_fields(request, mask)


def named_parts(request: PadRequest) -> list[dict[str, Any]]:
    """Segment parts of a photo, such as skin and sky, and return their names and masks."""
    lightness = request.opened.approximate_lightness(MASK_SIZE)
    parts = find_parts(lightness, features=_features(request, lightness))
    return [{"name": name, "mask": _mask_fields(request, mask)} for name, mask in parts.items()]


def _features(request: PadRequest, lightness: Tensor) -> SegmenterFeatures:
    """Return the segmenter features of a lightness map from the cache or the network."""
    return request.edit().run(segmenter_features, lightness)


def select_in_outline(
    request: PadRequest, path: Sequence[tuple[float, float]], size: float
) -> dict[str, Any]:
    """Segment the object inside an outline and return its mask, as the recipe field ``mask``.

    Args:
        request: Photo and recipe.
        path: Corners ``(x, y)`` of the outline in photo pixels.
        size: Values above 1 dilate the mask; values below 1 erode the mask.
    """
    lightness = request.lightness()
    try:
        ab = predict(request).ab
    except GuidanceError:  # the model cannot predict colors without guidance
        ab = torch.zeros(2, *lightness.shape[2:])
    mask = select_outlined(lightness, ab, path, request.opened.size)
    return _mask_fields(request, resize_mask(mask, size))


def select_outline(request: PadRequest, path: Sequence[tuple[float, float]], size: float) -> dict[str, Any]:
    """Return the mask of the area inside an outline, as the recipe field ``mask``.

    No object is segmented. See `select_in_outline` for the arguments.
    """
    mask = outline_mask(request.lightness(), path, request.opened.size)
    return _mask_fields(request, resize_mask(mask, size))


def _mask_fields(request: PadRequest, mask: Mask) -> dict[str, Any]:
    """Return a mask as the recipe field ``mask``, in pixels of the whole photo."""
    if request.opened.window is not None:
        mask = Mask.of(request.opened.window.surrounded(mask.array()))
    fields: dict[str, Any] = Area("gray", mask=mask).to_dict()["mask"]
    return fields


def locked_colors(request: PadRequest, result: ColorizedImage, area: Area) -> dict[str, Any]:
    """Return the current colors that an area locks, encoded for the recipe field ``kept``.

    Args:
        request: Photo and model.
        result: Result of the current recipe.
        area: Area with the action ``lock`` (keep the colors inside) or ``only`` (keep the colors outside).
    """
    # current colors below the paint, which also covers locked colors
    _, unpainted = next(result.canvas.painted(""))
    lightness, predicted, ab = request.lightness(), unpainted.shown_lightness(), result.ab.clone()
    background = (lightness if predicted is None else predicted)[0, 0]
    for overlay in unpainted.overlays(result.edit.map_size):
        overlay(ab, background, 0)
    # L is 0 unless the model predicts the lightness
    lab = torch.cat([torch.zeros_like(ab[:1]) if predicted is None else predicted[0], ab])
    # weight with which the area locks the color of each pixel
    areas = [area]
    if area.action == "only":
        areas = [*(other for other in request.recipe.shown().areas if other.action == "only"), area]
    weight = locked_share(draw_areas(lightness, areas=areas, image_size=request.opened.size), area.action)
    window = request.opened.window
    if window is not None:
        lab = torch.from_numpy(window.surrounded(lab.permute(1, 2, 0).numpy(), edge=True)).permute(2, 0, 1)
        weight = torch.from_numpy(window.surrounded(weight.numpy()))
    kept = encode_locked_colors(lab, weight)
    fields: dict[str, Any] = replace(area, kept=kept).to_dict()["kept"]
    return fields


def reach_overlay(request: PadRequest, point: PointHint) -> bytes:
    """Return a transparent PNG that tints the reach of a point.

    The reach is the area that the color of the point can change.

    Args:
        request: Photo and model.
        point: Point in photo pixels.
    """
    weight = torch.ones(request.lightness().shape[2:])  # effect of the point in [0, 1]
    if point.reach != "everywhere":
        weight = extent_of(request.edit(), [point]).weight
    alpha = (weight * TINT_ALPHA).round().byte().numpy()
    if request.opened.window is not None:
        alpha = request.opened.window.surrounded(alpha)
    tint = np.broadcast_to(np.array(TINT, np.uint8), (*alpha.shape, 3))
    return png(np.dstack([tint, alpha]))


def reach_steps(request: PadRequest, point: PointHint) -> list[float]:
    """Return the reach at each step of the slider that sets the reach of a point.

    The reach determines how far the color of a point spreads. Each step multiplies the covered area by the
    same factor; see `even_reaches`.

    Args:
        request: Photo and model.
        point: Point in photo pixels.
    """
    paths, similarity = _paths_and_similarity(request, point)
    return even_reaches(paths.costs, similarity, REACH_STEPS)


def default_reach(request: PadRequest, place: tuple[float, float]) -> Reach | None:
    """Return the default reach of a new point, derived from the similarity of pixels to it.

    The result is None if the model does not compute similarities.

    Args:
        request: Photo and model.
        place: Location ``(x, y)`` in photo pixels.
    """
    radius = NEW_POINT * min(request.opened.size) / min(request.lightness().shape[2:])
    paths, similarity = _paths_and_similarity(request, PointHint(*place, radius))
    return None if similarity is None else starting_reach(paths.costs, similarity)


def _paths_and_similarity(request: PadRequest, point: PointHint) -> tuple[Paths, FloatArray | None]:
    """Return the shortest paths from a point to all grid cells, and the cells' similarity to the point.

    The similarity is None if the model does not compute similarities.
    """
    edit, patches = request.edit(), PointPatches.of([point], request.opened.size)
    paths = paths_from(edit, patches)
    similarity = similarity_to(edit, patches)
    return paths, on_grid(similarity, paths.costs)


def matched_location(request: PadRequest, place: tuple[float, float]) -> tuple[float, float] | None:
    """Return the reference location that the model matched to a photo location, or None without a match.

    Args:
        request: Photo, recipe, model and reference.
        place: Location ``(x, y)`` in pixels of the whole photo.
    """
    opened, reference = request.opened, request.reference
    prediction = predict(request).prediction
    if reference is None or prediction is None or "match" not in prediction.extras:
        return None
    if opened.window is not None and not opened.window.inside.contains(place, opened.window.size):
        return None
    # (2, h, w): x and y as fractions of the width and height of the reference, or NaN without a match
    matches = prediction.extras["match"][0]
    row, column = opened.map_pixel(opened.part_location(place), matches.shape[1:])
    x, y = matches[:, row, column].tolist()
    width, height = reference.size
    return None if math.isnan(x) else (x * width, y * height)
