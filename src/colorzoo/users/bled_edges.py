"""Where colors bleed: true color edges that a result lacks (Kim et al. 2021, fact sheet sec. 3).

The paper names the recipe only in words (pseudo-scribbles from the Sobel maps of truth and result); the
thresholds are ours.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from colorzoo.color import sobel

AB_SCALE = 110.0
LEAST_EDGE = 0.02  # Sobel magnitude of ab / 110
STRONG_SHARE = 0.9  # quantile of the true magnitude above which a pixel is an edge
LOST_SHARE = 0.3  # share of the true edge that the result must lack
SHORTEST, LONGEST = 10, 120  # pixels of one run

Mask = NDArray[np.bool_]


def edge_strength(ab: Tensor) -> Tensor:
    """Return the Sobel magnitude over a, b, x and y of ab / 110: ``(B, 1, H, W)`` from ``(B, 2, H, W)``."""
    strength: Tensor = torch.linalg.vector_norm(sobel(ab / AB_SCALE), dim=1, keepdim=True)
    return strength


def bled_edges(ab: Tensor, true_ab: Tensor) -> Tensor:
    """Mark the true color edges that a result lacks, one pixel wide.

    Args:
        ab: ``(B, 2, H, W)`` result in CIE units.
        true_ab: ``(B, 2, H, W)`` truth in CIE units.

    Returns:
        ``(B, 1, H, W)`` float32 in {0, 1}, 8-connected runs of at least `SHORTEST` pixels.
    """
    pairs = zip(ab, true_ab, strict=True)
    maps = [_picture_edges(one[None], true[None]) for one, true in pairs]
    return torch.from_numpy(np.stack(maps)[:, None]).float().to(ab.device)


def bled_runs(ab: Tensor, true_ab: Tensor) -> list[NDArray[np.int64]]:
    """Cut the bled edges of one picture into strokes, the one that lacks most color first.

    Args:
        ab: ``(1, 2, H, W)`` result in CIE units.
        true_ab: ``(1, 2, H, W)`` truth in CIE units.

    Returns:
        For each stroke its ``(N, 2)`` pixels, row and column, `SHORTEST` to `LONGEST` many.
    """
    lost = _lost(ab, true_ab)
    edges = _picture_edges(ab, true_ab)
    runs = [run for part in _components(edges) for run in _cut(part)]
    return sorted(runs, key=lambda run: -float(lost[run[:, 0], run[:, 1]].sum()))


def _lost(ab: Tensor, true_ab: Tensor) -> NDArray[np.float32]:
    lost = (edge_strength(true_ab) - edge_strength(ab)).clamp(min=0)[0, 0]
    values: NDArray[np.float32] = lost.cpu().numpy()
    return values


def _picture_edges(ab: Tensor, true_ab: Tensor) -> Mask:
    from skimage.morphology import thin

    true = edge_strength(true_ab)[0, 0].cpu().numpy()
    strong = true >= max(LEAST_EDGE, float(np.quantile(true, STRONG_SHARE)))
    bled: Mask = thin(strong & (_lost(ab, true_ab) >= LOST_SHARE * true))
    kept = np.zeros_like(bled)
    for part in _components(bled):
        kept[part[:, 0], part[:, 1]] = True
    return kept


def _components(edges: Mask) -> list[NDArray[np.int64]]:
    """Return the pixels of each 8-connected part of at least `SHORTEST` pixels, row-major."""
    from scipy.ndimage import label

    labels, _ = label(edges, structure=np.ones((3, 3)))
    rows, columns = np.nonzero(labels)
    order = np.argsort(labels[rows, columns], kind="stable")
    pixels = np.stack([rows, columns], axis=1)[order]
    ends = np.cumsum(np.bincount(labels[rows, columns])[1:])[:-1]
    return [part for part in np.split(pixels, ends) if len(part) >= SHORTEST]


def _cut(part: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    """Cut one connected part into runs of neighbors, walking along it from one of its ends."""
    walked = _walk(part)
    pieces = max(1, -(-len(walked) // LONGEST))
    return [run for run in np.array_split(walked, pieces) if len(run) >= SHORTEST]


def _walk(part: NDArray[np.int64]) -> NDArray[np.int64]:
    """Order the pixels by their distance along the part from the pixel farthest from the first one."""
    places = {(int(row), int(column)): index for index, (row, column) in enumerate(part)}
    far = _breadth_first(places, 0)[-1]
    return part[_breadth_first(places, far)]


def _breadth_first(places: dict[tuple[int, int], int], start: int) -> list[int]:
    pixels = list(places)
    order, seen = [start], {start}
    for index in order:  # grows while it is walked
        row, column = pixels[index]
        for near in ((row + y, column + x) for y in (-1, 0, 1) for x in (-1, 0, 1)):
            found = places.get(near)
            if found is not None and found not in seen:
                seen.add(found)
                order.append(found)
    return order
