"""Object areas: conversion to boxes or border scribbles, and soft-edged results."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

import pytest
import torch
from torch import Tensor

from colorzoo.guidance import Area, Boxes, Guidance, Recipe, Stroke
from colorzoo.image_io.read import read_image
from colorzoo.inference.choice import choose_model
from colorzoo.inference.colorizer import Colorizer
from colorzoo.prediction import AbPrediction
from inference.flood_model import SIDE, Flood, two_walls

WALL = Area("thing", ((0, 0), (SIDE / 2, 0), (SIDE / 2, SIDE), (0, SIDE)))  # the dark one
TRIANGLE = Area("thing", ((20, 20), (40, 20), (20, 40)))


class Boxed(Flood):
    """Adds 10 to ab of the whole image for each box."""

    accepts = frozenset({"points", "boxes"})
    received: ClassVar[list[Boxes | None]] = []

    def forward(self, lightness: Tensor, guidance: Guidance | None = None) -> AbPrediction:
        assert guidance is not None
        Boxed.received.append(guidance.boxes)
        count = 0 if guidance.boxes is None else float(guidance.boxes.given.sum())
        return AbPrediction(ab=super().forward(lightness, guidance).ab + 10 * count)


class Stroked(Flood):
    """Records the scribbles that it receives."""

    accepts = frozenset({"scribbles"})
    received: ClassVar[list[Tensor]] = []

    def forward(self, lightness: Tensor, guidance: Guidance | None = None) -> AbPrediction:
        if guidance is not None and guidance.scribbles is not None:
            Stroked.received.append(guidance.scribbles.mask[0, 0])
        return AbPrediction(ab=torch.zeros(1, 2, *lightness.shape[2:]))


@pytest.fixture(autouse=True)
def clear_records() -> None:
    for received in (Boxed.received, Stroked.received, Flood.runs):
        received.clear()


class PointsOnly(Flood):
    """Accepts only points."""

    accepts = frozenset({"points"})


def ab_of(colorizer: Colorizer, *areas: Area, **more: object) -> Tensor:
    recipe = Recipe.from_json(Recipe(areas=areas, **more).to_json())  # type: ignore[arg-type]
    return colorizer.colorize(read_image(two_walls(1)), recipe).ab


def test_thing_area_box_changes_only_the_area_with_a_soft_edge() -> None:
    colorizer = Colorizer(Boxed(), device="cpu")
    plain, thing = ab_of(colorizer), ab_of(colorizer, WALL)
    change = (thing - plain)[0]
    assert (change[:, 52:] == 0).all()
    torch.testing.assert_close(change[:, :40], torch.full((SIDE, 40), 10.0))
    sides = change[SIDE // 2].diff().abs()
    assert 0 < sides.max() < 10, "its edge is soft"
    corners = Boxed.received[-1]
    assert corners is not None
    torch.testing.assert_close(corners.corners[0], torch.tensor([[0.0, 0.0, 0.5, 1.0]]), atol=0.03, rtol=0)


def test_thing_area_outline_becomes_a_scribble_except_at_image_borders() -> None:
    ab_of(Colorizer(Stroked(), device="cpu"), WALL, TRIANGLE)
    (mask,) = Stroked.received
    assert mask[60:, SIDE // 2 - 1 : SIDE // 2 + 1].min() == 1
    assert mask[60:, : SIDE // 2 - 8].max() == 0, "neither inside nor at the sides of the image"
    assert mask[60:, SIDE // 2 + 8 :].max() == 0
    assert mask[20, 25:35].min() == 1


def test_prediction_for_a_locked_area_uses_object_areas_with_and_without_scribbles() -> None:
    lock = Area("lock", ((60, 60), (80, 60), (80, 80)))
    ab_of(Colorizer(Stroked(), device="cpu"), WALL, lock)
    (outline,) = Stroked.received  # both predictions have the same guidance
    Stroked.received.clear()
    ab_of(Colorizer(Stroked(), device="cpu"), WALL, lock, scribbles=(Stroke(((70, 10), (80, 10)), width=3),))
    both, without_scribbles = Stroked.received
    assert both.sum() > outline.sum()
    assert torch.equal(without_scribbles, outline)


def test_thing_area_adds_a_note_if_unsupported_and_selects_another_model() -> None:
    image, recipe = read_image(two_walls(1)), Recipe(areas=(WALL,))
    assert "object areas" in Colorizer(PointsOnly(), device="cpu").colorize(image, recipe).notes[0]
    assert Colorizer(Boxed(), device="cpu").colorize(image, recipe).notes == ()
    assert choose_model(recipe) == "kim2021_su2020_small"
    hidden = Recipe(areas=(replace(WALL, hidden=True),))
    assert choose_model(hidden) == choose_model()
