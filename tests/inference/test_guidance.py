"""Guidance at the network input size, and notes on unsupported kinds."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from colorzoo.abilities import DetectionModel
from colorzoo.color import lab_to_rgb
from colorzoo.guidance import (
    Area,
    Boxes,
    BoxHint,
    ClassMap,
    Guidance,
    PointHint,
    Points,
    Recipe,
    Regions,
    Scribbles,
    Stroke,
)
from colorzoo.guidance.hints import resize_maps, resize_points
from colorzoo.guidance.kinds import guidance_kind
from colorzoo.image_io.read import read_image
from colorzoo.inference.colorizer import Colorizer
from colorzoo.inference.steps.points import fit_points
from colorzoo.model import ColoringModel
from colorzoo.prediction import AbPrediction
from inference.flood_model import SIDE, two_walls


class RecordsGuidance(ColoringModel, DetectionModel):
    """Records the guidance that it receives, and predicts gray."""

    accepts = ("points", "scribbles", "boxes")
    detects = True

    def __init__(self) -> None:
        super().__init__(torch.nn.Identity())
        self.trained = True
        self.received: list[Guidance] = []

    def forward(self, lightness: Tensor, guidance: Guidance | None = None) -> AbPrediction:
        assert guidance is not None
        self.received.append(guidance)
        return AbPrediction(ab=torch.zeros_like(lightness).expand(-1, 2, -1, -1).clone())

    def find_boxes(self, lightness: Tensor) -> Boxes:
        del lightness
        return Boxes.of([torch.tensor([[0.0, 0.0, 1.0, 1.0]])])


def received(guidance: Recipe | Guidance) -> list[Guidance]:
    """Return the guidance of all forward passes."""
    model = RecordsGuidance()
    colorizer = Colorizer(model, device="cpu")
    colorizer.model.received = model.received  # type: ignore[union-attr]
    colorizer.colorize(read_image(two_walls(1)), guidance)
    return model.received


def test_recipe_scribbles_are_drawn_at_their_coordinates() -> None:
    (found,) = received(Recipe(scribbles=(Stroke(((10, 20.5), (80, 20.5)), width=5),)))
    assert found.scribbles is not None
    assert found.scribbles.mask[0, 0, 18:23, 12:78].min() == 1
    assert found.scribbles.mask.sum() == pytest.approx(5 * 74, rel=0.02)


def test_tensor_guidance_is_resized_to_the_network_input_size() -> None:
    mask, index = torch.zeros(1, 1, 24, 48), torch.arange(24 * 48).view(1, 1, 24, 48)
    mask[..., 5, 20] = 1
    given = Guidance(
        scribbles=Scribbles(mask),
        regions=Regions(index, torch.zeros(1, 3, 3), torch.zeros(1, 3), segments=index + 1),
        classes=ClassMap(index + 2, index),
    )
    (found,) = received(Guidance(scribbles=given.scribbles))
    assert found.scribbles is not None
    assert found.scribbles.mask.nonzero()[:, 2:].tolist() == [[y, x] for y in range(20, 24) for x in (40, 41)]
    wide = index.repeat_interleave(4, dim=2).repeat_interleave(2, dim=3)
    found = resize_maps(given, (SIDE, SIDE))
    assert found.regions is not None
    assert found.regions.segments is not None
    assert found.classes is not None
    for resized, more in ((found.regions.index, 0), (found.regions.segments, 1), (found.classes.target, 2)):
        assert torch.equal(resized, wide + more)
    assert found.classes.exemplar is index
    assert resize_maps(given, (24, 48)) == given


def test_resize_points_averages_the_points_of_each_cell() -> None:
    mask = torch.tensor([[1.0, 0, 0, 0, 1, 0], [0, 1, 0, 0, 0, 0]])[None, None]
    ab = torch.where(mask > 0, torch.arange(24.0).view(1, 2, 2, 6), 99)
    given = Points(ab, mask, 50 * mask, exact=torch.tensor([1.0, 0]).view(1, 1, 2, 1) * mask)
    found = resize_points(given, (1, 3))
    maps = [found.mask, found.ab, found.lightness, found.exact]
    assert [each.flatten().tolist() for each in maps if each is not None] == [
        *([1, 0, 1], [3.5, 0, 4, 15.5, 0, 16]),  # the first cell has two points
        *([50, 0, 50], [0, 0, 1]),
    ]
    assert resize_points(given, (2, 6)) is given


def test_thing_area_adds_a_box_and_a_scribble_five_pixels_wide() -> None:
    thing = Area("thing", ((20.0, 30.0), (60.0, 30.0), (60.0, 70.0), (20.0, 70.0)))
    runs = received(Recipe(areas=(thing,), boxes=(BoxHint(0, 0, SIDE / 4, SIDE / 2),)))
    assert all(run.boxes.corners[0].tolist() != [[0, 0, 1, 1]] for run in received(Recipe(areas=(thing,))))
    plain, found = sorted(runs, key=lambda run: 0 if run.boxes is None else len(run.boxes.corners[0]))
    assert plain.boxes is not None
    assert found.boxes is not None
    assert len(plain.boxes.corners[0]) == 1
    corners = SIDE * found.boxes.corners[0]
    torch.testing.assert_close(corners[0], torch.tensor([0.0, 0, SIDE / 4, SIDE / 2]))
    torch.testing.assert_close(corners[1], torch.tensor([20.0, 30, 60, 70]), rtol=0, atol=2)
    assert found.scribbles is not None
    across = found.scribbles.mask[0, 0, 50, :40]
    assert across.sum() == pytest.approx(5, abs=1)
    assert 17 <= across.argmax() <= 19


def test_points_are_clipped_to_the_gamut_at_their_lightness() -> None:
    mask = torch.zeros(1, 1, SIDE, SIDE)
    mask[..., 40:44, 10:14] = mask[..., 40:44, 80:84] = 1
    hints = tuple(PointHint(x, 42, 2, "#808080", (0.0, -120.0)) for x in (12, 82))
    dense = Points(torch.tensor([0.0, -120.0]).view(1, 2, 1, 1) * mask, mask)
    for given in (Recipe(points=hints), Guidance(points=dense)):
        (points,) = (run.points for run in received(given) if run.points is not None)
        light = torch.from_numpy(two_walls(1)).float()[None, None] / 2.55
        rgb = lab_to_rgb(torch.cat([light, points.ab], dim=1))[:, :, points.mask[0, 0] > 0]
        assert rgb.min() > -0.05
        assert rgb.max() < 1.05
        assert points.ab[..., 42, 12].norm() > 10
    exact = fit_points(
        replace(dense, lightness=60 * mask), light
    )  # without `exact`, the stated lightness has no effect
    assert torch.equal(exact.ab, fit_points(dense, light).ab)


GIVEN: dict[str, Any] = {
    "points": [{"x": 5, "y": 5, "color": "#c04020"}],
    "scribbles": [{"path": [[1, 1], [9, 9]]}],
    "regions": [{"index": 0, "color": "#c04020"}],
    "boxes": [{"x": 1, "y": 1, "width": 8, "height": 8}],
    "exemplar": {"path": "look.png"},
    "classes": {"map": {"1": 2}},
    "statistics": {"saturation": 0.4},
}


def test_unsupported_guidance_kind_adds_one_note() -> None:
    for kind in GIVEN:
        model = RecordsGuidance()
        model.accepts = ()
        colorizer = Colorizer(model, device="cpu")
        image, recipe = read_image(two_walls(1)), Recipe.from_json({"version": 1, kind: GIVEN[kind]})
        colored = colorizer.colorize(image, recipe)
        assert sum((guidance_kind(kind).title or kind) in note for note in colored.notes) == 1
        if kind == "points":
            assert np.ptp(colored.rgb[5, 5]) > 0.05
        if kind == "exemplar":
            colored = colorizer.colorize(image, recipe, reference=read_image(np.dstack([two_walls(1)] * 3)))
            assert sum("references" in note for note in colored.notes) == 1
