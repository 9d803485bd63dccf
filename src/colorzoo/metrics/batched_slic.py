"""SLIC over one channel as tensor operations: the clusters of the batched Cluster Discrepancy Ratio.

The steps are those of scikit-image: centers on a regular grid, ten rounds in which a pixel goes to the
nearest center whose window holds it, then clusters fall into connected parts and small parts join a neighbor.
Pixels look only at centers that started at most two cells away, which are nearly all whose window holds them.
Not repeated here: scikit-image cuts parts above three times the mean size.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from colorzoo.metrics.clusters import CDRSettings
from colorzoo.metrics.components import connected_components, follow, neighbor_pairs
from colorzoo.metrics.smooth import gaussian_blur

ROUNDS = 10
REACH = 2  # cells in each direction
FAR = 1e6  # pixels, where the centers of cells beyond the grid are
SMALLEST = 0.5  # of the mean size of a cluster


@dataclass(frozen=True)
class _Grid:
    """Cells of ``down x right`` pixels, ``rows x columns`` of them, over pictures padded to whole cells."""

    rows: int
    columns: int
    down: int
    right: int
    first: tuple[int, int]

    @property
    def step(self) -> int:
        return max(self.down, self.right)

    def cut(self, plane: Tensor) -> Tensor:
        """Return ``(P, H, W)`` as ``(P, rows, down, columns, right)``."""
        height, width = plane.shape[-2:]
        missing = (0, self.columns * self.right - width, 0, self.rows * self.down - height)
        padded = F.pad(plane, missing)
        return padded.view(-1, self.rows, self.down, self.columns, self.right)

    def join(self, cells: Tensor, size: tuple[int, int]) -> Tensor:
        """Undo `cut`."""
        padded = cells.reshape(-1, self.rows * self.down, self.columns * self.right)
        return padded[:, : size[0], : size[1]]


def batched_clusters(planes: Tensor, settings: CDRSettings) -> Tensor:
    """Return the SLIC clusters of planes, nearly as `colorzoo.metrics.clusters.cluster_plane` finds them.

    Args:
        planes: ``(P, H, W)`` a or b in CIE units.
        settings: See `CDRSettings`.

    Returns:
        ``(P, H, W)`` int64, above 0, one number a cluster, not consecutive.
    """
    colors = gaussian_blur(lightness_of_gray(planes), settings.sigma) / settings.compactness
    grid = _grid_of(planes.shape[1], planes.shape[2], settings.segments)
    nearest = _nearest_centers(colors, grid)
    smallest = int(SMALLEST * planes.shape[1] * planes.shape[2] / _centers(grid, planes.shape[1:]))
    return join_small(connected_components(nearest), smallest) + 1


def lightness_of_gray(planes: Tensor) -> Tensor:
    """Scale ``(P, H, W)`` planes to [0, 1] each, take them for gray sRGB, and return CIE L in [0, 100]."""
    low, high = planes.amin(dim=(1, 2), keepdim=True), planes.amax(dim=(1, 2), keepdim=True)
    gray = (planes - low) / torch.where(high > low, high - low, 1.0)
    linear = torch.where(gray > 0.04045, ((gray + 0.055) / 1.055) ** 2.4, gray / 12.92)
    root = torch.where(linear > 0.008856, linear.clamp(min=1e-9) ** (1 / 3), 7.787 * linear + 16 / 116)
    return 116 * root - 16


def _grid_of(height: int, width: int, segments: int) -> _Grid:
    from skimage.util import regular_grid

    _, down, right = regular_grid((1, height, width), segments)
    steps, first = (down.step or 1, right.step or 1), (down.start or 0, right.start or 0)
    return _Grid(-(-height // steps[0]), -(-width // steps[1]), *steps, first)


def _centers(grid: _Grid, size: torch.Size) -> int:
    return len(range(grid.first[0], size[0], grid.down)) * len(range(grid.first[1], size[1], grid.right))


def _nearest_centers(colors: Tensor, grid: _Grid) -> Tensor:
    """Return the ``(P, H, W)`` int64 center of each pixel after the last round."""
    size = (colors.shape[1], colors.shape[2])
    rows = torch.arange(grid.rows * grid.down, device=colors.device, dtype=colors.dtype)
    columns = torch.arange(grid.columns * grid.right, device=colors.device, dtype=colors.dtype)
    inside = grid.cut(torch.ones_like(colors))
    pixels = [
        rows.view(1, grid.rows, grid.down, 1, 1).expand_as(inside),
        columns.view(1, 1, 1, grid.columns, grid.right).expand_as(inside),
        grid.cut(colors),
    ]
    centers = _first_centers(colors, grid)
    for turn in range(ROUNDS):
        nearest = _assign(pixels, centers, grid)
        if turn < ROUNDS - 1:
            centers = _means(pixels, nearest, inside, centers)
    return grid.join(nearest, size)


def _first_centers(colors: Tensor, grid: _Grid) -> list[Tensor]:
    """Return row, column and color, each ``(P, rows, columns)``; scikit-image starts with the color 0."""
    count, height, width = colors.shape
    places = []
    for first, cells, step, side in (
        (grid.first[0], grid.rows, grid.down, height),
        (grid.first[1], grid.columns, grid.right, width),
    ):
        places.append(torch.arange(cells, device=colors.device, dtype=colors.dtype) * step + first)
        places[-1][places[-1] >= side] = FAR
    rows, columns = torch.meshgrid(*places, indexing="ij")
    missing = (rows >= FAR) | (columns >= FAR)
    starts = [rows.masked_fill(missing, FAR), columns.masked_fill(missing, FAR), torch.zeros_like(rows)]
    return [start.expand(count, -1, -1) for start in starts]


def _assign(pixels: list[Tensor], centers: list[Tensor], grid: _Grid) -> Tensor:
    """Return the ``(P, rows, down, columns, right)`` center of each pixel, numbered within the batch."""
    around = [F.pad(part, (REACH,) * 4, value=FAR) for part in centers]
    best = torch.full_like(pixels[2], torch.inf)
    nearest = torch.zeros(best.shape, dtype=torch.uint8, device=best.device)
    places = [(top, left) for top in range(2 * REACH + 1) for left in range(2 * REACH + 1)]
    for code, (top, left) in enumerate(places):
        row, column, color = (
            part[:, top : top + grid.rows, None, left : left + grid.columns, None] for part in around
        )
        path = _path(pixels[0][..., :1], row, grid.step) + _path(pixels[1][:, :, :1], column, grid.step)
        apart = pixels[2] - color
        distance = torch.addcmul(path, apart, apart)
        nearest.masked_fill_(distance < best, code)
        best = torch.minimum(best, distance)
    return _numbered(nearest, places, grid)


def _path(places: Tensor, center: Tensor, step: int) -> Tensor:
    """Return the squared distance along one axis in cells; infinite beyond the window of two cells."""
    distance = (places - center).abs()
    return torch.where(distance <= 2 * step, (distance / step).square(), torch.inf)


def _numbered(nearest: Tensor, places: list[tuple[int, int]], grid: _Grid) -> Tensor:
    """Turn the place of a center relative to a pixel's cell into its number."""
    device = nearest.device
    steps = [(top - REACH) * grid.columns + left - REACH for top, left in places]
    cells = torch.arange(len(nearest) * grid.rows * grid.columns, device=device)
    own = cells.view(-1, grid.rows, 1, grid.columns, 1)
    return own + torch.tensor(steps, device=device)[nearest.int()]


def _means(pixels: list[Tensor], nearest: Tensor, inside: Tensor, centers: list[Tensor]) -> list[Tensor]:
    """Return the centers of the pixels that went to each; a center without a pixel stays."""
    index, weight = nearest.flatten(), inside.flatten().double()
    # float64: the order in which a GPU adds must not show
    count = torch.zeros(centers[0].numel(), dtype=torch.float64, device=index.device)
    counts = count.index_add(0, index, weight)
    means = []
    for part, before in zip(pixels, centers, strict=True):
        total = count.index_add(0, index, part.flatten().double() * weight)
        mean = (total / counts.clamp(min=1)).to(before.dtype).view_as(before)
        means.append(torch.where(counts.view_as(before) > 0, mean, before))
    return means


def join_small(roots: Tensor, smallest: int) -> Tensor:
    """Let components below a size join one that begins before them, as scikit-image does in scan order.

    Of the earlier neighbors that one is taken which a breadth-first search from the first pixel meets last.
    Distance along rows and columns stands in for the order of that search.

    Args:
        roots: ``(P, H, W)``, see `connected_components`.
        smallest: In pixels.
    """
    flat, width = roots.flatten(), roots.shape[2]
    small = torch.bincount(flat, minlength=flat.numel())[flat] < smallest
    pairs = torch.cat(neighbor_pairs(roots.shape, roots.device), dim=1)
    here, there = torch.cat([pairs, pairs.flip(0)], dim=1)
    earlier = small[here] & (flat[there] < flat[here])
    here, there = here[earlier], there[earlier]
    start = flat[here]
    path = (here // width - start // width).abs() + (here % width - start % width).abs()
    # unique for each pair of pixels: path first, then the lower pixel, then the neighbor above
    order = (path * flat.numel() + here) * 2 + (there < here)
    last = torch.full_like(flat, -1).scatter_reduce(0, start, order, "amax")
    chosen = order == last[start]
    parents = torch.arange(flat.numel(), device=flat.device)
    parents = parents.scatter_reduce(0, start[chosen], flat[there[chosen]], "amin")
    return follow(parents)[flat].view_as(roots)
