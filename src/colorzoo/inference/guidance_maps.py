"""Guidance of a user, drawn as tensors at the network's size."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from colorzoo.capabilities import FindsBoxes
from colorzoo.card import Use
from colorzoo.color import at_lightness, reduce_chroma
from colorzoo.errors import GuidanceError
from colorzoo.factory import create_coloring_model
from colorzoo.guidance import (
    Exemplar,
    GlobalStatistics,
    Guidance,
    PointHint,
    Points,
    Recipe,
    Scribbles,
    statistics_of,
)
from colorzoo.guidance.objects import StatisticsHint
from colorzoo.guidance.rasterize import points_to_hints, rasterize_points
from colorzoo.guidance.recipe import MAX_STRENGTH, is_recipe_text
from colorzoo.inference.references import ability_for, model_of_looks
from colorzoo.model import ColoringModel
from colorzoo.pictures.picture import Picture
from colorzoo.weights.choice import USES, ModelChoice, choose_model
from colorzoo.weights.files import digest_of
from colorzoo.weights.load import model_of_file


@dataclass(frozen=True)
class DrawnGuidance:
    """Guidance for one picture, drawn at the network's size.

    Attributes:
        guidance: Tensors at the network's size.
        hints: The points again, in pixels of the picture.
        strength: Factor on the chroma.
        given: Kinds of guidance that were given, also those that are not drawn as tensors.
        notes: Remarks for the user about the recipe.
        recipe: The recipe, if one was given, for the kinds that are drawn with the model's help.
        picture_size: Width and height of the picture, if a recipe was given.
    """

    guidance: Guidance
    hints: tuple[PointHint, ...] = ()
    strength: float = 1.0
    given: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    recipe: Recipe | None = None
    picture_size: tuple[int, int] | None = None


@dataclass(frozen=True)
class ReadGuidance:
    """Guidance as it was given, read once for all steps that use it.

    Attributes:
        guidance: The guidance or recipe.
        folder: Folder of the recipe's file, in which its references lie; None without a file.
    """

    guidance: Guidance | Recipe
    folder: Path | None = None


GuidanceLike = Guidance | Recipe | Mapping[str, Any] | str | Path | ReadGuidance | None


def read_guidance(guidance: GuidanceLike) -> ReadGuidance:
    """Read guidance given as JSON or as a path; guidance that is read already stays.

    A `Recipe` may hold unknown fields: `Recipe.from_json` keeps them.

    Raises:
        GuidanceError: It is no recipe, or one with an unknown field.
    """
    if isinstance(guidance, ReadGuidance):
        return guidance
    if isinstance(guidance, Guidance | Recipe | None):
        return ReadGuidance(Recipe() if guidance is None else guidance)
    recipe = Recipe.from_json(guidance).check_known()
    if isinstance(guidance, str | Path) and not is_recipe_text(guidance):
        return ReadGuidance(recipe, Path(guidance).parent)
    return ReadGuidance(recipe)


def choose_for_guidance(
    model: str | None,
    guidance: Guidance | Recipe,
    weights: str | Path | None = "default",
    *,
    references: Sequence[object] = (),
    fast: bool = False,
) -> ModelChoice:
    """Choose the named model, else that of the recipe, of the weight file, of a look, else the default.

    Args:
        model: Registered name, or None.
        guidance: Guidance or recipe; it decides which models can serve.
        weights: As of `choose_model`.
        references: References beside the guidance, or those of the recipe: pictures, looks, or paths of them.
        fast: As of `choose_model`.

    Raises:
        ColorzooError: As `choose_model`.
    """
    if model is None and isinstance(guidance, Recipe):
        model = guidance.model
    name = model or model_of_file(weights) or model_of_looks(references)
    uses, able = uses_of(guidance, reference=bool(references)), ability_for(references, guidance)
    return choose_model(name, uses, weights, fast=fast, able=able, create=create_coloring_model)


def uses_of(guidance: Guidance | Recipe, *, reference: bool = False) -> tuple[Use, ...]:
    """Return the uses of a model for this guidance; a reference beside it comes first."""
    kinds = ("exemplar", *guidance.kinds()) if reference else guidance.kinds()
    actions = {area.action for area in guidance.areas} if isinstance(guidance, Recipe) else set()
    if "color" in actions:
        kinds = (*kinds, "points")  # their colors reach the model as points
    if "thing" in actions:
        kinds = (*kinds, "boxes", "scribbles")
    return tuple(use for kind in dict.fromkeys(kinds) for use in USES if use == kind)


def prepare_guidance(
    guidance: GuidanceLike, picture: Picture, size: tuple[int, int], strength: float | None = None
) -> DrawnGuidance:
    """Draw guidance at the network's size.

    Args:
        guidance: See `read_guidance`; tensors cover the whole picture at any resolution.
        picture: The picture it belongs to.
        size: Height and width at the network.
        strength: Factor on the chroma; None takes the recipe's, or 1.

    Raises:
        GuidanceError: It is broken, belongs to another picture, or the strength is not from 0 to 1.5.
    """
    given = read_guidance(guidance).guidance
    drawn = draw_guidance(given, picture.size, size, strength)
    if not isinstance(given, Recipe):
        return drawn
    notes = [f"the recipe's entry {name!r} is not known here; it is ignored" for name in given.unknown()]
    source = picture.metadata.source
    if given.sha256 is not None and source is not None and digest_of(source) != given.sha256.lower():
        notes.append("the recipe was made for another picture file")
    return replace(drawn, notes=tuple(notes))


def draw_guidance(
    given: Guidance | Recipe,
    picture_size: tuple[int, int],
    size: tuple[int, int],
    strength: float | None = None,
) -> DrawnGuidance:
    """Draw guidance at the network's size without the picture.

    Args:
        given: Tensors or a recipe.
        picture_size: Width and height of the picture.
        size: Height and width at the network.
        strength: Factor on the chroma; None takes the recipe's, or 1.

    Raises:
        GuidanceError: See `prepare_guidance`.
    """
    width, height = picture_size
    if strength is None:
        strength = given.strength if isinstance(given, Recipe) else 1.0
    if not 0 <= strength <= MAX_STRENGTH:
        raise GuidanceError(f"strength must be from 0 to {MAX_STRENGTH:g}, got {strength:g}.")
    if isinstance(given, Recipe):
        drawn = Guidance.from_recipe(given, width, height, size)
        sized = replace(
            given, width=width, height=height
        )  # for the kinds that are drawn with the model's help
        return DrawnGuidance(
            drawn, given.points, strength, given.kinds(), recipe=sized, picture_size=picture_size
        )
    hints = _sparse_hints(given.points, width, height)
    if hints:  # drawn like a recipe, so that both give the same picture
        points = Guidance.from_recipe(Recipe(points=hints), width, height, size).points
    else:
        points = None if given.points is None else resize_points(given.points, size)
    return DrawnGuidance(replace(resize_maps(given, size), points=points), hints, strength, given.kinds())


def has_object_areas(drawn: DrawnGuidance) -> bool:
    """Check whether a recipe has areas that are objects of their own (the action ``"thing"``)."""
    return any(area.action == "thing" for area in (drawn.recipe or Recipe()).areas)


def fit_points(guidance: Guidance, lightness: Tensor) -> Guidance:
    """Adapt the given colors to the lightness ``(1, 1, h, w)`` of their pixels, within the sRGB gamut."""
    points = guidance.points
    if points is None:
        return guidance
    hinted = points.mask[:, 0] > 0
    given = torch.cat([lightness, points.ab], dim=1).movedim(1, 0)[:, hinted]
    fitted = reduce_chroma(given[:, None])[1:, 0]
    if points.lightness is not None and points.exact is not None:
        free = points.exact[:, 0][hinted] == 0
        chosen = torch.cat([points.lightness[:, 0][hinted][None], given[1:]])[:, free]
        fitted[:, free] = at_lightness(chosen[:, None], given[:1, None, free])[1:, 0]
    ab = torch.zeros_like(points.ab)
    ab.movedim(1, 0)[:, hinted] = fitted
    return replace(guidance, points=replace(points, ab=ab))


def keep_points(drawn: DrawnGuidance, guidance: Guidance, wanted: Callable[[PointHint], bool]) -> Guidance:
    """Return guidance with some of its points.

    Args:
        drawn: Guidance drawn from a recipe.
        guidance: Its drawn guidance and additions.
        wanted: Whether a point stays.
    """
    assert drawn.picture_size is not None
    assert guidance.points is not None
    kept = Recipe(points=tuple(filter(wanted, drawn.hints)))
    height, width = guidance.points.mask.shape[-2:]
    return replace(guidance, points=rasterize_points(kept, *drawn.picture_size, (height, width)))


def resize_points(points: Points, size: tuple[int, int]) -> Points:
    """Resample points to ``size``; a cell takes the mean color of the hinted pixels it covers."""
    if tuple(points.mask.shape[-2:]) == size:
        return points
    share = F.interpolate(points.mask, size=size, mode="area")
    mask = (share > 0).to(points.mask.dtype)

    def mean(values: Tensor) -> Tensor:
        sums = F.interpolate(values * points.mask, size=size, mode="area")
        return sums / share.clamp(min=1e-6) * mask

    lightness = None if points.lightness is None else mean(points.lightness)
    exact = None if points.exact is None else (mean(points.exact) > 0.5).to(mask.dtype)
    return Points(mean(points.ab), mask, lightness, exact)


def resize_maps(guidance: Guidance, size: tuple[int, int]) -> Guidance:
    """Resample scribbles, regions and classes to the size ``(h, w)`` of the network; see `resize_points`."""

    def labels(values: Tensor) -> Tensor:
        return F.interpolate(values.double(), size=size, mode="nearest-exact").to(values.dtype)

    scribbles, regions, classes = guidance.scribbles, guidance.regions, guidance.classes
    if scribbles is not None and tuple(scribbles.mask.shape[-2:]) != size:
        share = F.interpolate(scribbles.mask, size=size, mode="area")
        scribbles = Scribbles((share > 0).to(share.dtype))
    if regions is not None and tuple(regions.index.shape[-2:]) != size:
        segments = None if regions.segments is None else labels(regions.segments)
        regions = replace(regions, index=labels(regions.index), segments=segments)
    if classes is not None and tuple(classes.target.shape[-2:]) != size:
        classes = replace(classes, target=labels(classes.target))
    return replace(guidance, scribbles=scribbles, regions=regions, classes=classes)


def _sparse_hints(points: Points | None, width: int, height: int) -> tuple[PointHint, ...]:
    """Describe point tensors in pixels of the picture; return none if they are too many."""
    if points is None:
        return ()
    from colorzoo.inference.full_size_points import MOST_POINTS

    if len(points.mask) != 1:
        raise GuidanceError(f"guidance for one picture was expected, its points are for {len(points.mask)}.")
    rows, columns = points.mask.shape[-2:]
    x_scale, y_scale = width / columns, height / rows
    found = tuple(islice(points_to_hints(points), MOST_POINTS + 1))
    if len(found) > MOST_POINTS:
        return ()
    scale = (x_scale + y_scale) / 2
    return tuple(replace(h, x=h.x * x_scale, y=h.y * y_scale, radius=h.radius * scale) for h in found)


def add_model_guidance(
    guidance: Guidance, recipe: Recipe, model: ColoringModel, lightness: Tensor, exemplar: Exemplar | None
) -> Guidance:
    """Add the kinds of guidance that depend on the model or on another picture, if the model accepts them.

    Args:
        guidance: Points and scribbles at the network's size.
        recipe: The recipe.
        model: The model, for its boxes and classes.
        lightness: ``(1, 1, h, w)`` in [0, 100].
        exemplar: The reference, or None; the recipe may set its ``alpha``.

    Raises:
        GuidanceError: The recipe's statistics or classes are invalid, or the model has no detector.
    """
    found: dict[str, Any] = {}
    if "exemplar" in model.accepts and exemplar is not None:
        alpha = recipe.exemplar.alpha
        found["exemplar"] = exemplar if alpha is None else replace(exemplar, alpha=alpha)
    if "statistics" in model.accepts and "statistics" in recipe.kinds():
        found["statistics"] = _statistics(recipe.statistics)
    if "boxes" in model.accepts and guidance.boxes is None and isinstance(model, FindsBoxes):
        with torch.inference_mode():
            found["boxes"] = model.find_boxes(lightness.to(model.device)).to("cpu")
    if "classes" in model.accepts:
        from colorzoo.inference.classes import class_map

        reference = None if exemplar is None else exemplar.rgb
        found["classes"] = guidance.classes or class_map(model, recipe, lightness, reference)
    return replace(guidance, **found)


def _statistics(wanted: StatisticsHint) -> GlobalStatistics:
    """Return the statistics of a recipe as tensors.

    Raises:
        GuidanceError: The histogram is empty.
    """
    saturation = wanted.saturation
    histogram = None if wanted.histogram is None else torch.tensor(wanted.histogram)[None]
    if histogram is not None:
        if not histogram.sum() > 0:
            raise GuidanceError("recipe.statistics.histogram must have a share above 0.")
        histogram = histogram / histogram.sum()
    return GlobalStatistics(histogram, None if saturation is None else torch.tensor([[saturation]]))


def describe_statistics(picture: Picture) -> dict[str, Any]:
    """Return histogram and saturation of a reference picture in the form of a recipe."""
    found = statistics_of(torch.from_numpy(picture.rgb).permute(2, 0, 1)[None])
    assert found.histogram is not None
    assert found.saturation is not None
    shares = [round(share, 6) for share in found.histogram[0].tolist()]
    return {"saturation": round(float(found.saturation), 4), "histogram": shares}
