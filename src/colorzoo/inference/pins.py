"""Hold the chosen colors at full size, where a network's small map is too coarse for a small point.

A point of a few pixels is less than one cell of the network's map, so after enlarging it has lost most of its
color. What is missing at the point is added there, fading over about one cell.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor

from colorzoo.color import reduce_chroma
from colorzoo.guidance import PointHint
from colorzoo.guidance.rasterize import covered, points_lab
from colorzoo.inference.resample import BicubicUpsampler

MOST_PINS = 2048  # beyond that the hints lie so dense that the network's map carries them
_REACH = 1.5  # deviation of the fading, in cells of the network's map
_APART = 2.5  # deviations that the next point is away at least, so that two colors stay two colors
_ROUNDS = 4
_NARROWEST = 0.3  # pixels
_CUT = 3.5  # deviations after which the rest is below a thousandth


class LumaAtPlaces(Protocol):
    """The lightness of a picture, asked for at single pixels; a tensor ``(H, W)`` is one."""

    @property
    def shape(self) -> Sequence[int]:
        """Height and width."""

    def __getitem__(self, places: Any, /) -> Tensor:
        """Return the lightness ``(K,)`` at ``(K,)`` rows and columns."""


@dataclass(frozen=True)
class Pin:
    """A color to add in and around a rectangle of pixels.

    Attributes:
        rows: First and last pixel row of the rectangle.
        columns: First and last pixel column.
        reach: Deviation in pixels of the Gaussian that the color fades with outside.
        ab: ``(2,)`` in CIE units, added in full inside.
    """

    rows: tuple[int, int]
    columns: tuple[int, int]
    reach: float
    ab: Tensor

    def add_to(self, ab: Tensor, first: int) -> None:
        """Add the color to the rows from ``first`` of an ab map, ``(2, rows, W)``, in place."""
        margin = _CUT * self.reach
        top = max(int(self.rows[0] - margin) - first, 0)
        bottom = min(int(self.rows[1] + margin) + 1 - first, ab.shape[1])
        left = max(int(self.columns[0] - margin), 0)
        right = min(int(self.columns[1] + margin) + 1, ab.shape[2])
        if top >= bottom or left >= right:
            return
        y = _fade(torch.arange(top, bottom) + first, self.rows, self.reach)
        x = _fade(torch.arange(left, right), self.columns, self.reach)
        ab[:, top:bottom, left:right] += self.ab.view(2, 1, 1) * y.view(1, -1, 1) * x.view(1, 1, -1)


def fit_pins(
    hints: Sequence[PointHint],
    ab: Tensor,
    luma: LumaAtPlaces,
    *,
    strength: float = 1.0,
    held: Tensor | None = None,
) -> list[Pin]:
    """Find what must be added to an enlarged prediction for its points to have their colors.

    Args:
        hints: Points in pixels of the picture; those that a later one covers do not count. More than
            `MOST_PINS` give no pins.
        ab: ``(2, h, w)`` prediction in CIE units.
        luma: ``(H, W)`` lightness of the picture in [0, 100].
        strength: Factor on the chosen chroma.
        held: ``(h, w)`` in [0, 1], where the prediction must stay as it is; None if nowhere.

    Returns:
        The pins, to be added to the prediction enlarged to (H, W).
    """
    if not 0 < len(hints) <= MOST_PINS:
        return []
    height, width = luma.shape
    y0, y1 = _spans([(h.y, h.radius) for h in hints], height)
    x0, x1 = _spans([(h.x, h.radius) for h in hints], width)
    y = torch.tensor([min(int(h.y), height - 1) for h in hints])
    x = torch.tensor([min(int(h.x), width - 1) for h in hints])
    # squared distance of the home pixel of point i (row) from the rectangle of point j (column)
    apart = _outside(y[:, None], y0, y1).square() + _outside(x[:, None], x0, x1).square()
    count = len(hints)
    covered_later = ((apart == 0) & (torch.arange(count)[:, None] < torch.arange(count))).any(dim=1)
    cell = max(height / ab.shape[1], width / ab.shape[2])
    room = _room(held, torch.stack([y0, y1, x0, x1], dim=1), (height, width))
    kept = (~covered_later & (room > 0)).nonzero().flatten()
    if not len(kept):
        return []
    apart, homes = apart[kept][:, kept], (y[kept], x[kept])
    reach = torch.minimum(_reaches(apart, _REACH * cell), (room[kept] / _CUT).clamp(min=_NARROWEST))
    wanted = points_lab([hints[i] for i in kept.tolist()], luma[homes])
    chosen = wanted * torch.tensor([1.0, strength, strength])
    target = reduce_chroma(chosen.T[:, :, None])[1:, :, 0].T
    missing = target - BicubicUpsampler(ab, (height, width)).pixels(*homes)
    amounts = _solve(torch.exp(-0.5 * apart / reach.square()), missing)
    boxes = torch.stack([y0, y1, x0, x1], dim=1)[kept].tolist()
    return [
        Pin((box[0], box[1]), (box[2], box[3]), wide, amount)
        for box, wide, amount in zip(boxes, reach.tolist(), amounts, strict=True)
    ]


def _spans(places: list[tuple[float, float]], length: int) -> tuple[Tensor, Tensor]:
    slices = [covered(center, radius, 1.0, length) for center, radius in places]
    return torch.tensor([s.start for s in slices]), torch.tensor([s.stop - 1 for s in slices])


def _room(held: Tensor | None, boxes: Tensor, size: tuple[int, int]) -> Tensor:
    """Return ``(K,)``, how many pixels each rectangle is away from what is held; 0 where they meet.

    Args:
        held: See `fit_pins`.
        boxes: ``(K, 4)``: first and last row, first and last column.
        size: Height and width of the picture.
    """
    if held is None or not held.any():
        return torch.full((len(boxes),), torch.inf)
    cells = (held > 0).nonzero()
    tall, wide = size[0] / held.shape[0], size[1] / held.shape[1]
    top, left = cells[:, 0] * tall, cells[:, 1] * wide
    room = []
    for y0, y1, x0, x1 in boxes.tolist():
        down = torch.maximum(top - (y1 + 1), y0 - (top + tall)).clamp(min=0)
        across = torch.maximum(left - (x1 + 1), x0 - (left + wide)).clamp(min=0)
        room.append(torch.hypot(down, across).min())
    return torch.stack(room)


def _outside(place: Tensor, first: Tensor | int, last: Tensor | int) -> Tensor:
    """Return how many pixels a place is away from [first, last], 0 inside."""
    return torch.maximum(first - place, place - last).clamp(min=0).float()


def _fade(place: Tensor, span: tuple[int, int], reach: float) -> Tensor:
    away = _outside(place, *span)
    return torch.exp(-0.5 * (away / reach).square())


def _reaches(apart: Tensor, widest: float) -> Tensor:
    """Return ``(K,)`` deviations: narrower where another point is near, whose color must stay."""
    others = apart.masked_fill(apart == 0, torch.inf).min(dim=0).values.sqrt()
    return (others / _APART).clamp(min=_NARROWEST, max=widest)


def _solve(weight: Tensor, missing: Tensor) -> Tensor:
    """Return ``(K, 2)`` amounts whose sum at each point is what is missing there, later points last."""
    amounts = torch.zeros_like(missing)
    for _ in range(_ROUNDS):
        for i in range(len(missing)):
            amounts[i] += missing[i] - weight[i] @ amounts
    return amounts
