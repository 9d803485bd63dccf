"""The reach of points: the distance over which their colors spread.

The distance is the cost of the shortest path from the point to a location. Lightness edges along the path add
cost, especially in uniform surroundings. If the model supports `SimilarityModel.similarity`,
dissimilarity to the point also adds to the distance. Each location belongs to the nearest point.

The constants were fitted to one half of a labeled sample. ``python -m benchmarks reach`` evaluates the other
half.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from skimage.graph import MCP_Geometric
from torch import Tensor
from torch.nn import functional as F

from colorzoo.guidance import PointHint
from colorzoo.guidance.fields import MAX_REACH, Reach
from colorzoo.guidance.hints import covered

Map = NDArray[np.float32]
Numbers = NDArray[np.int64]


_GRID = 128  # shorter side, in cells, of the grid on which shortest paths are searched
_STEP = 0.05  # path cost of a grid step that crosses no edge
# standard deviation, in cells, of the Gaussian filter that averages gradients around an edge; the cost of the
# edge is relative to this average
_CALM = 8.0
# distance (square root of the path cost) at which the color weight is 0.5, and slope of the falloff there;
# without and with similarity (models that support `SimilarityModel.similarity`)
_BORDER, _BORDER_ALIKE = 4.2, 8.0
_STEEPNESS, _STEEPNESS_ALIKE = 14.0, 16.0
_UNLIKE = 6.5  # distance added at similarity 0
_LEAST_FACTOR = 0.05  # smallest multiple of the automatic reach that `even_reaches` and `starting_reach` test
_FACTORS = 60  # number of factors that `even_reaches` tests
PROBED_FACTOR = 0.5  # largest factor that `starting_reach` tests
# maximum fraction of the image that a point with the factor `PROBED_FACTOR` covers in a small object, and
# fraction that a new point covers there by default
_SMALL, _BEGIN = 0.025, 0.001
# radius in cells of a ring around a point; edges enclose the point if at most the fraction `_GAP` of the ring
# has a distance (square root of the path cost) below `_ENCLOSED`
_RING, _ENCLOSED, _GAP = 24, 2.8, 0.1


class Paths(NamedTuple):
    """Shortest paths from points to all cells of the search grid ``(h, w)``.

    Attributes:
        costs: ``(h, w)``, cost of the shortest path to each cell.
        owner: ``(h, w)``, index of the point at which this path starts.
    """

    costs: Map
    owner: Numbers


@dataclass(frozen=True)
class Extent:
    """Pixels to which the colors of points apply, with a weight for each pixel.

    Attributes:
        weight: Weight ``(h, w)`` in [0, 1] of the nearest point's color at each pixel.
        nearest: Index ``(h, w)`` int64 of the nearest point, measured along the shortest path.
        homes: Index ``(h, w)`` int64 of the point that covers the pixel; -1 for no point.
    """

    weight: Tensor
    nearest: Tensor
    homes: Tensor


@dataclass(frozen=True)
class PointPatches:
    """Squares that points cover in an image.

    Examples:
        >>> numbers = PointPatches(((20, 10, 3),), image_size=(48, 32)).numbers((32, 48))
        >>> int((numbers >= 0).sum())  # pixels of the square
        36

    Attributes:
        squares: Center and half the side of each square, in pixels of the image.
        image_size: Width and height of the image.
    """

    squares: tuple[tuple[float, float, float], ...]
    image_size: tuple[int, int]

    @classmethod
    def of(cls, hints: Sequence[PointHint], image_size: tuple[int, int]) -> PointPatches:
        """Create the patches of points; later points cover earlier points."""
        return cls(tuple((hint.x, hint.y, hint.radius) for hint in hints), image_size)

    def numbers(self, grid: tuple[int, int]) -> Numbers:
        """Return the index of the square that covers each cell of a grid ``(h, w)``.

        The index is -1 for a cell without a square.
        """
        cells = np.full(grid, -1, np.int64)
        for number, (x, y, radius) in enumerate(self.squares):
            cells[covered((x, y), radius, self.image_size, grid)] = number
        return cells


def step_costs(lightness: Tensor) -> Map:
    """Compute the cost of a path step in each cell of the search grid.

    The cost grows with the ratio of the lightness gradient to its local mean.

    Args:
        lightness: ``(1, 1, h, w)`` in [0, 100].
    """
    height, width = lightness.shape[2:]
    scale = min(1.0, _GRID / min(height, width))
    cells = F.adaptive_avg_pool2d(lightness, (round(height * scale), round(width * scale)))[0, 0].numpy()
    calm = cv2.medianBlur(np.ascontiguousarray(cells, np.float32), 5)
    slope = np.hypot(cv2.Sobel(calm, cv2.CV_32F, 1, 0), cv2.Sobel(calm, cv2.CV_32F, 0, 1)) / 8
    around = cv2.GaussianBlur(slope, (0, 0), _CALM)
    costs: Map = (slope / (1 + around) + _STEP).astype(np.float32)
    return costs


def find_paths(costs: Map, patches: PointPatches) -> Paths:
    """Find the shortest paths from points on the grid of `step_costs`."""
    cells = patches.numbers((costs.shape[0], costs.shape[1]))
    search = MCP_Geometric(costs)
    found, steps = search.find_costs(np.argwhere(cells >= 0))
    # offset to the previous cell; a start has the step -1 and the offset 0
    offsets = np.concatenate([np.asarray(search.offsets), [(0, 0)]])
    rows, columns = np.indices(costs.shape)
    back = offsets[np.where(steps < 0, len(offsets) - 1, steps)]
    before = (rows - back[..., 0]) * costs.shape[1] + columns - back[..., 1]
    before = before.ravel()
    while not np.array_equal(before, further := before[before]):
        before = further
    return Paths(found.astype(np.float32), cells.ravel()[before].reshape(costs.shape))


def limit_extent(
    paths: Sequence[Paths],
    similarities: Sequence[Tensor | None],
    *,
    patches: PointPatches,
    groups: Mapping[Reach, Sequence[int]],
    size: tuple[int, int],
) -> Extent:
    """Compute the pixels to which the colors of points apply, and their weights.

    Args:
        paths: Paths from the points of each group.
        similarities: Similarity ``(1, 1, h, w)`` in [0, 1] to the points of each group. None uses only the
            path cost.
        patches: Squares of the points.
        groups: Indices of the points by their reach.
        size: Height and width of the map.
    """
    # on the search grid, the point with the largest weight determines the color of a cell
    weight = np.zeros(1, np.float32)  # broadcast to the grid of the first group
    nearest = np.zeros(1, np.int64)
    for (reach, indices), group_paths, similarity in zip(groups.items(), paths, similarities, strict=True):
        group_weight = fade(group_paths.costs, on_grid(similarity, group_paths.costs), reach)
        group_nearest = np.array(indices)[group_paths.owner]
        nearest = np.where(group_weight > weight, group_nearest, nearest)
        weight = np.maximum(group_weight, weight)

    # resize the grid to the map
    weight_grid = torch.from_numpy(weight)[None, None]
    nearest_grid = torch.from_numpy(nearest)[None, None].double()  # `F.interpolate` requires floats
    weight_map = F.interpolate(weight_grid, size=size, mode="bilinear", align_corners=False)[0, 0]
    nearest_map = F.interpolate(nearest_grid, size=size, mode="nearest-exact")[0, 0].long()
    return Extent(weight=weight_map, nearest=nearest_map, homes=torch.from_numpy(patches.numbers(size)))


def keep_nearer(extent: Extent, own: Paths, rivals: Paths) -> Extent:
    """Set the weight of some points to 0 at locations that are nearer to other points.

    Args:
        extent: Pixels to which some points apply.
        own: Paths from the points of ``extent``.
        rivals: Paths from the other points.
    """
    kept = torch.from_numpy(own.costs <= rivals.costs)[None, None].float()
    smooth = F.interpolate(kept, extent.weight.shape, mode="bilinear")[0, 0]
    return replace(extent, weight=extent.weight * smooth)


def on_grid(similarity: Tensor | None, costs: Map) -> Map | None:
    """Resize a similarity map to the grid of path costs; return None if there is no map.

    Examples:
        >>> on_grid(torch.ones(1, 1, 32, 48), np.zeros((16, 24), dtype=np.float32)).shape
        (16, 24)
    """
    if similarity is None:
        return None
    found: Map = F.interpolate(similarity, costs.shape, mode="bilinear")[0, 0].numpy()
    return found


def fade(costs: Map, alike: Map | None, reach: Reach) -> Map:
    """Compute the weight ``(h, w)`` in [0, 1] of a point color from path cost and similarity.

    Args:
        costs: Path costs ``(h, w)`` from the point.
        alike: Similarity ``(h, w)`` to the point in [0, 1]; None uses the path cost only.
        reach: Reach of the point.
    """
    factor = 1.0 if isinstance(reach, str) else reach
    if factor == 0:
        return np.zeros_like(costs)
    distance, border, steepness = np.sqrt(costs), _BORDER, _STEEPNESS
    if alike is not None:
        distance = distance + _UNLIKE * (1 - alike)
        border, steepness = _BORDER_ALIKE, _STEEPNESS_ALIKE
    there = (1 - distance / (factor * border)) * steepness
    weight: Map = (1 / (1 + np.exp(np.clip(-there, -60, 60)))).astype(np.float32)
    return np.where(costs == 0, np.float32(1), weight)


def even_reaches(costs: Map, alike: Map | None, count: int) -> list[float]:
    """Return reach factors at which the area that a point colors grows in equal ratios.

    Examples:
        >>> costs = np.linspace(0, 10, 32 * 48, dtype=np.float32).reshape(32, 48)
        >>> len(even_reaches(costs, None, count=3))
        3

    Args:
        costs: Path costs from the point.
        alike: Similarity ``(h, w)`` to the point in [0, 1]; None uses the path costs only.
        count: Number of factors.

    Returns:
        Increasing factors in (0, 10].
    """
    factors = np.geomspace(_LEAST_FACTOR, MAX_REACH, _FACTORS)
    log_areas = np.log(_covered_shares(costs, alike, factors))
    # equal steps of the logarithm are equal ratios of the area; find the factor of each area by interpolation
    even_log_areas = np.linspace(log_areas[0], log_areas[-1], count)
    even_log_factors = np.interp(even_log_areas, log_areas, np.log(factors))
    # rounding error of the exponential function can exceed the maximum
    return [round(min(float(factor), MAX_REACH), 3) for factor in np.exp(even_log_factors)]


def starting_reach(costs: Map, alike: Map) -> Reach:
    """Return the default reach of a new point, which is smaller inside a small object.

    A point lies inside a small object if it meets two conditions. First, half of the automatic reach covers
    only a small fraction of the image. Second, edges enclose the point: nearly all paths to a ring around the
    point have a high cost. The second condition excludes textured parts of large surfaces.

    Inside a small object, the returned reach covers about the area of an eye or a button.

    Args:
        costs: Path costs from the point.
        alike: Similarity to the point, see `fade`; required, because the thresholds were fitted with
            similarity.
    """
    factors = np.geomspace(_LEAST_FACTOR, PROBED_FACTOR, _FACTORS // 2)
    shares = _covered_shares(costs, alike, factors)
    if shares[-1] >= _SMALL:
        return "automatic"
    # edges must separate the point from most of its surroundings
    row, column = np.argwhere(costs == 0).mean(axis=0)
    rows, columns = np.indices(costs.shape)
    ring = np.abs(np.hypot(rows - row, columns - column) - _RING) < 1
    if not ring.any() or np.quantile(np.sqrt(costs[ring]), _GAP) <= _ENCLOSED:
        return "automatic"
    return round(float(np.exp(np.interp(np.log(_BEGIN), np.log(shares), np.log(factors)))), 3)


def _covered_shares(costs: Map, alike: Map | None, factors: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the fraction of the image that a point covers for each reach factor."""
    return np.array([fade(costs, alike, float(factor)).mean(dtype=np.float64) for factor in factors])
