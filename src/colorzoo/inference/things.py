"""Areas that are things of their own, in the words of models that take boxes or edge strokes.

A model that colors things by themselves (Su et al. 2020) is told the box around an area, and what that
changes counts inside the area alone, with its soft edges. A model that keeps colors from crossing edges
(Kim et al. 2021) is told the area's border as a stroke.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
import torch
from torch import Tensor

from colorzoo.guidance import Boxes, Guidance, Recipe, Scribbles
from colorzoo.inference.areas import DrawnArea, draw_areas
from colorzoo.inference.guide import DrawnRequest

_HALF = 0.5
_STROKE = 5  # pixels of the network across a border, in the middle of what such models trained on


@dataclass(frozen=True)
class AreaBoxes(Boxes):
    """Boxes of a picture, some of them around areas.

    Attributes:
        plain: Those that are around no area.
        share: ``(B, 1, H, W)`` in [0, 1], where the others count.
    """

    plain: Boxes
    share: Tensor


def has_things(request: DrawnRequest) -> bool:
    """Say whether a recipe has areas that are things."""
    return any(area.action == "thing" for area in (request.recipe or Recipe()).areas)


def tell_things(given: Guidance, request: DrawnRequest, accepts: Collection[str], luma: Tensor) -> Guidance:
    """Add boxes and strokes of the areas that are things, as far as a model takes them.

    Args:
        given: What is drawn of the request so far.
        request: What the user wants.
        accepts: Kinds of guidance that the model takes.
        luma: ``(1, 1, h, w)`` in [0, 100] of the picture, as the network sees it.
    """
    if not has_things(request):
        return given
    assert request.recipe is not None
    assert request.whole is not None
    things = [area for area in request.recipe.areas if area.action == "thing"]
    drawn = draw_areas(things, request.whole, luma)
    if "boxes" in accepts:
        given = replace(given, boxes=_with_boxes(given.boxes, drawn))
    if "scribbles" in accepts:
        given = replace(given, scribbles=_with_borders(given.scribbles, drawn))
    return given


def keep_inside(ab: Tensor, plain: Tensor, boxes: AreaBoxes) -> Tensor:
    """Let boxes around areas change nothing outside of them.

    Args:
        ab: ``(1, 2, h, w)``, the answer to all boxes.
        plain: The same without those around areas.
        boxes: All of them.
    """
    return plain + boxes.share * (ab - plain)


def _with_boxes(boxes: Boxes | None, drawn: Sequence[DrawnArea]) -> Boxes:
    """Return the boxes with those around areas; of a model that would look for things, none but these."""
    plain = boxes or Boxes.of([torch.empty(0, 4)])
    around = [_corners(each.share > _HALF) for each in drawn]
    every = Boxes.of([torch.cat([plain.corners[0][plain.given[0] > 0], *around])])
    share = torch.stack([each.share for each in drawn]).amax(dim=0)
    return AreaBoxes(every.corners, every.given, plain, share[None, None])


def _corners(inside: Tensor) -> Tensor:
    """Return the box ``(1, 4)`` around what is true in ``(h, w)``, in shares; ``(0, 4)`` if nothing is."""
    if not inside.any():
        return torch.empty(0, 4)
    height, width = inside.shape
    rows, columns = inside.any(dim=1).nonzero(), inside.any(dim=0).nonzero()
    corners = torch.stack([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1], dim=1)
    return corners / torch.tensor([width, height, width, height])


def _with_borders(scribbles: Scribbles | None, drawn: Sequence[DrawnArea]) -> Scribbles:
    """Return the strokes with the borders of areas; the picture's own border is none."""
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (_STROKE, _STROKE))
    insides = [np.asarray(each.share > _HALF).astype(np.uint8) for each in drawn]
    borders = np.max([cv2.morphologyEx(inside, cv2.MORPH_GRADIENT, kernel) for inside in insides], axis=0)
    mask = torch.from_numpy(borders).float()[None, None]
    return Scribbles(mask if scribbles is None else torch.maximum(mask, scribbles.mask))
