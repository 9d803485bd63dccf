"""The reach of points."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from colorzoo.color import rgb_to_lab
from colorzoo.guidance import PointHint, Recipe
from colorzoo.guidance.hints import rasterize_points
from colorzoo.image_io.read import read_image
from colorzoo.inference.colorizer import Colorizer
from colorzoo.inference.steps.points import limit_reach
from colorzoo.inference.steps.reach import Paths, PointPatches, limit_extent
from colorzoo.zoo.colorzoo2026.model import Network
from inference.by_hand import Results, color_again, find_extent
from inference.flood_model import LEFT, RIGHT, SIDE, Flood, red, two_walls


def ab_of(colorizer: Colorizer, *points: PointHint, results: Results | None = None) -> Tensor:
    recipe = Recipe(points=points)
    return color_again(
        colorizer, read_image(two_walls(1)), recipe, {} if results is None else results
    ).ab.norm(dim=0)


@pytest.fixture
def colorizer() -> Colorizer:
    Flood.runs.clear()
    return Colorizer(Flood(), device="cpu")


def test_automatic_reach_limits_a_point_to_its_side_of_an_edge(colorizer: Colorizer) -> None:
    everywhere, automatic = (ab_of(colorizer, red(20, 50, reach)) for reach in ("everywhere", "automatic"))
    assert everywhere[RIGHT].mean() > 40
    assert automatic[RIGHT].mean() < 0.4 * everywhere[RIGHT].mean()
    assert automatic[LEFT].mean() > 0.9 * everywhere[LEFT].mean()
    assert torch.equal(automatic[47:53, 17:23], everywhere[47:53, 17:23])  # exact at the point itself


def test_point_reach_grows_with_its_factor(colorizer: Colorizer) -> None:
    means = [ab_of(colorizer, red(20, 50, reach)).mean() for reach in (0.0, 0.2, 0.5, 1.0, 3.0, 10.0)]
    assert all(more > fewer for fewer, more in pairwise(means))
    alone = ab_of(colorizer, red(20, 50, 0.0))
    assert alone[50, 20] > 40
    assert alone[RIGHT].abs().max() == 0
    assert alone[:40].max() < 1
    assert torch.equal(ab_of(colorizer, red(20, 50, 1.0)), ab_of(colorizer, red(20, 50, "automatic")))


@pytest.mark.parametrize("factor", [0, 3])
def test_point_reach_can_be_an_integer(colorizer: Colorizer, factor: int) -> None:
    found = ab_of(colorizer, red(20, 50, factor))
    assert torch.equal(found, ab_of(colorizer, red(20, 50, float(factor))))
    assert not torch.equal(found, ab_of(colorizer, red(20, 50, "automatic")))


def test_limit_reach_blends_colors_on_flat_surfaces_and_separates_at_edges() -> None:
    for right, least, most in [(50.0, 0, 15), (80.0, 25, 120)]:
        lightness = torch.full((1, 1, SIDE, SIDE), 50.0)
        lightness[..., SIDE // 2 :] = right
        hints = [red(20, 50, 1.0), PointHint(80, 50, 3, ab=(-20.0, -30.0), reach=1.0)]
        points = rasterize_points(hints, SIDE, SIDE, (SIDE, SIDE))
        assert points is not None
        ab = torch.zeros(1, 2, SIDE, SIDE)
        for side, hint in ((np.s_[..., : SIDE // 2], hints[0]), (np.s_[..., SIDE // 2 :], hints[1])):
            ab[side] = torch.tensor(hint.ab).view(1, 2, 1, 1)
        is_hinted = points.mask > 0
        base_ab = torch.zeros_like(ab)
        found = limit_reach(ab, base_ab, lightness, is_hinted, find_extent(lightness, hints, (SIDE, SIDE)))
        steps = found[0, :, 10:90].diff(dim=2).norm(dim=0)
        assert least < steps.amax(dim=1).median() < most
        assert steps.max() < most
        assert torch.equal(found[is_hinted.expand_as(ab)], ab[is_hinted.expand_as(ab)])


def test_limit_reach_does_not_blend_colors_outside_the_srgb_gamut() -> None:
    lightness = torch.full((1, 1, SIDE, SIDE), 60.0)
    lightness[..., 1::2, :] = 3.0  # dark lines, whose gamut is small
    hint = red(20, 50, 1.0)
    points = rasterize_points([hint], SIDE, SIDE, (SIDE, SIDE))
    assert points is not None
    base_ab = torch.zeros(1, 2, SIDE, SIDE)
    red_ab = torch.tensor(hint.ab).view(1, 2, 1, 1)
    ab = red_ab.expand(1, 2, SIDE, SIDE)
    extent = replace(find_extent(lightness, [hint], (SIDE, SIDE)), weight=torch.ones(SIDE, SIDE))
    found = limit_reach(ab, base_ab, lightness, points.mask > 0, extent)
    far = found[0, :, :, 60:].norm(dim=0)
    assert far[1::2].max() < 0.25 * float(red_ab.norm())
    assert far[::2].min() > 0.9 * float(red_ab.norm())
    for shown_already in (base_ab, ab):  # in the dark lines sRGB does not show the second either
        unchanged = limit_reach(shown_already, shown_already, lightness, points.mask > 0, extent)
        assert torch.equal(unchanged, shown_already)


@pytest.fixture(scope="module")
def similarity_colorizer() -> Colorizer:
    return Colorizer("colorzoo2026", device="cpu")


def test_point_similarity_reuses_the_cached_network_output(
    similarity_colorizer: Colorizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = read_image(two_walls(1))
    results: Results = {}
    color_again(similarity_colorizer, image, Recipe(points=(red(70, 20, "everywhere"),)), results)
    monkeypatch.setattr(Network, "forward", lambda *_: pytest.fail("the network ran again"))
    points = red(20, 50, "automatic"), red(70, 20, "everywhere")
    limited = ab_of(similarity_colorizer, *points, results=results)
    assert limited[50, 20] > 40


def test_prediction_without_limited_points_is_cached(colorizer: Colorizer) -> None:
    far = PointHint(70, 20, 3, "#808080", (-30.0, 10.0), "everywhere")
    near, other = red(20, 50, "automatic"), red(20, 80, 0.5)
    results: Results = {}
    before = ab_of(colorizer, far, results=results)
    assert len(Flood.runs) == 1
    both = ab_of(colorizer, far, near, results=results)
    assert len(Flood.runs) == 2  # the prediction for the unlimited point alone is cached
    ab_of(colorizer, far, near, other, results=results)
    assert len(Flood.runs) == 3
    ab_of(colorizer, far, near, results=results)
    assert len(Flood.runs) == 3  # undone
    assert both[50, 20] > 40 > before[50, 20]


def test_point_with_small_reach_does_not_change_the_area_of_another_point(colorizer: Colorizer) -> None:
    blue = PointHint(70, 50, 3, "#808080", (-10.0, -40.0), "automatic")
    alone = colorizer.colorize(read_image(two_walls(1)), Recipe(points=(blue,))).ab
    for reach in (0.0, 0.2):
        points = red(20, 50, reach), blue
        both = colorizer.colorize(read_image(two_walls(1)), Recipe(points=points)).ab
        assert both[:, 50, 20].norm() > 40
        torch.testing.assert_close(both[(..., *RIGHT)], alone[(..., *RIGHT)], atol=0.1, rtol=0)


MOTHER = Path(__file__).parents[2] / "docs" / "images" / "sources" / "migrant_mother_1936.jpg"
LIPS, BROWS = np.s_[:, 191:198, 168:200], (np.s_[:, 130:138, 146:164], np.s_[:, 131:137, 188:214])


@pytest.mark.parametrize("name", ["colorzoo2026", "zhang2017_local_small"])
def test_reach_of_one_half_limits_a_lip_color_to_the_lips(name: str) -> None:
    colorizer, image = Colorizer(name, device="cpu"), read_image(MOTHER)

    def moved(*points: PointHint) -> Tensor:
        ab = rgb_to_lab(
            torch.from_numpy(colorizer.colorize(image, Recipe(points=points)).rgb.copy()).permute(2, 0, 1)
        )
        return ab[1:]

    plain = moved()
    lip = PointHint(184, 195, 2, "#b04048")
    change = {
        reach: (moved(replace(lip, reach=reach)) - plain).norm(dim=0)[None] for reach in ("everywhere", 0.5)
    }
    assert all(found[LIPS].mean() > 20 for found in change.values())
    for brow in BROWS:
        assert change["everywhere"][brow].mean() > 5
        assert change[0.5][brow].mean() < 1


def test_colorizer_runs_a_model_without_point_support_once(colorizer: Colorizer) -> None:
    colorizer.model.accepts = ("scribbles",)
    ab_of(colorizer, red(20, 50, "automatic"))
    assert len(Flood.runs) == 1


@pytest.mark.parametrize("width", [4, 5, 8, 16, 31])
def test_nearest_points_of_pixels_are_symmetric(width: int) -> None:
    hints = [red(x, 0.5, "automatic") for x in (0.5, 1.5, 2.5)]
    costs, size = np.zeros((1, 3), np.float32), (1, width)
    mirrored = []
    for owner in ([[0, 1, 2]], [[2, 1, 0]]):
        extent = limit_extent(
            [Paths(costs, np.array(owner))],
            [None],
            patches=PointPatches.of(hints, (3, 1)),
            groups={"automatic": [0, 1, 2]},
            size=size,
        )
        mirrored.append(extent.nearest)
    assert torch.equal(mirrored[0], mirrored[1].flip(1))
