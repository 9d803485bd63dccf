"""Canny as tensor operations: the edges of the batched Cluster Discrepancy Ratio, those of scikit-image."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from colorzoo.metrics.clusters import FLAT, CDRSettings
from colorzoo.metrics.components import connected_components
from colorzoo.metrics.smooth import gaussian_blur


def batched_edges(planes: Tensor, settings: CDRSettings) -> Tensor:
    """Return the Canny edges of planes: but for rounding those of `colorzoo.metrics.clusters.find_edges`.

    Args:
        planes: ``(P, H, W)`` a or b in CIE units.
        settings: See `CDRSettings`.

    Returns:
        ``(P, H, W)`` bool; none in a plane that spans less than `FLAT`.
    """
    blurred = gaussian_blur(planes, settings.edge_sigma, mirrored=False)
    share = gaussian_blur(torch.ones_like(planes[:1]), settings.edge_sigma, mirrored=False)
    down, right = _sobel(blurred / (share + torch.finfo(planes.dtype).eps))
    strength = torch.hypot(down, right)
    low, high = _quantiles(strength, settings.low, settings.high)
    thin = _is_ridge(down, right, strength) & (strength >= low.clamp(min=1e-14))
    edges = _linked(thin, thin & (strength >= high))
    spans = planes.amax(dim=(1, 2), keepdim=True) - planes.amin(dim=(1, 2), keepdim=True)
    return edges & (spans >= FLAT)


def _sobel(planes: Tensor) -> tuple[Tensor, Tensor]:
    """Return the derivatives down and to the right, not normalized."""
    row = torch.tensor([-1.0, 0.0, 1.0], dtype=planes.dtype, device=planes.device)
    column = torch.tensor([1.0, 2.0, 1.0], dtype=planes.dtype, device=planes.device)
    right = column[:, None] * row
    padded = F.pad(planes[:, None], (1, 1, 1, 1), mode="replicate")
    found = F.conv2d(padded, torch.stack([right.T, right])[:, None])
    return found[:, 0], found[:, 1]


def _quantiles(strength: Tensor, low: float, high: float) -> tuple[Tensor, Tensor]:
    """Return two ``(P, 1, 1)`` quantiles, interpolated; torch.quantile takes 16 million values at most."""
    ordered = strength.flatten(1).sort(dim=1).values
    last = ordered.shape[1] - 1
    found = []
    for share in (low, high):
        below = int(share * last)
        above = min(below + 1, last)
        found.append(torch.lerp(ordered[:, below], ordered[:, above], share * last - below).view(-1, 1, 1))
    return found[0], found[1]


def _is_ridge(down: Tensor, right: Tensor, strength: Tensor) -> Tensor:
    """Tell where the strength is not below that of both neighbors along the gradient, interpolated."""
    steep = down.abs() > right.abs()
    small, large = torch.minimum(down.abs(), right.abs()), torch.maximum(down.abs(), right.abs())
    weight = small / large  # NaN without a gradient, where no comparison holds
    same = (down > 0) == (right > 0)
    padded = F.pad(strength, (1, 1, 1, 1))
    rows, columns = strength.shape[1:]

    def at(row: int, column: int) -> Tensor:
        return padded[:, 1 + row : 1 + row + rows, 1 + column : 1 + column + columns]

    ridge = torch.ones_like(steep)
    for sign in (1, -1):
        straight = torch.where(steep, at(sign, 0), at(0, sign))
        # where the signs differ the corners lie up right and down left
        mixed = torch.where(steep, at(-sign, 0), at(0, sign))
        corner = torch.where(same, at(sign, sign), at(-sign, sign))
        beside = torch.where(same, straight, mixed)
        ridge &= corner * weight + beside * (1 - weight) <= strength
    ridge[:, [0, -1]] = False
    ridge[:, :, [0, -1]] = False
    return ridge


def _linked(weak: Tensor, strong: Tensor) -> Tensor:
    """Return the weak pixels that hang together, over corners too, with a strong one."""
    roots = connected_components(torch.where(weak, 1, -1), diagonal=True).flatten()
    reached = torch.zeros_like(roots).scatter_reduce(0, roots, strong.flatten().long(), "amax")
    return weak & (reached[roots] > 0).view_as(weak)
