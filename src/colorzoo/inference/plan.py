"""`plan`: the one place that decides what happens to a picture, and in which order.

A plan is a graph of steps (`colorzoo.inference.graph`) that ends at the solution. The functions below go from
there back to the lightness.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from torch import Tensor

from colorzoo.capabilities import (
    ComparesPlaces,
    FindsBoxes,
    GivesLooks,
    ProposesRegions,
    Redraws,
)
from colorzoo.errors import GuidanceError
from colorzoo.guidance import Area, Exemplar, Guidance, PointHint, Points, Recipe, Regions, Scribbles
from colorzoo.inference.graph import Node, given, node
from colorzoo.inference.job import Job
from colorzoo.inference.network import EditState
from colorzoo.inference.steps.area_masks import DrawnArea, draw_areas, set_opacities
from colorzoo.inference.steps.areas import (
    box_things,
    fill_areas,
    lock_areas,
    plant_seeds,
    points_inside,
    restrict_to_things,
    stroke_things,
)
from colorzoo.inference.steps.colors import Colors, Solution, scale_chroma, solve, take_ab, take_colors
from colorzoo.inference.steps.network import (
    add_guidance,
    compare_places,
    draw_strokes,
    find_look,
    find_objects,
    keep_state,
    place_boxes,
    propose_regions,
    resize_maps,
    resize_points,
    run_network,
    set_alpha,
    set_statistics,
)
from colorzoo.inference.steps.pages import is_page, remark_page, spare_page
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
    Places,
    by_reach,
    find_paths,
    is_limited,
    is_small,
    keep_nearer,
    limit_extent,
    step_costs,
)
from colorzoo.inference.steps.regions import color_regions, edit_regions, remark_regions
from colorzoo.inference.steps.sketch import draw_sketch, take_lines, take_remarks
from colorzoo.prediction import Prediction
from colorzoo.weights.files import digest_of

Hints = tuple[PointHint, ...]
_PLURALS = {"exemplar": "references"}
_NOTHING: Node[Any] = given(None)


def plan(job: Job) -> Node[Solution]:
    """Return the steps of a job, as the node of their solution.

    Raises:
        GuidanceError: The recipe does not fit the model.
    """
    remarks: list[Node[tuple[str, ...]]] = [given(_ignored_kinds(job))]
    if "regions" in job.network.model.accepts:
        remarks.append(_region_remarks(job))
    if job.paints:
        remarks.append(node(take_remarks, node(draw_sketch, job.part.node)))
    points = _points(job, job.recipe.points)
    prediction = _run(job, points)
    # a model that paints has placed the points already
    paints = job.network.model.output_kind == "rgb"
    ab = node(take_ab, prediction) if paints else _with_points(job, points, prediction)
    colors = _with_areas(job, node(take_colors, prediction, ab))
    if not (job.kinds or job.recipe.areas or job.paints or job.part.is_frame):  # who gives colors wants them
        page = node(is_page, job.part.node)
        colors, remark = node(spare_page, colors, page), node(remark_page, page)
        remarks.append(remark)
    return node(solve, colors, prediction, _paint_reaches(job), *remarks)


def _with_points(job: Job, points: Node[Points] | None, prediction: Node[Prediction]) -> Node[Tensor]:
    """Return ab with each point at its strength, given all points and the prediction for them."""
    hints = job.recipe.points
    weak = tuple(hint for hint in hints if hint.strength < 1)
    strong = _with_points_in_full(job, hints, points, prediction)
    if not weak:
        return strong
    from colorzoo.inference.steps.strengths import weaken_points  # few pictures have such points

    without = _with_some_points(job, tuple(hint for hint in hints if hint.strength == 1))
    strengths = tuple(hint.strength for hint in weak)
    return node(weaken_points, strong, without, job.part.node, extent_of(job, weak), strengths=strengths)


def _with_some_points(job: Job, hints: Hints) -> Node[Tensor]:
    """Return `_with_points_in_full` of some of the points."""
    points = _points(job, hints)
    return _with_points_in_full(job, hints, points, _run(job, points))


def _with_points_in_full(
    job: Job, hints: Hints, points: Node[Points] | None, prediction: Node[Prediction]
) -> Node[Tensor]:
    """Return ab with points exactly in their colors, each restricted to its reach."""
    lightness, ab = job.part.node, node(take_ab, prediction)
    if points is None:
        return ab
    enforced = node(enforce_points, ab, points, node(find_neighbors, lightness))
    limited = tuple(hint for hint in hints if is_limited(hint))
    if not limited:
        return enforced
    small = tuple(hint for hint in limited if is_small(hint))
    larger = tuple(hint for hint in limited if not is_small(hint))
    # small points come last: the network would spread their colors within the reach of the larger ones
    rest = tuple(hint for hint in hints if not (is_small(hint) if small else is_limited(hint)))
    base = node(show_base, _with_some_points(job, rest), lightness)
    extent = extent_of(job, small or larger)
    if small and larger:
        own, rivals = (
            [paths_from(job, part) for part in _places_by_reach(job, some)] for some in (small, larger)
        )
        extent = node(keep_nearer, extent, *own, *rivals, own=len(own))
    return node(limit_reach, enforced, base, lightness, points, extent)


def _points(job: Job, hints: Hints) -> Node[Points] | None:
    """Return points at the network's size; None if there are none."""
    lightness, dense = job.part.node, job.tensors.points
    if dense is not None:
        resized = node(resize_points, given(dense), size=job.part.seen)
        return resized if job.paints else node(fit_points, resized, lightness)
    if not hints:
        return None
    return node(
        draw_points,
        lightness,
        squares=squares_of(hints),
        picture_size=job.part.size,
        fits=not job.paints,
    )


def extent_of(job: Job, hints: Sequence[PointHint]) -> Node[Extent]:
    """Return how far the colors of points go."""
    parts = _places_by_reach(job, hints)
    return node(
        limit_extent,
        *(paths_from(job, part) for part in parts),
        *(likeness_to(job, part) for part in parts),
        places=Places.of(hints, job.part.size),
        reaches=tuple(hint.reach for hint in hints),
        size=job.part.seen,
    )


def _paint_reaches(job: Job) -> Node[tuple[Tensor | None, ...]]:
    """Return where each stroke of paint may go; nothing if all go everywhere."""
    paint = job.recipe.paint
    if all(stroke.reach == "everywhere" for stroke in paint):
        return given(())
    from colorzoo.inference.steps.painting import places_along, take_weights  # few pictures have paint

    extents = [
        _NOTHING if stroke.reach == "everywhere" else extent_of(job, places_along(stroke)) for stroke in paint
    ]
    return node(take_weights, *extents)


def _places_by_reach(job: Job, hints: Sequence[PointHint]) -> list[Places]:
    groups = by_reach([hint.reach for hint in hints]).values()
    return [Places.of([hints[number] for number in group], job.part.size) for group in groups]


def paths_from(job: Job, places: Places) -> Node[Paths]:
    """Return the cheapest paths from places of the picture."""
    return node(find_paths, node(step_costs, job.part.node), places=places)


def likeness_to(job: Job, places: Places) -> Node[Tensor | None]:
    """Return how alike each place is to some places; nothing if the model compares none."""
    if not isinstance(job.network.model, ComparesPlaces):
        return _NOTHING
    return node(compare_places, job.part.node, _state(job), network=job.network, places=places)


def _with_areas(job: Job, colors: Node[Colors]) -> Node[Colors]:
    """Return the colors with the areas and the strength of the recipe."""
    recipe, lightness = job.recipe, job.part.node
    filled = _areas(job, "color")
    if filled:
        drawn = _drawn(job, filled)
        inside = _points_inside(job, filled)
        extent = extent_of(job, inside) if inside else _NOTHING
        colors = node(
            fill_areas,
            colors,
            lightness,
            drawn,
            _seeded(job, _masks(job, filled)),  # the network colors them opaque
            extent,
            strengths=tuple(hint.strength for hint in inside),
        )
    colors = node(scale_chroma, colors, factor=recipe.strength)
    locks = _areas(job, "gray", "only", "lock")
    if locks:
        drawn, own = _drawn(job, locks), _NOTHING
        if any(area.kept is None for area in locks if area.action != "gray"):
            own = _run(job, None, hinted=False)
        colors = node(lock_areas, colors, drawn, own, strength=recipe.strength)
    return colors


def _areas(job: Job, *actions: str) -> tuple[Area, ...]:
    return tuple(area for area in job.recipe.areas if area.action in actions)


def _masks(job: Job, areas: tuple[Area, ...]) -> Node[tuple[DrawnArea, ...]]:
    """Return areas as soft masks, each opaque: another opacity draws none again."""
    opaque = tuple(replace(area, opacity=1.0) for area in areas)
    return node(draw_areas, job.part.node, areas=opaque, picture_size=job.part.size)


def _drawn(job: Job, areas: tuple[Area, ...]) -> Node[tuple[DrawnArea, ...]]:
    """Return areas as soft masks with their opacities."""
    masks, opacities = _masks(job, areas), tuple(area.opacity for area in areas)
    return node(set_opacities, masks, opacities=opacities) if min(opacities) < 1 else masks


def _points_inside(job: Job, filled: tuple[Area, ...]) -> list[PointHint]:
    """Return the points inside colored areas, where they take precedence."""
    if not job.recipe.points:
        return []
    drawn = draw_areas(job.part.lightness, areas=filled, picture_size=job.part.size)
    return [
        replace(hint, reach="automatic" if hint.reach == "everywhere" else hint.reach)
        for hint in points_inside(job.recipe.points, drawn, job.part.size)
    ]


def _seeded(job: Job, drawn: Node[tuple[DrawnArea, ...]]) -> Node[Tensor] | Node[None]:
    """Return the network's answer to the colors of areas; nothing if it takes no points."""
    if "points" not in job.network.model.accepts:
        return _NOTHING
    full = tuple(hint for hint in job.recipe.points if hint.strength == 1)
    lightness = job.part.node
    seeds = node(fit_points, node(plant_seeds, drawn, hints=full, picture_size=job.part.size), lightness)
    ab = node(take_ab, _run(job, seeds))
    return node(enforce_points, ab, seeds, node(find_neighbors, lightness))


def _run(job: Job, points: Node[Points] | None, *, hinted: bool = True) -> Node[Prediction]:
    """Return the prediction for points and strokes; without ``hinted`` no strokes and colors of regions."""
    guidance, things = _guidance(job, hinted=hinted), _areas(job, "thing")
    strokes = _strokes(job) if hinted else _NOTHING
    prediction = _run_once(job, guidance, points, strokes)
    if not things or "boxes" not in job.network.model.accepts:
        return prediction
    drawn = _drawn(job, things)
    boxed = _run_once(job, node(box_things, guidance, drawn), points, strokes)
    return node(restrict_to_things, boxed, prediction, drawn)


def _run_once(
    job: Job, guidance: Node[Guidance], points: Node[Points] | None, strokes: Node[Scribbles | None]
) -> Node[Prediction]:
    """Return the prediction for guidance, strokes, and points if the model takes them."""
    told: Node[Any] = _NOTHING
    if points is not None and "points" in job.network.model.accepts:
        told = points
    state = state_of(job, guidance, told)
    return node(run_network, seen_by(job), guidance, told, strokes, state, network=job.network)


def state_of(job: Job, guidance: Node[Guidance], points: Node[Points | None]) -> Node[EditState]:
    """Return the state that speeds up the next edit; a model that redraws has one for each picture."""
    if not isinstance(job.network.model, Redraws):
        return _state(job)
    return node(keep_state, seen_by(job), guidance, points, network=job.network)


def _state(job: Job) -> Node[EditState]:
    return node(keep_state, network=job.network)


def seen_by(job: Job) -> Node[Tensor]:
    """Return the input of the network: the lightness itself, or a sketch of it."""
    lightness = job.part.node
    return node(take_lines, node(draw_sketch, lightness)) if job.paints else lightness


def _strokes(job: Job) -> Node[Scribbles | None]:
    """Return all strokes, if the model takes them."""
    if "scribbles" not in job.network.model.accepts:
        return _NOTHING
    lightness, dense, things = job.part.node, job.tensors.scribbles, _areas(job, "thing")
    strokes: Node[Scribbles | None] = _NOTHING
    if job.recipe.scribbles:
        strokes = node(draw_strokes, lightness, strokes=job.recipe.scribbles, picture_size=job.part.size)
    elif dense is not None:
        strokes = given(resize_maps(Guidance(scribbles=dense), size=job.part.seen).scribbles)
    return node(stroke_things, strokes, _drawn(job, things)) if things else strokes


def _guidance(job: Job, *, hinted: bool) -> Node[Guidance]:
    """Return all guidance but points and strokes; without ``hinted`` regions have no colors."""
    accepts, lightness = job.network.model.accepts, job.part.node
    tensors = _accepted_tensors(job, hinted=hinted)
    boxes = job.recipe.boxes if "boxes" in accepts else None
    if _areas(job, "thing") and "boxes" in accepts:
        boxes = boxes or ()  # a model that detects objects does not look for others
    guidance = node(place_boxes, given(tensors), boxes=boxes, picture_size=job.part.size, size=job.part.seen)
    added = dict(_added_guidance(job, hinted=hinted))
    unboxed = "boxes" in accepts and boxes is None and tensors.boxes is None
    if unboxed and isinstance(job.network.model, FindsBoxes):
        added["boxes"] = node(find_objects, lightness, network=job.network)
    return node(add_guidance, guidance, *added.values(), kinds=tuple(added)) if added else guidance


def _accepted_tensors(job: Job, *, hinted: bool) -> Guidance:
    """Return the tensors that the model takes, without points and strokes."""
    dropped = {kind for kind in job.tensors.kinds() if kind not in job.network.model.accepts}
    dropped |= {"points", "scribbles"} if hinted else {"points", "scribbles", "regions"}
    return replace(job.tensors, **dict.fromkeys(dropped))


def _added_guidance(job: Job, *, hinted: bool) -> Iterator[tuple[str, Node[Any]]]:
    """Yield the kinds of guidance that need the model, or that are the same at any size."""
    accepts, recipe, model = job.network.model.accepts, job.recipe, job.network.model
    kinds = recipe.kinds()
    exemplar = _exemplar(job)
    if exemplar is not None:
        yield "exemplar", exemplar
    if "statistics" in accepts and "statistics" in kinds:
        yield "statistics", node(set_statistics, wanted=recipe.statistics)
    if "classes" in accepts and "classes" in kinds and job.tensors.classes is None:
        from colorzoo.inference.steps.classes import lacks_classes, read_classes  # few recipes have classes

        if not lacks_classes(model, recipe):
            kept = {name: value for name, value in recipe.extra.items() if name == "classes"}
            only = Recipe(width=recipe.width, height=recipe.height, extra=kept)
            files = tuple(map(_digest_or_nothing, recipe.classes.label_files))
            seen = (job.part.node, exemplar or _NOTHING)
            yield "classes", node(read_classes, *seen, network=job.network, recipe=only, files=files)
    if "regions" in accepts and isinstance(model, ProposesRegions):
        if not hinted:
            yield "regions", node(color_regions, proposed_regions(job), colors=())
        elif job.tensors.regions is None:
            yield "regions", node(color_regions, divided_regions(job), colors=recipe.regions)


def _digest_or_nothing(path: str) -> str:
    try:
        return digest_of(Path(path))
    except OSError:  # reported when the file is read
        return ""


def _exemplar(job: Job) -> Node[Exemplar] | None:
    """Return the reference with its look, if the model takes one."""
    if job.reference is None or "exemplar" not in job.network.model.accepts:
        return None
    exemplar = given(job.reference)
    if job.reference.look is None and isinstance(job.network.model, GivesLooks):
        exemplar = node(find_look, exemplar, network=job.network)
    alpha = job.recipe.exemplar.alpha
    return exemplar if alpha is None else node(set_alpha, exemplar, alpha=alpha)


def proposed_regions(job: Job) -> Node[Regions]:
    """Return the regions that the model proposes.

    Raises:
        GuidanceError: It proposes none.
    """
    if not isinstance(job.network.model, ProposesRegions):
        raise GuidanceError(f"{job.network.name} proposes no regions")
    return node(propose_regions, seen_by(job), network=job.network)


def divided_regions(job: Job) -> Node[Regions]:
    """Return the proposed regions with the recipe's edits (``divisions``) applied."""
    proposed, divisions = proposed_regions(job), job.recipe.divisions
    if not divisions:
        return proposed
    return node(edit_regions, proposed, seen_by(job), divisions=divisions, picture_size=job.part.size)


def _region_remarks(job: Job) -> Node[tuple[str, ...]]:
    """Return remarks for the user on the regions that a recipe or tensors color."""
    if job.tensors.regions is None:
        colored = node(color_regions, divided_regions(job), colors=job.recipe.regions)
        return node(remark_regions, colored, proposed_regions(job), chosen_for=job.recipe.proposal)
    resized = resize_maps(Guidance(regions=job.tensors.regions), size=job.part.seen).regions
    assert resized is not None
    own, colored = isinstance(job.network.model, ProposesRegions), given(resized)
    return node(remark_regions, colored, proposed_regions(job) if own else colored, chosen_for=None)


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
