"""Pseudo-scribbles: strokes like a user's over the color edges that a result lacks (Kim et al. 2021).

The paper names their source (the Sobel maps of truth and result); counts, widths and thresholds are ours, see
the model's page. Everything is batched on the device of the pictures; a stroke is grown along its edge from a
random pixel, so that it stays on one connected edge.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from colorzoo.color import sobel_gradients
from colorzoo.guidance.kinds import Scribbles
from colorzoo.randomness import Generators, draw_uniform

AB_SCALE = 110.0
_GRID = 8  # cells of the coarse displacement field each way


@dataclass(frozen=True)
class ScribbleSimulation:
    """How pseudo-scribbles are drawn.

    Attributes:
        least: Smallest Sobel magnitude of ab / 110 that is an edge.
        quantile: Quantile of the true magnitudes above which a pixel is an edge.
        lost: Share of the true edge that the result must lack.
        most: Strokes per picture are uniform on 1 .. ``most``.
        shortest: Pixels along the edge below which a stroke is dropped.
        reach: Smallest and largest number of pixels that a stroke runs along its edge, each way.
        widths: Widths in pixels, odd, drawn alike.
        jitter: Largest distance in pixels from the edge.
        none: Share of pictures without any stroke.
    """

    least: float = 0.02
    quantile: float = 0.9
    lost: float = 0.3
    most: int = 5
    shortest: int = 10
    reach: tuple[int, int] = (10, 40)
    widths: tuple[int, ...] = (3, 5, 7)
    jitter: float = 2.0
    none: float = 0.1


def simulate_scribbles(
    ab: Tensor, true_ab: Tensor, generators: Generators, simulation: ScribbleSimulation | None = None
) -> Scribbles:
    """Draw strokes over the true edges that a result lacks; over any true edge if it lacks none.

    Args:
        ab: ``(B, 2, H, W)`` result in CIE units.
        true_ab: ``(B, 2, H, W)`` truth in CIE units.
        generators: Source of all randomness: one for the batch, or one for each picture.
        simulation: The distributions.
    """
    s = simulation or ScribbleSimulation()
    batch, strokes = len(ab), s.most
    draws = draw_uniform(generators, batch, 2 + 3 * strokes + 2 * _GRID**2, ab.device)
    picture, rest = draws[:, :2], draws[:, 2:]
    stroke, field = rest[:, : 3 * strokes].view(batch, 3, strokes), rest[:, 3 * strokes :]
    edges, weight = lost_edges(ab, true_ab, s)
    lines = _grow(edges, _seeds(weight, stroke[:, 0]), _between(stroke[:, 1], s.reach))
    counts = (1 + (picture[:, :1] * strokes).floor()) * (picture[:, 1:] >= s.none)
    kept = (lines.sum(dim=(2, 3)) >= s.shortest) & (torch.arange(strokes, device=ab.device) < counts)
    wide = _widen(lines * kept[:, :, None, None], stroke[:, 2], s.widths)
    return Scribbles(_bend(wide.amax(dim=1, keepdim=True), field, s.jitter))


def lost_edges(ab: Tensor, true_ab: Tensor, simulation: ScribbleSimulation) -> tuple[Tensor, Tensor]:
    """Find the true edges that a result lacks, about one pixel wide.

    Args:
        ab: ``(B, 2, H, W)`` result in CIE units.
        true_ab: ``(B, 2, H, W)`` truth in CIE units.
        simulation: The thresholds.

    Returns:
        The edges, ``(B, 1, H, W)`` in {0, 1}, and how much each pixel of them lacks.
    """
    true = sobel_gradients(true_ab / AB_SCALE)
    strength, result = _length(true), _length(sobel_gradients(ab / AB_SCALE))
    threshold = torch.quantile(strength.flatten(1), simulation.quantile, dim=1).clamp(min=simulation.least)
    edge = (strength >= threshold.view(-1, 1, 1, 1)) & _ridge(strength, true)
    lost = (strength - result).clamp(min=0)
    bled = edge & (lost >= simulation.lost * strength)
    none = ~bled.flatten(1).any(dim=1).view(-1, 1, 1, 1)
    edges = torch.where(none, edge, bled).float()
    return edges, torch.where(none, strength, lost) * edges


def _length(gradients: Tensor) -> Tensor:
    return gradients.square().sum(dim=(1, 2)).sqrt().unsqueeze(1)


def _ridge(strength: Tensor, gradients: Tensor) -> Tensor:
    """Mark what is no weaker than its neighbors across the edge, along the axis that crosses it more."""
    x, y = gradients.square().sum(dim=1).unbind(dim=1)
    padded = F.pad(strength, (1, 1, 1, 1))
    across_x = torch.maximum(padded[:, :, 1:-1, :-2], padded[:, :, 1:-1, 2:])
    across_y = torch.maximum(padded[:, :, :-2, 1:-1], padded[:, :, 2:, 1:-1])
    across = torch.where((x >= y).unsqueeze(1), across_x, across_y)
    return strength >= across


def _seeds(weight: Tensor, draws: Tensor) -> Tensor:
    """Draw one pixel per stroke with a probability proportional to its weight: ``(B, N)`` flat indices."""
    mass = weight.flatten(1).double().cumsum(dim=1)
    wanted = draws.double() * mass[:, -1:]
    return torch.searchsorted(mass, wanted, right=True).clamp(max=mass.shape[1] - 1)


def _between(draws: Tensor, bounds: tuple[int, int]) -> Tensor:
    return (bounds[0] + draws * (bounds[1] - bounds[0] + 1)).floor()


def _grow(edges: Tensor, seeds: Tensor, steps: Tensor) -> Tensor:
    """Follow the edges from each seed: ``(B, N, H, W)``, the pixels at most ``steps`` away along them."""
    batch, _, height, width = edges.shape
    left = edges.new_zeros(batch, seeds.shape[1], height * width)
    left.scatter_(2, seeds.unsqueeze(2), (steps + 1).unsqueeze(2))
    left = left.view(batch, -1, height, width) * edges
    for _ in range(int(steps.max())):
        left = torch.maximum(left, (_around(left) - 1) * edges)
    return (left > 0).float()


def _around(values: Tensor) -> Tensor:
    """Return the largest value of each 3 x 3 neighborhood; ten times as fast on a CPU as max pooling."""
    padded = F.pad(values, (1, 1, 1, 1))
    rows = torch.maximum(torch.maximum(padded[:, :, :-2], padded[:, :, 1:-1]), padded[:, :, 2:])
    return torch.maximum(torch.maximum(rows[..., :-2], rows[..., 1:-1]), rows[..., 2:])


def _widen(lines: Tensor, draws: Tensor, widths: tuple[int, ...]) -> Tensor:
    """Give each of the ``(B, N, H, W)`` strokes one of the widths."""
    choice = (draws * len(widths)).long()[:, :, None, None]
    wide = torch.zeros_like(lines)
    for index, width in enumerate(widths):
        grown = F.max_pool2d(lines, width, stride=1, padding=width // 2)
        wide = torch.where(choice == index, grown, wide)
    return wide


def _bend(mask: Tensor, field: Tensor, jitter: float) -> Tensor:
    """Move every place of a mask by a smooth random displacement of at most ``jitter`` pixels each way."""
    height, width = mask.shape[-2:]
    coarse = (2 * field - 1).view(-1, 2, _GRID, _GRID) * jitter
    fine = F.interpolate(coarse, (height, width), mode="bilinear", align_corners=True)
    rows = torch.arange(height, device=mask.device)[:, None] + fine[:, 1]
    columns = torch.arange(width, device=mask.device)[None, :] + fine[:, 0]
    grid = torch.stack([(2 * columns + 1) / width - 1, (2 * rows + 1) / height - 1], dim=-1)
    return (F.grid_sample(mask, grid, mode="bilinear", align_corners=False) >= 0.5).float()
