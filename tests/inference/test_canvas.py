"""Changes of a canvas, as a contributor's layer makes them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from colorzoo import Colorizer
from colorzoo.color import rgb_to_lab
from colorzoo.guidance import Area, PointHint, Recipe
from colorzoo.guidance.recipe import DrawingSettings
from colorzoo.inference.result import ColorizedImage

HEIGHT, WIDTH = 150, 96
UPPER, LOWER = (30, 40), (60, 110)
MODELS = ("colorzoo2026", "colorzoo2026_drawing")


def scene() -> NDArray[np.uint8]:
    """Return two boxes with a thin part, which is smaller than a pixel of the network input."""
    image = np.full((HEIGHT, WIDTH), 235, np.uint8)
    for top, bottom in ((10, 70), (85, 140)):
        image[top:bottom, 8:88] = 20
        image[top + 2 : bottom - 2, 10:86] = 235
    image[40, 50] = 20
    return image


@pytest.fixture(scope="module", params=MODELS)
def colored(request: pytest.FixtureRequest) -> ColorizedImage:
    colorizer = Colorizer(request.param, device="cpu", precision="float32")
    points = tuple(PointHint(x, y, color="#c05030") for x, y in (UPPER, LOWER))
    return colorizer.colorize(scene(), Recipe(points=points, border="none"))


def lab(result: ColorizedImage) -> NDArray[np.float32]:
    rgb = torch.from_numpy(result.rgb).permute(2, 0, 1)[None]
    return rgb_to_lab(rgb)[0].permute(1, 2, 0).numpy()


def changed(result: ColorizedImage, factor: float, where: torch.Tensor | None = None) -> ColorizedImage:
    return replace(result, canvas=result.canvas.map(lambda ab: factor * ab, where))


def test_map_scales_the_chroma_at_points_and_elsewhere(colored: ColorizedImage) -> None:
    before, after = lab(colored), lab(changed(colored, 0.4))
    for x, y in (UPPER, LOWER, (70, 30)):
        assert np.hypot(*after[y, x, 1:]) == pytest.approx(0.4 * np.hypot(*before[y, x, 1:]), abs=0.6)
        assert after[y, x, 0] == pytest.approx(before[y, x, 0], abs=0.6)


def test_map_changes_only_its_part(colored: ColorizedImage) -> None:
    where = torch.zeros(colored.edit.map_size)
    where[: len(where) // 2] = 1
    before, after = lab(colored), lab(changed(colored, 0.0, where))
    assert np.hypot(*after[UPPER[1], UPPER[0], 1:]) < 0.6
    np.testing.assert_allclose(after[LOWER[1], LOWER[0]], before[LOWER[1], LOWER[0]], atol=0.6)
    np.testing.assert_allclose(after[95:135, 15:80], before[95:135, 15:80], atol=1)


def test_two_changes_apply_in_order(colored: ColorizedImage) -> None:
    canvas = colored.canvas.map(lambda ab: ab + 3).map(lambda ab: 0.5 * ab)
    other = colored.canvas.map(lambda ab: 0.5 * ab).map(lambda ab: ab + 3)
    x, y = UPPER
    one, two = (lab(replace(colored, canvas=each))[y, x, 1:] for each in (canvas, other))
    original = lab(colored)[y, x, 1:]
    np.testing.assert_allclose(one, 0.5 * (original + 3), atol=1)
    np.testing.assert_allclose(two, 0.5 * original + 3, atol=1)


def test_an_identical_change_changes_no_pixel(colored: ColorizedImage) -> None:
    same = replace(colored, canvas=colored.canvas.map(lambda ab: ab))
    difference = np.abs(same.levels().astype(int) - colored.levels())
    assert difference.max() <= 1


def test_a_point_in_a_locked_area_is_reported_once_for_all_points() -> None:
    colorizer = Colorizer("colorzoo2026", device="cpu", precision="float32")
    points = [PointHint(x, 40, color="#c05030") for x in (20, 30, 40)]
    points.append(PointHint(60, 110, color="#3050c0"))
    area = Area("gray", path=((8, 8), (90, 8), (90, 75), (8, 75)))
    notes = colorizer.colorize(scene(), Recipe(points=tuple(points), areas=(area,), border="none")).notes
    assert [note for note in notes if "protected" in note] == [
        "3 points lie in protected areas, where they have no effect"
    ]


def test_pieces_of_a_region_inherit_the_automatic_color_without_updates() -> None:
    colorizer = Colorizer("colorzoo2026_drawing", device="cpu", precision="float32")
    point = PointHint(*LOWER, color="#2060c0")

    def levels(divisions: list[dict[str, object]]) -> NDArray[np.uint8]:
        recipe = Recipe.from_json({"divisions": divisions})
        settings = DrawingSettings(base_points=())
        return np.asarray(
            colorizer(scene(), replace(recipe, points=(point,), drawing=settings, border="none"))
        )

    plain = levels([])
    across = {"path": [[0, 30], [WIDTH, 30]]}
    joined = {"path": [[30, 40], [30, 78]], "join": True}
    np.testing.assert_array_equal(levels([across])[:80], plain[:80])
    # the joined region has the color of its larger piece
    both = levels([joined])
    assert (both[60, 30] == both[78, 30]).all()
    np.testing.assert_array_equal(levels([joined, across])[90:], plain[90:])
