"""Locked areas: gray areas, areas that keep their colors, and areas outside which colors are kept."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from colorzoo.guidance import Area
from colorzoo.inference.canvas import Canvas
from colorzoo.inference.edit import Edit
from colorzoo.inference.full_size import map_size
from colorzoo.inference.layers.prediction import automatic_canvas
from colorzoo.inference.steps.areas import DrawnArea, decode_locked_colors, locked_share

if TYPE_CHECKING:  # photos do not need these stages
    from colorzoo.inference.steps.drawing import Drawing

_COVERED = "{} lie in protected areas, where they have no effect"


@dataclass(frozen=True)
class Locks:
    """Areas of the recipe with the action ``gray``, ``only`` or ``lock``."""

    areas: tuple[Area, ...]

    @classmethod
    def of(cls, edit: Edit) -> tuple[Locks, ...]:
        """Return the layer of an edit; nothing without locked areas."""
        areas = edit.areas("gray", "only", "lock")
        return (cls(areas),) if areas else ()

    def apply(self, canvas: Canvas) -> Canvas:
        """Restore or remove the colors of locked areas."""
        edit, lab = canvas.edit, canvas.lab
        own = None  # the automatic colors, for areas without stored colors
        if any(area.kept is None and area.action != "gray" for area in self.areas):
            own = automatic_canvas(edit).lab * torch.tensor([1, canvas.strength, canvas.strength]).view(
                3, 1, 1
            )
        lab, share = lock_areas(lab, edit.draw(self.areas), own, canvas.lines)
        locked = canvas.lock(lab, share)
        points = sum(_is_locked(share, edit, (hint.x, hint.y)) for hint in edit.recipe.points)
        filled = sum(bool((share[each.share > 0] == 1).all()) for each in edit.draw(edit.areas("color")))
        for count, what in ((points, "points"), (filled, "filled areas")):
            locked = locked.noted(_COVERED.format(f"{count} {what}")) if count else locked
        return locked


def _is_locked(share: Tensor, edit: Edit, place: tuple[float, float]) -> bool:
    """Return whether a place of the image is locked."""
    rows, columns = share.shape
    row = min(int(place[1] * rows / edit.image_size[1]), rows - 1)
    column = min(int(place[0] * columns / edit.image_size[0]), columns - 1)
    return bool(share[row, column] == 1)


def lock_areas(
    lab: Tensor, drawn: tuple[DrawnArea, ...], own: Tensor | None, lines: Drawing | None
) -> tuple[Tensor, Tensor]:
    """Restore or remove colors in locked areas.

    Areas with the action ``"gray"`` become gray. Other areas get the colors stored in the recipe, or else the
    automatic colors.

    Args:
        lab: Colors ``(3, h, w)`` before the areas are locked; L is 0 for photos.
        drawn: Areas with the action ``"gray"``, ``"lock"`` or ``"only"``.
        own: Automatic colors ``(3, h, w)``; None if all areas have stored colors.
        lines: Drawing whose lines are removed from stored colors; None for photos, and for drawings without
            lines.

    Returns:
        The colors ``(3, h, w)``, and the mask ``(h, w)`` of locked colors in [0, 1].

    Raises:
        GuidanceError: Stored colors cannot be decoded.
    """
    # areas with their lock masks, by increasing priority
    locks = [(each.area, each.area.opacity * each.share) for each in drawn if each.area.action == "gray"]
    only = [each for each in drawn if each.area.action == "only"]
    if only:
        stored_areas = [each.area for each in only if each.area.kept is not None]
        opacity = max(each.area.opacity for each in only)
        locks.append(((stored_areas or [only[-1].area])[-1], opacity * locked_share(only, "only")))
    for each in drawn:
        if each.area.action == "lock":
            locks.append((each.area, each.area.opacity * locked_share([each], "lock")))
    locked = torch.zeros(lab.shape[1:])
    for area, share in locks:
        if area.action == "gray":
            lab = torch.cat([lab[:1], lab[1:] * (1 - share)])
        elif area.kept is None:
            assert own is not None
            lab = lab + share * (own - lab)
        else:
            stored = decode_locked_colors(area.kept, map_size(lab))
            if lines is not None:
                from colorzoo.inference.steps.drawing import remove_lines  # photos do not need it

                stored = remove_lines(stored, share, lines)
            lab = lab + share * (stored - lab)
        locked = torch.maximum(locked, share)
    return lab, locked
