"""Likely colorings of an image: the most informative point and the effect of its colors."""

import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from pads import DirectPad, photo_file, tiny_studio

from colorzoo.apps.studio.studio import Studio
from colorzoo.apps.studio.suggestions import (
    CANDIDATES,
    COLORINGS,
    find_informative_point,
    most_informative,
)
from colorzoo.guidance import PointHint, Recipe
from colorzoo.image_io.read import read_image
from colorzoo.inference.colorizer import Colorizer
from colorzoo.inference.palette import suggest_colors
from colorzoo.inference.pipeline import colorize_edit
from colorzoo.prediction import Distribution

PHOTO = Path(__file__).parents[2] / "data" / "images" / "coffee.jpg"
CENTERS = torch.tensor([[40.0, 0.0], [-40.0, 0.0], [0.0, 0.0]])


def cells(*probabilities: tuple[float, float, float]) -> Distribution:
    """Return the distribution of a row of cells over red, green and gray."""
    return Distribution(torch.tensor(probabilities).T[:, None], CENTERS, (4, 4 * len(probabilities)))


def test_most_informative_selects_the_cell_that_explains_most_variance() -> None:
    unsure, sure = (0.5, 0.5, 0.0), (0.0, 0.0, 1.0)
    distribution = cells(unsure, unsure, sure, sure, sure)
    of_two_unsure = torch.tensor([[1.0, 0.9, 0, 0, 0]])
    of_one_unsure = torch.tensor([[1.0, 0.1, 0, 0, 0]])
    of_all_sure = torch.tensor([[0, 0, 1.0, 1.0, 1.0]])
    assert most_informative(torch.stack([of_one_unsure, of_all_sure, of_two_unsure]), distribution) == 2
    assert most_informative(torch.stack([of_two_unsure, of_all_sure, of_one_unsure]), distribution) == 0


def test_colors_of_the_informative_point_change_over_a_tenth_of_the_image() -> None:
    colorizer = Colorizer("colorzoo2026", device="cpu")
    image = read_image(PHOTO)
    task = colorizer.resolve(image, Recipe(), border="none")
    distribution = colorize_edit(task).distribution
    assert distribution is not None
    (x, y), probabilities = find_informative_point(task, distribution)
    width, height = task.image_size
    columns = round(CANDIDATES * width / height)  # the image is wider than high
    assert (x * columns / width) % 1 == pytest.approx(0.5)  # in the center of a tile of a regular grid
    assert (y * 8 / height) % 1 == pytest.approx(0.5)
    assert float(probabilities.sum()) == pytest.approx(1, abs=1e-4)
    colors = suggest_colors(probabilities, distribution.centers, 60.0, count=COLORINGS)
    assert len(colors) == 4
    points = [PointHint(x, y, ab=color.ab, reach="everywhere") for color in colors]
    colored = [colorize_edit(replace(task, recipe=Recipe(points=(point,)))).ab for point in points]
    for first, ab in enumerate(colored):
        for other in colored[:first]:
            changed = (ab - other).norm(dim=0) > 2
            assert float(changed.float().mean()) > 0.1  # far more than one tile


def test_colorings_of_a_thin_strip_take_no_longer_than_those_of_a_photo() -> None:
    studio = Studio(Colorizer("colorzoo2026", device="cpu"))
    pad = DirectPad(studio)
    seconds = {}
    for size in ((96, 80), (700, 3), (3, 700)):
        pad.open(photo_file(*size))
        pad.call("color", recipe={})
        start = time.process_time()
        found = pad.call("colorings", recipe={}).body
        seconds[size] = time.process_time() - start
        assert len(found["items"]) == COLORINGS
        assert 0 < found["x"] < size[0]
        assert 0 < found["y"] < size[1]
    studio.close()
    assert max(seconds.values()) < 5 + 5 * seconds[96, 80], seconds


def test_colorings_are_empty_for_models_without_similarity() -> None:
    pad = DirectPad(tiny_studio())
    pad.open()
    found = pad.call("colorings", recipe={}).body
    assert [found[name] for name in ("x", "y", "lightness", "items")] == [None, None, None, []]


def test_suggestions_for_a_stroke_do_not_depend_on_its_own_color() -> None:
    pad = DirectPad(tiny_studio())
    pad.open()
    other = {"x": 80, "y": 70, "color": "#2040c0"}
    stroke = [{"x": x, "y": 30, "radius": 9, "color": "#e02010", "stroke": 1} for x in (20, 30, 40, 50)]
    without = pad.call("suggest", x=30, y=30, recipe={"points": [other]}).body
    excluded = pad.call("suggest", x=30, y=30, recipe={"points": [other, *stroke]}, exclude=2).body
    assert excluded["items"] == without["items"]
