"""Conversion between recipes (pixels of the original image) and hints (tensors of any size)."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from functools import lru_cache

import numpy as np
import torch
from PIL import Image, ImageDraw
from torch import Tensor

from colorzoo.color.gamut import at_lightness
from colorzoo.color.lab import lab_to_rgb, linear_rgb_to_lab
from colorzoo.color.levels import linear_of
from colorzoo.guidance.fields import hex_color
from colorzoo.guidance.hints import Boxes, Points, Scribbles
from colorzoo.guidance.recipe import BoxHint, PointHint, Stroke

_MAX_WIDTH = 1e5  # stroke width in pixels; covers any image
_SHOWN_LIGHTNESS = 60.0  # lightness at which an exact ab is written as #rrggbb


def rasterize_points(
    points: Sequence[PointHint], width: int, height: int, size: tuple[int, int]
) -> Points | None:
    """Rasterize points of an image of ``width`` x ``height`` pixels to maps of ``size`` (H, W).

    A point colors the pixels whose centers lie in its square, and at least the pixel at its center.
    """
    if not points:
        return None
    ab, mask, lightness, exact = (torch.zeros(1, channels, *size) for channels in (2, 1, 1, 1))
    for point in points:
        rows = covered(point.y, point.radius, size[0] / height, size[0])
        columns = covered(point.x, point.radius, size[1] / width, size[1])
        ab[:, :, rows, columns] = point_ab(point).view(1, 2, 1, 1)
        lightness[:, :, rows, columns] = color_lab(point.color)[0]
        exact[:, :, rows, columns] = float(point.ab is not None)
        mask[:, :, rows, columns] = 1
    return Points(ab, mask, lightness, exact)


def rasterize_scribbles(
    strokes: Sequence[Stroke], width: int, height: int, size: tuple[int, int]
) -> Scribbles | None:
    """Rasterize strokes to a map of ``size`` (H, W)."""
    if not strokes:
        return None
    canvas = Image.new("L", (size[1], size[0]))
    draw = ImageDraw.Draw(canvas)
    for stroke in strokes:
        _draw_stroke(draw, stroke, size[1] / width, size[0] / height)
    mask = torch.frombuffer(bytearray(canvas.tobytes()), dtype=torch.uint8).view(1, 1, *size)
    return Scribbles(mask.float())


def boxes_of(boxes: Sequence[BoxHint] | None, width: int, height: int) -> Boxes | None:
    """Convert the boxes of a recipe to fractions of the image size; return None for None."""
    if boxes is None:
        return None
    scale = torch.tensor([width, height, width, height], dtype=torch.float32)
    return Boxes.of([torch.tensor([box.corners for box in boxes]).reshape(-1, 4) / scale])


def point_ab(point: PointHint) -> Tensor:
    """Return the ``(2,)`` ab of a point in CIE units."""
    return torch.tensor(color_lab(point.color)[1:] if point.ab is None else point.ab)


def points_lab(points: Sequence[PointHint], lightness: Tensor) -> Tensor:
    """Return the Lab ``(N, 3)`` of points whose pixels have the lightness ``(N,)``.

    A ``#rrggbb`` color is adapted to the lightness within sRGB; an exact ab is used unchanged.
    """
    chosen = torch.tensor([color_lab(point.color) for point in points])
    moved = at_lightness(chosen.T[:, :, None], lightness[None, :, None])[:, :, 0].T
    unchanged = torch.cat([lightness[:, None], torch.stack([point_ab(point) for point in points])], dim=1)
    exact = torch.tensor([point.ab is not None for point in points])
    return torch.where(exact[:, None], unchanged, moved)


@lru_cache(maxsize=4096)  # while a user edits one point, the other points are unchanged
def color_lab(color: str) -> tuple[float, float, float]:
    """Return L, a and b of a ``#rrggbb`` color.

    Raises:
        GuidanceError: The text is not a ``#rrggbb`` color.
    """
    color = hex_color(color, "PointHint.color")
    rgb = np.array([[int(color[i : i + 2], 16) / 255] for i in (1, 3, 5)], np.float32)
    lightness, a, b = linear_rgb_to_lab(torch.from_numpy(linear_of(rgb))).flatten().tolist()
    return lightness, a, b


def points_to_hints(points: Points) -> Iterator[PointHint]:
    """Convert the points of one image to squares that do not overlap.

    Rasterizing the squares reproduces ``points``.
    """
    free, (lab, exact) = points.mask[0, 0] > 0, _chosen(points)
    keys = torch.cat([lab, exact[None]])
    for row, column in free.nonzero().tolist():
        if not free[row, column]:
            continue
        side = _largest_square(free, keys, row, column)
        free[row : row + side, column : column + side] = False
        yield _square_hint(row, column, side, lab[:, row, column], bool(exact[row, column]))


def _chosen(points: Points) -> tuple[Tensor, Tensor]:
    """Return the Lab ``(3, H, W)`` of points, and a map ``(H, W)``: 1 where ab is exact."""
    ab = points.ab[0].float()
    exact = torch.ones_like(ab[0]) if points.exact is None or points.lightness is None else points.exact[0, 0]
    lightness = torch.full_like(ab[:1], _SHOWN_LIGHTNESS)
    if points.lightness is not None:
        lightness = torch.where(exact[None] > 0, lightness, points.lightness[0])
    return torch.cat([lightness, ab]), exact


def covered(center: float, radius: float, scale: float, length: int) -> slice:
    """Return the pixels along one axis whose centers a patch covers, as a slice.

    Args:
        center: Center of the patch in pixels of the image.
        radius: Half the side of the patch in pixels of the image.
        scale: Number of map pixels per image pixel.
        length: Number of pixels of the map along this axis.
    """
    home = min(max(math.floor(center * scale), 0), length - 1)
    radius = min(radius, length / scale)  # covers the axis; larger numbers could overflow
    first = math.ceil((center - radius) * scale - 0.5 - 1e-6)
    last = math.floor((center + radius) * scale - 0.5 + 1e-6)
    first, last = (home, home) if last < first else (first, last)
    return slice(min(max(first, 0), length - 1), min(max(last, 0), length - 1) + 1)


def _draw_stroke(draw: ImageDraw.ImageDraw, stroke: Stroke, scale_x: float, scale_y: float) -> None:
    width = min(max(1.0, stroke.width * (scale_x + scale_y) / 2), _MAX_WIDTH)
    corners = [(x * scale_x, y * scale_y) for x, y in stroke.path]
    if len(corners) > 1:
        draw.line(corners, fill=1, width=round(width), joint="curve")
    for x, y in corners:
        reach = width / 2
        draw.ellipse((x - reach, y - reach, x + reach, y + reach), fill=1)


def _largest_square(free: Tensor, keys: Tensor, row: int, column: int) -> int:
    """Return the side of the largest free square of equal keys ``(K,)`` with this top-left pixel."""
    key, side = keys[:, row, column].view(-1, 1, 1), 1
    while row + side < free.shape[0] and column + side < free.shape[1]:
        square = (slice(row, row + side + 1), slice(column, column + side + 1))
        if not (free[square].all() and (keys[(slice(None), *square)] == key).all()):
            break
        side += 1
    return side


def _square_hint(row: int, column: int, side: int, lab: Tensor, exact: bool) -> PointHint:
    levels = (lab_to_rgb(lab.view(3, 1, 1)).flatten() * 255).round().int().tolist()
    shown = "#" + "".join(f"{level:02x}" for level in levels)
    _, a, b = lab.tolist()
    return PointHint(
        column + side / 2, row + side / 2, side / 2, shown, (a, b) if exact else None, "everywhere"
    )
