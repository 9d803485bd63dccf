"""Inference pipeline: predict the colors of one image and apply its guidance."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import replace
from operator import attrgetter
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import torch
from torch import Tensor

from colorzoo.abilities import (
    DetectionModel,
    DrawingModel,
    ExemplarModel,
    RegionModel,
    SegmentationModel,
    SimilarityModel,
)
from colorzoo.errors import GuidanceError
from colorzoo.guidance import Area, DrawingSettings, Guidance, PointHint, Points, Regions
from colorzoo.guidance.fields import Reach
from colorzoo.guidance.hints import boxes_of, rasterize_points
from colorzoo.guidance.kinds import guidance_kind
from colorzoo.inference.full_size import map_size
from colorzoo.inference.result import NOTHING_TO_COLOR, ColorizedImage
from colorzoo.inference.steps.areas import (
    DrawnArea,
    boxes_of_areas,
    draw_areas,
    fill_areas,
    lock_areas,
    plant_seeds,
    points_inside,
    restrict_to_areas,
    seed_hints,
    strokes_of_areas,
)
from colorzoo.inference.steps.pages import detect_page
from colorzoo.inference.steps.points import (
    enforce_points,
    find_neighbors,
    fit_points,
    limit_reach,
    weaken_points,
)
from colorzoo.inference.steps.reach import (
    PROBED_FACTOR,
    Extent,
    Paths,
    PointPatches,
    find_paths,
    keep_nearer,
    limit_extent,
    step_costs,
)
from colorzoo.inference.task import ColorizeTask, Colors, timed
from colorzoo.prediction import Prediction, RgbPrediction

if TYPE_CHECKING:  # photos do not need these stages
    from colorzoo.inference.steps.drawing import Drawing, FlatColors

Hints = tuple[PointHint, ...]
# fields of a point in the keys of stage results: predictions depend on the first fields, and colors with all
# points at full strength also depend on the reach
_PREDICTED = ("x", "y", "radius", "color", "ab")
_MOST_STROKE_POINTS = 64  # maximum number of points along a paint stroke that determine its reach
_STROKE_APART = 0.25  # distance between these points in brush diameters
_STROKE_CORE = 0.1  # half the side of a point's square in brush diameters
_predicted_fields = attrgetter(*_PREDICTED)
_full_strength_fields = attrgetter(*_PREDICTED, "reach")


def colorize_task(task: ColorizeTask, *, detect_pages: bool = True) -> ColorizedImage:
    """Run the model on a prepared image, apply its guidance and return the result.

    `Colorizer.prepare` runs the earlier stages. The colors of the result have the size of the network input,
    and `ColorizedImage.levels` computes the full-size image.

    Examples:
        >>> colorizer = Colorizer("zhang2017_local_small", device="cpu")
        >>> lightness = torch.full((1, 1, 32, 48), 50.0)
        >>> task = colorizer.prepare_lightness(lightness, (48, 32), Recipe())
        >>> colorize_task(task).ab.shape
        torch.Size([2, 32, 48])

    Args:
        task: Image, model and guidance.
        detect_pages: Whether a blank page or a page of text stays gray if the task has no guidance. Video
            frames are always colorized.

    Raises:
        GuidanceError: The recipe is invalid for this image or model.
        ColorzooError: The prediction is not finite.
    """
    recipe = task.recipe
    notes = [*task.notes, *_guidance_notes(task)]
    if task.network.is_sketch:
        prediction, flats = _color_drawing(task)
        colors = Colors.of_drawing(flats, map_size(task.lightness))
        notes += drawing_of(task).notes
    else:
        prediction, ab = _color_photo(task)
        colors = Colors(ab)
    if recipe.areas:
        filled = _fill_areas(task, colors).scaled(recipe.strength)
        colors = _lock_areas(task, filled)  # the strength does not change the stored colors of locked areas
    elif recipe.strength != 1:
        colors = colors.scaled(recipe.strength)
    # guidance that the model ignores does not change the result
    used = {*task.kinds} & {"points", *task.network.model.accepts}
    if task.tensors.points is None and all(hint.strength == 0 for hint in recipe.points):
        used -= {"points"}  # points without effect
    has_guidance = used or recipe.areas
    can_be_page = detect_pages and not has_guidance and not task.network.is_sketch
    if can_be_page and task.run(detect_page, task.lightness):
        colors = colors.scaled(0)
        notes.append(NOTHING_TO_COLOR)
    return ColorizedImage(
        colors,
        replace(task, results={}),  # without the cached maps, which need memory
        notes=(*notes, *prediction.notes),
        prediction=prediction,
        reaches=_paint_reaches(task) if recipe.paint else (),
    )


def _color_photo(task: ColorizeTask) -> tuple[Prediction, Tensor]:
    """Return the prediction for a photo, and its colors ``(1, 2, h, w)`` with points at their strength."""
    hints = task.recipe.points
    prediction, strong = _color_with_points(task, hints)
    weak = tuple(hint for hint in hints if hint.strength < 1)
    if not weak:
        return prediction, strong
    # mix the colors with the colors without the weak points
    _, without = _color_with_points(task, tuple(hint for hint in hints if hint.strength == 1))
    strengths = tuple(hint.strength for hint in weak)
    all_strengths = tuple(hint.strength for hint in hints)
    key = tuple(map(_full_strength_fields, hints)), all_strengths, task.guidance_key
    extent = extent_of(task, weak)
    ab = task.run(weaken_points, strong, without, task.lightness, extent, strengths=strengths, key=key)
    return prediction, ab


def _color_with_points(task: ColorizeTask, hints: Hints) -> tuple[Prediction, Tensor]:
    """Predict colors with points, and apply the points at full strength within their reach.

    Args:
        task: Photo and guidance.
        hints: All points of the recipe, or some of them.

    Returns:
        The prediction, and the colors ``(1, 2, h, w)`` with the points.
    """
    points, prediction = _predict_with_points(task, hints)
    if points is None:
        return prediction, prediction.to_ab()
    ab = _ab_with_points(task, prediction, points, tuple(map(_predicted_fields, hints)))
    if any(hint.reach != "everywhere" for hint in hints):
        # Points of limited reach are added last. If some of them are small, only the small points are added
        # last, because the network would spread their colors within larger reaches.
        reaches = {hint.reach for hint in hints}
        small_reaches = {reach for reach in reaches if not isinstance(reach, str) and reach <= PROBED_FACTOR}
        limited = tuple(hint for hint in hints if hint.reach != "everywhere")
        small = tuple(hint for hint in hints if hint.reach in small_reaches)
        larger = tuple(hint for hint in limited if hint.reach not in small_reaches)
        last = small or larger
        last_reaches = {hint.reach for hint in last}
        # colors outside the reach of the last points
        others = tuple(hint for hint in hints if hint.reach not in last_reaches)
        _, base_ab = _color_with_points(task, others)
        extent = extent_of(task, last)
        if small and larger:  # small points color only the pixels that are nearer to them
            small_paths = paths_from(task, PointPatches.of(small, task.image_size))
            larger_paths = paths_from(task, PointPatches.of(larger, task.image_size))
            extent = keep_nearer(extent, small_paths, larger_paths)
        key = (tuple(map(_full_strength_fields, hints)), task.guidance_key)
        ab = task.run(limit_reach, ab, base_ab, task.lightness, points.mask > 0, extent, key=key)
    return prediction, ab


def _ab_with_points(
    task: ColorizeTask, prediction: Prediction, points: Points, points_key: Hashable
) -> Tensor:
    """Return the predicted ab, with the colors of points if the model does not reproduce them."""
    if task.network.model.reproduces_points:
        return prediction.to_ab()
    neighbors = task.run(find_neighbors, task.lightness)
    key = points_key, task.guidance_key
    return task.run(enforce_points, prediction.to_ab(), points, neighbors, key=key)


def _predict_with_points(task: ColorizeTask, hints: Hints) -> tuple[Points | None, Prediction]:
    """Rasterize points at the size of the network input and run the model.

    Returns:
        The rasterized points, which are None without points, and the prediction.
    """
    points, size = task.tensors.points, map_size(task.lightness)
    key = tuple(map(_predicted_fields, hints))
    if points is None and hints:
        points = task.run(rasterize_points, hints, *task.image_size, size, key=key)
    if points is not None and not task.network.is_sketch:  # drawings have no lightness to fit colors to
        points = task.run(fit_points, points, task.lightness, key=key)
    return points, _predict(task, points, key)


def _predict(task: ColorizeTask, points: Points | None, points_key: Hashable = None) -> Prediction:
    """Run the model with points and the other guidance of the task.

    If the recipe contains object areas, a model that accepts boxes runs a second time, with boxes around the
    areas. Inside the areas, the second prediction replaces the first.

    Args:
        task: Image and guidance; its points are ignored.
        points: Points at the size of the network input.
        points_key: Fields of the points on which the prediction depends; None without points.
    """
    network, accepts = task.network, task.network.model.accepts
    if points is None or "points" not in accepts:
        points, points_key = None, None
    states = task.states
    image = network_input(task)
    key = (points_key, task.guidance_key)
    guidance = _guidance(task, points)
    prediction = task.run(network.run_network, image, guidance, states, key=key)
    if "boxes" not in accepts:
        return prediction
    objects = _areas(task, "thing")
    if not objects:
        return prediction
    drawn = _drawn_areas(task, objects)
    with_boxes = boxes_of_areas(guidance, drawn)
    boxed = task.run(network.run_network, image, with_boxes, states, key=(key, "boxes"))
    return restrict_to_areas(boxed, prediction, drawn)


def network_input(task: ColorizeTask) -> Tensor:
    """Return the network input: the lightness, or the line drawing for sketch models."""
    if not task.network.is_sketch:
        return task.lightness
    return drawing_of(task).sketch(map_size(task.lightness))


def extent_of(task: ColorizeTask, hints: Sequence[PointHint]) -> Extent:
    """Compute the pixels to which the colors of points apply; see `limit_extent`."""
    groups: dict[Reach, list[int]] = {}  # numbers of the points with each reach
    for number, hint in enumerate(hints):
        groups.setdefault(hint.reach, []).append(number)
    patches = PointPatches.of(hints, task.image_size)
    parts = [PointPatches.of([hints[n] for n in numbers], task.image_size) for numbers in groups.values()]
    return task.run(
        limit_extent,
        [paths_from(task, part) for part in parts],
        [similarity_to(task, part) for part in parts],
        patches=patches,
        groups=groups,
        size=map_size(task.lightness),
        key=(patches, tuple(hint.reach for hint in hints)),
    )


def paths_from(task: ColorizeTask, patches: PointPatches) -> Paths:
    """Find the shortest paths from points to all cells of the search grid.

    See `find_paths`.
    """
    return task.run(find_paths, task.run(step_costs, task.lightness), patches, key=patches)


def similarity_to(task: ColorizeTask, patches: PointPatches) -> Tensor | None:
    """Compute the similarity of all positions to the pixels that points cover.

    The result is None if the model does not compute similarity.
    """
    if not isinstance(task.network.model, SimilarityModel):
        return None
    return task.run(task.network.compute_similarity, task.lightness, patches, task.states, key=patches)


def _guidance(task: ColorizeTask, points: Points | None) -> Guidance:
    """Return the guidance of a prediction: points, and the other kinds that the model accepts."""
    recipe, model, given = task.recipe, task.network.model, task.tensors
    accepted = model.accepts
    # tensors of the caller, and hints of the recipe as tensors
    values = recipe.hints()
    hints: dict[str, Any] = {kind: given.get(kind) for kind in given.kinds() if kind in accepted}
    for kind, value in values.items():
        if kind in accepted and kind != "points":
            hints[kind] = guidance_kind(kind).tensors(value, task.lightness, task.image_size)
    hints["points"] = points
    # reference, with its embedding if the model encodes references
    if "exemplar" in accepted:
        exemplar = task.reference
        if exemplar is not None and exemplar.embedding is None and isinstance(model, ExemplarModel):
            exemplar = task.run(task.network.embed_exemplar, exemplar)
        if exemplar is not None and recipe.exemplar.alpha is not None:
            exemplar = replace(exemplar, alpha=recipe.exemplar.alpha)
        hints["exemplar"] = given.exemplar if exemplar is None else exemplar
    # classes of the image and of its reference
    if "classes" in accepted:
        hints["classes"] = given.classes
        if given.classes is None and "classes" in values and not _lacks_classes(task):
            from colorzoo.inference.steps.classes import read_classes  # few recipes have classes

            reference = task.reference if "exemplar" in accepted else None
            hints["classes"] = task.run(
                read_classes, task.network, recipe, task.lightness, reference, key=repr(recipe.classes)
            )
    # proposed regions with the divisions and the colors of the recipe
    if "regions" in accepted:
        hints["regions"] = given.regions
        if given.regions is None and isinstance(model, RegionModel):
            from colorzoo.inference.steps.regions import color_regions

            divided, colors = divided_regions(task), recipe.regions
            key = recipe.divisions, repr(colors)
            hints["regions"] = task.run(color_regions, divided, colors, key=key)
    # objects that the model detects, unless boxes or object areas disable the detection
    objects = _areas(task, "thing")
    if "boxes" in accepted and recipe.boxes is None:
        if objects:
            hints["boxes"] = boxes_of((), *task.image_size)
        elif given.boxes is None and isinstance(model, DetectionModel):
            hints["boxes"] = task.run(task.network.find_objects, task.lightness)
    # boundaries of object areas
    if "scribbles" in accepted and objects:
        hints["scribbles"] = strokes_of_areas(hints.get("scribbles"), _drawn_areas(task, objects))
    return Guidance().with_hints(**hints)


def _lacks_classes(task: ColorizeTask) -> bool:
    """Return whether the recipe requires predicted classes that the model cannot provide."""
    return not isinstance(task.network.model, SegmentationModel) and not task.recipe.classes.file


def proposed_regions(task: ColorizeTask) -> Regions:
    """Return the regions that the model proposes.

    Raises:
        GuidanceError: The model does not propose regions.
    """
    if not isinstance(task.network.model, RegionModel):
        raise GuidanceError(
            f"--model must support region guidance, got {task.network.name}. Run `colorzoo models --guidance "
            "regions` to list such models."
        )
    return task.run(task.network.propose_regions, network_input(task))


def divided_regions(task: ColorizeTask) -> Regions:
    """Return the proposed regions with the edits of the recipe field ``divisions``."""
    proposed, divisions = proposed_regions(task), task.recipe.divisions
    if not divisions:
        return proposed
    from colorzoo.inference.steps.regions import edit_regions

    sketch = network_input(task)
    return task.run(edit_regions, proposed, sketch, divisions, image_size=task.image_size, key=divisions)


def drawing_of(task: ColorizeTask) -> Drawing:
    """Return the lines and regions of the drawing in a task."""
    assert task.drawing is not None, "`Colorizer` sets it for each model for drawings"
    return task.drawing


def _drawing_hints(task: ColorizeTask) -> tuple[Hints, Hints]:
    """Return the points that fill regions of a drawing, and the points that the model receives.

    The points have the strength 1, and exact ab is applied to their colors. A weak point, whose strength is
    below 1, gets a mixture of its color and of the automatic color of its region. The automatic color depends
    on no points, palette or variant, so that later edits do not change the region. Points with the strength 0
    are left out.
    """
    from colorzoo.inference.steps.drawing import apply_ab, mix_point

    points, base = task.recipe.points, (task.recipe.drawing or DrawingSettings()).base_points
    hints = tuple(apply_ab(hint) for hint in points if hint.strength > 0)
    base_hints = hints if base is None else tuple(apply_ab(hint) for hint in base if hint.strength > 0)
    if all(hint.strength == 1 for hint in (*hints, *base_hints)):
        return hints, base_hints
    plain = _plain_task(task)
    plain = replace(plain, recipe=replace(plain.recipe, drawing=None))
    flats = _predicted_flats(plain, _predict(plain, None))

    def mixed(weak: Hints) -> Hints:
        return tuple(mix_point(hint, flats, task.image_size) if hint.strength < 1 else hint for hint in weak)

    return mixed(hints), mixed(base_hints)


def _predicted_flats(task: ColorizeTask, prediction: Prediction) -> FlatColors:
    """Choose the color of each region from a prediction."""
    from colorzoo.inference.steps.drawing import (
        FlatColors,
        mean_colors,
        palette_colors,
        region_votes,
        soft_shading,
    )

    drawing, model, sketch = drawing_of(task), task.network.model, network_input(task)
    settings = task.recipe.drawing or DrawingSettings()
    assert isinstance(prediction, RgbPrediction)
    if isinstance(model, DrawingModel):
        votes = region_votes(prediction, drawing, sketch)
        palette = palette_colors(settings.palette)
        with task.network.session():
            colors = model.region_colors(prediction, votes, palette, settings.variant).cpu().numpy()
    else:
        colors = timed(task.log, mean_colors, prediction.rgb, drawing, sketch)
    shading = soft_shading(prediction.rgb, drawing, sketch) if settings.shading else None
    return FlatColors(drawing, colors, shading, has_lines=not settings.flats)


def _color_drawing(task: ColorizeTask) -> tuple[Prediction, FlatColors]:
    """Predict the colors of the regions of a drawing, and fill the regions of points.

    Returns:
        The prediction with the points that the model receives, and the region colors.
    """
    from colorzoo.inference.steps.drawing import copy_points, fill_points, region_votes

    filled, hints = _drawing_hints(task)
    _, prediction = _predict_with_points(task, hints)
    flats = _predicted_flats(task, prediction)
    if hints and isinstance(task.network.model, DrawingModel):
        # probability that each region and the region of a point have one color, predicted without points, so
        # that a later point does not change which regions copy earlier points
        own = _predict(_plain_task(task), None)
        drawing = drawing_of(task)
        votes = region_votes(own, drawing, network_input(task))
        regions = sorted({drawing.region_at(hint.x, hint.y, task.image_size) for hint in hints})
        numbers = torch.tensor(regions, device=votes.device)
        with task.network.session():
            similarity = task.network.model.region_similarity(own, votes, numbers).cpu()
        by_region = dict(zip(regions, similarity, strict=True))
        flats = timed(task.log, copy_points, flats, by_region, hints, task.image_size)
    return prediction, timed(task.log, fill_points, flats, filled, task.image_size)


def predict_regions(task: ColorizeTask) -> tuple[Prediction, Tensor]:
    """Return the prediction for a drawing, and the weight of each cell in each region.

    The prediction uses the points that the model receives. See `Drawing.votes` for the weights.
    """
    from colorzoo.inference.steps.drawing import region_votes

    _, base = _drawing_hints(task)
    _, prediction = _predict_with_points(task, base)
    return prediction, region_votes(prediction, drawing_of(task), network_input(task))


def _plain_task(task: ColorizeTask) -> ColorizeTask:
    """Return the task without points, strokes, region colors and divisions of regions."""
    recipe = replace(task.recipe, points=(), scribbles=(), regions=(), divisions=())
    tensors = replace(task.tensors, points=None, scribbles=None, regions=None)
    return replace(task, recipe=recipe, tensors=tensors)


def _fill_areas(task: ColorizeTask, colors: Colors) -> Colors:
    """Fill areas with their colors."""
    areas = _areas(task, "color")
    if not areas:
        return colors
    drawn = _drawn_areas(task, areas)
    if colors.flats is not None:
        from colorzoo.inference.steps.drawing import fill_drawing_areas

        fills = [(cast(str, each.area.color), each.area.opacity * each.share) for each in drawn]
        flats = fill_drawing_areas(colors.flats, fills, task.recipe.points, task.image_size)
        return Colors.of_drawing(flats, map_size(task.lightness))
    # points inside areas override the area colors; here the reach "everywhere" means "automatic"
    points = points_inside(task.recipe.points, drawn, task.image_size)
    inside = [replace(hint, reach="automatic") if hint.reach == "everywhere" else hint for hint in points]
    # predict colors from the area colors at full opacity
    seeded = None
    if "points" in task.network.model.accepts:
        opaque = _opaque_areas(task, areas)
        hints = seed_hints(task.recipe.points, opaque, task.image_size)
        seeds = plant_seeds(opaque, hints=hints, image_size=task.image_size)
        seeds = fit_points(seeds, task.lightness)
        key = repr([each.area for each in opaque]), tuple(map(_predicted_fields, hints))
        seeded = _ab_with_points(task, _predict(task, seeds, key), seeds, key)
    extent = extent_of(task, inside) if inside else None
    return task.run(
        fill_areas,
        colors,
        task.lightness,
        drawn,
        seeded,
        extent,
        strengths=tuple(hint.strength for hint in inside),
        key=(repr((task.recipe.points, areas)), task.guidance_key),
    )


def _lock_areas(task: ColorizeTask, colors: Colors) -> Colors:
    """Restore or remove the colors of locked areas."""
    areas = _areas(task, "gray", "only", "lock")
    if not areas:
        return colors
    # predict colors without hints; the regions of a drawing have one color each, without lines
    own = None
    if any(area.kept is None for area in areas if area.action != "gray"):
        own = _predict(_plain_task(task), None)
        if task.network.is_sketch:
            plain_flats = replace(_predicted_flats(task, own), has_lines=False)
            rgb = plain_flats.over(map_size(task.lightness)).compose(None)
            own = RgbPrediction(rgb=torch.from_numpy(rgb).permute(2, 0, 1)[None])
    drawn, strength = _drawn_areas(task, areas), task.recipe.strength
    if colors.flats is None:
        return lock_areas(colors, drawn, own, strength=strength)
    from colorzoo.inference.steps.drawing import add_change

    # the change applies to the flat colors, so it is computed without the lines
    size = map_size(colors.ab)
    plain = Colors.of_drawing(replace(colors.flats, has_lines=False), size)
    lines_of = colors.flats.drawing if colors.flats.has_lines else None
    locked = lock_areas(plain, drawn, own, strength=strength, lines_of=lines_of)
    flats = add_change(colors.flats, (locked.lab - plain.lab)[0])
    return replace(Colors.of_drawing(flats, size), locked=locked.locked)


def _areas(task: ColorizeTask, *actions: str) -> tuple[Area, ...]:
    return tuple(area for area in task.recipe.areas if area.action in actions)


def _opaque_areas(task: ColorizeTask, areas: tuple[Area, ...]) -> tuple[DrawnArea, ...]:
    """Return the soft masks of areas; opacity is ignored so that cached masks can be reused."""
    opaque = tuple(replace(area, opacity=1.0) for area in areas)
    return task.run(draw_areas, task.lightness, opaque, image_size=task.image_size, key=repr(opaque))


def _drawn_areas(task: ColorizeTask, areas: tuple[Area, ...]) -> tuple[DrawnArea, ...]:
    """Return the areas with their soft masks and opacities."""
    opaque = zip(_opaque_areas(task, areas), areas, strict=True)
    return tuple(replace(each, area=replace(each.area, opacity=area.opacity)) for each, area in opaque)


def _paint_reaches(task: ColorizeTask) -> tuple[Tensor | None, ...]:
    """Return a mask of the pixels that each paint stroke can change, or None for all pixels.

    The result is empty if all strokes are unlimited.
    """
    if all(stroke.reach == "everywhere" for stroke in task.recipe.paint):
        return ()
    width, height = task.image_size
    reaches: list[Tensor | None] = []
    for stroke in task.recipe.paint:
        if stroke.reach == "everywhere":
            reaches.append(None)
            continue
        # evenly spaced points along the stroke
        path = np.array(stroke.path if len(stroke.path) > 1 else stroke.path * 2)
        lengths = np.hypot(*np.diff(path, axis=0).T)
        ends = np.concatenate([[0.0], np.cumsum(lengths)])
        apart = max(_STROKE_APART * stroke.size, 1.0)
        at = np.linspace(0, ends[-1], min(_MOST_STROKE_POINTS, 1 + int(ends[-1] // apart)))
        xs, ys = (np.interp(at, ends, path[:, axis]).tolist() for axis in (0, 1))
        radius = _STROKE_CORE * stroke.size
        points = [PointHint(x, y, radius, reach=stroke.reach) for x, y in zip(xs, ys, strict=True)]
        inside = [point for point in points if 0 <= point.x <= width and 0 <= point.y <= height]
        reaches.append(extent_of(task, inside or points).weight)
    return tuple(reaches)


def _guidance_notes(task: ColorizeTask) -> list[str]:
    """Return notes about guidance that the model ignores, or that was made for other regions."""
    name, model, accepts = task.network.name, task.network.model, task.network.model.accepts
    unsupported = (kind for kind in task.kinds if kind not in accepts and kind != "points")
    ignored = [guidance_kind(kind).title or kind for kind in unsupported]
    if "classes" in accepts and "classes" in task.recipe.kinds() and _lacks_classes(task):
        ignored.append("classes without label images")
    if _areas(task, "thing") and "boxes" not in accepts and "scribbles" not in accepts:
        ignored.append("object areas")
    if task.recipe.divisions and not (task.network.is_sketch or isinstance(model, RegionModel)):
        ignored.append("divisions")
    settings = task.recipe.drawing
    if settings is not None and not isinstance(model, DrawingModel):
        if not task.network.is_sketch:
            ignored.append("the settings for drawings")
        else:
            ignored += ["palettes"] if settings.palette else []
            ignored += ["variants"] if settings.variant else []
    notes = [f"{name} does not use {guidance}, which had no effect" for guidance in ignored]
    # models that only warp references ignore their strength
    if "exemplar" in task.kinds and "exemplar" in accepts and not isinstance(model, ExemplarModel):
        exemplar, strength = task.reference or task.tensors.exemplar, task.recipe.exemplar.alpha
        if exemplar is not None and strength is None:
            strength = exemplar.alpha
        if strength not in (None, 1):
            notes.append(f"{name} does not use the strength (alpha) of references; it was ignored")
    if "points" in task.kinds and "points" not in accepts:
        where = "their regions" if task.network.is_sketch else "nearby pixels up to lightness edges"
        notes.append(f"{name} does not use points; they color only {where}")
    # region colors of the recipe that were chosen for other proposed regions
    recipe = task.recipe
    has_colors = recipe.proposal is not None and recipe.regions and task.tensors.regions is None
    if "regions" in accepts and has_colors:
        from colorzoo.inference.steps.regions import OTHER_PROPOSAL, proposal_hash

        if proposal_hash(proposed_regions(task)) != recipe.proposal:
            notes.append(OTHER_PROPOSAL)
    return notes
