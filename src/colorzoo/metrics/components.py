"""Connected components of batches of label planes, as tensor operations on any device."""

from __future__ import annotations

import torch
from torch import Tensor

STRAIGHT = ((0, 1), (1, 0))
DIAGONAL = ((1, 1), (1, -1))


def connected_components(labels: Tensor, *, diagonal: bool = False) -> Tensor:
    """Return which pixels hang together: neighbors of one label.

    Each pixel points to an earlier one of its component, at first to itself. In each round, pointers of
    neighbors are joined and then followed to their end; some ten rounds are enough.

    Args:
        labels: ``(P, H, W)`` integers; pixels below 0 belong to no component but their own.
        diagonal: Count the 8 neighbors of a pixel instead of 4.

    Returns:
        ``(P, H, W)`` int64: the first pixel of each one's component, counted over the whole batch row by row.
    """
    flat = labels.flatten()
    here, there = torch.cat(neighbor_pairs(labels.shape, labels.device, diagonal=diagonal), dim=1)
    joined = (flat[here] == flat[there]) & (flat[here] >= 0)
    here, there = here[joined], there[joined]
    roots = torch.arange(flat.numel(), device=labels.device)
    while len(here):
        first, second = roots[here], roots[there]
        low, high = torch.minimum(first, second), torch.maximum(first, second)
        roots = follow(roots.scatter_reduce(0, high, low, "amin"))
        apart = roots[here] != roots[there]
        here, there = here[apart], there[apart]
    return roots.view(labels.shape)


def follow(pointers: Tensor) -> Tensor:
    """Return where ``(N,)`` pointers, each to itself or an earlier place, end."""
    while not torch.equal(further := pointers[pointers], pointers):
        pointers = further
    return pointers


def neighbor_pairs(shape: torch.Size, device: torch.device, *, diagonal: bool = False) -> list[Tensor]:
    """Return, for each direction, ``(2, N)`` places of neighbors in ``(P, H, W)``, the earlier one first."""
    places = torch.arange(shape.numel(), device=device).view(shape)
    rows, columns = shape[1:]
    pairs = []
    for down, right in (*STRAIGHT, *(DIAGONAL if diagonal else ())):
        left, start = max(-right, 0), max(right, 0)
        here = places[:, : rows - down, left : columns - start]
        there = places[:, down:, start : columns - left]
        pairs.append(torch.stack([here.flatten(), there.flatten()]))
    return pairs
