"""The part of a picture within its frame: what models see, with all guidance in its coordinates."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from colorzoo.color.levels import lightness_of_levels
from colorzoo.errors import GuidanceError
from colorzoo.guidance import Area, Boxes, Guidance, Mask, Recipe
from colorzoo.guidance.areas import KeptColors
from colorzoo.guidance.frame import FrameSetting, Rectangle
from colorzoo.inference.frame import find_frame
from colorzoo.inference.full_size import FullLightness, join, join_levels
from colorzoo.pictures.formats import open_picture
from colorzoo.pictures.picture import Picture

_SEARCHED = 1024  # longest side of the sample in which a frame is searched
_NO_AB = torch.zeros(2, 1, 1)


@dataclass(frozen=True)
class Surroundings:
    """A whole picture around the part that is colored; they stay gray.

    Attributes:
        lightness: Of the whole picture.
        inside: The part that is colored.
    """

    lightness: FullLightness | Tensor
    inside: Rectangle

    def around(self, colored: NDArray[Any], depth: int | None = None) -> NDArray[Any]:
        """Return the whole picture with a colored inside, ``(H, W, 3)``.

        Args:
            colored: ``(height, width, 3)`` of the inside: levels, or floats in [0, 1].
            depth: Bits of the levels, 8 or 16; None for floats.
        """
        x, y, width, height = self.inside
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
                gray = join(part, _NO_AB) if depth is None else join_levels(part, _NO_AB, depth=depth)
                whole[top:bottom, left:end] = gray
        whole[y:below, x:right] = colored
        return whole


def _part(lightness: FullLightness | Tensor, rows: slice, columns: slice) -> FullLightness | Tensor:
    if isinstance(lightness, FullLightness):
        return FullLightness(lightness.levels[rows, columns])
    return lightness[rows, columns]


def find_inside(picture: Picture, setting: FrameSetting) -> Rectangle | None:
    """Return the part of a picture that a setting means; None for the whole picture.

    Raises:
        GuidanceError: A rectangle does not lie within the picture.
    """
    if setting == "none":
        return None
    if setting != "automatic":
        return check_inside(setting, picture.size)
    step = max(1, max(picture.size) // _SEARCHED)
    found = find_frame(lightness_of_levels(picture.levels[::step, ::step]).numpy())
    if found is None:
        return None
    x, y, width, height = (step * number for number in found)
    return Rectangle(x, y, min(width, picture.size[0] - x), min(height, picture.size[1] - y))


def check_inside(inside: Rectangle, size: tuple[int, int]) -> Rectangle | None:
    """Return a rectangle that lies within a picture of some width and height; None if it is all of it.

    Raises:
        GuidanceError: It does not.
    """
    width, height = size
    if inside.x + inside.width > width or inside.y + inside.height > height:
        raise GuidanceError(
            f"frame {','.join(map(str, inside))} does not lie within the picture ({width} x {height} pixels)."
        )
    return None if inside == (0, 0, width, height) else inside


def crop_picture(picture: Picture, inside: Rectangle) -> Picture:
    """Return the inside as a picture of its own, opaque."""
    x, y, width, height = inside
    return replace(picture, levels=picture.levels[y : y + height, x : x + width], alpha=None)


def crop_map(maps: Tensor, inside: Rectangle) -> Tensor:
    """Return the inside of a map ``(..., H, W)`` of the size of the picture."""
    x, y, width, height = inside
    return maps[..., y : y + height, x : x + width]


def crop_recipe(recipe: Recipe, size: tuple[int, int], inside: Rectangle) -> tuple[Recipe, tuple[str, ...]]:
    """Move a recipe from a picture to its inside.

    Args:
        recipe: The recipe.
        size: Width and height of the picture.
        inside: The part.

    Returns:
        The recipe of the inside, and remarks on what lies outside.

    Raises:
        GuidanceError: The recipe does not fit the picture, or has classes of the whole picture as a file.
    """
    recipe.check_inside(*size)
    if recipe.classes.file:
        raise GuidanceError("classes.file covers the whole picture; it needs the frame 'none'.")
    x, y, width, height = inside
    points = tuple(
        replace(point, x=point.x - x, y=point.y - y)
        for point in recipe.points
        if inside.contains((point.x, point.y))
    )
    lost = len(recipe.points) - len(points)
    notes = (f"{lost} of {len(recipe.points)} points on the frame ignored",) if lost else ()
    boxes = recipe.boxes and tuple(_crop_box(box, inside) for box in recipe.boxes)
    moved = replace(
        recipe,
        width=width,
        height=height,
        frame="none",
        points=points,
        scribbles=tuple(replace(s, path=_crop_path(s.path, inside)) for s in recipe.scribbles),
        boxes=None if boxes is None else tuple(box for box in boxes if min(box.width, box.height) > 0),
        areas=tuple(_crop_area(area, size, inside) for area in recipe.areas),
        paint=tuple(
            replace(stroke, path=tuple((px - x, py - y) for px, py in stroke.path)) for stroke in recipe.paint
        ),
        crop=None,  # which is of the whole picture
        extra=_crop_extra(recipe.extra, inside),
    )
    return moved, notes


def crop_guidance(guidance: Guidance, inside: Rectangle, size: tuple[int, int]) -> Guidance:
    """Cut the maps of guidance, which cover a whole picture at any resolution, to its inside.

    Args:
        guidance: Guidance of one picture.
        inside: The part.
        size: Width and height of the picture.
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
    if guidance.boxes is not None:
        x, y, width, height = inside
        scale = torch.tensor([size[0] / width, size[1] / height]).repeat(2)
        shift = torch.tensor([x / width, y / height]).repeat(2)
        corners = (guidance.boxes.corners * scale - shift).clamp(0, 1)
        seen = ((corners[..., 2:] - corners[..., :2]) > 0).all(-1)
        cropped["boxes"] = Boxes(corners, guidance.boxes.given * seen)
    return replace(guidance, **cropped)


def _crop_scaled(maps: Tensor, inside: Rectangle, size: tuple[int, int]) -> Tensor:
    """Return the inside of a map ``(..., H, W)`` of any size."""
    rows, columns = maps.shape[-2:]
    return crop_map(maps, inside.scaled(size, columns, rows))


def _crop_path(path: Sequence[tuple[float, float]], inside: Rectangle) -> tuple[tuple[float, float], ...]:
    return tuple(inside.inner(corner) for corner in path)


def _crop_box(box: Any, inside: Rectangle) -> Any:
    left, top, right, bottom = box.corners
    (left, top), (right, bottom) = _crop_path(((left, top), (right, bottom)), inside)
    return replace(box, x=left, y=top, width=right - left, height=bottom - top)


def _crop_area(area: Area, size: tuple[int, int], inside: Rectangle) -> Area:
    mask = None
    if area.mask is not None:
        whole = torch.from_numpy(area.mask.array())
        mask = Mask.of(_crop_scaled(whole, inside, size).numpy())
    kept = None if area.kept is None else _crop_kept(area.kept, size, inside)
    return replace(area, path=_crop_path(area.path, inside), mask=mask, kept=kept)


def _crop_kept(kept: KeptColors, size: tuple[int, int], inside: Rectangle) -> KeptColors:
    with open_picture(io.BytesIO(base64.b64decode(kept.png))) as image:
        x, y, width, height = inside.scaled(size, *image.size)
        cut = image.convert("RGB").crop((x, y, x + width, y + height))
    out = io.BytesIO()
    cut.save(out, "PNG")
    return replace(kept, png=base64.b64encode(out.getvalue()).decode())


def _crop_extra(extra: Any, inside: Rectangle) -> dict[str, Any]:
    """Move the painted classes and the divisions of regions."""
    moved = dict(extra)
    for name, inner in (("classes", "painted"), ("divisions", None)):
        if not moved.get(name):
            continue
        items = moved[name] if inner is None else moved[name].get(inner) or ()
        cut = [{**item, "path": [list(c) for c in _crop_path(item["path"], inside)]} for item in items]
        moved[name] = cut if inner is None else {**moved[name], inner: cut}
    return moved
