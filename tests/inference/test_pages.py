"""Page detection: pages stay gray unless the recipe has points."""

from __future__ import annotations

from pathlib import Path

import pytest

from colorzoo.guidance import PointHint, Recipe
from colorzoo.image_io.read import read_image
from colorzoo.inference.colorizer import Colorizer
from colorzoo.inference.steps.pages import NOTHING_TO_COLOR
from inference.pages import PAGES
from tiny_model import tiny_model

IMAGES = sorted((Path(__file__).parents[1] / "data" / "images").glob("*.jpg"))


@pytest.fixture(scope="module")
def colorizer() -> Colorizer:
    return Colorizer(tiny_model(), device="cpu")


def test_pages_stay_gray_with_a_note(colorizer: Colorizer) -> None:
    for name in PAGES:
        colored = colorizer.colorize(PAGES[name](), border="none")
        assert NOTHING_TO_COLOR in colored.notes
        assert not colored.ab.any()


def test_images_are_not_detected_as_pages(colorizer: Colorizer) -> None:
    for path in IMAGES:
        colored = colorizer.colorize(read_image(path), border="none")
        assert NOTHING_TO_COLOR not in colored.notes
        assert colored.ab.any()


def test_page_detection_is_skipped_if_the_recipe_has_points(colorizer: Colorizer) -> None:
    recipe = Recipe(points=(PointHint(100, 100, color="#c04020"),))
    colored = colorizer.colorize(PAGES["letters"](), recipe, border="none")
    assert NOTHING_TO_COLOR not in colored.notes
    assert colored.ab.any()


def test_point_without_effect_does_not_color_a_page(colorizer: Colorizer) -> None:
    recipe = Recipe(points=(PointHint(100, 100, color="#c04020", strength=0.0),))
    colored = colorizer.colorize(PAGES["letters"](), recipe, border="none")
    assert NOTHING_TO_COLOR in colored.notes
    assert not colored.ab.any()


def test_guidance_that_the_model_ignores_does_not_color_a_page(colorizer: Colorizer) -> None:
    colored = colorizer.colorize(PAGES["letters"](), Recipe(label=3), border="none")
    assert NOTHING_TO_COLOR in colored.notes
    assert not colored.ab.any()
