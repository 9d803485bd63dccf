"""The part of an image within its border, and the conversion of guidance to its coordinates."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from colorzoo.color.levels import lightness_of_levels
from colorzoo.errors import GuidanceError
from colorzoo.guidance import Area, Boxes, Guidance, Mask, Points, Recipe
from colorzoo.guidance.areas import KeptColors
from colorzoo.guidance.border import BorderSetting, Rectangle
from colorzoo.image_io.formats import open_image
from colorzoo.image_io.raster_image import Levels, RasterImage
from colorzoo.inference.border import find_border
from colorzoo.inference.full_size import FullLightness, join, join_levels

_SEARCHED = 1024  # longest side of the sample in which a border is searched
NO_AB = torch.zeros(2, 1, 1)


@dataclass(frozen=True)
class Surroundings:
    """Whole image around the part that is colorized; the surroundings stay gray.

    Attributes:
        lightness: Lightness of the whole image.
        inside: The part that is colorized.
    """

    lightness: FullLightness | Tensor
    inside: Rectangle

    def around(self, colored: NDArray[Any], depth: int | None) -> NDArray[Any]:
        """Return the whole image with the colorized upright part, ``(H, W, 3)``.

        Args:
            colored: ``(height, width, 3)`` of the part: levels, or floats in [0, 1].
            depth: Bits of the levels, 8 or 16; None for floats.
        """
        x, y, width, height = self.inside[:4]
        rows, columns = self.lightness.shape
        whole = np.empty((rows, columns, 3), dtype=colored.dtype)
        right, below = x + width, y + height
        for top, bottom, left, end in (
            (0, y, 0, columns),
            (below, rows, 0, columns),
            (y, below, 0, x),
            (y, below, right, columns),
        ):
            if bottom > top and end > left:
                part = _part(self.lightness, slice(top, bottom), slice(left, end))
                gray = join(part, NO_AB) if depth is None else join_levels(part, NO_AB, depth=depth)
                whole[top:bottom, left:end] = gray
        whole[y:below, x:right] = colored
        return whole

    def shifted(self, shift: Tensor) -> Surroundings:
        """Return the whole image with a shifted lightness in its tilted part.

        Args:
            shift: ``(height, width)`` units of lightness to add to the inside.
        """
        from colorzoo.inference.steps.tilt import turn_back

        rows, columns = self.lightness.shape
        whole = turn_back(shift[None], self.inside, (0, rows), columns)[0]
        gray = self.lightness.whole()[0, 0] if isinstance(self.lightness, FullLightness) else self.lightness
        return replace(self, lightness=(gray + whole).clamp(0, 100))


def _part(lightness: FullLightness | Tensor, rows: slice, columns: slice) -> FullLightness | Tensor:
    if isinstance(lightness, FullLightness):
        return FullLightness(lightness.levels[rows, columns])
    return lightness[rows, columns]


def select_part(image: RasterImage, setting: BorderSetting) -> Rectangle | None:
    """Return the part of an image that a setting selects; None for the whole image.

    Raises:
        GuidanceError: A rectangle does not lie within the image.
    """
    if setting == "none":
        return None
    if setting != "automatic":
        return check_inside(setting, image.size)
    step = max(1, max(image.size) // _SEARCHED)
    found = find_border(lightness_of_levels(image.levels[::step, ::step]).numpy())
    if found is None:
        return None
    x, y, width, height = (step * number for number in found[:4])
    return Rectangle(x, y, min(width, image.size[0] - x), min(height, image.size[1] - y), found.tilt)


def check_inside(inside: Rectangle, size: tuple[int, int]) -> Rectangle | None:
    """Validate a rectangle within an image; return None if it covers the whole image.

    Raises:
        GuidanceError: The rectangle exceeds the image.
    """
    width, height = size
    if inside.x + inside.width > width or inside.y + inside.height > height:
        raise GuidanceError(f"border {inside} does not lie within the image ({width} x {height} pixels).")
    return None if inside == Rectangle(0, 0, width, height) else inside


def crop_levels(levels: Levels, inside: Rectangle) -> FullLightness | Tensor:
    """Return the lightness of the part, ``(height, width)``, upright."""
    if inside.tilt:
        return crop_lightness(FullLightness(levels).whole()[0, 0], inside)
    x, y, width, height = inside[:4]
    return FullLightness(levels[y : y + height, x : x + width])


def crop_lightness(lightness: Tensor, inside: Rectangle) -> Tensor:
    """Return the upright part of a lightness ``(..., H, W)`` of the size of the image."""
    if inside.tilt:
        from colorzoo.inference.steps.tilt import straighten  # few images need it

        return straighten(lightness, inside)
    return crop_cells(lightness, inside)


def crop_cells(maps: Tensor, inside: Rectangle) -> Tensor:
    """Return the part of a map ``(..., H, W)`` of the size of the image, without interpolation."""
    if inside.tilt:
        from colorzoo.inference.steps.tilt import straighten_cells

        return torch.from_numpy(straighten_cells(maps.numpy(), inside))
    x, y, width, height = inside[:4]
    return maps[..., y : y + height, x : x + width]


def crop_recipe(recipe: Recipe, size: tuple[int, int], inside: Rectangle) -> tuple[Recipe, tuple[str, ...]]:
    """Convert a recipe from the image to its part.

    Args:
        recipe: The recipe.
        size: Width and height of the image.
        inside: The part.

    Returns:
        The recipe of the part, and notes on hints outside.

    Raises:
        GuidanceError: The recipe does not match the image, or has a class file of the whole image.
    """
    recipe.check_inside(*size)
    if recipe.classes.file:
        raise GuidanceError("classes.file requires border 'none', because it covers the whole image.")
    places = [(point, *inside.unbounded((point.x, point.y))) for point in recipe.points]
    points = tuple(replace(point, x=x, y=y) for point, x, y in places if inside.contains((point.x, point.y)))
    lost = len(recipe.points) - len(points)
    notes = (f"{lost} of {len(recipe.points)} points on the border ignored",) if lost else ()
    boxes = recipe.boxes and tuple(_crop_box(box, inside) for box in recipe.boxes)
    moved = replace(
        recipe,
        width=inside.width,
        height=inside.height,
        border="none",
        points=points,
        scribbles=tuple(replace(s, path=_crop_path(s.path, inside)) for s in recipe.scribbles),
        boxes=None if boxes is None else tuple(box for box in boxes if min(box.width, box.height) > 0),
        areas=tuple(_crop_area(area, size, inside) for area in recipe.areas),
        paint=tuple(
            replace(stroke, path=tuple(map(inside.unbounded, stroke.path))) for stroke in recipe.paint
        ),
        crop=None,  # which is of the whole image
        extra=_crop_extra(recipe.extra, inside),
    )
    return moved, notes


def crop_guidance(guidance: Guidance, inside: Rectangle, size: tuple[int, int]) -> Guidance:
    """Crop guidance maps of a whole image, at any resolution, to its part.

    Args:
        guidance: Guidance of one image.
        inside: The part.
        size: Width and height of the image.
    """
    cropped: dict[str, Any] = {}
    for name in ("points", "scribbles", "regions", "classes"):
        hints = getattr(guidance, name)
        if hints is not None:
            maps = {
                key: value for key, value in vars(hints).items() if key not in ("rgb", "given", "exemplar")
            }
            cut = {k: _crop_scaled(v, inside, size) for k, v in maps.items() if isinstance(v, Tensor)}
            cropped[name] = replace(hints, **cut)
    if inside.tilt and guidance.points is not None:
        cropped["points"] = _with_all_points(cropped["points"], guidance.points, inside, size)
    if guidance.boxes is not None:
        x, y, width, height = inside[:4]
        scale = torch.tensor([size[0] / width, size[1] / height]).repeat(2)
        shift = torch.tensor([x / width, y / height]).repeat(2)
        if inside.tilt:
            pixels = guidance.boxes.corners * torch.tensor(size).repeat(2)
            across, down = ((pixels[..., :2] + pixels[..., 2:]) / 2).unbind(-1)
            moved = torch.stack(_shift(across, down, inside) * 2, dim=-1)
            shift = shift - moved / torch.tensor([width, height]).repeat(2)
        corners = (guidance.boxes.corners * scale - shift).clamp(0, 1)
        inside_part = ((corners[..., 2:] - corners[..., :2]) > 0).all(-1)
        cropped["boxes"] = Boxes(corners, guidance.boxes.given * inside_part)
    return replace(guidance, **cropped)


def _with_all_points(cut: Points, points: Points, inside: Rectangle, size: tuple[int, int]) -> Points:
    """Return the points of a tilted part, including single cells that the rotation would lose."""
    rows, columns = points.mask.shape[-2:]
    height, width = cut.mask.shape[-2:]
    number, _, row, column = points.mask.nonzero(as_tuple=True)
    centers = ((column + 0.5) * size[0] / columns, (row + 0.5) * size[1] / rows)
    x, y = inside.unbounded(centers)
    x, y = (x * width / inside.width).floor().long(), (y * height / inside.height).floor().long()
    valid = (x >= 0) & (y >= 0) & (x < width) & (y < height)
    valid[valid.clone()] = cut.mask[number[valid], 0, y[valid], x[valid]] == 0
    ab, mask = cut.ab.clone(), cut.mask.clone()
    ab[number[valid], :, y[valid], x[valid]] = points.ab[number[valid], :, row[valid], column[valid]]
    mask[number[valid], 0, y[valid], x[valid]] = 1
    return Points(ab, mask)


def _crop_scaled(maps: Tensor, inside: Rectangle, size: tuple[int, int]) -> Tensor:
    """Return the part of a map ``(..., H, W)`` of any size."""
    rows, columns = maps.shape[-2:]
    return crop_cells(maps, inside.scaled(size, columns, rows))


def _crop_path(path: Sequence[tuple[float, float]], inside: Rectangle) -> tuple[tuple[float, float], ...]:
    return tuple(inside.inner(corner) for corner in path)


def _crop_box(box: Any, inside: Rectangle) -> Any:
    left, top, right, bottom = box.corners
    x, y = _shift((left + right) / 2, (top + bottom) / 2, inside)
    corners = ((left + x, top + y), (right + x, bottom + y))
    (left, top), (right, bottom) = _crop_path(corners, inside._replace(tilt=0.0))
    return replace(box, x=left, y=top, width=right - left, height=bottom - top)


def _shift(x: Any, y: Any, inside: Rectangle) -> tuple[Any, Any]:
    """Return the translation of an axis-aligned box when a tilted part is rotated upright.

    Args:
        x: Column of its center, a number or a tensor.
        y: Row of its center, a number or a tensor.
        inside: The part.
    """
    if not inside.tilt:
        return 0, 0
    across, down = inside.unbounded((x, y))
    return across + inside.x - x, down + inside.y - y


def _crop_area(area: Area, size: tuple[int, int], inside: Rectangle) -> Area:
    mask = None
    if area.mask is not None:
        whole = torch.from_numpy(area.mask.array())
        mask = Mask.of(_crop_scaled(whole, inside, size).numpy())
    kept = None if area.kept is None else _crop_kept(area.kept, size, inside)
    return replace(area, path=_crop_path(area.path, inside), mask=mask, kept=kept)


def _crop_kept(kept: KeptColors, size: tuple[int, int], inside: Rectangle) -> KeptColors:
    with open_image(io.BytesIO(base64.b64decode(kept.png))) as image:
        whole = torch.from_numpy(np.array(image.convert("RGB"))).movedim(-1, 0)
    cut = Image.fromarray(_crop_scaled(whole, inside, size).movedim(0, -1).contiguous().numpy())
    out = io.BytesIO()
    cut.save(out, "PNG")
    return replace(kept, png=base64.b64encode(out.getvalue()).decode())


def _crop_extra(extra: Any, inside: Rectangle) -> dict[str, Any]:
    """Convert the painted classes and the divisions of regions."""
    moved = dict(extra)
    for name, inner in (("classes", "painted"), ("divisions", None)):
        if not moved.get(name):
            continue
        items = moved[name] if inner is None else moved[name].get(inner) or ()
        cut = [{**item, "path": [list(c) for c in _crop_path(item["path"], inside)]} for item in items]
        moved[name] = cut if inner is None else {**moved[name], inner: cut}
    return moved
