"""The stages of one image in their order: from points and other guidance to colors at the network's size."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from torch import Tensor

from colorzoo.capabilities import (
    ComputesSimilarity,
    EncodesReference,
    FindsBoxes,
    ProposesRegions,
    RefinesScribbles,
)
from colorzoo.errors import GuidanceError
from colorzoo.guidance import Area, Exemplar, Guidance, PointHint, Points, Recipe, Regions, Scribbles
from colorzoo.inference.job import Job
from colorzoo.inference.network import EditState
from colorzoo.inference.stages import Stages
from colorzoo.inference.steps.area_masks import DrawnArea, draw_areas, set_opacities
from colorzoo.inference.steps.areas import (
    boxes_of_areas,
    fill_areas,
    lock_areas,
    plant_seeds,
    points_inside,
    restrict_to_areas,
    strokes_of_areas,
)
from colorzoo.inference.steps.colors import Colors, Solution, scale_chroma, take_colors
from colorzoo.inference.steps.network import (
    compute_similarity,
    draw_strokes,
    embed_exemplar,
    find_objects,
    keep_state,
    place_boxes,
    propose_regions,
    resize_maps,
    resize_points,
    run_network,
    set_statistics,
)
from colorzoo.inference.steps.pages import NOTHING_TO_COLOR, is_page
from colorzoo.inference.steps.points import (
    draw_points,
    enforce_points,
    find_neighbors,
    fit_points,
    limit_reach,
    show_base,
    squares_of,
)
from colorzoo.inference.steps.reach import (
    Extent,
    Paths,
    PointPatches,
    by_reach,
    find_paths,
    is_limited,
    is_small,
    keep_nearer,
    limit_extent,
    step_costs,
)
from colorzoo.inference.steps.regions import color_regions, edit_regions, remark_regions
from colorzoo.inference.steps.sketch import draw_sketch
from colorzoo.prediction import Prediction
from colorzoo.weights.files import digest_of

Hints = tuple[PointHint, ...]
_PLURALS = {"exemplar": "references"}


def solve(job: Job, stages: Stages) -> Solution:
    """Color an image at the network's size.

    Args:
        job: The image with everything that decides its colors.
        stages: Runner of the stages, with the results of earlier edits.

    Raises:
        GuidanceError: The recipe does not fit the model.
        ColorzooError: The prediction is not finite.
    """
    notes = [*_ignored_kinds(job)]
    if "regions" in job.network.model.accepts:
        notes += _region_remarks(stages, job)
    if job.paints:
        notes += stages(draw_sketch, job.part.lightness).notes
    points = _points(stages, job, job.recipe.points)
    prediction = _predict(stages, job, points)
    ab = prediction.to_ab()
    if job.network.model.output_kind != "rgb":  # a model that paints has placed the points already
        ab = _with_points(stages, job, points, ab)
    colors = _with_areas(stages, job, take_colors(prediction, ab))
    # an image with guidance is colored even if it is a page
    is_guided = job.kinds or job.recipe.areas or job.paints or job.part.is_frame
    if not is_guided and stages(is_page, job.part.lightness):
        colors, notes = replace(colors, ab=colors.ab * 0), [*notes, NOTHING_TO_COLOR]
    reaches = _paint_reaches(stages, job)
    return Solution(colors, prediction.extras, (*notes, *prediction.notes), reaches)


def _with_points(stages: Stages, job: Job, points: Points | None, predicted: Tensor) -> Tensor:
    """Return ab with each point at its strength.

    Args:
        stages: Runner of the stages.
        job: The image.
        points: All points at the network's size.
        predicted: ``(1, 2, h, w)`` prediction for all points.
    """
    hints = job.recipe.points
    weak = tuple(hint for hint in hints if hint.strength < 1)
    strong = _with_points_in_full(stages, job, hints, points, predicted)
    if not weak:
        return strong
    from colorzoo.inference.steps.strengths import weaken_points  # few recipes have weak points

    without = _with_some_points(stages, job, tuple(hint for hint in hints if hint.strength == 1))
    extent = extent_of(stages, job, weak)
    strengths = tuple(hint.strength for hint in weak)
    return stages(weaken_points, strong, without, job.part.lightness, extent, strengths=strengths)


def _with_some_points(stages: Stages, job: Job, hints: Hints) -> Tensor:
    """Return `_with_points_in_full` of some of the points."""
    points = _points(stages, job, hints)
    return _with_points_in_full(stages, job, hints, points, _predict(stages, job, points).to_ab())


def _with_points_in_full(
    stages: Stages, job: Job, hints: Hints, points: Points | None, predicted: Tensor
) -> Tensor:
    """Return ab with the exact colors of points, each restricted to its reach."""
    lightness = job.part.lightness
    if points is None:
        return predicted
    enforced = stages(enforce_points, predicted, points, stages(find_neighbors, lightness))
    limited = tuple(hint for hint in hints if is_limited(hint))
    if not limited:
        return enforced
    small = tuple(hint for hint in limited if is_small(hint))
    larger = tuple(hint for hint in limited if not is_small(hint))
    # small points come last: the network would spread their colors within the reach of the larger ones
    rest = tuple(hint for hint in hints if not (is_small(hint) if small else is_limited(hint)))
    base = stages(show_base, _with_some_points(stages, job, rest), lightness)
    extent = extent_of(stages, job, small or larger)
    if small and larger:
        own, rivals = (
            [paths_from(stages, job, places) for places in _patches_by_reach(job, some)]
            for some in (small, larger)
        )
        extent = keep_nearer(extent, *own, *rivals, own=len(own))
    return stages(limit_reach, enforced, base, lightness, points, extent)


def _points(stages: Stages, job: Job, hints: Hints) -> Points | None:
    """Return points at the network's size; None if there are none."""
    lightness, dense = job.part.lightness, job.tensors.points
    if dense is not None:
        resized = resize_points(dense, size=job.part.seen)
        return resized if job.paints else fit_points(resized, lightness)
    if not hints:
        return None
    return stages(
        draw_points,
        lightness,
        squares=squares_of(hints),
        image_size=job.part.size,
        fits=not job.paints,
    )


def extent_of(stages: Stages, job: Job, hints: Sequence[PointHint]) -> Extent:
    """Return how far the colors of points reach."""
    parts = _patches_by_reach(job, hints)
    return stages(
        limit_extent,
        *(paths_from(stages, job, part) for part in parts),
        *(likeness_to(stages, job, part) for part in parts),
        places=PointPatches.of(hints, job.part.size),
        reaches=tuple(hint.reach for hint in hints),
        size=job.part.seen,
    )


def _paint_reaches(stages: Stages, job: Job) -> tuple[Tensor | None, ...]:
    """Return where each stroke of paint may go; nothing if all go everywhere."""
    paint = job.recipe.paint
    if all(stroke.reach == "everywhere" for stroke in paint):
        return ()
    from colorzoo.inference.steps.painting import places_along  # few recipes have paint

    return tuple(
        None if stroke.reach == "everywhere" else extent_of(stages, job, places_along(stroke)).weight
        for stroke in paint
    )


def _patches_by_reach(job: Job, hints: Sequence[PointHint]) -> list[PointPatches]:
    groups = by_reach([hint.reach for hint in hints]).values()
    return [PointPatches.of([hints[number] for number in group], job.part.size) for group in groups]


def paths_from(stages: Stages, job: Job, places: PointPatches) -> Paths:
    """Return the cheapest paths from places of the image."""
    return stages(find_paths, stages(step_costs, job.part.lightness), places=places)


def likeness_to(stages: Stages, job: Job, places: PointPatches) -> Tensor | None:
    """Return how similar each place is to some places; None if the model compares none."""
    if not isinstance(job.network.model, ComputesSimilarity):
        return None
    state = stages(keep_state, network=job.network)
    return stages(compute_similarity, job.part.lightness, state, network=job.network, places=places)


def _with_areas(stages: Stages, job: Job, colors: Colors) -> Colors:
    """Return the colors with the areas and the strength of the recipe."""
    recipe = job.recipe
    filled = _areas(job, "color")
    if filled:
        drawn = _drawn(stages, job, filled)
        inside = _points_inside(job, drawn)
        colors = stages(
            fill_areas,
            colors,
            job.part.lightness,
            drawn,
            _seeded(stages, job, _masks(stages, job, filled)),  # the network colors them opaque
            extent_of(stages, job, inside) if inside else None,
            strengths=tuple(hint.strength for hint in inside),
        )
    colors = scale_chroma(colors, factor=recipe.strength)
    locks = _areas(job, "gray", "only", "lock")
    if locks:
        own = None
        if any(area.kept is None for area in locks if area.action != "gray"):
            own = _predict(stages, job, None, hinted=False)
        colors = lock_areas(colors, _drawn(stages, job, locks), own, strength=recipe.strength)
    return colors


def _areas(job: Job, *actions: str) -> tuple[Area, ...]:
    return tuple(area for area in job.recipe.areas if area.action in actions)


def _masks(stages: Stages, job: Job, areas: tuple[Area, ...]) -> tuple[DrawnArea, ...]:
    """Return areas as soft masks, each opaque, so that another opacity draws none again."""
    opaque = tuple(replace(area, opacity=1.0) for area in areas)
    return stages(draw_areas, job.part.lightness, areas=opaque, image_size=job.part.size)


def _drawn(stages: Stages, job: Job, areas: tuple[Area, ...]) -> tuple[DrawnArea, ...]:
    """Return areas as soft masks with their opacities."""
    return set_opacities(_masks(stages, job, areas), opacities=tuple(area.opacity for area in areas))


def _points_inside(job: Job, drawn: tuple[DrawnArea, ...]) -> list[PointHint]:
    """Return the points inside colored areas, where they take precedence."""
    return [
        replace(hint, reach="automatic" if hint.reach == "everywhere" else hint.reach)
        for hint in points_inside(job.recipe.points, drawn, job.part.size)
    ]


def _seeded(stages: Stages, job: Job, drawn: tuple[DrawnArea, ...]) -> Tensor | None:
    """Return the prediction for the colors of areas; None if the model takes no points."""
    if "points" not in job.network.model.accepts:
        return None
    full = tuple(hint for hint in job.recipe.points if hint.strength == 1)
    lightness = job.part.lightness
    seeds = fit_points(plant_seeds(drawn, hints=full, image_size=job.part.size), lightness)
    ab = _predict(stages, job, seeds).to_ab()
    return stages(enforce_points, ab, seeds, stages(find_neighbors, lightness))


def _predict(stages: Stages, job: Job, points: Points | None, *, hinted: bool = True) -> Prediction:
    """Return the prediction for points and strokes.

    Args:
        stages: Runner of the stages.
        job: The image.
        points: Points at the network's size.
        hinted: Whether strokes and the colors of regions are used.
    """
    guidance, things = _guidance(stages, job, hinted=hinted), _areas(job, "thing")
    strokes = _strokes(stages, job) if hinted else None
    prediction = _run_once(stages, job, guidance, points, strokes)
    if not things or "boxes" not in job.network.model.accepts:
        return prediction
    drawn = _drawn(stages, job, things)
    boxed = _run_once(stages, job, boxes_of_areas(guidance, drawn), points, strokes)
    return restrict_to_areas(boxed, prediction, drawn)


def _run_once(
    stages: Stages, job: Job, guidance: Guidance, points: Points | None, strokes: Scribbles | None
) -> Prediction:
    """Return the prediction for guidance, strokes, and points if the model takes them."""
    if "points" not in job.network.model.accepts:
        points = None
    state = state_of(stages, job, guidance, points)
    seen = network_input(stages, job)
    return stages(run_network, seen, guidance, points, strokes, state, network=job.network)


def state_of(stages: Stages, job: Job, guidance: Guidance, points: Points | None) -> EditState:
    """Return the state that speeds up the next edit; a model that redraws has one for each image."""
    if not isinstance(job.network.model, RefinesScribbles):
        return stages(keep_state, network=job.network)
    return stages(keep_state, network_input(stages, job), guidance, points, network=job.network)


def network_input(stages: Stages, job: Job) -> Tensor:
    """Return the input of the network: the lightness, or a sketch of it."""
    return stages(draw_sketch, job.part.lightness).lines if job.paints else job.part.lightness


def _strokes(stages: Stages, job: Job) -> Scribbles | None:
    """Return all strokes, if the model takes them."""
    if "scribbles" not in job.network.model.accepts:
        return None
    dense, things = job.tensors.scribbles, _areas(job, "thing")
    strokes: Scribbles | None = None
    if job.recipe.scribbles:
        strokes = draw_strokes(job.part.lightness, strokes=job.recipe.scribbles, image_size=job.part.size)
    elif dense is not None:
        strokes = resize_maps(Guidance(scribbles=dense), size=job.part.seen).scribbles
    return strokes_of_areas(strokes, _drawn(stages, job, things)) if things else strokes


def _guidance(stages: Stages, job: Job, *, hinted: bool) -> Guidance:
    """Return all guidance except points and strokes; without ``hinted`` regions have no colors."""
    accepts = job.network.model.accepts
    tensors = _accepted_tensors(job, hinted=hinted)
    boxes = job.recipe.boxes if "boxes" in accepts else None
    if _areas(job, "thing") and "boxes" in accepts:
        boxes = boxes or ()  # a model that detects objects does not look for others
    guidance = place_boxes(tensors, boxes=boxes, image_size=job.part.size, size=job.part.seen)
    added = dict(_added_guidance(stages, job, hinted=hinted))
    unboxed = "boxes" in accepts and boxes is None and tensors.boxes is None
    if unboxed and isinstance(job.network.model, FindsBoxes):
        added["boxes"] = stages(find_objects, job.part.lightness, network=job.network)
    return replace(guidance, **added)


def _accepted_tensors(job: Job, *, hinted: bool) -> Guidance:
    """Return the tensors that the model takes, without points and strokes."""
    dropped = {kind for kind in job.tensors.kinds() if kind not in job.network.model.accepts}
    dropped |= {"points", "scribbles"} if hinted else {"points", "scribbles", "regions"}
    return replace(job.tensors, **dict.fromkeys(dropped))


def _added_guidance(stages: Stages, job: Job, *, hinted: bool) -> Iterator[tuple[str, Any]]:
    """Yield the kinds of guidance that need the model, or that do not depend on the size."""
    accepts, recipe, model = job.network.model.accepts, job.recipe, job.network.model
    kinds = recipe.kinds()
    exemplar = _exemplar(stages, job)
    if exemplar is not None:
        yield "exemplar", exemplar
    if "statistics" in accepts and "statistics" in kinds:
        yield "statistics", set_statistics(wanted=recipe.statistics)
    if "classes" in accepts and "classes" in kinds and job.tensors.classes is None:
        from colorzoo.inference.steps.classes import lacks_classes, read_classes  # few recipes have classes

        if not lacks_classes(model, recipe):
            kept = {name: value for name, value in recipe.extra.items() if name == "classes"}
            only = Recipe(width=recipe.width, height=recipe.height, extra=kept)
            files = tuple(map(_digest_or_nothing, recipe.classes.label_files))
            given = {"network": job.network, "recipe": only, "files": files}
            yield "classes", stages(read_classes, job.part.lightness, exemplar, **given)
    if "regions" in accepts and isinstance(model, ProposesRegions):
        if not hinted:
            yield "regions", stages(color_regions, proposed_regions(stages, job), colors=())
        elif job.tensors.regions is None:
            yield "regions", stages(color_regions, divided_regions(stages, job), colors=recipe.regions)


def _digest_or_nothing(path: str) -> str:
    try:
        return digest_of(Path(path))
    except OSError:  # reported when the file is read
        return ""


def _exemplar(stages: Stages, job: Job) -> Exemplar | None:
    """Return the reference with its look, if the model takes one."""
    exemplar = job.reference
    if exemplar is None or "exemplar" not in job.network.model.accepts:
        return None
    if exemplar.embedding is None and isinstance(job.network.model, EncodesReference):
        exemplar = stages(embed_exemplar, exemplar, network=job.network)
    alpha = job.recipe.exemplar.alpha
    return exemplar if alpha is None else replace(exemplar, alpha=alpha)


def proposed_regions(stages: Stages, job: Job) -> Regions:
    """Return the regions that the model proposes.

    Raises:
        GuidanceError: The model proposes none.
    """
    if not isinstance(job.network.model, ProposesRegions):
        raise GuidanceError(f"{job.network.name} proposes no regions")
    return stages(propose_regions, network_input(stages, job), network=job.network)


def divided_regions(stages: Stages, job: Job) -> Regions:
    """Return the proposed regions with the recipe's edits (``divisions``) applied."""
    proposed, divisions = proposed_regions(stages, job), job.recipe.divisions
    if not divisions:
        return proposed
    sketch = network_input(stages, job)
    return stages(edit_regions, proposed, sketch, divisions=divisions, image_size=job.part.size)


def _region_remarks(stages: Stages, job: Job) -> tuple[str, ...]:
    """Return notes for the user on the regions that a recipe or tensors color."""
    if job.tensors.regions is None:
        colored = stages(color_regions, divided_regions(stages, job), colors=job.recipe.regions)
        return remark_regions(colored, proposed_regions(stages, job), chosen_for=job.recipe.proposal)
    resized = resize_maps(Guidance(regions=job.tensors.regions), size=job.part.seen).regions
    assert resized is not None
    own = isinstance(job.network.model, ProposesRegions)
    return remark_regions(resized, proposed_regions(stages, job) if own else resized, chosen_for=None)


def _ignored_kinds(job: Job) -> tuple[str, ...]:
    """Return a note on each kind of guidance that was given and that the model does not accept."""
    accepts, name = job.network.model.accepts, job.network.name
    ignored = [_PLURALS.get(kind, kind) for kind in job.kinds if kind not in accepts]
    if "classes" in job.recipe.kinds() and "classes" in accepts:
        from colorzoo.inference.steps.classes import lacks_classes

        if lacks_classes(job.network.model, job.recipe):
            ignored.append("classes without label images")
    if _areas(job, "thing") and not {"boxes", "scribbles"} & set(accepts):
        ignored.append("areas that are things")
    notes = [f"{name} does not use {kind}; they were ignored" for kind in ignored if kind != "points"]
    if "points" in ignored:
        where = "were ignored" if job.paints else "color their own place only"
        notes.append(f"{name} does not use points; they {where}")
    return tuple(notes)
