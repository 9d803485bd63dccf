"""Region colors that drawings copy from color sheets and from the previous frame."""

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from colorzoo.errors import GuidanceError
from colorzoo.guidance import PointHint, Recipe
from colorzoo.image_io import RasterImage
from colorzoo.inference import Colorizer, RegionMemory, Sheets, with_key_colors

RED, BLUE, GREEN = (210, 40, 50), (40, 80, 200), (30, 160, 70)
WHITE = (255, 255, 255)


@pytest.fixture(scope="module")
def colorizer() -> Colorizer:
    return Colorizer("colorzoo2026_drawing", device="cpu", precision="float32")


def draw(*shapes: tuple[str, int, int, tuple[int, int, int]], pen: int = 4) -> NDArray[np.uint8]:
    """Draw circles, squares and stars with black outlines on white paper, ``(240, 360, 3)``."""
    image = np.full((240, 360, 3), 255, np.uint8)
    for kind, x, y, color in shapes:
        angles = np.linspace(0, 2 * np.pi, 10, endpoint=False)
        radius = np.where(np.arange(10) % 2, 22, 48)
        outline = {
            "circle": cv2.ellipse2Poly((x, y), (42, 42), 0, 0, 360, 6),
            "square": np.array([(x - 38, y - 38), (x + 38, y - 38), (x + 38, y + 38), (x - 38, y + 38)]),
            "star": np.stack([x + radius * np.sin(angles), y - radius * np.cos(angles)], 1).astype(np.int32),
        }[kind]
        cv2.fillPoly(image, [outline], color)
        cv2.polylines(image, [outline], True, (0, 0, 0), pen)
    return image


def lines_of(*shapes: tuple[str, int, int], pen: int = 4) -> RasterImage:
    return RasterImage(draw(*((*shape, WHITE) for shape in shapes), pen=pen)[..., 0].copy())


def test_regions_copy_the_exact_colors_of_a_sheet(colorizer: Colorizer) -> None:
    memory = RegionMemory(colorizer)
    memory.add_sheet(
        RasterImage(draw(("circle", 60, 120, RED), ("square", 180, 120, BLUE), ("star", 300, 120, GREEN)))
    )
    page = lines_of(("star", 70, 90), ("circle", 190, 150), ("square", 290, 100), pen=6)
    recalled = colorizer.colorize(page, sheets=Sheets(memory))
    levels = recalled.levels()
    assert tuple(levels[90, 70]) == GREEN
    assert tuple(levels[150, 190]) == RED
    assert tuple(levels[100, 290]) == BLUE
    assert tuple(levels[5, 5]) == WHITE
    assert recalled.unmatched == 0


def test_regions_without_a_match_keep_automatic_colors(colorizer: Colorizer) -> None:
    memory = RegionMemory(colorizer)
    memory.add_sheet(RasterImage(draw(("circle", 60, 120, RED))))
    stripes = np.full((240, 360), 255, np.uint8)
    for x in range(20, 350, 12):
        cv2.rectangle(stripes, (x, 20), (x + 6, 220), 0, 2)
    automatic = colorizer.colorize(RasterImage(stripes))
    recalled = colorizer.colorize(RasterImage(stripes), sheets=Sheets(memory))
    np.testing.assert_array_equal(recalled.levels()[100], automatic.levels()[100])
    assert recalled.unmatched > 20
    assert recalled.notes == (f"{recalled.unmatched} regions without a match got automatic colors",)


def test_points_are_kept(colorizer: Colorizer) -> None:
    memory = RegionMemory(colorizer)
    memory.add_sheet(RasterImage(draw(("circle", 60, 120, RED), ("star", 300, 120, GREEN))))
    recipe = Recipe(points=(PointHint(90, 120, color="#2850c8"),))
    page = lines_of(("circle", 90, 120), ("star", 250, 120))
    recalled = colorizer.colorize(page, recipe, sheets=Sheets(memory))
    assert tuple(recalled.levels()[120, 90]) == BLUE
    assert tuple(recalled.levels()[120, 250]) == GREEN


def test_equal_shapes_keep_their_colors_in_the_next_frame(colorizer: Colorizer) -> None:
    shapes = ("circle", 70, 80), ("circle", 180, 80), ("circle", 290, 80)
    key = draw(*((*shape, color) for shape, color in zip(shapes, (RED, BLUE, GREEN), strict=True)))
    before = with_key_colors(colorizer.colorize(lines_of(*shapes)), RasterImage(key))
    np.testing.assert_array_equal(before.levels()[80, [70, 180, 290]], [RED, BLUE, GREEN])
    moved = lines_of(*((kind, x + 8, y + 6) for kind, x, y in shapes), pen=5)
    after = colorizer.colorize(moved, sheets=Sheets(RegionMemory(colorizer), before))
    np.testing.assert_array_equal(after.levels()[86, [78, 188, 298]], [RED, BLUE, GREEN])


def test_transparent_regions_of_a_key_image_keep_their_colors(colorizer: Colorizer) -> None:
    automatic = colorizer.colorize(lines_of(("circle", 70, 80), ("star", 290, 80)))
    key = draw(("circle", 70, 80, RED), ("star", 290, 80, GREEN))
    alpha = np.full((240, 360), 255, np.uint8)
    alpha[:, 180:] = 0
    levels = with_key_colors(automatic, RasterImage(key, alpha)).levels()
    assert tuple(levels[80, 70]) == RED
    np.testing.assert_array_equal(levels[80, 290], automatic.levels()[80, 290])


def test_colors_of_sheets_are_preferred_to_automatic_colors(colorizer: Colorizer) -> None:
    page = lines_of(("circle", 90, 120), ("star", 250, 120))
    memory = RegionMemory(colorizer)
    assert memory.is_empty
    memory.add(colorizer.colorize(page, sheets=Sheets(memory)), is_automatic=True)
    memory.add_sheet(RasterImage(draw(("circle", 90, 120, RED), ("star", 250, 120, GREEN), pen=5)))
    recalled = colorizer.colorize(page, sheets=Sheets(memory))
    np.testing.assert_array_equal(recalled.levels()[120, [90, 250]], [RED, GREEN])


def test_gray_sheets_are_rejected(colorizer: Colorizer) -> None:
    with pytest.raises(GuidanceError, match=r"the reference a\.png has no color"):
        RegionMemory(colorizer).add_sheet(RasterImage(draw(("circle", 60, 120, WHITE))), "a.png")
