"""Areas and overlays as layers: visibility, opacity, feathered borders, and strokes of one layer."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from colorzoo.guidance import Recipe
from colorzoo.image_io.read import read_image
from colorzoo.inference.canvas import PhotoCanvas
from colorzoo.inference.colorizer import Colorizer
from colorzoo.inference.full_size import BicubicUpsampler, FullLightness
from colorzoo.inference.steps.areas import draw_areas
from colorzoo.inference.steps.points import correct_points
from inference.by_hand import Results, color_again, overlays_of
from inference.flood_model import SIDE, Flood, two_walls

LEFT = [[0, 0], [SIDE / 2, 0], [SIDE / 2, SIDE], [0, SIDE]]
RED = {"action": "color", "path": LEFT, "color": "#c04020"}
LAYERS: dict[str, dict[str, Any]] = {
    "color": {"areas": [RED]},
    "gray": {"areas": [{"action": "gray", "path": LEFT}]},
    "lock": {"areas": [{"action": "lock", "path": LEFT}]},
    "only": {"areas": [{"action": "only", "path": LEFT}]},
    "paint": {"paint": [{"path": [[5, 20], [40, 30]], "color": "#2050c0", "size": 20}]},
    "replacements": {"replacements": [{"old": "#c04020", "new": "#2050c0", "range": 180}]},
}
POINT = {"points": [{"x": 80, "y": 12, "color": "#20c040", "reach": "everywhere"}]}


class Warm(Flood):
    """Adds a color to each prediction, so that locked areas differ from gray."""

    def forward(self, lightness: Tensor, guidance: Any = None) -> Any:
        found = super().forward(lightness, guidance)
        return found.with_colors(found.colors + torch.tensor([12.0, 9.0]).view(1, 2, 1, 1))


def colored(document: dict[str, Any]) -> Tensor:
    """Return ab ``(N, 2)`` of sampled pixels, before gamut clipping."""
    shown = Colorizer(Warm(), device="cpu").colorize(two_walls(1), Recipe.from_json({**POINT, **document}))
    canvas = shown.canvas
    assert isinstance(canvas, PhotoCanvas)
    assert shown.edit.full_size is not None
    full = shown.edit.full_size.lightness
    assert isinstance(full, FullLightness)
    lightness = full.whole()
    if canvas.shift is not None:
        lightness = canvas.shift.apply(lightness)
    height, width = lightness.shape[2:]
    corrections = correct_points(
        canvas.points, shown.ab, lightness[0, 0], changes=canvas.changes, locked=canvas.locked
    )
    overlays = (*corrections, *canvas.overlays((height, width)))
    ab = BicubicUpsampler(shown.ab, (height, width)).rows(0, height)
    for overlay in overlays:
        overlay(ab, lightness[0, 0], 0)
    return ab[:, 4:SIDE:8, 3:SIDE:9].flatten(1).T


def changed(kind: str, **more: Any) -> dict[str, Any]:
    """Return the recipe of a layer with further fields in it."""
    return {name: [{**entry, **more} for entry in entries] for name, entries in LAYERS[kind].items()}


def test_hidden_layer_has_no_effect_and_opacity_scales_the_effect() -> None:
    for kind in LAYERS:
        without, full = colored({}), colored(changed(kind))
        assert (full - without).abs().max() > 5
        for nothing in ({"hidden": True}, {"opacity": 0}):
            assert torch.equal(colored(changed(kind, **nothing)), without)
        half = colored(changed(kind, opacity=0.25))
        torch.testing.assert_close(half, without + 0.25 * (full - without), atol=0.02, rtol=0)


def test_opacity_change_runs_no_network() -> None:
    colorizer, image = Colorizer(Warm(), device="cpu"), read_image(two_walls(1))
    counts: list[int] = []
    results: Results = {}
    for opacity in (1, 0.6, 0.2):
        recipe = Recipe.from_json({**POINT, **changed("color", opacity=opacity)})
        color_again(colorizer, image, recipe, results)
        counts.append(len(Flood.runs))
    assert counts[0] == counts[1] == counts[2]


def test_feathered_area_border_fades_to_both_sides() -> None:
    for feather in [0, 10, 24]:
        size, image = (60, 80), (160, 120)  # two pixels of the image in one cell
        lightness = torch.full((1, 1, *size), 50.0)
        lightness[..., 40:] = 80.0  # an edge that a border without feathering follows
        areas = Recipe.from_json(
            {
                "areas": [
                    {"action": "gray", "path": [[0, 0], [80, 0], [80, 120], [0, 120]], "feather": feather}
                ]
            }
        ).areas
        (drawn,) = draw_areas(lightness, areas=areas, image_size=image)
        row = drawn.share[30]
        assert (row.diff() <= 1e-6).all()
        faded = ((row > 0.01) & (row < 0.99)).nonzero().flatten().tolist()
        if feather:
            assert max(faded) - min(faded) == pytest.approx(feather, abs=4)
            assert row[39:41].mean() == pytest.approx(0.5, abs=0.02)
            assert row.diff().abs().max() < 2.5 / feather, "the border must not follow the edge"
        else:
            assert row[38] > 0.95
            assert row[41] < 0.05


def test_overlapping_strokes_of_a_layer_do_not_add_their_opacity() -> None:
    def painted(*layers: int | None) -> Tensor:
        ab = torch.zeros(2, 40, 60)
        strokes = [
            {"path": [[x, 20], [x + 20, 20]], "color": "#c04020", "size": 12, "opacity": 0.5, "layer": layer}
            for x, layer in zip((10, 25), layers, strict=False)
        ]
        (painting,) = overlays_of(Recipe.from_json({"paint": strokes}), (60, 40), (40, 60))
        for first in range(0, 40, 16):
            rows = ab[:, first : first + 16]
            painting(rows, torch.full(rows.shape[1:], 50.0), first)
        return ab

    one, coat, two, apart = painted(1), painted(1, 1), painted(None, None), painted(1, 2)
    assert torch.allclose(coat[:, 20, 10:45], one[:, 20, 15:16], atol=1e-4)
    assert torch.equal(two, apart)
    assert two[0, 20, 27] > 1.4 * coat[0, 20, 27]
    assert torch.equal(two[:, 20, 12], coat[:, 20, 12])
