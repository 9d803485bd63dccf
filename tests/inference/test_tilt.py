"""Tilted borders of scans: where they are found, and how the image inside is turned upright and back."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from colorzoo.color.levels import lightness_of_levels
from colorzoo.errors import GuidanceError
from colorzoo.guidance import Area, Boxes, BoxHint, Guidance, Mask, PaintStroke, Points, Recipe, Stroke
from colorzoo.guidance.border import Rectangle, parse_border
from colorzoo.image_io.raster_image import RasterImage
from colorzoo.inference.border import find_border
from colorzoo.inference.colorizer import Colorizer
from colorzoo.inference.inside import crop_guidance, crop_recipe
from colorzoo.inference.steps.tilt import straighten
from inference.flood_model import Flood, red
from inference.test_border import scene

Array = NDArray[np.float32]
TILTED = Rectangle(60, 50, 300, 220, 4.0)
SIZE = (430, 330)  # of the scan around it


def mask_of(inside: Rectangle, size: tuple[int, int]) -> NDArray[np.bool_]:
    """Return the pixels of a scan of some width and height whose centers lie in a part."""
    places = np.meshgrid(np.arange(size[0]) + 0.5, np.arange(size[1]) + 0.5)
    x, y = inside.unbounded((places[0], places[1]))
    found: NDArray[np.bool_] = (x >= 0) & (y >= 0) & (x < inside.width) & (y < inside.height)
    return found


def tilted(inside: Rectangle, image: Array, tone: float, size: tuple[int, int], noise: float = 1.5) -> Array:
    """Return a scan of some width and height with an image in a part of it, on a mount of one tone."""
    places = np.meshgrid(np.arange(size[0]) + 0.5, np.arange(size[1]) + 0.5)
    x, y = inside.unbounded((places[0], places[1]))
    rows = np.clip(y, 0, inside.height - 1).astype(int)
    columns = np.clip(x, 0, inside.width - 1).astype(int)
    whole = np.where(mask_of(inside, size), image[rows, columns], tone)
    grain = np.random.default_rng(1).normal(0, noise, whole.shape)
    return (whole + grain).clip(0, 100).astype(np.float32)


def scan(degrees: float, tone: float) -> tuple[Array, Rectangle]:
    """Return a scan of a print that lies askew, and where the print is."""
    low, high = (25, 85) if tone < 30 else (15, 75) if tone > 70 else (60, 95)
    inside = Rectangle(60, 45, 330, 230, degrees)
    return tilted(inside, scene(230, 330, low, high), tone, (460, 350)), inside


def test_a_tilted_print_is_found_to_three_percent_of_the_scan() -> None:
    for tone, degrees in [(95, 0), (5, 1), (45, -2), (5, 4), (45, 4), (95, -6)]:
        whole, inside = scan(degrees, tone)
        found = find_border(whole)
        assert found is not None
        assert found.tilt == pytest.approx(degrees, abs=0.2)
        size = (whole.shape[1], whole.shape[0])
        assert (mask_of(found, size) ^ mask_of(inside, size)).mean() <= 0.03


def any_scan(number: int) -> Array:
    """Return a scan of any kind: with a bar or stains, of few sides, in another border, tilted, blurred."""
    random = np.random.default_rng(number)
    width, height = (int(side) for side in random.integers(120, 240, 2))
    left, top, right, below = (int(side) for side in random.integers(5, 0.24 * min(width, height), 4))
    right = 0 if random.random() < 0.3 else right
    tone = random.choice([random.uniform(2, 22), random.uniform(40, 60), random.uniform(68, 98)])
    tilt = float(random.choice([0, 0, random.uniform(-1, 1), random.uniform(-8, 8)]))
    inside, low = (
        Rectangle(left, top, width - left - right, height - top - below, tilt),
        random.uniform(5, 50),
    )
    image = scene(inside.height, inside.width, low, low + random.uniform(25, 50), number)
    if random.random() < 0.3:
        first = int(random.integers(2, inside.width - 20))
        image[:, first : first + int(random.integers(2, 16))] = tone + random.normal(0, 3)
    whole = tilted(inside, image, tone, (width, height), random.uniform(0, 5))
    whole[:, random.random(width) < random.choice([0, 0.1, 0.3])] += random.uniform(-20, 20)
    if random.random() < 0.25:
        whole = np.pad(whole, int(random.integers(8, 30)), constant_values=random.uniform(0, 100))
    blurred: Array = cv2.GaussianBlur(whole, (0, 0), random.uniform(0.1, 1.2))
    return blurred.clip(0, 100)


FOUND = """\
27,17,195,172 33,42,135,127 11,16,209,103 11,13,195,90 - 6,40,194,148
3,18,156,147,0.65 34,42,199,116,-0.51 30,64,193,101 38,15,123,183,-1.03 16,15,197,175,7.17 -
- 47,49,180,127 37,29,104,176 - 89,39,75,155,4.74 -
15,31,212,121 47,64,168,119 11,9,221,151 18,24,138,160 27,11,148,144,0.87 -
- - 25,14,177,156 11,14,80,180 15,42,184,143,4.53 49,47,209,90
24,17,91,123 - 29,21,180,103,1.23 18,26,207,109,-1.29 27,29,125,116 26,16,77,115,6.11
- 65,26,61,169 45,43,113,134 - 25,25,185,205 -
22,17,92,168,-0.91 40,26,132,183 50,35,147,102 37,28,163,123 14,8,140,205,3.94 -
"""


def test_the_borders_of_many_scans_are_those_of_before() -> None:
    for row in range(8):
        found = [find_border(any_scan(6 * row + number)) for number in range(6)]
        assert " ".join("-" if border is None else str(border) for border in found) == FOUND.splitlines()[row]


def test_three_level_lines_are_a_tilted_border_and_two_are_none() -> None:
    """A print on a mount of the same tone, with a bright rim along two and a half of its sides, or three."""
    inside, image = Rectangle(60, 45, 330, 230, 3.0), np.full((230, 330), 45, np.float32)
    image[60:170, 100:230] = image[:12] = image[:, -12:] = image[-12:, 165:] = 90
    assert find_border(tilted(inside, image, 45, (460, 350))) is None
    image[-12:] = 90
    found = find_border(tilted(inside, image, 45, (460, 350)))
    assert found is not None
    assert found.tilt == pytest.approx(3, abs=0.25)


def test_a_straightened_image_is_smooth() -> None:
    rows, columns = np.mgrid[:330, :430].astype(np.float32)
    whole = torch.from_numpy(50 + 20 * np.sin(columns / 9) + 20 * np.cos(rows / 7))
    upright = straighten(whole[None], TILTED)
    assert upright.shape == (1, 220, 300)
    x, y = TILTED.outer(tuple(np.meshgrid(np.arange(300) + 0.5, np.arange(220) + 0.5)))
    expected = 50 + 20 * np.sin((x - 0.5) / 9) + 20 * np.cos((y - 0.5) / 7)
    assert np.abs(upright[0].numpy() - expected).max() < 0.5


def color(levels: NDArray[np.uint8], recipe: Recipe) -> NDArray[np.uint8]:
    return Colorizer(Flood(), device="cpu").colorize(RasterImage(levels), recipe).levels()


def gray_scan() -> NDArray[np.uint8]:
    image = scene(TILTED.height, TILTED.width, 40, 70)
    return (tilted(TILTED, image, 4, SIZE, 0) * 2.55).astype(np.uint8)


def test_outside_stays_gray_and_inside_keeps_its_lightness() -> None:
    levels, inside = gray_scan(), mask_of(TILTED, SIZE)
    x, y = TILTED.outer((150, 110))
    found = color(levels, Recipe(points=(red(x, y, "everywhere"),), border=TILTED))
    assert np.array_equal(found[~inside], levels[~inside][:, None].repeat(3, 1))
    assert np.ptp(found[inside].astype(int), axis=1).min() > 20
    moved = lightness_of_levels(found) - lightness_of_levels(levels)
    assert moved.abs().max() < 0.5


def test_a_point_colors_its_place_in_a_tilted_print() -> None:
    for place in [(20, 15), (280, 15), (280, 205), (20, 205), (150, 110)]:
        x, y = TILTED.outer(place)
        point = replace(red(x, y, 0.2, 4), radius=4)
        chroma = np.ptp(color(gray_scan(), Recipe(points=(point,), border=TILTED)).astype(int), axis=2)
        rows, columns = np.nonzero(chroma > 0.8 * chroma.max())
        assert chroma.max() > 60
        assert (columns.mean() + 0.5, rows.mean() + 0.5) == pytest.approx((x, y), abs=2)


def test_the_colors_are_those_of_the_straight_image_turned() -> None:
    half = ((0.0, 0.0), (150.0, 0.0), (150.0, 220.0), (0.0, 220.0))
    path = ((30.0, 180.0), (270.0, 40.0))
    area = Area("color", half, color="#3060c0", feather=1)
    stroke = PaintStroke(path, "#c06020", size=14)
    point = red(220, 150, 0.3)
    turned = Recipe(
        points=(replace(point, x=TILTED.outer((220, 150))[0], y=TILTED.outer((220, 150))[1]),),
        areas=(replace(area, path=tuple(map(TILTED.outer, half))),),
        paint=(replace(stroke, path=tuple(map(TILTED.outer, path))),),
        border=TILTED,
    )
    flat = Rectangle(0, 0, TILTED.width, TILTED.height)
    straight = (tilted(flat, scene(TILTED.height, TILTED.width, 40, 70), 4, flat[2:4], 0) * 2.55).astype(
        np.uint8
    )
    alone = color(straight, Recipe(points=(point,), areas=(area,), paint=(stroke,), border="none"))
    whole = color(gray_scan(), turned)
    rows, columns = np.nonzero(mask_of(TILTED, SIZE))
    x, y = TILTED.unbounded((columns + 0.5, rows + 0.5))
    one, other = whole[rows, columns].astype(int), alone[y.astype(int), x.astype(int)].astype(int)
    moved = np.abs((one[:, 0] - one[:, 2]) - (other[:, 0] - other[:, 2]))
    assert moved.mean() < 3
    assert np.quantile(moved, 0.95) < 12
    assert np.ptp(other, axis=1).mean() > 30


def test_an_area_lightens_its_place_in_a_tilted_print() -> None:
    corners = ((100.0, 80.0), (200.0, 80.0), (200.0, 140.0), (100.0, 140.0))
    area = Area("color", tuple(map(TILTED.outer, corners)), color="#f0e0c0", lightness="color", feather=1)
    levels = gray_scan()
    found = color(levels, Recipe(areas=(area,), border=TILTED))
    moved = (lightness_of_levels(found) - lightness_of_levels(levels)).numpy()
    inner, outer = (
        mask_of(Rectangle(160 + grow, 130 + grow, 100 - 2 * grow, 60 - 2 * grow, 4.0), SIZE)
        for grow in (6, -16)
    )
    assert inner.sum() > 1000
    assert moved[inner].min() > 10
    assert np.abs(moved[~outer]).max() < 0.5


def test_a_recipe_moves_to_a_tilted_part() -> None:
    corners = ((10.0, 20.0), (100.0, 20.0), (100.0, 120.0))
    places = tuple(map(TILTED.outer, corners))
    columns, rows = np.meshgrid(np.arange(SIZE[0]) + 0.5, np.arange(SIZE[1]) + 0.5)
    left = TILTED.unbounded((columns, rows))[0] < 100
    center = TILTED.outer((90, 70))
    recipe = Recipe(
        width=SIZE[0],
        height=SIZE[1],
        points=(red(*places[0], 0.5), red(1, 1, 0.5)),
        scribbles=(Stroke(places),),
        boxes=(BoxHint(center[0] - 30, center[1] - 20, 60, 40),),
        areas=(Area("gray", places), Area("gray", mask=Mask.of(left))),
        extra={"classes": {"painted": [{"class": 1, "path": [list(place) for place in places]}]}},
    )
    moved, notes = crop_recipe(recipe, SIZE, TILTED)
    assert notes == ("1 of 2 points on the border ignored",)
    assert (moved.width, moved.height, moved.border) == (300, 220, "none")
    assert (moved.points[0].x, moved.points[0].y) == pytest.approx(corners[0])
    assert np.array(moved.scribbles[0].path) == pytest.approx(np.array(corners))
    assert moved.boxes is not None
    assert (moved.boxes[0].x, moved.boxes[0].y) == pytest.approx((60, 50))
    assert (moved.boxes[0].width, moved.boxes[0].height) == pytest.approx((60, 40))
    assert np.array(moved.areas[0].path) == pytest.approx(np.array(corners))
    assert moved.areas[1].mask is not None
    share = moved.areas[1].mask.array()
    assert share[:, :98].all()
    assert not share[:, 102:].any()
    assert np.array(moved.extra["classes"]["painted"][0]["path"]) == pytest.approx(np.array(corners))


def test_no_cell_of_a_tensor_of_points_is_lost() -> None:
    ab, mask = torch.zeros(1, 2, 330, 430), torch.zeros(1, 1, 330, 430)
    for row in range(70, 250, 3):
        for column in range(80, 340, 3):
            mask[0, 0, row, column] = 1
            ab[0, :, row, column] = torch.tensor([row, column])
    boxes = Boxes.of([torch.tensor([[180 / 430, 140 / 330, 240 / 430, 180 / 330]])])
    found = crop_guidance(Guidance(points=Points(ab, mask), boxes=boxes), TILTED, SIZE)
    assert found.points is not None
    assert found.points.mask.shape == (1, 1, 220, 300)
    seen = {tuple(pair) for pair in found.points.ab[0][:, found.points.mask[0, 0] > 0].T.tolist()}
    assert len(seen) == 60 * 87
    _, _, rows, columns = found.points.mask.nonzero(as_tuple=True)
    x, y = TILTED.outer((columns + 0.5, rows + 0.5))
    given = found.points.ab[0][:, rows, columns]
    assert (x - 0.5 - given[1]).abs().max() < 1.1
    assert (y - 0.5 - given[0]).abs().max() < 1.1
    assert found.boxes is not None
    x, y = TILTED.unbounded((210, 160))
    expected = torch.tensor([(x - 30) / 300, (y - 20) / 220, (x + 30) / 300, (y + 20) / 220])
    torch.testing.assert_close(found.boxes.corners[0, 0], expected)


def test_places_turn_there_and_back() -> None:
    for place in ((0, 0), (300, 0), (150, 110), (-20, 400)):
        assert TILTED.unbounded(TILTED.outer(place)) == pytest.approx(place)
    right = TILTED.outer((300, 110))
    assert right[1] > 160  # clockwise: the right side sinks
    assert TILTED.contains(TILTED.outer((1, 1)))
    assert not TILTED.contains((61, 51))
    assert TILTED.inner((0, 0)) == (0, pytest.approx(0))
    assert TILTED.scaled((600, 400), 300, 200) == (30, 25, 150, 110, 4.0)


def test_tilted_borders_are_read_and_written() -> None:
    recipe = Recipe.from_json({"border": [1, 2, 30, 40, -2.5]})
    assert recipe.border == Rectangle(1, 2, 30, 40, -2.5)
    assert recipe.to_dict()["border"] == [1, 2, 30, 40, -2.5]
    assert Recipe.from_json(recipe.to_dict()) == recipe
    assert Recipe.from_json({"border": [1, 2, 30, 40, 0]}).to_dict()["border"] == [1, 2, 30, 40]
    assert parse_border("1, 2,30,40,-2.5", "border") == recipe.border
    assert str(recipe.border) == "1,2,30,40,-2.5"
    assert str(Rectangle(1, 2, 30, 40)) == "1,2,30,40"
    assert parse_border("1,2,30,40,45", "border") == Rectangle(1, 2, 30, 40, 45)


def test_broken_tilts_are_refused() -> None:
    for border in [
        "1,2,30,40,46",
        "1,2,30,40,-45.5",
        "1,2,30,40,nan",
        "1,2,30,40,a",
        "1,2,30,40,1,1",
        "1,2,30.5,40,1",
    ]:
        with pytest.raises(GuidanceError, match="border must be"):
            parse_border(border, "border")


def test_a_tilt_is_a_number() -> None:
    for tilt in [True, "2", [2], None]:
        with pytest.raises(GuidanceError, match="border must be"):
            Recipe.from_json({"border": [1, 2, 30, 40, tilt]})
