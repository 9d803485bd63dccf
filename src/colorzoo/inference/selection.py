"""Selection of an object by one click, or by a rough outline around it.

A click grows over similar places: by the geodesic distance, where edges of the lightness and of the
network's features cost, by the similarity of the features, and by distance. The weights were fitted on every
other picture of a sample with true segments; ``python -m benchmarks reach`` measures on the rest.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import cast

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from skimage.graph import MCP_Geometric
from torch import Tensor
from torch.nn import functional as F

from colorzoo.capabilities import EmbedsPlaces, TappedModel
from colorzoo.guidance import Mask
from colorzoo.inference.steps.area_masks import polygon_map
from colorzoo.inference.steps.reach import Map, edge_costs
from colorzoo.model import ColoringModel

_GRID = 128  # shorter side of the grid on which a click grows
_STEP = 0.05  # cost of a step without an edge of the features
_EDGE, _FLAT, _AROUND = 0.15, 0.02, 0.3  # of an edge of the features, by the slopes around it
_CALM = 8.0  # deviation in cells of those surroundings
_SOFT = 2.0  # deviation in cells over which features are compared
_FAR, _NEAR = 60.0, 5.0  # cells
_WITH_FEATURES = {
    "lightness path": -0.441,
    "feature path": -0.586,
    "joint path": -0.18,
    "cosine": 1.447,
    "difference": -0.218,
    "lightness": -0.139,
    "far": 2.112,
    "near": -1.054,
    "offset": 6.10,
}
_WITHOUT_FEATURES = {
    "lightness path": -0.929,
    "lightness": -0.584,
    "far": 1.958,
    "near": -2.076,
    "offset": 7.59,
}
_MARGIN = -0.8  # log odds by which a click selects less than the likelier half
_HOLE = 0.02  # share of a selection up to which a hole in it is filled
_BORDER_PER_SIZE = 0.1  # how far a border moves per e-fold of the size, as a share of the root of the area
_PER_SIZE = 2.5  # log odds per e-fold of the size
_ROUNDS = 4  # of GrabCut
_BAND = 0.35  # of the distance from an outline to the middle of its inside: there the border is searched
_LEAST_PIXELS = 24
_LEAST_SHARE = 0.05  # of the outlined pixels; a smaller result is replaced by the outline itself
_LIGHTNESS_SCALE, _AB_SCALE = 2.55, 2.0  # levels of 8 bits per unit


def select_outlined(
    lightness: Tensor, ab: Tensor, path: Sequence[tuple[float, float]], picture_size: tuple[int, int]
) -> Mask:
    """Return the object in a rough outline.

    Examples:
        >>> lightness, ab = torch.full((1, 1, 32, 48), 50.0), torch.zeros(2, 32, 48)
        >>> path = [(10, 5), (40, 5), (40, 28), (10, 28)]
        >>> select_outlined(lightness, ab, path, picture_size=(48, 32)).array().shape
        (32, 48)

    The outside is background, the middle is the object, and between them GrabCut (Rother et al. 2004) finds
    the border by lightness and by the model's colors.

    Args:
        lightness: ``(1, 1, h, w)`` in [0, 100].
        ab: ``(2, h, w)`` in CIE units, the model's own answer.
        path: Outline in pixels of the picture.
        picture_size: Width and height of the picture.
    """
    size = (int(lightness.shape[2]), int(lightness.shape[3]))
    inside = polygon_map(path, picture_size, size) > 0.5
    if inside.sum() < _LEAST_PIXELS or inside.all():
        return Mask.of(inside)
    depth = cv2.distanceTransform(np.pad(inside.astype(np.uint8), 1), cv2.DIST_L2, 5)[1:-1, 1:-1]
    marks = np.where(inside, cv2.GC_PR_FGD, cv2.GC_BGD).astype(np.uint8)
    marks[depth > _BAND * depth.max() + 1] = cv2.GC_FGD
    found = _grab_cut(lightness, ab, marks) & inside
    if found.sum() < _LEAST_SHARE * inside.sum():
        return Mask.of(inside)
    # crumbs are removed, and small holes filled
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (3, 3))
    opened = cv2.morphologyEx(found.astype(np.uint8), cv2.MORPH_OPEN, kernel)
    return Mask.of(cast("NDArray[np.bool_]", cv2.morphologyEx(opened, cv2.MORPH_CLOSE, kernel) > 0))


def _grab_cut(lightness: Tensor, ab: Tensor, marks: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Return the object's pixels, given the marks of `cv2.grabCut`."""
    lab = torch.cat([lightness[0] * _LIGHTNESS_SCALE, ab * _AB_SCALE + 128]).clamp(0, 255)
    levels = np.ascontiguousarray(lab.permute(1, 2, 0).round().byte().numpy())
    if np.isin(marks, (cv2.GC_BGD, cv2.GC_PR_BGD)).any() and np.isin(marks, (1, 3)).any():
        models = (np.zeros((1, 65)), np.zeros((1, 65)))
        cv2.setRNGSeed(0)  # for its random first clusters: the same outline gives the same object
        cv2.grabCut(levels, marks, None, *models, _ROUNDS, cv2.GC_INIT_WITH_MASK)
    return np.isin(marks, (cv2.GC_FGD, cv2.GC_PR_FGD))


def outline_mask(
    lightness: Tensor, path: Sequence[tuple[float, float]], picture_size: tuple[int, int]
) -> Mask:
    """Return the inside of an outline itself; see `select_outlined`."""
    return Mask.of(polygon_map(path, picture_size, (int(lightness.shape[2]), int(lightness.shape[3]))) > 0.5)


def resize_mask(mask: Mask, size: float) -> Mask:
    """Grow a mask at its border, or shrink it.

    Args:
        mask: It is never shrunk to nothing.
        size: More than 1 grows it, as a factor of its size; 1 leaves it.
    """
    inside = mask.array()
    radius = round(_BORDER_PER_SIZE * math.sqrt(inside.sum()) * math.log(size))
    if radius == 0:
        radius = (size > 1) - (size < 1)
    if radius == 0:
        return mask
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * abs(radius) + 1, 2 * abs(radius) + 1))
    change = cv2.dilate if radius > 0 else cv2.erode
    found = change(inside.astype(np.uint8), kernel) > 0
    return Mask.of(cast("NDArray[np.bool_]", found)) if found.any() else mask


def features_of(model: ColoringModel, lightness: Tensor) -> Tensor | None:
    """Return a network's features ``(C, h, w)`` of a lightness ``(1, 1, H, W)``, None if it offers none.

    They are those of `EmbedsPlaces`, else the map of the first tap.
    """
    if model.input_kind != "gray":
        return None
    with torch.inference_mode():
        given = lightness.to(model.device)
        if isinstance(model, EmbedsPlaces):
            return model.place_features(given)[0].float().cpu()
        if isinstance(model, TappedModel):
            return model.before_taps(given, None).maps[0][0].float().cpu()
    return None


def select_at(
    lightness: Tensor,
    features: Tensor | None,
    place: tuple[float, float],
    picture_size: tuple[int, int],
    size: float = 1.0,
) -> Mask:
    """Return the object at a place.

    Examples:
        >>> lightness = torch.full((1, 1, 32, 48), 20.0)
        >>> lightness[..., 8:24, 12:36] = 80
        >>> select_at(lightness, None, place=(24, 16), picture_size=(48, 32)).array().shape
        (32, 48)

    Args:
        lightness: ``(1, 1, h, w)`` in [0, 100].
        features: Result of `features_of`.
        place: x and y in pixels of the picture.
        picture_size: Width and height of the picture.
        size: More than 1 selects more.
    """
    height, width = int(lightness.shape[2]), int(lightness.shape[3])
    scale = min(1.0, _GRID / min(height, width))
    grid = (max(1, round(height * scale)), max(1, round(width * scale)))
    home = _cell(place, picture_size, grid)
    small = F.adaptive_avg_pool2d(lightness, grid)[0, 0].numpy()
    likelihood = _likelihood(small, None if features is None else _at_grid(features, grid), home)
    score = likelihood + _MARGIN + _PER_SIZE * math.log(size)
    inside = cv2.resize(score.astype(np.float32), (width, height), interpolation=cv2.INTER_LINEAR) > 0
    row, column = _cell(place, picture_size, (height, width))
    inside[max(row - 1, 0) : row + 2, max(column - 1, 0) : column + 2] = True
    # the connected piece at the place, without small holes
    _, pieces = cv2.connectedComponents(inside.astype(np.uint8), connectivity=4)
    piece = pieces == pieces[row, column]
    _, holes, facts, _ = cv2.connectedComponentsWithStats((~piece).astype(np.uint8), connectivity=4)
    small_holes = np.flatnonzero(facts[:, cv2.CC_STAT_AREA] < _HOLE * piece.sum())
    return Mask.of(cast("NDArray[np.bool_]", piece | (np.isin(holes, small_holes) & ~piece)))


def _cell(
    place: tuple[float, float], picture_size: tuple[int, int], grid: tuple[int, int]
) -> tuple[int, int]:
    """Return row and column of the cell of a grid at a place of the picture."""
    row = min(int(place[1] * grid[0] / picture_size[1]), grid[0] - 1)
    return row, min(int(place[0] * grid[1] / picture_size[0]), grid[1] - 1)


def _at_grid(features: Tensor, grid: tuple[int, int]) -> NDArray[np.float32]:
    """Return features ``(C, h, w)`` at the size of the grid, each with mean 0 and deviation 1."""
    small = F.interpolate(features[None], size=grid, mode="area")[0]
    mean, deviation = small.mean((1, 2), keepdim=True), small.std((1, 2), keepdim=True)
    return cast("NDArray[np.float32]", ((small - mean) / (deviation + 1e-3)).numpy())


def _likelihood(lightness: Map, features: NDArray[np.float32] | None, home: tuple[int, int]) -> Map:
    """Return the log odds ``(h, w)`` that a cell belongs to the object at ``home``."""
    rows, columns = np.indices(lightness.shape)
    away = np.hypot(rows - home[0], columns - home[1])
    soft = cv2.GaussianBlur(lightness, (0, 0), 1.5)
    costs = edge_costs(lightness)
    terms = {
        "lightness path": _path_length(costs, home),
        "lightness": np.abs(soft - soft[home]) / 20,
        "far": away / _FAR,
        "near": np.log1p(away / _NEAR),
        "offset": np.ones_like(lightness),
    }
    weights = _WITHOUT_FEATURES
    if features is not None:
        weights, feature_costs = _WITH_FEATURES, _feature_costs(features)
        terms["feature path"] = _path_length(feature_costs, home)
        terms["joint path"] = _path_length(costs + feature_costs, home)
        blurred = np.stack([cv2.GaussianBlur(channel, (0, 0), _SOFT) for channel in features])
        here = _patch(blurred, home)
        lengths = np.linalg.norm(blurred, axis=0) * np.linalg.norm(here)
        terms["cosine"] = np.tensordot(here, blurred, 1) / (lengths + 1e-6)
        terms["difference"] = np.sqrt(((features - _patch(features, home)[:, None, None]) ** 2).mean(0))
    return cast(Map, sum(weight * terms[name] for name, weight in weights.items()))


def _path_length(costs: Map, home: tuple[int, int]) -> Map:
    """Return the root of the cost of the cheapest path from ``home`` to each cell."""
    found, _ = MCP_Geometric(costs).find_costs([home])
    return cast(Map, np.sqrt(found).astype(np.float32))


def _feature_costs(features: NDArray[np.float32]) -> Map:
    """Return the cost ``(h, w)`` of a step: the slope of the features over that of their surroundings."""
    squares = np.zeros(features.shape[1:], np.float32)
    for channel in features:
        across, down = cv2.Sobel(channel, cv2.CV_32F, 1, 0), cv2.Sobel(channel, cv2.CV_32F, 0, 1)
        squares += (across**2 + down**2) / 64
    slope = np.sqrt(squares / len(features))
    around = cv2.GaussianBlur(slope, (0, 0), _CALM)
    return cast(Map, (slope / (_AROUND * around + _FLAT) * _EDGE + _STEP).astype(np.float32))


def _patch(features: NDArray[np.float32], home: tuple[int, int]) -> NDArray[np.float32]:
    """Return the mean features ``(C,)`` of 3 x 3 cells."""
    row, column = home
    patch = features[:, max(row - 1, 0) : row + 2, max(column - 1, 0) : column + 2]
    return cast("NDArray[np.float32]", patch.mean(axis=(1, 2)))
