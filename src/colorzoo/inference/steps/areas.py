"""Recipe areas that are filled with a color, locked, or passed to the model.

A guided filter (He et al. 2013) aligns the soft mask of an area with edges in the lightness of the network
input. The slope and offset maps of the filter also define the mask at full size.

An object area is an area with the action ``"thing"``. Models that color objects separately (Su et al. 2020)
receive a bounding box around the area, and the box changes only colors inside the mask. Models that reduce
color bleeding (Kim et al. 2021) receive a stroke along the boundary of the area.
"""

from __future__ import annotations

import base64
import binascii
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import cast

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from torch import Tensor
from torch.nn import functional as F

from colorzoo.errors import GuidanceError
from colorzoo.guidance import Area, Boxes, Guidance, PointHint, Points, Scribbles
from colorzoo.guidance.areas import KeptColors
from colorzoo.guidance.hints import color_lab, covered, rasterize_points
from colorzoo.inference.full_size import Matte, map_size
from colorzoo.inference.steps.reach import Map
from colorzoo.pixels.formats import open_image
from colorzoo.prediction import Prediction

_LONGEST = 4096  # maximum side of stored locked colors in pixels
_LEVELS = 255
_LEAST_STEP = 1e-3  # minimum quantization step of locked colors in CIE units


_MASK_SUPERSAMPLING = 4  # supersampling factor of drawn outlines
_MASK_RADIUS = 0.016  # window radius of the guided filter, as a fraction of the shorter side
_MASK_LEAST_RADIUS = 2  # minimum window radius in pixels
_MASK_SLACK = 9.0  # regularization of the guided filter in squared units of L


@dataclass(frozen=True)
class DrawnArea:
    """Area of a recipe with its soft mask.

    Attributes:
        area: Area of the recipe.
        matte: Soft mask as a function of the lightness, for any image size.
        share: Soft mask ``(h, w)`` in [0, 1] at the size of the network input.
    """

    area: Area
    matte: Matte
    share: Tensor


def draw_areas(
    lightness: Tensor, areas: Sequence[Area], image_size: tuple[int, int]
) -> tuple[DrawnArea, ...]:
    """Compute the soft masks of areas at the size of the network input.

    Examples:
        >>> draw_areas(torch.full((1, 1, 32, 48), 50.0), [], image_size=(48, 32))
        ()

    Args:
        lightness: Lightness ``(1, 1, h, w)`` of the network input in [0, 100].
        areas: Areas of a recipe.
        image_size: Width and height of the image.
    """
    size = map_size(lightness)
    drawn = []
    for area in areas:
        matte = fit_matte(area_map(area, image_size, size), lightness)
        if area.feather > 0:
            scale = size[1] / image_size[0]  # width of the network input / width of the image
            matte = feather(matte.at(lightness[0, 0]), max(1, int(area.feather * scale + 0.5)))
        drawn.append(DrawnArea(area, matte, matte.at(lightness[0, 0])))
    return tuple(drawn)


def area_map(area: Area, image_size: tuple[int, int], size: tuple[int, int]) -> Map:
    """Rasterize an area; return the covered fraction of each pixel, ``(h, w)`` in [0, 1].

    Args:
        area: Outline or mask.
        image_size: Width and height of the image in pixels.
        size: Height and width of the result.
    """
    if area.mask is None:
        return polygon_map(area.path, image_size, size)
    inside = area.mask.array().astype(np.float32)
    if inside.shape == size:
        return inside
    smaller = size[0] < inside.shape[0] and size[1] < inside.shape[1]
    interpolation = cv2.INTER_AREA if smaller else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(inside, (size[1], size[0]), interpolation=interpolation), np.float32)


def polygon_map(
    path: Sequence[tuple[float, float]], image_size: tuple[int, int], size: tuple[int, int]
) -> Map:
    """Rasterize a polygon; return the covered fraction of each pixel, ``(h, w)`` in [0, 1].

    Args:
        path: Corners (x, y) in pixels of the image.
        image_size: Width and height of the image in pixels.
        size: Height and width of the result.
    """
    canvas = Image.new("L", (size[1] * _MASK_SUPERSAMPLING, size[0] * _MASK_SUPERSAMPLING))
    scale_x, scale_y = canvas.width / image_size[0], canvas.height / image_size[1]
    # Pillow includes the pixels of the corners, so half a pixel is subtracted
    corners = [(x * scale_x - 0.5, y * scale_y - 0.5) for x, y in path]
    ImageDraw.Draw(canvas).polygon(corners, fill=255)
    return np.asarray(canvas.reduce(_MASK_SUPERSAMPLING), np.float32) / np.float32(255)


def fit_matte(inside: Map, lightness: Tensor) -> Matte:
    """Align the boundary of a mask with nearby image edges; return a soft mask.

    The alignment uses a guided filter.

    Args:
        inside: Mask ``(h, w)`` in [0, 1].
        lightness: Lightness ``(1, 1, h, w)`` in [0, 100].
    """
    guide = np.ascontiguousarray(lightness[0, 0].numpy(), dtype=np.float64)
    mask = inside.astype(np.float64)
    radius = max(_MASK_LEAST_RADIUS, round(_MASK_RADIUS * min(guide.shape)))
    side = 2 * radius + 1

    def mean(values: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(cv2.blur(values, (side, side), borderType=cv2.BORDER_REFLECT))

    # linear regression of the mask on the lightness in each window
    mean_guide, mean_mask = mean(guide), mean(mask)
    variance = mean(guide * guide) - mean_guide * mean_guide
    covariance = mean(guide * mask) - mean_guide * mean_mask
    slope = covariance / (variance + _MASK_SLACK)
    offset = mean_mask - slope * mean_guide
    # each pixel uses the mean of the regressions of all windows that contain the pixel
    return Matte(torch.from_numpy(mean(slope)).float(), torch.from_numpy(mean(offset)).float())


def feather(share: Tensor, cells: int) -> Matte:
    """Blur the boundary of a mask, without alignment to image edges; return a soft mask.

    Args:
        share: Mask ``(h, w)`` in [0, 1].
        cells: Blur distance on each side of the boundary, in pixels of the mask.
    """
    faded = share.double().numpy()
    for reach in (cells // 2, cells - cells // 2):
        side = 2 * reach + 1
        faded = np.asarray(cv2.blur(faded, (side, side), borderType=cv2.BORDER_REFLECT))
    return Matte(torch.zeros_like(share), torch.from_numpy(faded).float())


def locked_share(drawn: Sequence[DrawnArea], action: str) -> Tensor:
    """Return the mask ``(h, w)`` in [0, 1] of the pixels whose colors are locked by areas.

    Args:
        drawn: Areas with the same action.
        action: ``"lock"`` locks the inside of the areas, and ``"only"`` locks the outside.
    """
    union = torch.stack([each.share for each in drawn]).amax(dim=0)
    share = union if action == "lock" else 1 - union
    return (2 * share).clamp(0, 1)  # half-locked pixels are fully locked


def encode_locked_colors(lab: Tensor, share: Tensor) -> KeptColors:
    """Encode locked colors as an 8-bit PNG that can be stored in a recipe.

    Args:
        lab: Colors ``(3, h, w)``; L is 0 unless the model predicts the lightness.
        share: Lock mask ``(h, w)`` in [0, 1]; only colors at or near locked pixels are stored.
    """
    near = F.max_pool2d(share[None, None], 9, stride=1, padding=4)[0, 0] > 0
    if not near.any():
        near = torch.ones_like(near)
    low, high = lab[:, near].min(dim=1).values, lab[:, near].max(dim=1).values
    step = ((high - low) / _LEVELS).clamp(min=_LEAST_STEP)
    levels = ((lab - low[:, None, None]) / step[:, None, None]).round().clamp(0, _LEVELS) * near
    memory = io.BytesIO()
    Image.fromarray(levels.byte().permute(1, 2, 0).numpy()).save(memory, "PNG", optimize=True)
    text = base64.b64encode(memory.getvalue()).decode()
    return KeptColors(text, _rounded(low), _rounded(step))


def decode_locked_colors(kept: KeptColors, size: tuple[int, int]) -> Tensor:
    """Decode the result of `encode_locked_colors` and resize it; return Lab ``(3, h, w)``.

    Args:
        kept: Encoded colors.
        size: Height and width of the result.

    Raises:
        GuidanceError: The data cannot be decoded.
    """
    low, step = (torch.tensor(values).view(3, 1, 1) for values in (kept.low, kept.step))
    try:
        with open_image(io.BytesIO(base64.b64decode(kept.png, validate=True))) as image:
            if (image.format, image.mode) != ("PNG", "RGB") or max(image.size) > _LONGEST:
                raise ValueError
            levels = torch.from_numpy(np.array(image)).permute(2, 0, 1)
    except (OSError, ValueError, SyntaxError, binascii.Error, Image.DecompressionBombError):
        raise GuidanceError(
            "recipe.areas: a locked area must contain an RGB image in PNG format (field 'kept'). Lock "
            "the area again."
        ) from None
    lab = levels.float() * step + low
    if tuple(lab.shape[1:]) == size:
        return lab
    return F.interpolate(lab[None], size=size, mode="bilinear", align_corners=False, antialias=True)[0]


def _rounded(values: Tensor) -> tuple[float, float, float]:
    lightness, a, b = (round(value, 5) for value in values.tolist())
    return lightness, a, b


_HALF = 0.5


_AREA_SEEDS = 8  # number of points that pass the color of an area to the network
_AREA_SEED_RADIUS = 2  # half the side of these points in network pixels
_AREA_APART = 0.5  # weight of the distance to other seeds relative to the distance to the boundary
_AREA_LEAST_ROOM = 1.0  # minimum of this weighted distance
_AREA_STROKE = 5  # width of boundary strokes in network pixels, the middle of the training range


def seed_hints(
    hints: Sequence[PointHint], drawn: Sequence[DrawnArea], image_size: tuple[int, int]
) -> tuple[PointHint, ...]:
    """Return the points of strength 1 that lie inside an area or have unlimited reach."""
    inside = points_inside(hints, drawn, image_size)
    return tuple(
        hint for hint in hints if hint.strength == 1 and (hint.reach == "everywhere" or hint in inside)
    )


def plant_seeds(
    drawn: Sequence[DrawnArea], *, hints: Sequence[PointHint], image_size: tuple[int, int]
) -> Points:
    """Convert colored areas to point maps, which pass the area colors to the network.

    Each area gets at most 8 small squares with its color. The squares lie far from the boundary of the area,
    from the points and from each other. Parts of an area that a later area covers get no squares. Small
    areas get fewer squares.

    Args:
        drawn: Areas with colors.
        hints: Points to include; see `seed_hints`.
        image_size: Width and height of the image in pixels.
    """
    size = map_size(drawn[0].share)
    points = rasterize_points(hints, *image_size, size)
    if points is None:
        zeros = torch.zeros(1, 1, *size)
        points = Points(torch.zeros(1, 2, *size), mask=zeros, lightness=zeros.clone(), exact=zeros.clone())
    assert points.lightness is not None
    assert points.exact is not None
    # the loop fills these new maps in place
    ab, mask, lightness, exact = points.ab, points.mask, points.lightness, points.exact
    for number, each in enumerate(drawn):
        uncovered = torch.ones(size)  # fraction of each pixel that no later area covers
        for later in drawn[number + 1 :]:
            uncovered = uncovered * (1 - later.share)
        visible = np.asarray(each.share * uncovered)
        taken = np.asarray(mask[0, 0] > 0)  # by points and by the squares of earlier areas
        area_lab = torch.tensor(color_lab(cast(str, each.area.color)))
        for rows, columns in _seeds(visible, taken):
            ab[:, :, rows, columns] = area_lab[1:].view(1, 2, 1, 1)
            lightness[:, :, rows, columns] = area_lab[0]
            mask[:, :, rows, columns] = 1
            exact[:, :, rows, columns] = 0  # `fit_points` adapts the color to the lightness of the image
    return points


def boxes_of_areas(guidance: Guidance, drawn: Sequence[DrawnArea]) -> Guidance:
    """Add a box around each object area (action ``"thing"``) to the boxes of the guidance."""
    plain = guidance.boxes or Boxes.of([torch.empty(0, 4)])
    corners = [plain.corners[0][plain.given[0] > 0]]
    for each in drawn:
        inside = each.share > _HALF
        if inside.any():
            height, width = inside.shape
            rows, columns = inside.any(dim=1).nonzero(), inside.any(dim=0).nonzero()
            box = torch.stack([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1], dim=1)
            corners.append(box / torch.tensor([width, height, width, height]))
    return replace(guidance, boxes=Boxes.of([torch.cat(corners)]))


def strokes_of_areas(strokes: Scribbles | None, drawn: Sequence[DrawnArea]) -> Scribbles:
    """Add strokes along the boundaries of object areas (action ``"thing"``).

    Boundaries at the edge of the image get no stroke.
    """
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (_AREA_STROKE, _AREA_STROKE))
    insides = [np.asarray(each.share > _HALF).astype(np.uint8) for each in drawn]
    borders = np.max([cv2.morphologyEx(inside, cv2.MORPH_GRADIENT, kernel) for inside in insides], axis=0)
    mask = torch.from_numpy(borders).float()[None, None]
    return Scribbles(mask if strokes is None else torch.maximum(mask, strokes.mask))


def restrict_to_areas(boxed: Prediction, plain: Prediction, drawn: Sequence[DrawnArea]) -> Prediction:
    """Combine two predictions: ``boxed`` inside object areas, ``plain`` elsewhere.

    Args:
        boxed: Prediction with a box around each area.
        plain: Prediction without these boxes.
        drawn: Object areas (action ``"thing"``).
    """
    share = torch.stack([each.area.opacity * each.share for each in drawn]).amax(dim=0)[None, None]
    return boxed.with_colors(plain.colors + share * (boxed.colors - plain.colors))


def _seeds(share: Map, taken: np.ndarray) -> Iterator[tuple[slice, slice]]:
    """Yield squares inside an area, far from its boundary, from points and from each other."""
    inside = np.pad((share > _HALF).astype(np.uint8), 1)
    room = cv2.distanceTransform(inside, cv2.DIST_L2, 5)[1:-1, 1:-1]
    away = np.full(room.shape, np.inf, np.float32)
    if taken.any():
        away = cv2.distanceTransform((~taken).astype(np.uint8), cv2.DIST_L2, 5)
    rows, columns = np.indices(room.shape, dtype=np.float32)
    for _ in range(_AREA_SEEDS):
        score = np.minimum(room, _AREA_APART * away)
        row, column = np.unravel_index(int(score.argmax()), score.shape)
        if score[row, column] < _AREA_LEAST_ROOM:
            return
        side = min(_AREA_SEED_RADIUS, int(room[row, column]) - 1)
        yield slice(max(row - side, 0), row + side + 1), slice(max(column - side, 0), column + side + 1)
        away = np.minimum(away, np.hypot(rows - row, columns - column))


def points_inside(
    hints: Sequence[PointHint], drawn: Sequence[DrawnArea], image_size: tuple[int, int]
) -> list[PointHint]:
    """Return the points that lie in one of the areas."""
    rows, columns = drawn[0].share.shape

    def is_inside(hint: PointHint) -> bool:
        row, column = covered((hint.x, hint.y), 0, image_size, (rows, columns))
        return any(bool((each.share[row, column] > _HALF).any()) for each in drawn)

    return [hint for hint in hints if is_inside(hint)]
