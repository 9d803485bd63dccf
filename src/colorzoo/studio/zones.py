"""Areas of recipes on the pad: what a click or an outline selects, and what a lock keeps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from colorzoo.errors import GuidanceError
from colorzoo.guidance import Area, Mask, Recipe
from colorzoo.inference.areas import draw_areas, keeps
from colorzoo.inference.kept import keep_colors
from colorzoo.inference.select import features_of, select_at, select_outlined
from colorzoo.studio.coloring import Answer, AnswerCache, Task, solve


def bare(recipe: Recipe) -> Recipe:
    """Return a recipe without hints and areas: the model's own answer, which selecting looks at."""
    return replace(recipe, points=(), scribbles=(), regions=(), areas=(), strength=1.0)


def own_colors(task: Task, cache: AnswerCache) -> Tensor:
    """Return the ``(2, h, w)`` ab of a model's own answer; zeros of one that needs something else first."""
    try:
        return solve(task, task.colorizer.size, cache).ab
    except GuidanceError:
        luma = task.photo.seen(task.colorizer.size)
        return torch.zeros(2, *luma.shape[2:])


def selected(task: Task, place: tuple[float, float], size: float) -> dict[str, Any]:
    """Return the field ``mask`` of the message ``selected`` for a click.

    Args:
        task: The photo and the model.
        place: x and y in pixels of the photo.
        size: How much is taken: 1 as it is found, larger takes more.
    """
    luma = task.photo.seen(task.colorizer.size)
    return _fields(select_at(luma, features_of(task.colorizer.model, luma), place, task.photo.size, size))


def outlined(task: Task, ab: Tensor, path: Sequence[tuple[float, float]]) -> dict[str, Any]:
    """Return the field ``mask`` of the message ``selected`` for an outline in pixels of the photo."""
    luma = task.photo.seen(task.colorizer.size)
    return _fields(select_outlined(luma, ab, path, task.photo.size))


def kept(task: Task, answer: Answer, area: Area) -> dict[str, Any]:
    """Return the field ``kept`` of an area for the colors that an answer has now.

    Args:
        task: The photo and the model.
        answer: To the recipe as it stands.
        area: Whose action is ``lock`` or ``only``.
    """
    luma = task.photo.seen(task.colorizer.size)
    others = [other for other in task.recipe.areas if other.action == "only"] if area.action == "only" else []
    share = keeps(draw_areas([*others, area], task.photo.size, luma), area.action)
    painted = torch.zeros_like(luma) if answer.painted is None else answer.painted
    found = keep_colors(torch.cat([painted[0], answer.ab]), share)
    fields: dict[str, Any] = replace(area, kept=found).to_dict()["kept"]
    return fields


def _fields(mask: Mask) -> dict[str, Any]:
    fields: dict[str, Any] = Area("gray", mask=mask).to_dict()["mask"]
    return fields
