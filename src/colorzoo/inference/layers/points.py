"""Color points: the network with points, their reach and strength, and their exact colors."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from colorzoo.abilities import DrawingModel
from colorzoo.guidance import PointHint, Points
from colorzoo.inference.canvas import Canvas, PhotoCanvas
from colorzoo.inference.edit import Edit, extent_of, paths_from
from colorzoo.inference.layers.prediction import automatic_canvas
from colorzoo.inference.stages import timed
from colorzoo.inference.steps.points import (
    MOST_CORRECTED,
    enforce_points,
    find_neighbors,
    limit_reach,
    weaken_points,
)
from colorzoo.inference.steps.reach import PROBED_FACTOR, PointPatches, keep_nearer
from colorzoo.prediction import Prediction

if TYPE_CHECKING:  # photos do not need this module
    from colorzoo.inference.drawing_canvas import DrawingCanvas

Hints = tuple[PointHint, ...]
_INEXACT = (
    f"the image has more than {MOST_CORRECTED:,} points, so small points do not have their exact colors"
)
_REPLACED = (
    "{} points were replaced by later points of another color in the same region; to give its parts "
    "different colors, split the region"
)


@dataclass(frozen=True)
class ColorPoints:
    """Points of the recipe field ``points``, or points as tensors.

    Attributes:
        points: Points; later points cover earlier points.
        base_points: Points that a model for drawings receives instead, so that ``points`` change only their
            own regions; None for ``points``.
    """

    points: Hints
    base_points: Hints | None = None

    @classmethod
    def of(cls, edit: Edit) -> tuple[ColorPoints, ...]:
        """Return the layer of an edit; nothing without points."""
        base = (
            None if edit.drawing is None or edit.recipe.drawing is None else edit.recipe.drawing.base_points
        )
        if not (edit.recipe.points or base or edit.tensors.points is not None):
            return ()
        return (cls(edit.recipe.points, base),)

    def apply(self, canvas: Canvas) -> Canvas:
        """Color the image with the points."""
        if isinstance(canvas, PhotoCanvas):
            return self._color_photo(canvas)
        from colorzoo.inference.drawing_canvas import DrawingCanvas  # photos do not need it

        assert isinstance(canvas, DrawingCanvas), "there are two kinds of canvases"
        return self._color_drawing(canvas)

    def _color_photo(self, canvas: PhotoCanvas) -> PhotoCanvas:
        """Predict with the points, and mix the result by the strength of weak points."""
        edit, hints = canvas.edit, self.points
        prediction, ab = with_points(edit, hints)
        weak = tuple(hint for hint in hints if hint.strength < 1)
        if weak:
            # mix the colors with the colors without the weak points
            _, without = with_points(edit, tuple(hint for hint in hints if hint.strength == 1))
            strengths = tuple(hint.strength for hint in weak)
            extent = extent_of(edit, weak)
            ab = edit.run(weaken_points, ab, without, edit.lightness, extent, strengths=strengths)
        if canvas.changed is not None:  # an earlier layer changed the prediction without points
            ab = ab + canvas.changed - edit.predict().to_ab()
        mask = edit.tensors.points
        if len(hints) > MOST_CORRECTED or (not hints and mask is not None and mask.mask.any()):
            canvas = canvas.noted(_INEXACT)
        return replace(canvas, prediction=prediction, changed=ab, points=hints, changes=())

    def _color_drawing(self, canvas: DrawingCanvas) -> DrawingCanvas:
        """Predict with the points, copy their colors to similar regions, and fill their own regions."""
        from colorzoo.inference.drawing_canvas import predicted_flats
        from colorzoo.inference.steps.drawing import copy_points, fill_points, latest_points

        edit = canvas.edit
        assert edit.drawing is not None, "the edit of a drawing has its regions"
        if count := len(self.points) - len(latest_points(self.points, edit.drawing, edit.image_size)):
            canvas = canvas.noted(_REPLACED.format(count))
        filled = _strong_points(edit, self.points)
        hints = filled if self.base_points is None else _strong_points(edit, self.base_points)
        prediction = edit.predict(edit.rasterize(hints))
        flats = predicted_flats(edit, prediction)
        if hints and isinstance(edit.network.model, DrawingModel):
            # probability that each region and the region of a point have one color, predicted without points,
            # so that a later point does not change which regions copy earlier points
            numbers = {flats.drawing.region_at(hint.x, hint.y, edit.image_size) for hint in hints}
            similarity = region_similarity(edit, tuple(sorted(numbers)))
            flats = timed(edit.log, copy_points, flats, similarity, hints, edit.image_size)
        flats = flats.inherited(edit.drawing)
        if canvas.changed is not None:  # regions whose color an earlier layer, such as a sheet, set
            plain = predicted_flats(edit, edit.predict()).inherited(edit.drawing)
            is_kept = (canvas.changed.colors != plain.colors).any(1, keepdims=True)
            flats = replace(flats, colors=np.where(is_kept, canvas.changed.colors, flats.colors))
        flats = timed(edit.log, fill_points, flats, filled, edit.image_size)
        return replace(canvas, prediction=prediction, changed=flats)


def with_points(edit: Edit, hints: Hints) -> tuple[Prediction, Tensor]:
    """Predict the colors of a photo, and apply points at full strength within their reach.

    Args:
        edit: Photo and guidance.
        hints: All points of the edit, or some of them.

    Returns:
        The prediction, and the colors ``(1, 2, h, w)`` with the points.
    """
    points = edit.rasterize(hints)
    prediction = edit.predict(points)
    if points is None:
        return prediction, prediction.to_ab()
    ab = enforced(edit, prediction, points)
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
        _, base_ab = with_points(edit, tuple(hint for hint in hints if hint.reach not in last_reaches))
        extent = extent_of(edit, last)
        if small and larger:  # small points color only the pixels that are nearer to them
            small_paths = paths_from(edit, PointPatches.of(small, edit.image_size))
            larger_paths = paths_from(edit, PointPatches.of(larger, edit.image_size))
            extent = edit.run(keep_nearer, extent, small_paths, larger_paths)
        ab = edit.run(limit_reach, ab, base_ab, edit.lightness, points.mask, extent)
    return prediction, ab


def enforced(edit: Edit, prediction: Prediction, points: Points) -> Tensor:
    """Return the predicted ab, with the colors of points if the model does not reproduce them."""
    if edit.network.model.reproduces_points:
        return prediction.to_ab()
    neighbors = edit.run(find_neighbors, edit.lightness)
    return edit.run(enforce_points, prediction.to_ab(), points, neighbors)


def _strong_points(edit: Edit, points: Hints) -> Hints:
    """Return points of strength 1 for a drawing, with the exact ab applied to their colors.

    A point that a later point of another color replaces in its region is left out.
    A weak point gets a mixture of its color and of the automatic color of its region. The automatic color
    depends on no points, palette or variant, so that later edits do not change the region. Points with the
    strength 0 are left out.
    """
    from colorzoo.inference.steps.drawing import apply_ab, latest_points, mix_point

    assert edit.drawing is not None, "the edit of a drawing has its regions"
    latest = latest_points(points, edit.drawing, edit.image_size)
    hints = tuple(apply_ab(hint) for hint in latest if hint.strength > 0)
    if all(hint.strength == 1 for hint in hints):
        return hints
    canvas: Any = automatic_canvas(replace(edit, recipe=replace(edit.recipe, drawing=None)))
    flats = canvas.flats
    return tuple(mix_point(hint, flats, edit.image_size) if hint.strength < 1 else hint for hint in hints)


def region_similarity(edit: Edit, regions: tuple[int, ...]) -> dict[int, Tensor]:
    """Return the probabilities that other regions have the colors of some regions.

    Args:
        edit: Drawing, and a model that compares regions.
        regions: Numbers of some regions.

    Returns:
        Probability of each region ``(n,)``, by the number of the region with which it is compared.
    """
    from colorzoo.inference.drawing_canvas import colored_drawing
    from colorzoo.inference.steps.drawing import region_votes

    own = edit.without_hints().predict()
    model = edit.network.model
    assert isinstance(model, DrawingModel), "callers test the ability"
    votes = region_votes(own, colored_drawing(edit), edit.network_input)
    with edit.network.session():
        found = model.region_similarity(own, votes, torch.tensor(regions, device=votes.device)).cpu()
    return dict(zip(regions, found, strict=True))


def predict_regions(edit: Edit) -> tuple[Prediction, Tensor]:
    """Return the prediction for a drawing, and the weight of each cell in each region.

    The prediction uses the points that the model receives. See `Drawing.votes` for the weights.
    """
    from colorzoo.inference.steps.drawing import region_votes

    assert edit.drawing is not None, "the edit of a drawing has its regions"
    (layer,) = ColorPoints.of(edit) or (ColorPoints(()),)
    base = layer.points if layer.base_points is None else layer.base_points
    prediction = edit.predict(edit.rasterize(_strong_points(edit, base)))
    return prediction, region_votes(prediction, edit.drawing, edit.network_input)
