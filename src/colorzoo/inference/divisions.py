"""Regions changed by hand: a line that closes a leak or cuts a region in two, and a loop around a part."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage

from colorzoo.errors import GuidanceError
from colorzoo.guidance import Regions
from colorzoo.guidance.fields import Fields

MOST_DIVISIONS = 100
_LEAST = 4  # pixels of a part: less is a crumb at the end of a line

Index = NDArray[np.int64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Division:
    """One change of the regions.

    Attributes:
        path: Corners as x and y in pixels of the picture.
        closed: A loop, whose inside becomes a region; else a line, which parts the region that it crosses.
    """

    path: tuple[tuple[float, float], ...]
    closed: bool


def read_divisions(value: object) -> tuple[Division, ...]:
    """Read the field ``divisions`` of a recipe.

    Raises:
        GuidanceError: It is no list of paths, or has too many.
    """
    found = tuple(
        Division(entry.path("path"), bool(entry.take("closed")))
        for entry in Fields({"divisions": value}, "recipe").children("divisions")
    )
    if len(found) > MOST_DIVISIONS:
        raise GuidanceError(f"recipe.divisions has {len(found)} entries, at most {MOST_DIVISIONS} are taken.")
    return found


def divide_regions(
    regions: Regions, divisions: Sequence[Division], whole: tuple[int, int], ink: torch.Tensor
) -> Regions:
    """Return the regions of one picture after what was drawn, one change after the other.

    New regions take the numbers that have no pixel yet, the smallest first, so that the same divisions give
    the same numbers. Where none is left, a change is left out.

    Args:
        regions: As the model proposes them.
        divisions: In the order in which they were drawn.
        whole: Width and height of the picture.
        ink: ``(h, w)`` bool, where the drawing has lines; they keep parts of a region apart.
    """
    if not divisions:
        return regions
    index = regions.index[0, 0].cpu().numpy().copy()
    scale = np.array([index.shape[1] / whole[0], index.shape[0] / whole[1]])
    for division in divisions:
        corners = np.floor(np.asarray(division.path) * scale).astype(np.int32)
        change = _enclose if division.closed else _cut
        change(index, corners, ink.cpu().numpy(), regions.rgb.shape[1])
    changed = torch.from_numpy(index)[None, None].to(regions.index)
    return replace(
        regions, index=changed, segments=regions.index if regions.segments is None else regions.segments
    )


def _enclose(index: Index, corners: NDArray[np.int32], ink: Mask, count: int) -> None:
    """Make the inside of a loop a region."""
    del ink
    inside = np.zeros(index.shape, np.uint8)
    cv2.fillPoly(inside, [corners], 1)
    number = _free(index, count)
    if number is not None and inside.sum() >= _LEAST:
        index[inside > 0] = number


def _cut(index: Index, corners: NDArray[np.int32], ink: Mask, count: int) -> None:
    """Part the region that a line crosses most: the parts beside it, but for the largest, are new."""
    drawn = np.zeros(index.shape, np.uint8)
    cv2.polylines(drawn, [corners], isClosed=False, color=1)
    line = drawn > 0
    if not line.any():
        return
    region = index == np.bincount(index[line]).argmax()
    labels, _ = ndimage.label(region & ~ink & ~line)
    beside = np.unique(labels[ndimage.binary_dilation(line, np.ones((3, 3))) & (labels > 0)])
    sizes = np.bincount(labels.ravel(), minlength=labels.max() + 1)
    parts = sorted((part for part in beside if sizes[part] >= _LEAST), key=lambda part: -sizes[part])
    if len(parts) < 2:
        return
    nearest = ndimage.distance_transform_edt(labels == 0, return_distances=False, return_indices=True)
    owner = labels[tuple(nearest)]  # lines belong to the part that they are nearest to
    for part in parts[1:]:
        number = _free(index, count)
        if number is not None:
            index[region & (owner == part)] = number


def _free(index: Index, count: int) -> int | None:
    used = set(np.unique(index).tolist())
    return next((number for number in range(count) if number not in used), None)
