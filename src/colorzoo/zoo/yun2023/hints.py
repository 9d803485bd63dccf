"""Hints of iColoriT: cells of 2 x 2 pixels of the picture that the network sees."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from colorzoo.guidance import Points
from colorzoo.networks.hint_input import AB_SCALE
from colorzoo.randomness import Generators, draw_uniform

CELL = 2  # pixels; the only size that the authors trained
_PICTURE_DRAWS = 2


def hint_image(luma: Tensor, points: Points, side: int, mask_center: float) -> Tensor:
    """Squash a picture and its hints to what the network reads.

    Args:
        luma: ``(B, 1, H, W)`` in [0, 100].
        points: Hints of the same size.
        side: Side of the square.
        mask_center: Subtracted from the hint channel.

    Returns:
        ``(B, 4, side, side)``: (L - 50) / 100, then of the hints a / 110, b / 110 (0 elsewhere) and a 1.
    """
    gray = F.interpolate(luma, size=(side, side), mode="bilinear", antialias=True, align_corners=False)
    ab, mask = hint_cells(points, side // CELL)
    hints = torch.cat([ab / AB_SCALE, mask - mask_center], dim=1)
    return torch.cat([(gray - 50) / 100, F.interpolate(hints, scale_factor=CELL, mode="nearest")], dim=1)


def hint_cells(points: Points, cells: int) -> tuple[Tensor, Tensor]:
    """Gather points on a square grid; a cell takes the mean of the hinted pixels whose centers lie in it.

    Args:
        points: ``(B, ., H, W)``, any height and width.
        cells: Cells along each side.

    Returns:
        ab ``(B, 2, cells, cells)`` in CIE units, 0 where no hint is, and the mask ``(B, 1, cells, cells)``.
    """
    height, width = points.mask.shape[-2:]
    given = torch.cat([points.ab * points.mask, points.mask], dim=1).float()
    with torch.autocast(given.device.type, enabled=False):  # bfloat16 would move colors by half a unit
        sums = _membership(height, cells, given) @ given @ _membership(width, cells, given).T
    count = sums[:, 2:]
    return sums[:, :2] / count.clamp(min=1), (count > 0).to(sums.dtype)


def simulate_cells(ab: Tensor, generators: Generators, most: int, few: float) -> Points:
    """Draw the hints of a training batch: true colors of cells, each cell at most once.

    Args:
        ab: ``(B, 2, H, W)`` true colors in CIE units.
        generators: Source of all randomness: one for the batch, or one for each picture.
        most: The number of hints is uniform on 0 .. ``most``.
        few: Share of pictures whose number is log-uniform on 1 .. ``most``.
    """
    batch, _, height, width = ab.shape
    draws = draw_uniform(generators, batch, _PICTURE_DRAWS + (height // CELL) * (width // CELL), ab.device)
    uniform = (draws[:, 0] * (most + 1)).floor()
    log_uniform = torch.exp(draws[:, 0] * math.log(most + 1)).floor()
    counts = torch.where(draws[:, 1] < few, log_uniform, uniform)
    return _reveal(ab, counts, draws[:, _PICTURE_DRAWS:])


def count_cells(ab: Tensor, count: int, generators: Generators) -> Points:
    """Reveal ``count`` cells of each picture ``(B, 2, H, W)``, or all if it has fewer, for validation."""
    batch, _, height, width = ab.shape
    draws = draw_uniform(generators, batch, (height // CELL) * (width // CELL), ab.device)
    return _reveal(ab, draws.new_full((batch,), count), draws)


def _reveal(ab: Tensor, counts: Tensor, order: Tensor) -> Points:
    """Show the mean colors of the first ``counts`` ``(B,)`` cells in the order of ``(B, N)`` numbers."""
    batch, _, height, width = ab.shape
    if not order.shape[1]:
        return Points.none(ab)
    rank = torch.arange(order.shape[1], device=ab.device).expand_as(order)
    first = (rank < counts[:, None]).to(ab.dtype)
    chosen = torch.zeros_like(first).scatter(1, order.argsort(dim=1), first)
    mask = chosen.view(batch, 1, height // CELL, width // CELL)
    color = F.avg_pool2d(ab, CELL) * mask
    shown = F.interpolate(torch.cat([color, mask], dim=1), scale_factor=CELL, mode="nearest")
    shown = F.pad(shown, (0, width % CELL, 0, height % CELL))  # half a cell at the border is never a hint
    return Points(shown[:, :2], shown[:, 2:])


def _membership(length: int, cells: int, like: Tensor) -> Tensor:
    """Return ``(cells, length)``: 1 where the center of a pixel lies in a cell."""
    pixels = torch.arange(length, device=like.device)
    home = (2 * pixels + 1) * cells // (2 * length)
    return (home == torch.arange(cells, device=like.device)[:, None]).to(like.dtype)
