"""Areas that are filled with a color."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, cast

import numpy as np
import torch
from torch import Tensor

from colorzoo.guidance import Area, PointHint
from colorzoo.guidance.hints import color_lab
from colorzoo.inference.canvas import Canvas, PhotoCanvas
from colorzoo.inference.edit import Edit, extent_of, rasterized_fields
from colorzoo.inference.full_size import LightnessShift
from colorzoo.inference.layers.points import enforced
from colorzoo.inference.steps.areas import DrawnArea, area_map, plant_seeds, points_inside, seed_hints
from colorzoo.inference.steps.color_tables import ab_at_lightness
from colorzoo.inference.steps.points import fit_points
from colorzoo.inference.steps.reach import Extent

if TYPE_CHECKING:  # photos do not need this module
    from colorzoo.inference.drawing_canvas import DrawingCanvas

_HALF = 0.5
_FILL = 0.6  # weight of the chosen color; the rest is the prediction for that color


@dataclass(frozen=True)
class FilledAreas:
    """Areas of the recipe with the action ``color``; later areas cover earlier areas.

    Attributes:
        areas: Areas.
        points: Points of the recipe, whose colors override the colors of areas.
    """

    areas: tuple[Area, ...]
    points: tuple[PointHint, ...]

    @classmethod
    def of(cls, edit: Edit) -> tuple[FilledAreas, ...]:
        """Return the layer of an edit; nothing without filled areas."""
        areas = edit.areas("color")
        return (cls(areas, edit.recipe.points),) if areas else ()

    def apply(self, canvas: Canvas) -> Canvas:
        """Fill the areas."""
        if isinstance(canvas, PhotoCanvas):
            return self._fill_photo(canvas)
        from colorzoo.inference.drawing_canvas import DrawingCanvas  # photos do not need it

        assert isinstance(canvas, DrawingCanvas), "there are two kinds of canvases"
        return self._fill_drawing(canvas)

    def _fill_photo(self, canvas: PhotoCanvas) -> PhotoCanvas:
        """Blend the colors of the areas with the prediction for these colors."""
        edit = canvas.edit
        drawn = edit.draw(self.areas)
        # points inside areas override the area colors; here the reach "everywhere" means "automatic"
        points = points_inside(self.points, drawn, edit.image_size)
        inside = [replace(hint, reach="automatic") if hint.reach == "everywhere" else hint for hint in points]
        # predict colors from the area colors at full opacity
        seeded = None
        if "points" in edit.network.model.accepts:
            opaque = edit.draw(tuple(replace(area, opacity=1.0) for area in self.areas))
            hints = rasterized_fields(seed_hints(self.points, opaque, edit.image_size))
            seeds = edit.run(plant_seeds, opaque, hints=hints, image_size=edit.image_size)
            seeds = edit.run(fit_points, seeds, edit.lightness)
            seeded = enforced(edit, edit.predict(seeds), seeds)
        extent = extent_of(edit, inside) if inside else None
        strengths = tuple(hint.strength for hint in inside)
        ab, shift = edit.run(
            fill_areas, canvas.ab, edit.lightness, drawn, seeded, extent, strengths=strengths
        )
        return replace(canvas, changed=ab, shift=shift)

    def _fill_drawing(self, canvas: DrawingCanvas) -> DrawingCanvas:
        """Fill the areas below the lines; the color of a point overrides areas by its strength."""
        from colorzoo.inference.steps.drawing import add_change, region_medians

        edit, flats = canvas.edit, canvas.flats
        before = canvas.lab
        precedence = np.zeros(len(flats.colors), np.float32)  # weight of the point color in each region
        for point in self.points:
            region = flats.drawing.region_at(point.x, point.y, edit.image_size)
            precedence[region] = max(precedence[region], point.strength)
        free = 1 - torch.from_numpy(precedence[flats.drawing.resized(edit.map_size).regions])
        lab = before
        filled = torch.zeros(edit.map_size) if canvas.filled is None else canvas.filled
        for each in edit.draw(self.areas):
            # the outline is not aligned to edges, because colors end at the lines
            outline = area_map(each.area, edit.image_size, edit.map_size)
            inside = each.share if each.area.feather > 0 else torch.from_numpy(outline)
            share = free * each.area.opacity * inside
            color = torch.tensor(color_lab(cast(str, each.area.color))).view(3, 1, 1)
            lab = lab + share * (color - lab)
            filled = filled + share * (1 - filled)
        flats = add_change(flats, lab - before)
        is_set = region_medians(filled[None], flats.drawing, len(flats.colors))[:, 0] > _HALF
        flats = replace(flats, is_set=is_set if flats.is_set is None else is_set | flats.is_set)
        return replace(canvas, changed=flats, filled=filled)


def fill_areas(
    ab: Tensor,
    lightness: Tensor,
    drawn: tuple[DrawnArea, ...],
    seeded: Tensor | None,
    extent: Extent | None,
    *,
    strengths: tuple[float, ...],
) -> tuple[Tensor, LightnessShift | None]:
    """Fill areas of a photo with their colors; later areas cover earlier areas.

    The color of an area is blended with the prediction ``seeded``. If an area also adopts the lightness of
    its color, the color is not blended, because the prediction was computed for the original lightness.

    Args:
        ab: Colors ``(1, 2, h, w)`` before the areas are filled.
        lightness: Lightness ``(1, 1, h, w)`` of the image.
        drawn: Areas with colors.
        seeded: Prediction ``(1, 2, h, w)`` for the points of `plant_seeds`; None if the model does not
            support points.
        extent: Pixels to which the points inside the areas apply; None without points. At these pixels, the
            point colors override the area colors.
        strengths: Strength of each point inside the areas.

    Returns:
        The colors ``(1, 2, h, w)``, and the lightness change of areas that adopt the lightness of their
        color.
    """
    # shift the median lightness of an area to the lightness of its color; the contrast does not change
    shifts = []
    for each in drawn:
        inside = each.share > _HALF
        if each.area.lightness == "color" and inside.any():
            middle = lightness[0, 0][inside].median()
            units = float(color_lab(cast(str, each.area.color))[0] - middle)
            shifts.append((each.matte, each.area.opacity * units))
    shift = LightnessShift(tuple(shifts)) if shifts else None
    shown = lightness if shift is None else shift.apply(lightness)
    # blend the colors of the areas, except where points override them
    precedence = torch.zeros(ab.shape[2:])  # weight of the point colors at each pixel
    if extent is not None:
        point_strengths = torch.tensor(strengths)
        within_reach = extent.weight * point_strengths[extent.nearest]
        is_hinted = extent.homes >= 0
        precedence = torch.where(is_hinted, point_strengths[extent.homes], within_reach)
    for each in drawn:
        area_ab = ab_at_lightness(cast(str, each.area.color), shown[0, 0])
        if seeded is not None and each.area.lightness == "photo":
            area_ab = _FILL * area_ab + (1 - _FILL) * seeded[0]
        ab = ab + each.area.opacity * each.share * (1 - precedence) * (area_ab - ab)
    return ab, shift
