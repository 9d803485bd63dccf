"""Correction of points at full size.

A point of a few pixels is smaller than a cell of the network output, so upsampling loses most of its color.
The correction adds the difference at the point with a falloff of about one cell.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from colorzoo.color import reduce_chroma
from colorzoo.guidance import PointHint
from colorzoo.guidance.rasterize import covered, points_lab
from colorzoo.inference.full_size import (
    CUT,
    BicubicUpsampler,
    FullLightness,
    PointCorrection,
    distance_outside,
)


@dataclass(frozen=True)
class CorrectionConstants:
    """Constants of corrections.

    Attributes:
        most_points: Maximum number of corrected points.
        reach: Standard deviation of the falloff, in cells of the network output.
        apart: Minimum distance to the next point in standard deviations.
        rounds: Rounds of the solver.
        narrowest: Minimum standard deviation in pixels.
    """

    most_points: int = 2048
    reach: float = 1.5
    apart: float = 2.5
    rounds: int = 4
    narrowest: float = 0.3


CORRECTIONS = CorrectionConstants()


def correct_points(
    hints: Sequence[PointHint],
    ab: Tensor,
    lightness: Tensor | FullLightness,
    *,
    strength: float,
    locked: Tensor | None = None,
) -> list[PointCorrection]:
    """Compute corrections so that points have their exact colors in the upsampled prediction.

    Args:
        hints: Points in pixels of the image; points covered by a later point and
            points with a strength below 1 are ignored. More than ``most_points`` are not corrected.
        ab: ``(2, h, w)`` prediction in CIE units.
        lightness: ``(H, W)`` lightness of the image in [0, 100].
        strength: Factor on the chosen chroma.
        locked: ``(h, w)`` in [0, 1], mask of locked colors; None without locks.

    Returns:
        Corrections for the prediction upsampled to ``(H, W)``.
    """
    hints = [hint for hint in hints if hint.strength == 1]
    if not 0 < len(hints) <= CORRECTIONS.most_points:
        return []
    height, width = lightness.shape
    y0, y1 = _spans([(h.y, h.radius) for h in hints], height)
    x0, x1 = _spans([(h.x, h.radius) for h in hints], width)
    y = torch.tensor([min(int(h.y), height - 1) for h in hints])
    x = torch.tensor([min(int(h.x), width - 1) for h in hints])
    # squared distance of the home pixel of point i (row) from the rectangle of point j (column)
    apart = distance_outside(y[:, None], y0, y1).square() + distance_outside(x[:, None], x0, x1).square()
    count = len(hints)
    covered_later = ((apart == 0) & (torch.arange(count)[:, None] < torch.arange(count))).any(dim=1)
    cell = max(height / ab.shape[1], width / ab.shape[2])
    room = _room(locked, torch.stack([y0, y1, x0, x1], dim=1), (height, width))
    kept = (~covered_later & (room > 0)).nonzero().flatten()
    if not len(kept):
        return []
    apart, homes = apart[kept][:, kept], (y[kept], x[kept])
    # narrower near other points, to preserve their colors
    others = apart.masked_fill(apart == 0, torch.inf).min(dim=0).values.sqrt()
    reach = (others / CORRECTIONS.apart).clamp(min=CORRECTIONS.narrowest, max=CORRECTIONS.reach * cell)
    reach = torch.minimum(reach, (room[kept] / CUT).clamp(min=CORRECTIONS.narrowest))
    wanted = points_lab([hints[i] for i in kept.tolist()], lightness[homes])
    chosen = wanted * torch.tensor([1.0, strength, strength])
    target = reduce_chroma(chosen.T[:, :, None])[1:, :, 0].T
    missing = target - BicubicUpsampler(ab, (height, width)).pixels(*homes)
    amounts = _solve(torch.exp(-0.5 * apart / reach.square()), missing)
    boxes = torch.stack([y0, y1, x0, x1], dim=1)[kept].tolist()
    return [
        PointCorrection((box[0], box[1]), (box[2], box[3]), wide, amount)
        for box, wide, amount in zip(boxes, reach.tolist(), amounts, strict=True)
    ]


def _spans(places: list[tuple[float, float]], length: int) -> tuple[Tensor, Tensor]:
    slices = [covered(center, radius, 1.0, length) for center, radius in places]
    return torch.tensor([s.start for s in slices]), torch.tensor([s.stop - 1 for s in slices])


def _room(locked: Tensor | None, boxes: Tensor, size: tuple[int, int]) -> Tensor:
    """Return the distance ``(K,)`` in pixels from each rectangle to the locked cells; 0 if they meet.

    Args:
        locked: See `correct_points`.
        boxes: ``(K, 4)``: first and last row, first and last column.
        size: Height and width of the image.
    """
    if locked is None or not locked.any():
        return torch.full((len(boxes),), torch.inf)
    cells = (locked > 0).nonzero()
    tall, wide = size[0] / locked.shape[0], size[1] / locked.shape[1]
    top, left = cells[:, 0] * tall, cells[:, 1] * wide
    room = []
    for y0, y1, x0, x1 in boxes.tolist():
        down = torch.maximum(top - (y1 + 1), y0 - (top + tall)).clamp(min=0)
        across = torch.maximum(left - (x1 + 1), x0 - (left + wide)).clamp(min=0)
        room.append(torch.hypot(down, across).min())
    return torch.stack(room)


def _solve(weight: Tensor, missing: Tensor) -> Tensor:
    """Solve for corrections ``(K, 2)`` whose weighted sum at each point equals the difference there."""
    amounts = torch.zeros_like(missing)
    for _ in range(CORRECTIONS.rounds):
        for i in range(len(missing)):
            amounts[i] += missing[i] - weight[i] @ amounts
    return amounts
