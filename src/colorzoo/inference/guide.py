"""From whatever a user gives as guidance to what the network and the full-size picture need."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from hashlib import sha256
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from colorzoo.card import Use
from colorzoo.color import at_lightness, reduce_chroma
from colorzoo.errors import GuidanceError
from colorzoo.guidance import Guidance, PointHint, Points, Recipe
from colorzoo.guidance.rasterize import points_to_hints, rasterize_points
from colorzoo.guidance.recipe import MAX_STRENGTH
from colorzoo.inference.defaults import choose_default
from colorzoo.inference.picture import Picture
from colorzoo.inference.pins import MOST_PINS
from colorzoo.inference.resample import resize_points
from colorzoo.tiers import USES
from colorzoo.weights import model_of_file

GuidanceLike = Guidance | Recipe | Mapping[str, Any] | str | Path | None


@dataclass(frozen=True)
class DrawnRequest:
    """What a user wants of one picture.

    Attributes:
        guidance: Tensors at the size at which the network sees the picture.
        hints: The points again, in pixels of the picture.
        strength: Factor on the chroma.
        kinds: Names of everything given, also of what was not drawn as tensors.
        notes: What the user should know about the recipe.
        recipe: The recipe, if one was given: for the kinds that are drawn with the model's help.
        whole: Width and height of the picture, if a recipe was given.
    """

    guidance: Guidance
    hints: tuple[PointHint, ...] = ()
    strength: float = 1.0
    kinds: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    recipe: Recipe | None = None
    whole: tuple[int, int] | None = None


def as_recipe(guidance: GuidanceLike) -> Guidance | Recipe:
    """Read what is given as JSON or as a path; guidance and recipes are returned as they are.

    Raises:
        GuidanceError: No recipe.
    """
    if guidance is None:
        return Recipe()
    return guidance if isinstance(guidance, Guidance | Recipe) else Recipe.from_json(guidance)


def wanted_model(
    model: str | None,
    guidance: Guidance | Recipe,
    weights: str | Path | None = "default",
    *,
    reference: bool = False,
    fast: bool = False,
) -> str:
    """Return the model to use.

    The one named, else the recipe's, else the one that a weight file says it belongs to, else the default for
    this guidance; ``reference`` says that a reference comes beside it, ``fast`` that the default shall be one
    that ships with the package.
    """
    if model is None and isinstance(guidance, Recipe):
        model = guidance.model
    if model := model or model_of_file(weights):
        return model
    return choose_default(uses_of(guidance, reference=reference), fast=fast)


def uses_of(guidance: Guidance | Recipe, *, reference: bool = False) -> tuple[Use, ...]:
    """Return what a model is needed for: the kinds that are given, a reference beside them first."""
    kinds = ("exemplar", *guidance.kinds()) if reference else guidance.kinds()
    actions = {area.action for area in guidance.areas} if isinstance(guidance, Recipe) else set()
    if "color" in actions:
        kinds = (*kinds, "points")  # a model is told their colors so
    if "thing" in actions:
        kinds = (*kinds, "boxes", "scribbles")
    return tuple(use for kind in dict.fromkeys(kinds) for use in USES if use == kind)


def prepare(
    guidance: GuidanceLike, picture: Picture, size: tuple[int, int], strength: float | None = None
) -> DrawnRequest:
    """Bring guidance to the working size.

    Args:
        guidance: Anything that `as_recipe` takes; tensors cover the whole picture at any resolution.
        picture: The picture it belongs to.
        size: Height and width at which the network sees it.
        strength: Factor on the chroma; None takes the recipe's, or 1.

    Raises:
        GuidanceError: It is broken, belongs to another picture, or the strength is not from 0 to 1.5.
    """
    given = as_recipe(guidance)
    request = draw_wishes(given, picture.size, size, strength)
    notes = _recipe_notes(given, picture) if isinstance(given, Recipe) else ()
    return replace(request, notes=notes)


def draw_wishes(
    given: Guidance | Recipe, whole: tuple[int, int], size: tuple[int, int], strength: float | None = None
) -> DrawnRequest:
    """Bring guidance to the working size, without the picture.

    Args:
        given: Tensors or a recipe.
        whole: Width and height of the picture.
        size: Height and width at which the network sees it.
        strength: Factor on the chroma; None takes the recipe's, or 1.

    Raises:
        GuidanceError: As `prepare`.
    """
    width, height = whole
    if strength is None:
        strength = given.strength if isinstance(given, Recipe) else 1.0
    if not 0 <= strength <= MAX_STRENGTH:
        raise GuidanceError(f"strength must be from 0 to {MAX_STRENGTH:g}, got {strength:g}.")
    if isinstance(given, Recipe):
        drawn = Guidance.from_recipe(given, width, height, size)
        sized = replace(given, width=width, height=height)  # for what is drawn with the model's help
        return DrawnRequest(drawn, given.points, strength, given.kinds(), recipe=sized, whole=whole)
    hints = _sparse_hints(given.points, width, height)
    if hints:  # the same way as a recipe, so that both give the same picture
        points = Guidance.from_recipe(Recipe(points=hints), width, height, size).points
    else:
        points = None if given.points is None else resize_points(given.points, size)
    return DrawnRequest(replace(given, points=points), hints, strength, given.kinds())


def fit_points(guidance: Guidance, luma: Tensor) -> Guidance:
    """Bring the given colors to the lightness ``(1, 1, h, w)`` of their pixels, as far as sRGB shows them."""
    points = guidance.points
    if points is None:
        return guidance
    ab = reduce_chroma(torch.cat([luma, points.ab], dim=1))[:, 1:]
    if points.luma is not None and points.exact is not None:
        chosen = torch.cat([points.luma, points.ab], dim=1).movedim(1, 0)
        free = ((points.mask > 0) & (points.exact == 0))[:, 0]
        moved = at_lightness(chosen[:, free, None], luma[:, 0][free][None, :, None])
        ab.movedim(1, 0)[:, free] = moved[1:, :, 0]
    return replace(guidance, points=replace(points, ab=ab * points.mask))


def without_limited(request: DrawnRequest, given: Guidance) -> Guidance:
    """Return guidance without the points whose colors do not go everywhere.

    Args:
        request: Of a recipe.
        given: What is drawn of it, and what was added.
    """
    assert request.whole is not None
    assert given.points is not None
    everywhere = Recipe(points=tuple(hint for hint in request.hints if hint.reach == "everywhere"))
    height, width = given.points.mask.shape[-2:]
    return replace(given, points=rasterize_points(everywhere, *request.whole, (height, width)))


def _sparse_hints(points: Points | None, width: int, height: int) -> tuple[PointHint, ...]:
    """Describe point tensors in pixels of the picture; nothing if they are too many."""
    if points is None:
        return ()
    if len(points.mask) != 1:
        raise GuidanceError(f"guidance for one picture was expected, its points are for {len(points.mask)}.")
    rows, columns = points.mask.shape[-2:]
    x_scale, y_scale = width / columns, height / rows
    found = tuple(islice(points_to_hints(points), MOST_PINS + 1))
    if len(found) > MOST_PINS:
        return ()
    scale = (x_scale + y_scale) / 2
    return tuple(replace(h, x=h.x * x_scale, y=h.y * y_scale, radius=h.radius * scale) for h in found)


def _recipe_notes(recipe: Recipe, picture: Picture) -> tuple[str, ...]:
    notes = [f"recipe field {name!r} is unknown and was ignored" for name in recipe.unknown()]
    source = picture.metadata.source
    if recipe.sha256 is not None and source is not None:
        with source.open("rb") as file:
            digest = sha256(file.read()).hexdigest()
        if digest != recipe.sha256.lower():
            notes.append("the recipe was made for another picture file")
    return tuple(notes)
