"""Quantization of ab into 313 in-gamut bins or a grid of 23 x 23 bins.

Zhang et al. 2016 define the 313 bins, and Zhang et al. 2017 define the grid.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from colorzoo.precision import distances

GRID_SIDE = 23
GRID_STEP = 10.0
GRID_MIN = -110.0
SOFT_SIGMA = 5.0
_MAX_NEIGHBORS = 10
_NODES = 25  # grid nodes along each axis; the grid extends one step beyond the sRGB hull


@cache
def _table(name: str) -> Tensor:
    with (files("colorzoo.color") / "tables" / f"{name}.npy").open("rb") as stream:
        return torch.from_numpy(np.load(stream, allow_pickle=False))


def hull_centers() -> Tensor:
    """Return the ab centers ``(313, 2)`` of the in-gamut bins, in CIE units.

    Examples:
        >>> hull_centers().shape
        torch.Size([313, 2])
    """
    return _table("pts_in_hull").float()


def grid_centers() -> Tensor:
    """Return the ab centers ``(529, 2)`` of all grid bins, in CIE units; b varies fastest.

    Examples:
        >>> grid_centers().shape
        torch.Size([529, 2])
    """
    return _table("pts_grid").float()


def hull_mask() -> Tensor:
    """Return a ``(529,)`` bool mask that is True for the in-gamut bins of the grid.

    Examples:
        >>> int(hull_mask().sum())
        313
    """
    return _table("in_hull").clone()


def bin_centers(count: int) -> tuple[Tensor, Tensor]:
    """Return the bin centers for a distribution over 313 or 529 bins.

    Args:
        count: Number of bins Q: 313 for the in-gamut bins, or 529 for the grid.

    Returns:
        Centers ``(Q, 2)`` in CIE units, and a ``(Q,)`` bool mask that is True for the in-gamut bins.
    """
    if count == GRID_SIDE**2:
        return grid_centers(), hull_mask()
    centers = hull_centers()
    return centers, torch.ones(len(centers), dtype=torch.bool)


def prior_probabilities() -> Tensor:
    """Return the frequencies ``(313,)`` of the bins in ImageNet (Zhang et al. 2016).

    Examples:
        >>> prior_probabilities().shape
        torch.Size([313])
    """
    return _table("prior_probs").clone()


def grid_index(ab: Tensor) -> Tensor:
    """Return the index of the grid bin of each color.

    Examples:
        >>> grid_index(torch.zeros(2, 2, 4, 4)).shape
        torch.Size([2, 4, 4])

    Args:
        ab: ``(B, 2, H, W)`` in CIE units; colors outside the grid are assigned to the nearest bin.

    Returns:
        ``(B, H, W)`` int64 in [0, 529): 23 times the position of the bin along a, plus its position along b.
    """
    cell = ((ab - GRID_MIN) / GRID_STEP + 0.5).floor().clamp(0, GRID_SIDE - 1).long()
    return cell[:, 0] * GRID_SIDE + cell[:, 1]


def nearest_bin(ab: Tensor) -> Tensor:
    """Return the indices ``(N,)`` of the in-gamut bins nearest to ab colors ``(N, 2)``.

    Examples:
        >>> nearest_bin(torch.tensor([[0.0, 0.0], [20.0, -20.0]])).shape
        torch.Size([2])
    """
    return distances(ab.float(), hull_centers().to(ab.device)).argmin(dim=1)


def bilinear_bins(ab: Tensor) -> tuple[Tensor, Tensor]:
    """Return the four bins around each color and their bilinear interpolation weights.

    Examples:
        >>> index, weight = bilinear_bins(torch.zeros(2, 2, 4, 4))
        >>> index.shape, weight.sum(dim=1).mean()
        (torch.Size([2, 4, 4, 4]), tensor(1.))

    A color lies between four nodes of a grid with 10 CIE units between nodes. Each bin is the in-gamut bin
    nearest to one node. The weighted mean of the nodes equals the color. The weighted mean of the bin centers
    can differ from the color, and two nodes can have the same bin.

    Args:
        ab: ``(B, 2, h, w)`` in CIE units; values outside [-120, 120] are clamped to the grid.

    Returns:
        Bin indices ``(B, 4, h, w)`` int64 from 0 to 312, and weights ``(B, 4, h, w)``, which sum to 1.
    """
    zero_node = _NODES // 2  # index of the node at 0 CIE units
    # grid coordinates; the bound is below the last node, so that each color has an upper neighbor
    position = (ab / GRID_STEP + zero_node).clamp(0, _NODES - 1 - 1e-3)
    lower = position.floor().long().clamp(max=_NODES - 2)  # half precision rounds the bound up
    a_lower, b_lower = lower.unbind(1)
    a_fraction, b_fraction = (position - lower).unbind(1)  # distance from the lower node, in grid steps
    node_bins = _bins_of_nodes().to(ab.device)
    indices: list[Tensor] = []
    weights: list[Tensor] = []
    for a_step, a_weight in ((0, 1 - a_fraction), (1, a_fraction)):
        for b_step, b_weight in ((0, 1 - b_fraction), (1, b_fraction)):
            indices.append(node_bins[a_lower + a_step, b_lower + b_step])
            weights.append(a_weight * b_weight)
    return torch.stack(indices, dim=1), torch.stack(weights, dim=1)


@cache
def _bins_of_nodes() -> Tensor:
    axis = (torch.arange(_NODES, device="cpu") - _NODES // 2) * GRID_STEP
    nodes = torch.stack(torch.meshgrid(axis, axis, indexing="ij"), dim=-1).view(-1, 2)
    return nearest_bin(nodes).view(_NODES, _NODES)


def soft_encode(ab: Tensor, *, neighbors: int = 10) -> Tensor:
    """Encode colors as Gaussian weights over the nearest bins (Zhang et al. 2016, sec. 2.1).

    Examples:
        >>> soft_encode(torch.zeros(5, 2)).shape
        torch.Size([5, 313])

    Args:
        ab: ``(N, 2)`` in CIE units.
        neighbors: Number of nearest bins with a nonzero weight: 10 in the published code, 5 in the paper.

    Returns:
        ``(N, 313)`` weights; each row sums to 1.
    """
    squared = distances(ab.float(), hull_centers().to(ab.device)).square()
    nearest, index = squared.topk(neighbors, dim=1, largest=False)
    weights = torch.softmax(-nearest / (2 * SOFT_SIGMA**2), dim=1)
    return torch.zeros_like(squared).scatter_(1, index, weights)


def soft_neighbors(ab: Tensor, *, neighbors: int = 10) -> tuple[Tensor, Tensor]:
    """Return the nearest bins of each color, and their weights in `soft_encode`.

    This function is ten times faster than `soft_encode`, because it tests only the bins near the grid cell of
    a color.

    Examples:
        >>> index, weight = soft_neighbors(torch.zeros(5, 2))
        >>> index.shape, weight.shape
        (torch.Size([5, 10]), torch.Size([5, 10]))

    Args:
        ab: ``(N, 2)`` in CIE units. Values outside [-115, 115], the range of the grid, are clamped;
            `soft_encode` does not clamp them.
        neighbors: Number of nearest bins to return, 1 to 10.

    Returns:
        ``(N, neighbors)`` bin indices, nearest first, and ``(N, neighbors)`` weights; each row of weights
        sums to 1.
    """
    bound = GRID_STEP / 2 - GRID_MIN  # outer edge of the grid
    inside = ab.float().clamp(-bound, bound)
    cell = grid_index(inside.view(-1, 2, 1, 1)).flatten()  # `grid_index` requires (B, 2, H, W)
    candidates = _near_bins().to(ab.device)[cell]  # (N, candidates per cell)
    offsets = inside[:, None] - hull_centers().to(ab.device)[candidates]
    squared_distances = offsets.square().sum(dim=2)
    nearest_squared, position = squared_distances.topk(neighbors, dim=1, largest=False)
    nearest = candidates.gather(1, position)
    return nearest, torch.softmax(-nearest_squared / (2 * SOFT_SIGMA**2), dim=1)


@cache
def _near_bins() -> Tensor:
    """Return the bins that can be among the ten nearest bins of a color in each grid cell."""
    # A color lies at most half a cell diagonal from the center of its cell. By the triangle inequality, a bin
    # cannot be among the ten nearest if its distance from the center exceeds the distance of the tenth
    # nearest bin by more than one diagonal.
    distance = distances(grid_centers(), hull_centers()).double()
    reach = distance.sort(dim=1).values[:, _MAX_NEIGHBORS - 1] + GRID_STEP * 2**0.5 + 1e-3
    most = int((distance <= reach[:, None]).sum(dim=1).max())
    return distance.topk(most, dim=1, largest=False).indices


def annealed_mean(logits: Tensor, centers: Tensor, temperature: float = 0.38) -> Tensor:
    """Decode logits over bins to one color with the annealed mean (Zhang et al. 2016, eq. 5).

    Examples:
        >>> annealed_mean(torch.zeros(2, 313, 4, 4), hull_centers()).shape
        torch.Size([2, 2, 4, 4])

    Args:
        logits: ``(B, Q, H, W)``.
        centers: ``(Q, 2)`` in CIE units.
        temperature: Softmax temperature: 1 gives the mean of the distribution, values near 0 give the mode.

    Returns:
        ``(B, 2, H, W)`` in CIE units.
    """
    with torch.autocast(logits.device.type, enabled=False):  # the matrix product needs float32
        share = F.softmax(logits.float() / temperature, dim=1)
        return torch.einsum("bqhw,qc->bchw", share, centers.to(share))


def rebalancing_weights(prior: Tensor, uniform: float = 0.5) -> Tensor:
    """Compute class rebalancing weights that favor rare colors (Zhang et al. 2016, eq. 4).

    Examples:
        >>> weights = rebalancing_weights(prior_probabilities())
        >>> float((weights * prior_probabilities()).sum().round(decimals=3))
        1.0

    Args:
        prior: ``(Q,)`` probabilities of the bins.
        uniform: Weight of the uniform distribution that is mixed with the prior; lambda in the paper.

    Returns:
        ``(Q,)`` weights whose mean under the prior is 1.
    """
    mixed = (1 - uniform) * prior + uniform / prior.numel()
    weights = 1 / mixed
    return weights / (prior * weights).sum()
