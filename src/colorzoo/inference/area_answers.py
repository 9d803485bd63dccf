"""The further answers of a model that areas need, and the areas laid over them."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import replace

import torch
from torch import Tensor

from colorzoo.color import rgb_to_lab
from colorzoo.guidance import Guidance, Recipe
from colorzoo.inference.areas import (
    DrawnArea,
    area_points,
    colored,
    draw_areas,
    fill_areas,
    hold,
    luma_shift,
    points_inside,
)
from colorzoo.inference.guide import DrawnRequest, fit_points
from colorzoo.inference.honor import honor_points
from colorzoo.inference.reach import Bases
from colorzoo.inference.solved import Solved
from colorzoo.tasks import Prediction, RgbPrediction

Predict = Callable[[Tensor, Guidance], Prediction]
Bare = Callable[[Guidance, Tensor], Guidance]


class AreaAnswers:
    """Lays the areas of recipes over the answers of one model.

    Args:
        accepts: Kinds of guidance that the model takes.
        predict: Runs it on a lightness ``(1, 1, h, w)`` and guidance of the same size.
        bare: Takes the colors out of what a model is given besides points and scribbles.
    """

    def __init__(self, accepts: Collection[str], predict: Predict, bare: Bare) -> None:
        self._accepts, self._predict, self._bare = accepts, predict, bare
        self._told, self._own = Bases(), Bases()

    def apply(self, solved: Solved, luma: Tensor, given: Guidance, request: DrawnRequest) -> Solved:
        """Fill and hold the areas of a recipe, and apply its strength.

        Args:
            solved: The answer without areas and strength.
            luma: ``(1, 1, h, w)`` of the picture, as the network sees it.
            given: What the model was given for that answer.
            request: Of the recipe.

        Raises:
            GuidanceError: Kept colors cannot be read.
        """
        recipe, whole = _sized(request)
        drawn = draw_areas(recipe.areas, whole, luma)
        filled = colored(drawn)
        shift = luma_shift(filled if solved.painted is None else (), luma)
        ab = solved.ab
        if filled:
            shown = shift.on(luma) if solved.painted is None else solved.painted
            answer = self._answer(luma, given, filled, request) if "points" in self._accepts else None
            points = points_inside(filled, recipe, luma, whole)
            ab = fill_areas(ab, answer, filled, shown[0, 0], points)
        paint = torch.zeros_like(luma) if solved.painted is None else solved.painted
        scale = torch.tensor([1.0, request.strength, request.strength]).view(3, 1, 1)
        lab = torch.cat([paint[0], ab]) * scale
        lab, held = hold(lab, drawn, lambda: self._bare_answer(luma, given) * scale)
        painted = None if solved.painted is None else lab[None, :1]
        return replace(solved, ab=lab[1:], painted=painted, shift=shift, held=held)

    def _answer(
        self, luma: Tensor, given: Guidance, filled: tuple[DrawnArea, ...], request: DrawnRequest
    ) -> Tensor:
        """Return the ``(2, h, w)`` answer to the colors of areas and what belongs to them."""
        recipe, whole = _sized(request)
        points = area_points(filled, recipe, whole, (int(luma.shape[2]), int(luma.shape[3])))

        def honored(seen: Tensor, told: Guidance) -> Tensor:
            assert told.points is not None
            return honor_points(self._predict(seen, told).to_ab(), seen, told.points)

        return self._told.of(luma, fit_points(replace(given, points=points), luma), honored)[0]

    def _bare_answer(self, luma: Tensor, given: Guidance) -> Tensor:
        """Return the model's own Lab ``(3, h, w)``: without hints, and L is 0 if it does not paint it."""

        def lab(seen: Tensor, bare: Guidance) -> Tensor:
            prediction = self._predict(seen, bare)
            if isinstance(prediction, RgbPrediction):
                return rgb_to_lab(prediction.rgb)
            return torch.cat([torch.zeros_like(seen), prediction.to_ab()], dim=1)

        bare = self._bare(replace(given, points=None, scribbles=None), luma)
        return self._own.of(luma, bare, lab)[0]


def _sized(request: DrawnRequest) -> tuple[Recipe, tuple[int, int]]:
    assert request.recipe is not None
    assert request.whole is not None
    return request.recipe, request.whole
