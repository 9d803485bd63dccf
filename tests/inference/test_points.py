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
from colorzoo.guidance import Guidance, PointHint, Recipe, Scribbles
from colorzoo.inference.colorizer import Colorizer
from colorzoo.inference.points import find_extent
from colorzoo.pictures.read import read_picture
from inference.flood_model import LEFT, RIGHT, SIDE, Flood, red, two_walls


def ab_of(colorizer: Colorizer, *points: PointHint) -> Tensor:
    return colorizer.colorize(read_picture(two_walls(1)), Recipe(points=points)).ab.norm(dim=0)


@pytest.fixture
def colorizer() -> Colorizer:
    Flood.runs.clear()
    return Colorizer(Flood(), device="cpu")


def test_a_color_stays_on_its_side_of_an_edge(colorizer: Colorizer) -> None:
    everywhere, automatic = (ab_of(colorizer, red(20, 50, reach)) for reach in ("everywhere", "automatic"))
    assert everywhere[RIGHT].mean() > 40
    assert automatic[RIGHT].mean() < 0.4 * everywhere[RIGHT].mean()
    assert automatic[LEFT].mean() > 0.9 * everywhere[LEFT].mean()
    assert torch.equal(automatic[47:53, 17:23], everywhere[47:53, 17:23])  # exact at the point itself


def test_the_reach_grows_with_its_factor_from_the_points_square(colorizer: Colorizer) -> None:
    means = [ab_of(colorizer, red(20, 50, reach)).mean() for reach in (0.0, 0.2, 0.5, 1.0, 3.0, 10.0)]
    assert all(more > fewer for fewer, more in pairwise(means))
    alone = ab_of(colorizer, red(20, 50, 0.0))
    assert alone[50, 20] > 40
    assert alone[RIGHT].abs().max() == 0
    assert alone[:40].max() < 1
    assert torch.equal(ab_of(colorizer, red(20, 50, 1.0)), ab_of(colorizer, red(20, 50, "automatic")))


def test_each_place_belongs_to_the_nearest_point() -> None:
    luma = torch.full((1, 1, SIDE, SIDE), 50.0)
    found = find_extent(luma, [red(20, 50, 1.0), red(80, 50, 1.0)], (SIDE, SIDE))
    assert (found.nearest[:, :45] == 0).all()
    assert (found.nearest[:, 55:] == 1).all()
    mirrored = find_extent(luma.flip(3), [red(SIDE - 20, 50, 1.0)], (SIDE, SIDE))
    alone = find_extent(luma, [red(20, 50, 1.0)], (SIDE, SIDE))
    torch.testing.assert_close(mirrored.weight.flip(1), alone.weight, atol=1e-4, rtol=0)


def test_limited_points_cost_one_more_run_which_is_cached(colorizer: Colorizer) -> None:
    far = PointHint(70, 20, 3, "#808080", (-30.0, 10.0))
    near, other = red(20, 50, "automatic"), red(20, 80, 0.5)
    before = ab_of(colorizer, far)
    assert len(Flood.runs) == 1
    both = ab_of(colorizer, far, near)
    assert len(Flood.runs) == 3
    ab_of(colorizer, far, near, other)
    assert len(Flood.runs) == 4  # the answer to the unlimited point alone is kept
    assert both[50, 20] > 40 > before[50, 20]


def test_the_cache_distinguishes_scribbles(colorizer: Colorizer) -> None:
    luma = torch.full((1, 1, SIDE, SIDE), 50.0)
    keys = []
    for row in (10, 30):
        mask = torch.zeros(1, 1, SIDE, SIDE)
        mask[..., row, 5:40] = 1
        given = Guidance(scribbles=Scribbles(mask))
        keys.append(colorizer._without_limited.get(luma, given, lambda _, g: g.scribbles.mask.clone()))
    assert not torch.equal(*keys)


@pytest.mark.parametrize("size", [(1, 1), (3, 200), (200, 2), (9, 9)])
def test_pictures_of_any_shape(colorizer: Colorizer, size: tuple[int, int]) -> None:
    picture = read_picture(np.full(size, 120, np.uint8))
    point = red(0.5, 0.5, "automatic", radius=0)
    ab = colorizer.colorize(picture, Recipe(points=(point, replace(point, reach=2.0)))).ab
    assert torch.isfinite(ab).all()
    assert ab[:, 0, 0].norm() > 40


MOTHER = Path(__file__).parents[2] / "docs" / "images" / "sources" / "migrant_mother_1936.jpg"
LIPS, BROWS = np.s_[:, 191:198, 168:200], (np.s_[:, 130:138, 146:164], np.s_[:, 131:137, 188:214])


def test_the_red_of_a_lip_stays_on_the_lips_at_half_the_reach() -> None:
    colorizer, picture = Colorizer("zhang2017_local_small", device="cpu"), read_picture(MOTHER)

    def moved(*points: PointHint) -> Tensor:
        ab = rgb_to_lab(
            torch.from_numpy(colorizer.colorize(picture, Recipe(points=points)).rgb.copy()).permute(2, 0, 1)
        )
        return ab[1:]

    plain = moved()
    lip = PointHint(184, 195, 2, "#b04048")
    change = {
        reach: (moved(replace(lip, reach=reach)) - plain).norm(dim=0)[None] for reach in ("everywhere", 0.5)
    }
    assert all(found[LIPS].mean() > 20 for found in change.values())
    for brow in BROWS:
        assert change["everywhere"][brow].mean() > 8
        assert change[0.5][brow].mean() < 1


def test_a_model_that_takes_no_points_is_not_run_twice(colorizer: Colorizer) -> None:
    colorizer.model.accepts = ("scribbles",)
    ab_of(colorizer, red(20, 50, "automatic"))
    assert len(Flood.runs) == 1
