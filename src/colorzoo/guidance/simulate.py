"""Simulated users that place color points on pictures whose true colors are known.

Training follows Zhang et al. 2017 (sec. 3.2): a geometric number of square patches at Gaussian places,
filled with their mean ab; sometimes the whole picture is revealed, so that the network learns to copy.
Everything is batched on the device of ``ab``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from colorzoo.guidance.kinds import Points
from colorzoo.randomness import Generators, draw_uniform

MAX_POINTS = 256  # the paper's geometric counts pass it once in 10^15 pictures
_PICTURE_DRAWS = 5
_LAB = 3  # channels


@dataclass(frozen=True)
class PointSimulation:
    """How many points of which size are drawn where.

    Attributes:
        stop_probability: p of the geometric distribution P(n) = (1 - p)^n p; 1/8 in the paper (mean 7).
        max_side: Patch sides are uniform on 1 .. ``max_side`` pixels.
        spread: Deviation of the Gaussian of a place, as a share of the free height and width.
        reveal_all: Share of pictures whose true colors are given everywhere.
        many: Share of pictures whose number of points is log-uniform on 1 .. ``most`` instead. The
            paper has none; with it a network learns what to do with many points.
        most: Largest number of points drawn by ``many``.
        none: Share of pictures that get no points whatever the other numbers say.
        everywhere: Share of pictures whose points lie uniformly, as in the paper's test (sec. 4.1), instead
            of around the middle; with the Gaussian alone a network sees few points near the margins.
    """

    stop_probability: float = 1 / 8
    max_side: int = 9
    spread: float = 0.25
    reveal_all: float = 0.01
    many: float = 0.0
    most: int = 64
    none: float = 0.0
    everywhere: float = 0.0


def simulate_points(ab: Tensor, generators: Generators, simulation: PointSimulation | None = None) -> Points:
    """Draw the points that a user of the training time would give.

    Args:
        ab: ``(B, 2, H, W)`` true colors in CIE units, or Lab ``(B, 3, H, W)``: then points have a lightness.
        generators: Source of all randomness: one for the batch, or one for each picture, so that a picture's
            points do not depend on its neighbors in the batch.
        simulation: The distributions; by default those of the paper.
    """
    simulation = simulation or PointSimulation()
    batch, _, height, width = ab.shape
    draws = draw_uniform(generators, batch, _PICTURE_DRAWS + 3 * MAX_POINTS + 1, ab.device)
    picture, patch = draws[:, :_PICTURE_DRAWS], draws[:, _PICTURE_DRAWS:-1].view(batch, 3, MAX_POINTS)
    uniform = draws[:, -1, None, None] < simulation.everywhere
    counts = _draw_counts(picture, simulation)
    slots = max(1, int(counts.max()))
    side = 1 + (patch[:, 0, :slots] * min(simulation.max_side, height, width)).floor()
    place = patch[:, 1:, :slots].transpose(1, 2)
    free = torch.stack([height - side, width - side], dim=-1)
    middle = (free + 1) / 2 + _normal(place) * (free + 1) * simulation.spread
    corner = torch.where(uniform, place * (free + 1), middle)
    corner = torch.minimum(corner.clamp(min=0), free).long()
    valid = torch.arange(slots, device=ab.device) < counts[:, None]
    points = paint_patches(ab, corner, side.long(), valid)
    reveal = (picture[:, 3] < simulation.reveal_all).view(-1, 1, 1, 1)
    return Points(
        torch.where(reveal, ab[:, -2:], points.ab),
        torch.where(reveal, 1.0, points.mask),
        None if points.luma is None else torch.where(reveal, ab[:, :1], points.luma),
    )


def uniform_points(ab: Tensor, count: int, generators: Generators, *, side: int = 6) -> Points:
    """Place ``count`` patches uniformly (the test of Zhang et al. 2017, sec. 4.1: 6 x 6 pixels).

    Args:
        ab: ``(B, 2, H, W)`` true colors in CIE units, or Lab ``(B, 3, H, W)``: then points have a lightness.
        count: Patches per picture; 0 gives no hints.
        generators: Source of all randomness: one for the batch, or one for each picture.
        side: Side of a patch in pixels.
    """
    batch, _, height, width = ab.shape
    if count == 0:
        return Points.none(ab)
    side = min(side, height, width)
    free = torch.tensor([height - side + 1, width - side + 1], device=ab.device)
    draws = draw_uniform(generators, batch, 2 * count, ab.device)
    corner = (draws.view(batch, count, 2) * free).long()
    sides = torch.full((batch, count), side, device=ab.device)
    return paint_patches(ab, corner, sides, torch.ones_like(sides, dtype=torch.bool))


def paint_patches(ab: Tensor, corner: Tensor, side: Tensor, valid: Tensor) -> Points:
    """Fill square patches with their mean color; later patches cover earlier ones.

    Args:
        ab: ``(B, 2, H, W)`` in CIE units, or Lab ``(B, 3, H, W)``: then the points have a lightness.
        corner: ``(B, N, 2)`` int64, row and column of the top left pixel.
        side: ``(B, N)`` int64, side in pixels; the patch must lie inside the picture.
        valid: ``(B, N)`` bool, which patches exist.
    """
    batch, channels, height, width = ab.shape
    largest = int(side.max())
    step = torch.arange(largest, device=ab.device)
    rows = corner[..., 0, None, None] + step[:, None]
    columns = corner[..., 1, None, None] + step[None, :]
    inside = (step < side[..., None]).unsqueeze(-1) & (step < side[..., None]).unsqueeze(-2)
    inside = (inside & valid[..., None, None]).flatten(1)
    pixel = (rows.clamp(max=height - 1) * width + columns.clamp(max=width - 1)).flatten(1)

    flat = ab.flatten(2)
    seen = flat.gather(2, pixel.unsqueeze(1).expand(-1, channels, -1)) * inside.unsqueeze(1)
    mean = seen.view(batch, channels, *side.shape[1:], -1).sum(-1) / side.unsqueeze(1).square()

    order = torch.arange(1, side.shape[1] + 1, device=ab.device).repeat_interleave(largest**2)
    owner = torch.zeros(batch, height * width, dtype=torch.long, device=ab.device)
    owner.scatter_reduce_(1, pixel, order * inside, reduce="amax")
    color = mean.gather(2, (owner - 1).clamp(min=0).unsqueeze(1).expand(-1, channels, -1))
    mask = (owner > 0).unsqueeze(1).to(ab.dtype)
    filled = (color * mask).view_as(ab)
    luma = filled[:, :1] if channels == _LAB else None
    return Points(filled[:, -2:], mask.view(batch, 1, height, width), luma)


def _draw_counts(draws: Tensor, simulation: PointSimulation) -> Tensor:
    """Return the ``(B,)`` numbers of points from ``(B, 5)`` uniform numbers."""
    geometric = ((1 - draws[:, 0]).log() / math.log(1 - simulation.stop_probability)).floor()
    log_uniform = torch.exp(draws[:, 1] * math.log(simulation.most + 1)).floor()
    counts = torch.where(draws[:, 2] < simulation.many, log_uniform, geometric)
    counts = torch.where(draws[:, 4] < simulation.none, torch.zeros_like(counts), counts)
    return counts.clamp(max=MAX_POINTS).long()


def _normal(uniform: Tensor) -> Tensor:
    """Turn uniform numbers into standard normal ones."""
    return math.sqrt(2) * torch.erfinv((2 * uniform - 1).clamp(-1 + 1e-6, 1 - 1e-6))
