"""Where boxes lie on the maps of a network: whole cells, by the rounding of the authors' code."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from colorzoo.guidance import Points

_ROUNDING = 1e-4  # of a cell: shares of a picture's side are not exact


class Place(NamedTuple):
    """A rectangle of at least one cell."""

    left: int
    top: int
    width: int
    height: int


def place_boxes(corners: Tensor, size: tuple[int, int], stride: int = 1) -> list[Place]:
    """Put boxes on a map.

    Corners are cut off to whole cells. A side that vanishes becomes one cell: the next one if two are left,
    else the one before.

    Args:
        corners: ``(N, 4)``: left, top, right, bottom, as shares of the picture's sides.
        size: Height and width of the picture in pixels.
        stride: Pixels per cell.
    """
    rows, columns = max(1, size[0] // stride), max(1, size[1] // stride)
    places = []
    for left, top, right, bottom in corners.double().clamp(0, 1).tolist():
        x, width = _cells(left, right, size[1] / stride, columns)
        y, height = _cells(top, bottom, size[0] / stride, rows)
        places.append(Place(x, y, width, height))
    return places


def _cells(start: float, end: float, length: float, cells: int) -> tuple[int, int]:
    first, last = int(start * length + _ROUNDING), min(int(end * length + _ROUNDING), cells)
    if last > first:
        return first, last - first
    return (first, 1) if cells - first > 1 else (max(0, min(first, cells) - 1), 1)


def cut(image: Tensor, places: list[Place], size: tuple[int, int], *, mode: str = "bilinear") -> Tensor:
    """Cut rectangles out of one picture and bring all to one size.

    Args:
        image: ``(1, C, H, W)``.
        places: N of them.
        size: Height and width of the crops; the aspect is not kept, as in the paper.
        mode: Of `torch.nn.functional.interpolate`.

    Returns:
        ``(N, C, *size)``.
    """
    crops = [image[:, :, p.top : p.top + p.height, p.left : p.left + p.width] for p in places]
    align = False if mode == "bilinear" else None
    return torch.cat([F.interpolate(crop, size, mode=mode, align_corners=align) for crop in crops])


def cut_points(points: Points, places: list[Place], size: tuple[int, int]) -> Points:
    """Cut the hints of one picture as `cut` does, without mixing neighbors."""
    return Points(
        cut(points.ab, places, size, mode="nearest"), cut(points.mask, places, size, mode="nearest")
    )


def paste(crop: Tensor, place: Place, size: tuple[int, int]) -> Tensor:
    """Bring a ``(1, C, h, w)`` map to its place on an empty map of ``size``."""
    inside = F.interpolate(crop, (place.height, place.width), mode="bilinear", align_corners=False)
    right, bottom = size[1] - place.left - place.width, size[0] - place.top - place.height
    return F.pad(inside, (place.left, right, place.top, bottom))
