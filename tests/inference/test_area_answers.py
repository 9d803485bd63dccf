"""Object areas: a box or a border stroke for the model, and no rectangle in the answer."""

from __future__ import annotations

from typing import ClassVar

import pytest
import torch
from torch import Tensor

from colorzoo.guidance import Area, Boxes, Guidance, Recipe
from colorzoo.image_io.read import read_image
from colorzoo.inference.colorizer import Colorizer, choose_for_guidance
from colorzoo.prediction import AbPrediction
from inference.flood_model import SIDE, Flood, two_walls

WALL = Area("thing", ((0, 0), (SIDE / 2, 0), (SIDE / 2, SIDE), (0, SIDE)))  # the dark one
TRIANGLE = Area("thing", ((20, 20), (40, 20), (20, 40)))


class Boxed(Flood):
    """Turns a whole image by 10 for each box, which no box of the real one does."""

    accepts = frozenset({"points", "boxes"})
    told: ClassVar[list[Boxes | None]] = []

    def forward(self, lightness: Tensor, guidance: Guidance | None = None) -> AbPrediction:
        assert guidance is not None
        Boxed.told.append(guidance.boxes)
        count = 0 if guidance.boxes is None else float(guidance.boxes.given.sum())
        return AbPrediction(ab=super().forward(lightness, guidance).ab + 10 * count)


class Stroked(Flood):
    """Keeps the strokes that it gets."""

    accepts = frozenset({"scribbles"})
    told: ClassVar[list[Tensor]] = []

    def forward(self, lightness: Tensor, guidance: Guidance | None = None) -> AbPrediction:
        if guidance is not None and guidance.scribbles is not None:
            Stroked.told.append(guidance.scribbles.mask[0, 0])
        return AbPrediction(ab=torch.zeros(1, 2, *lightness.shape[2:]))


@pytest.fixture(autouse=True)
def forget() -> None:
    for told in (Boxed.told, Stroked.told, Flood.runs):
        told.clear()


class Deaf(Flood):
    """Takes points alone."""

    accepts = frozenset({"points"})


def ab_of(colorizer: Colorizer, *areas: Area, **more: object) -> Tensor:
    recipe = Recipe.from_json(Recipe(areas=areas, **more).to_json())  # type: ignore[arg-type]
    return colorizer.colorize(read_image(two_walls(1)), recipe).ab


def test_a_box_around_an_area_changes_nothing_outside_of_it() -> None:
    colorizer = Colorizer(Boxed(), device="cpu")
    plain, thing = ab_of(colorizer), ab_of(colorizer, WALL)
    change = (thing - plain)[0]
    assert (change[:, 52:] == 0).all()
    torch.testing.assert_close(change[:, :40], torch.full((SIDE, 40), 10.0))
    sides = change[SIDE // 2].diff().abs()
    assert 0 < sides.max() < 10, "its edge is soft"
    corners = Boxed.told[-1]
    assert corners is not None
    torch.testing.assert_close(corners.corners[0], torch.tensor([[0.0, 0.0, 0.5, 1.0]]), atol=0.03, rtol=0)


def test_the_border_of_an_area_becomes_a_stroke_except_at_the_image_border() -> None:
    ab_of(Colorizer(Stroked(), device="cpu"), WALL, TRIANGLE)
    (mask,) = Stroked.told
    assert mask[60:, SIDE // 2 - 1 : SIDE // 2 + 1].min() == 1
    assert mask[60:, : SIDE // 2 - 8].max() == 0, "neither inside nor at the sides of the image"
    assert mask[60:, SIDE // 2 + 8 :].max() == 0
    assert mask[20, 25:35].min() == 1


def test_a_model_without_boxes_or_strokes_has_a_note_and_another_is_the_default() -> None:
    image, recipe = read_image(two_walls(1)), Recipe(areas=(WALL,))
    assert "object areas" in Colorizer(Deaf(), device="cpu").colorize(image, recipe).notes[0]
    assert Colorizer(Boxed(), device="cpu").colorize(image, recipe).notes == ()
    assert choose_for_guidance(None, recipe).name == "kim2021_su2020_small"
