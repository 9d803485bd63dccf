"""Selection of the colorized part of an image, such as the inside of a scan border.

The guidance of the whole image is converted to pixel coordinates of this part.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor

from colorzoo.color.levels import lightness_of_levels
from colorzoo.errors import GuidanceError
from colorzoo.guidance import Area, Mask, Recipe
from colorzoo.guidance.areas import KeptColors
from colorzoo.guidance.border import BorderSetting, Rectangle
from colorzoo.image_io.formats import open_image
from colorzoo.image_io.raster_image import RasterImage
from colorzoo.inference.border import find_border
from colorzoo.inference.full_size import FullLightness, join

_SEARCHED = 1024  # longer side in pixels of the downscaled image in which a border is searched
NO_AB = torch.zeros(2, 1, 1)


@dataclass(frozen=True)
class Surroundings:
    """Whole image around the colorized part; pixels outside the part stay gray.

    Attributes:
        lightness: Lightness of the whole image.
        inside: Rectangle of the colorized part.
    """

    lightness: FullLightness | Tensor
    inside: Rectangle

    def around(self, colored: NDArray[Any], depth: int | None) -> NDArray[Any]:
        """Return the whole image ``(H, W, 3)`` with the colorized part inserted.

        Args:
            colored: ``(height, width, 3)`` colorized part: integer levels, or floats in [0, 1].
            depth: Bits of the levels, 8 or 16; None for floats.
        """
        whole = join(self.lightness, NO_AB, depth=depth)
        whole[self.inside.slices] = colored
        return whole


def select_part(image: RasterImage, setting: BorderSetting) -> Rectangle | None:
    """Return the rectangle that a border setting selects; None for the whole image.

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
    x, y, width, height = (step * number for number in found)
    return Rectangle(x, y, min(width, image.size[0] - x), min(height, image.size[1] - y))


def check_inside(inside: Rectangle, size: tuple[int, int]) -> Rectangle | None:
    """Validate a rectangle within an image; return None if it covers the whole image.

    Raises:
        GuidanceError: The rectangle exceeds the image.
    """
    width, height = size
    if inside.x + inside.width > width or inside.y + inside.height > height:
        raise GuidanceError(f"border must lie within the image ({width} x {height} pixels), got {inside}.")
    return None if inside == Rectangle(0, 0, width, height) else inside


def crop_recipe(recipe: Recipe, size: tuple[int, int], inside: Rectangle) -> tuple[Recipe, tuple[str, ...]]:
    """Convert a recipe from pixels of the whole image to pixels of a part.

    Args:
        recipe: Recipe in pixels of the whole image.
        size: Width and height of the image.
        inside: Rectangle of the part.

    Returns:
        The recipe in pixels of the part, and a note if points outside the part were dropped.

    Raises:
        GuidanceError: The recipe does not match the image, or it has a label image, which requires the whole
            image.
    """
    recipe.check_inside(*size)
    if recipe.classes.file:
        raise GuidanceError("classes.file requires border 'none', because it covers the whole image.")
    points = tuple(
        replace(point, x=point.x - inside.x, y=point.y - inside.y)
        for point in recipe.points
        if inside.contains((point.x, point.y))
    )
    lost = len(recipe.points) - len(points)
    notes = (f"{lost} of {len(recipe.points)} points ignored: they lie on the border",) if lost else ()
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
            replace(stroke, path=tuple((x - inside.x, y - inside.y) for x, y in stroke.path))
            for stroke in recipe.paint
        ),
        crop=None,  # the crop applies to the whole image
        extra=_crop_extra(recipe.extra, inside),
    )
    return moved, notes


def _crop_path(path: Sequence[tuple[float, float]], inside: Rectangle) -> tuple[tuple[float, float], ...]:
    return tuple(inside.inner(corner) for corner in path)


def _crop_box(box: Any, inside: Rectangle) -> Any:
    left, top, right, bottom = box.corners
    (left, top), (right, bottom) = _crop_path(((left, top), (right, bottom)), inside)
    return replace(box, x=left, y=top, width=right - left, height=bottom - top)


def _crop_area(area: Area, size: tuple[int, int], inside: Rectangle) -> Area:
    mask = None
    if area.mask is not None:
        whole = area.mask.array()
        mask = Mask.of(whole[inside.scaled(size, area.mask.width, area.mask.height).slices])
    kept = None if area.kept is None else _crop_kept(area.kept, size, inside)
    return replace(area, path=_crop_path(area.path, inside), mask=mask, kept=kept)


def _crop_kept(kept: KeptColors, size: tuple[int, int], inside: Rectangle) -> KeptColors:
    with open_image(io.BytesIO(base64.b64decode(kept.png))) as image:
        x, y, width, height = inside.scaled(size, *image.size)
        cut = image.convert("RGB").crop((x, y, x + width, y + height))
    out = io.BytesIO()
    cut.save(out, "PNG")
    return replace(kept, png=base64.b64encode(out.getvalue()).decode())


def _crop_extra(extra: Any, inside: Rectangle) -> dict[str, Any]:
    """Convert painted classes and region divisions to pixels of the part."""
    moved = dict(extra)
    for name, inner in (("classes", "painted"), ("divisions", None)):
        if not moved.get(name):
            continue
        items = moved[name] if inner is None else moved[name].get(inner) or ()
        cut = [{**item, "path": [list(c) for c in _crop_path(item["path"], inside)]} for item in items]
        moved[name] = cut if inner is None else {**moved[name], inner: cut}
    return moved
