"""How far the color of a point goes: what belongs to its place by the structure of the picture.

Belonging is a distance: the cheapest way from the point, where crossing an edge of the lightness costs, and
the more so the calmer its surroundings are. One search serves all points of a reach; each place belongs to
the nearest of them. The numbers were fitted on every other picture of a sample with true segments and are
measured on the rest by ``python -m benchmarks reach``.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from hashlib import sha256

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from skimage.graph import MCP_Geometric
from torch import Tensor
from torch.nn import functional as F

from colorzoo.guidance import Guidance, PointHint, Points
from colorzoo.guidance.kinds import TensorFields
from colorzoo.guidance.rasterize import covered
from colorzoo.guidance.reach import Reach

Map = NDArray[np.float32]

_GRID = 128  # shorter side of the grid on which ways are searched
_STEP = 0.05  # cost of a step where there is no edge
_CALM = 8.0  # deviation in cells of the surroundings that an edge is compared with
_BORDER = 4.2  # root of the cost at which half of the color is left, for the automatic reach
_STEEPNESS = 14.0  # of the border
_FILL = 0.5  # share of the point's own color where the network follows in full
_KEPT = 8  # answers without the limited points: 0.7 MB each


@dataclass(frozen=True)
class Extent:
    """Where the colors of points go.

    Attributes:
        weight: ``(h, w)`` in [0, 1].
        nearest: ``(h, w)`` int64, the number of the point that each place belongs to.
        homes: ``(h, w)`` int64, the number of the point that covers a pixel, -1 where none does.
    """

    weight: Tensor
    nearest: Tensor
    homes: Tensor


def is_limited(hint: PointHint) -> bool:
    """Say whether the color of a point does not go everywhere."""
    return hint.reach != "everywhere"


def find_extent(luma: Tensor, hints: Sequence[PointHint], whole: tuple[int, int]) -> Extent:
    """Find where the colors of points with a limited reach go.

    Args:
        luma: ``(1, 1, h, w)`` in [0, 100].
        hints: At least one, in pixels of the picture.
        whole: Width and height of the picture.

    Returns:
        The extent, at the size of ``luma``.
    """
    height, width = int(luma.shape[2]), int(luma.shape[3])
    scale = min(1.0, _GRID / min(height, width))
    grid = (max(1, round(height * scale)), max(1, round(width * scale)))
    costs = edge_costs(F.adaptive_avg_pool2d(luma, grid)[0, 0].numpy())
    weight, nearest = np.zeros(grid, np.float32), np.zeros(grid, np.int64)
    for reach in dict.fromkeys(hint.reach for hint in hints):
        numbers = [i for i, hint in enumerate(hints) if hint.reach == reach]
        found, owner = _search(costs, _seeds(hints, numbers, whole, grid))
        part = _fade(found, reach)
        nearest = np.where(part > weight, owner, nearest)
        weight = np.maximum(part, weight)
    size = (height, width)
    smooth = F.interpolate(
        torch.from_numpy(weight)[None, None], size=size, mode="bilinear", align_corners=False
    )
    owners = F.interpolate(torch.from_numpy(nearest)[None, None].double(), size=size, mode="nearest")
    homes = torch.from_numpy(_seeds(hints, range(len(hints)), whole, size))
    return Extent(smooth[0, 0], owners[0, 0].long(), homes)


def limit_reach(ab: Tensor, base: Tensor, points: Points, extent: Extent) -> Tensor:
    """Let the points change only what belongs to them.

    Inside their reach the answer goes some way towards their colors, where the network follows them: a reach
    is filled more evenly than the network would.

    Args:
        ab: ``(1, 2, h, w)`` in CIE units, the answer with all points.
        base: The same without those whose reach is limited.
        points: All points at that size.
        extent: Of the limited ones.

    Returns:
        ``(1, 2, h, w)``, exact at the points.
    """
    change, weight = ab - base, extent.weight
    wanted, response = _wishes(change[0], ab[0], extent)
    fill = _FILL * weight * response
    mixed = base + weight * ((1 - fill) * change + fill * (wanted - base))
    return torch.where(points.mask > 0, points.ab, mixed)


class Bases:
    """The last answers without limited points: an edit of a point needs only one run of the network."""

    def __init__(self) -> None:
        self._kept: OrderedDict[str, Tensor] = OrderedDict()
        self._lock = threading.Lock()

    def of(self, luma: Tensor, guidance: Guidance, answer: Callable[[Tensor, Guidance], Tensor]) -> Tensor:
        """Return ``answer(luma, guidance)``, kept for the same lightness and guidance."""
        key = _digest(luma, guidance)
        with self._lock:
            found = self._kept.get(key)
        if found is None:
            found = answer(luma, guidance)
        with self._lock:
            self._kept[key] = found
            self._kept.move_to_end(key)
            while len(self._kept) > _KEPT:
                self._kept.popitem(last=False)
        return found


def edge_costs(luma: Map) -> Map:
    """Return ``(h, w)``, what a step costs: the slope of the lightness over that of its surroundings."""
    calm = cv2.medianBlur(np.ascontiguousarray(luma, np.float32), 5)
    slope = np.hypot(cv2.Sobel(calm, cv2.CV_32F, 1, 0), cv2.Sobel(calm, cv2.CV_32F, 0, 1)) / 8
    around = cv2.GaussianBlur(slope, (0, 0), _CALM)
    costs: Map = (slope / (1 + around) + _STEP).astype(np.float32)
    return costs


def _seeds(
    hints: Sequence[PointHint], numbers: Sequence[int], whole: tuple[int, int], grid: tuple[int, int]
) -> NDArray[np.int64]:
    """Return ``(h, w)``, the number of the point that covers each cell, -1 where there is none."""
    seeds = np.full(grid, -1, np.int64)
    for number in numbers:
        hint = hints[number]
        rows = covered(hint.y, hint.radius, grid[0] / whole[1], grid[0])
        columns = covered(hint.x, hint.radius, grid[1] / whole[0], grid[1])
        seeds[rows, columns] = number
    return seeds


def _search(costs: Map, seeds: NDArray[np.int64]) -> tuple[Map, NDArray[np.int64]]:
    """Return the cost of the cheapest way from a seed to each cell, and the number of that seed."""
    search = MCP_Geometric(costs)
    found, steps = search.find_costs(np.argwhere(seeds >= 0))
    offsets = np.concatenate(
        [np.asarray(search.offsets), [(0, 0)]]
    )  # where the cell before lies; -1 has none
    rows, columns = np.indices(costs.shape)
    back = offsets[np.where(steps < 0, len(offsets) - 1, steps)]
    before = (rows - back[..., 0]) * costs.shape[1] + columns - back[..., 1]
    before = before.ravel()
    while not np.array_equal(before, further := before[before]):
        before = further
    return found.astype(np.float32), seeds.ravel()[before].reshape(costs.shape)


def _fade(costs: Map, reach: Reach) -> Map:
    """Return the share of a color that is left where the cheapest way costs so much."""
    border = _BORDER * (reach if isinstance(reach, float) else 1.0)
    if border == 0:
        return np.zeros_like(costs)
    there = (1 - np.sqrt(costs) / border) * _STEEPNESS
    weight: Map = (1 / (1 + np.exp(np.clip(-there, -60, 60)))).astype(np.float32)
    return np.where(costs == 0, np.float32(1), weight)


def _wishes(change: Tensor, ab: Tensor, extent: Extent) -> tuple[Tensor, Tensor]:
    """Return the colors of the points that places belong to, and how far the network follows there.

    The former are ``(2, h, w)``; the latter is ``(h, w)`` in [0, 1]: the root of the share of the point's own
    change that is made.
    """
    hinted = extent.homes >= 0
    owner = extent.homes[hinted]
    count = int(torch.maximum(extent.nearest.max(), owner.max())) + 1
    number = torch.zeros(count).index_add_(0, owner, torch.ones(len(owner))).clamp(min=1)
    wanted = torch.zeros(2, count).index_add_(1, owner, ab[:, hinted]) / number
    made = torch.zeros(2, count).index_add_(1, owner, change[:, hinted]) / number
    here = made[:, extent.nearest]
    share = (change * here).sum(dim=0) / (here.square().sum(dim=0) + 1)
    return wanted[:, extent.nearest], share.clamp(0, 1).sqrt()


def _digest(luma: Tensor, guidance: Guidance) -> str:
    digest = sha256()
    for tensor in (luma, *_tensors(guidance)):
        digest.update(repr((tuple(tensor.shape), str(tensor.dtype))).encode())
        digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    digest.update(repr([f.name for f in fields(guidance) if getattr(guidance, f.name) is not None]).encode())
    return digest.hexdigest()


def _tensors(kind: TensorFields) -> list[Tensor]:
    found: list[Tensor] = []
    for field in fields(kind):
        value = getattr(kind, field.name)
        if isinstance(value, Tensor):
            found.append(value)
        elif isinstance(value, TensorFields):
            found += _tensors(value)
    return found
