"""Pages stay gray, photos do not, and who gives colors gets them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from colorzoo.guidance import PointHint, Recipe
from colorzoo.image_io.read import read_image
from colorzoo.inference.colorizer import Colorizer
from colorzoo.inference.result import NOTHING_TO_COLOR
from colorzoo.inference.steps.pages import is_page
from inference.pages import PAGES
from tiny_model import tiny_model

IMAGES = sorted((Path(__file__).parents[1] / "data" / "images").glob("*.jpg"))


@pytest.fixture(scope="module")
def colorizer() -> Colorizer:
    return Colorizer(tiny_model(), device="cpu")


def test_a_page_stays_gray_and_is_named(colorizer: Colorizer) -> None:
    for name in PAGES:
        colored = colorizer.colorize(PAGES[name](), border="none")
        assert NOTHING_TO_COLOR in colored.notes
        assert not colored.ab.any()


def test_a_photo_is_no_page(colorizer: Colorizer) -> None:
    for path in IMAGES:
        colored = colorizer.colorize(read_image(path), border="none")
        assert NOTHING_TO_COLOR not in colored.notes
        assert colored.ab.any()


def test_a_page_is_colored_where_the_user_wants_it(colorizer: Colorizer) -> None:
    recipe = Recipe(points=(PointHint(100, 100, color="#c04020"),))
    colored = colorizer.colorize(PAGES["letters"](), recipe, border="none")
    assert NOTHING_TO_COLOR not in colored.notes
    assert colored.ab.any()


def any_page(number: int) -> Tensor:
    """Return a target of even patches or a sheet with lines, perhaps with grain, shade, gaps or a photo."""
    random = np.random.default_rng(number)
    height, width = (int(side) for side in random.integers(80, 140, 2))
    plane = np.full((height, width), random.uniform(20, 80))
    if number % 2:
        rows, columns, gap = (int(count) for count in random.integers((2, 3, 0), (5, 7, 4)))
        down, across = height // rows, width // columns
        for place in range(rows * columns):
            top, left = place // columns * down, place % columns * across
            plane[top : top + down - gap, left : left + across - gap] = random.uniform(5, 95)
    else:
        plane[:, np.arange(width) % 16 < random.integers(0, 8)] += random.choice([-15, 15])
    plane += random.choice([0, 2, 4, 8]) * np.arange(width) / width
    plane += random.normal(0, random.choice([0, 0.7, 1.4, 1.6]), plane.shape)
    photo = int(random.choice([0, 0, 0.05, 0.1, 0.15]) * height)
    plane[:photo] = random.uniform(0, 100, (photo, width))
    return torch.from_numpy(plane.clip(0, 100)).float()[None, None]


def test_of_many_pages_the_same_ones_are_told_as_before() -> None:
    found = "".join("-x"[is_page(any_page(number))] for number in range(160))
    assert found == (
        "x---xxx-x-x-x---xxx-xxx-x--xx----x-x---------x--xx-x----x-x--xxxx-xx----x-x--x-x"
        "xx-x--xxx-xx--x-x-----x---x-x-x-x--x--xx---xx---x-x-x--xx---xx--x-x-x---x-x-x---"
    )
