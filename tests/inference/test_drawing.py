"""Drawings: lines at full size, points, divisions, palettes, region colors of models, and invalid input."""

from __future__ import annotations

import math
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from PIL import Image

from colorzoo.color import rgb_to_lab
from colorzoo.color.lab import reduce_chroma
from colorzoo.data.decode import decode_rgb
from colorzoo.drawing import is_line_art
from colorzoo.errors import GuidanceError
from colorzoo.factory import create_coloring_model
from colorzoo.guidance import Area, DrawingSettings, PointHint, Recipe, RegionColor
from colorzoo.guidance.objects import Division, Rectangle
from colorzoo.image_io.read import read_image
from colorzoo.inference.colorizer import Colorizer
from colorzoo.inference.edit import proposed_regions
from colorzoo.inference.full_size import FullLightness
from colorzoo.inference.steps.areas import encode_locked_colors
from colorzoo.inference.steps.drawing import (
    FlatColors,
    copy_points,
    divide_regions,
    read_drawing,
    region_votes,
)
from colorzoo.inference.steps.regions import filled_regions, proposal_hash
from colorzoo.prediction import RgbPrediction
from inference.by_hand import Results, color_again, edit_on
from tiny_model import tiny_painter

MODELS = ("colorzoo2026_drawing", "painter")


def drawing(height: int = 60, width: int = 80, *, paper: int = 255, ink: int = 0) -> np.ndarray:
    """Return a framed cross on paper."""
    image = np.full((height, width, 3), paper, np.uint8)
    image[8:-8, 10:12] = image[8:-8, -12:-10] = image[8:10, 10:-10] = image[-10:-8, 10:-10] = ink
    image[height // 2, 10:-10] = image[8:-8, width // 2] = ink
    return image


@pytest.fixture(scope="module")
def colorizer() -> Colorizer:
    return Colorizer(tiny_painter(), device="cpu", precision="float32", size=64)


@pytest.fixture(scope="module")
def drawing_colorizer() -> Colorizer:
    torch.manual_seed(0)
    model = create_coloring_model("colorzoo2026_drawing", weights=None)
    return Colorizer(model, device="cpu", precision="float32", allow_untrained=True)


@pytest.fixture
def any_colorizer(
    request: pytest.FixtureRequest, colorizer: Colorizer, drawing_colorizer: Colorizer
) -> Colorizer:
    return {"painter": colorizer, "colorzoo2026_drawing": drawing_colorizer}[request.param]


@pytest.mark.parametrize("any_colorizer", MODELS, indirect=True)
@pytest.mark.parametrize("depth", [8, 16])
def test_lines_keep_their_darkness_at_full_size(any_colorizer: Colorizer, depth: int) -> None:
    """In a region of one color, result / color is the darkness of the source, for gray and soft lines."""
    image = np.full((600, 500), 250, np.uint8)
    cv2.circle(image, (250, 300), 150, 30, 5, cv2.LINE_AA)
    cv2.line(image, (200, 260), (300, 330), 120, 1, cv2.LINE_AA)
    recipe = Recipe(points=(PointHint(250, 300, color="#ffffff"), PointHint(5, 5, color="#ffffff")))
    result = any_colorizer.colorize(image, recipe).levels(depth).astype(float) / (2**depth - 1)
    expected = np.minimum(image / 250, 1)
    assert np.abs(result - expected[..., None]).max() < 2 / 255


@pytest.mark.parametrize("any_colorizer", MODELS, indirect=True)
@pytest.mark.parametrize("invert", [False, True])
def test_paint_has_its_exact_color_on_paper_and_the_lines_stay_above_it(
    any_colorizer: Colorizer, invert: bool
) -> None:
    image = np.full((300, 400), 255, np.uint8)
    cv2.circle(image, (200, 150), 80, 100, 5, cv2.LINE_AA)
    if invert:
        image = 255 - image
    # a dark stroke, a light stroke, a half-transparent stroke, an erased part, and a change of the hue alone
    strokes: list[dict[str, Any]] = [
        {"path": [[20, 150], [380, 150]], "color": "#000080", "size": 40, "hardness": 1},
        {"path": [[20, 40], [380, 40]], "color": "#ffe08a", "size": 40, "hardness": 1},
        {"path": [[20, 250], [380, 250]], "color": "#000000", "size": 40, "hardness": 1, "opacity": 0.5},
        {"path": [[350, 20], [350, 290]], "erase": True, "size": 20, "hardness": 1},
        {"path": [[300, 20], [300, 290]], "color": "#c04020", "size": 20, "hardness": 1, "blend": "hue"},
    ]
    white = {"points": [{"x": x, "y": 150, "color": "#ffffff"} for x in (5, 200)]}
    plain = any_colorizer.colorize(image, Recipe.from_json(white)).rgb
    painted = any_colorizer.colorize(image, Recipe.from_json({**white, "paint": strokes})).rgb
    ink = np.minimum((255 - image if invert else image) / 255, 1)[150, 30:280, None]
    below = np.array([0, 0, 128]) / 255
    expected = below * ink + (1 - ink if invert else 0)
    assert np.abs(painted[150, 30:280] - expected).max() < 1.5 / 255
    assert (painted[40, 100] * 255).round().tolist() == [255, 224, 138]
    assert 0.3 < painted[250, 100].mean() < 0.6  # between black and white in CIE Lab
    assert np.abs(painted[40:260, 350] - plain[40:260, 350]).max() < 1 / 255
    assert np.abs(painted[100, 300] - plain[100, 300]).max() < 1 / 255  # white has no hue
    assert np.abs(painted[200, :280] - plain[200, :280]).max() < 1 / 255


def rooms() -> np.ndarray:
    """Return four rooms in a row without a margin."""
    image = np.full((40, 160), 255, np.uint8)
    for x in (40, 80, 120):
        image[:, x - 1 : x + 1] = 0
    return image


def test_region_votes_are_on_the_device_of_the_predicted_distribution() -> None:
    plan = read_drawing(rooms())
    sketch = plan.sketch((64, 64))
    for device in ("cpu", "meta"):
        distribution = torch.empty(1, 256, 16, 16, device=device)
        prediction = RgbPrediction(
            rgb=torch.zeros(1, 3, 64, 64), extras={"color_log_probabilities": distribution}
        )
        assert region_votes(prediction, plan, sketch).device == distribution.device


def test_votes_of_regions_without_a_pixel_of_the_network_input_are_in_the_cell_of_their_first_pixel() -> None:
    plan = read_drawing(rooms())
    regions = plan.regions.copy()
    regions[30, 100:102], regions[7, 3] = 4, 5
    plan = replace(plan, regions=regions)
    votes = plan.votes(plan.sketch((8, 32)), (2, 8)).view(6, 2, 8)
    assert votes[4].nonzero().tolist() == [[1, 5]]
    assert votes[5].nonzero().tolist() == [[0, 0]]
    assert votes[4:].sum() == 2


def test_similar_regions_copy_the_exact_color_of_the_earliest_point() -> None:
    plan = read_drawing(rooms())
    at = [plan.region_at(x, 20, (160, 40)) for x in (20, 60, 100, 140)]
    similarity = torch.eye(4)
    similarity[at[0], at[2]] = similarity[at[1], at[2]] = similarity[at[0], at[1]] = 0.95
    similarity[at[0], at[3]] = 0.3
    flats = FlatColors(plan, np.ones((4, 3), np.float32))
    red, blue = PointHint(20, 20, color="#c04020"), PointHint(60, 20, color="#2040c0")
    for points in ((red,), (red, blue)):  # the later point changes no copy of the earlier point
        colors = copy_points(flats, similarity, points, (160, 40)).colors
        assert (colors[at[2]] * 255).round().tolist() == [192, 64, 32]
        assert colors[at[3]].tolist() == [1, 1, 1]
    assert colors[at[1]].tolist() == [1, 1, 1]  # a region with a point copies no other point


def scan(height: int, width: int, dtype: type = np.uint8) -> np.ndarray:
    """Return a framed cross on cream paper with grain and uneven light."""
    y, x = np.mgrid[0:height, 0:width]
    grain = np.random.default_rng(0).integers(-3, 4, (height, width, 1))
    paper = np.array([240, 232, 214]) - 8 * (x / width + y / height)[..., None] + grain
    levels = paper * (drawing(height, width) / 255)
    return np.rint(levels * (np.iinfo(dtype).max / 255)).astype(dtype)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("is_inverted", [False, True])
def test_blank_paper_is_unchanged_bit_for_bit(dtype: type, is_inverted: bool) -> None:
    levels = scan(90, 64, dtype)
    if is_inverted:
        levels = np.iinfo(dtype).max - levels
    plan = read_drawing(levels)
    assert plan.art.inverted == is_inverted
    colors = np.full((len(plan.areas), 3), plan.art.white, np.float32)
    colors[0] = 0.8, 0.4, 0.2
    blank = plan.regions > 0
    flats = FlatColors(plan, colors)
    depth = 8 * levels.itemsize
    result = flats.compose(depth)
    assert np.array_equal(result[blank], levels[blank])
    assert not np.array_equal(result[~blank], levels[~blank])
    assert np.array_equal(flats.compose(None)[blank], levels[blank] / np.float32(np.iinfo(dtype).max))
    # a white fill covers the color of the paper
    filled = replace(flats, is_set=np.arange(len(colors)) == 1)
    white = np.iinfo(dtype).max * plan.art.white
    difference = abs(filled.compose(depth)[plan.regions == 1] - white) / np.iinfo(dtype).max
    assert np.median(difference) < 0.03 < np.median(abs(levels[plan.regions == 1] - white))


def test_a_white_area_covers_the_color_of_the_paper(drawing_colorizer: Colorizer) -> None:
    def colored(**fields: Any) -> np.ndarray:
        settings = DrawingSettings(palette=("#ffffff",))
        return np.asarray(drawing_colorizer(scan(90, 64), Recipe(drawing=settings, **fields)))

    filled = colored(areas=(Area("color", path=((0, 0), (64, 0), (64, 90), (0, 90)), color="#ffffff"),))
    assert np.array_equal(colored(), scan(90, 64))
    assert filled[:6].min() > 245 > scan(90, 64)[:6, :, 2].max()


def test_strength_does_not_change_blank_paper(drawing_colorizer: Colorizer) -> None:
    recipe = Recipe(drawing=DrawingSettings(palette=("#ffffff",)), strength=0.4)
    assert np.array_equal(np.asarray(drawing_colorizer(scan(90, 64), recipe)), scan(90, 64))


@pytest.mark.parametrize("any_colorizer", MODELS, indirect=True)
@pytest.mark.parametrize("strengths", [(1, 1, 1), (1, 0.5, 1)])
def test_the_latest_point_colors_a_whole_region_with_a_note(
    any_colorizer: Colorizer, strengths: tuple[float, ...]
) -> None:
    """The upper left and the upper right region have two points each, in both orders."""
    places = [(16.0, 12.0), (34.0, 26.0), (60.0, 14.0)]
    red, blue, green = (
        PointHint(*place, color=color, strength=strength)
        for place, color, strength in zip(places, ("#c04020", "#2040c0", "#20a040"), strengths, strict=True)
    )
    alone = any_colorizer.colorize(drawing(), Recipe(points=(red, green)))
    for points in ((blue, red, green), (blue, green, red)):
        found = any_colorizer.colorize(drawing(), Recipe(points=points))
        (note,) = (note for note in found.notes if "later point" in note)
        assert note.startswith("1 point")
        assert len(found.flats.colors) == len(alone.flats.colors)
        for (x, y), color in ((places[0], red.color), (places[1], red.color), (places[2], green.color)):
            assert found.levels()[int(y), int(x)].tolist() == [int(color[k : k + 2], 16) for k in (1, 3, 5)]
    assert np.array_equal(any_colorizer.colorize(drawing(), Recipe(points=(blue, red, green))).rgb, alone.rgb)
    assert not any("later point" in note for note in alone.notes)


def test_points_of_one_color_in_a_region_all_condition_the_network(drawing_colorizer: Colorizer) -> None:
    points = tuple(PointHint(x, 14, color="#c04020") for x in (16, 34))
    both, one = (
        drawing_colorizer.colorize(drawing(), Recipe(points=points[:count])).prediction for count in (2, 1)
    )
    assert both is not None
    assert one is not None
    assert not torch.equal(both.extras["embedding"], one.extras["embedding"])


def test_points_at_one_position_and_an_area_keep_the_color_of_the_later_point(colorizer: Colorizer) -> None:
    area = Area("color", path=((0, 0), (80, 0), (80, 60), (0, 60)), color="#20a040")
    points = (PointHint(60, 20, color="#c04020"), PointHint(60, 20, color="#2040c0"))
    result = np.asarray(colorizer(drawing(), Recipe(points=points, areas=(area,))))
    assert result[20, 60].tolist() == [32, 64, 192]
    assert result[45, 20].tolist() == [32, 160, 64]


def test_a_later_point_changes_no_region_that_copied_an_earlier_point() -> None:
    image = np.full((280, 400), 255, np.uint8)
    windows = [(60, 40), (240, 40), (60, 160), (240, 160)]
    for x, y in windows:
        cv2.rectangle(image, (x, y), (x + 100, y + 80), 0, 3)
    first, later = PointHint(110, 80, color="#c04020"), PointHint(20, 20, color="#2040c0")
    colorizer = Colorizer("colorzoo2026_drawing", device="cpu", precision="float32")
    before, after = (
        np.asarray(colorizer(image, Recipe(points=points))) for points in ((first,), (first, later))
    )
    copies = [(x + 50, y + 40) for x, y in windows if before[y + 40, x + 50].tolist() == [192, 64, 32]]
    assert len(copies) > 1  # the window of the point and at least one other window
    assert all(after[y, x].tolist() == [192, 64, 32] for x, y in copies)


@pytest.mark.parametrize("any_colorizer", MODELS, indirect=True)
def test_the_strength_of_a_point_is_its_share_in_the_color_of_the_region(any_colorizer: Colorizer) -> None:
    strong, weak, off = (
        np.asarray(any_colorizer(drawing(), Recipe(points=(PointHint(20, 20, color="#c04020", strength=s),))))
        for s in (1.0, 0.25, 0.0)
    )
    plain = np.asarray(any_colorizer(drawing(), Recipe()))
    assert np.array_equal(off, plain)
    expected = plain[20, 20] + 0.25 * (strong[20, 20].astype(float) - plain[20, 20])
    assert np.abs(weak[20, 20] - expected).max() <= 1


@pytest.mark.parametrize("any_colorizer", MODELS, indirect=True)
def test_area_fills_a_drawing_below_the_lines_except_regions_of_points(any_colorizer: Colorizer) -> None:
    """The area covers the two upper regions; the second one contains a point."""
    area = Area("color", path=((4, 4), (76, 4), (76, 28), (4, 28)), color="#20a040")
    recipe = Recipe(areas=(area,), points=(PointHint(60, 20, color="#c04020"),))
    image, plain = drawing(), np.asarray(any_colorizer(drawing(), replace(recipe, areas=())))
    filled = np.asarray(any_colorizer(image, recipe))
    assert np.abs(filled[18, 24].astype(int) - (32, 160, 64)).max() <= 8
    assert filled[20, 60].tolist() == [192, 64, 32]
    assert np.array_equal(filled[45, 20], plain[45, 20])
    assert filled[image[..., 0] == 0].max() <= 2  # lines stay black
    gray = np.asarray(any_colorizer(image, replace(recipe, strength=0.0)))
    assert np.array_equal(gray[18, 24], filled[18, 24])  # what a person filled keeps its color
    assert np.ptp(gray[45, 20].astype(int)) <= 2


@pytest.mark.parametrize("any_colorizer", MODELS, indirect=True)
def test_area_covers_a_point_by_the_strength_of_the_point(any_colorizer: Colorizer) -> None:
    area = Area("color", path=((0, 0), (80, 0), (80, 60), (0, 60)), color="#20a040")

    def color(*strengths: float) -> np.ndarray:
        points = tuple(PointHint(60, 20, color="#c04020", strength=strength) for strength in strengths)
        result = any_colorizer.colorize(drawing(), Recipe(points=points, areas=(area,)))
        return result.levels()[20, 60].astype(int)

    assert color(0).tolist() == color().tolist() == [32, 160, 64]
    assert np.abs(color(0.01) - color()).max() <= 8
    assert np.abs(color(0.99) - (192, 64, 32)).max() <= 8
    redness = [found[0] - found[1] for found in map(color, (0, 0.25, 0.5, 0.75, 1))]
    assert redness == sorted(set(redness))


def test_gray_areas_of_large_drawings_have_no_color_beside_the_lines(drawing_colorizer: Colorizer) -> None:
    image = np.full((640, 640), 255, np.uint8)
    image[:, 320:326] = 0
    points = PointHint(130, 320, color="#c04020"), PointHint(510, 320, color="#2040c0")
    whole = Area("gray", path=((0, 0), (640, 0), (640, 640), (0, 640)))
    result = np.asarray(drawing_colorizer(image, Recipe(points=points, areas=(whole,))))
    assert np.ptp(result.astype(int), axis=2).max() <= 20


def rings(ink: int, paper: int) -> np.ndarray:
    """Return two rings on paper, 450 x 450 pixels."""
    image = np.full((450, 450), paper, np.uint8)
    for radius in (80, 165):
        cv2.circle(image, (225, 225), radius, ink, 5, cv2.LINE_AA)
    return image


DISC = tuple((225 + 122 * math.cos(turn / 10), 225 + 122 * math.sin(turn / 10)) for turn in range(63))
FROM_MIDDLE = np.hypot(*(np.mgrid[:450, :450] - 225))


@pytest.mark.parametrize(("ink", "paper"), [(0, 255), (110, 255), (255, 0)])
@pytest.mark.parametrize(
    ("path", "radius"), [(((-9, -9), (459, -9), (459, 459), (-9, 459)), 999), (DISC, 107)]
)
def test_locks_with_stored_colors_have_these_colors_up_to_the_lines(
    path: tuple[tuple[float, float], ...], radius: float, ink: int, paper: int, drawing_colorizer: Colorizer
) -> None:
    colors = {(225, 225): "#d02020", (225, 105): "#20a040", (30, 30): "#3050e0"}
    points = tuple(PointHint(x, y, color=color) for (x, y), color in colors.items())
    expected = drawing_colorizer.colorize(rings(ink, paper), Recipe(points=points))
    shown = expected.flats.at_network_size(expected.edit.map_size)[0]
    kept = encode_locked_colors(shown, torch.ones(shown.shape[1:]))
    later = Recipe(
        points=tuple(replace(point, color="#f0e040") for point in points),
        areas=(Area("lock", path=path, kept=kept),),
    )
    result = drawing_colorizer.colorize(rings(ink, paper), later)
    difference = np.abs(result.levels().astype(int) - expected.levels())
    assert difference[radius > FROM_MIDDLE].max() <= 4


def test_exact_ab_of_a_point_fills_its_region(drawing_colorizer: Colorizer) -> None:
    point = PointHint(20, 20, color="#808080", ab=(40.0, -20.0))
    result = np.asarray(drawing_colorizer(drawing(), Recipe(points=(point,))))[20, 20]
    lab = rgb_to_lab(torch.from_numpy(result / np.float32(255)).view(1, 3, 1, 1)).flatten()
    torch.testing.assert_close(lab, torch.tensor([53.6, 40.0, -20.0]), atol=1.0, rtol=0)


@pytest.mark.parametrize("strength", [0.5, 1.0])
def test_exact_ab_outside_srgb_is_limited_as_in_photos(drawing_colorizer: Colorizer, strength: float) -> None:
    point = PointHint(20, 20, color="#808080", ab=(-100.0, 90.0))
    recipe = Recipe(points=(point,), strength=strength)
    result = np.asarray(drawing_colorizer(drawing(), recipe))[20, 20]
    lab = rgb_to_lab(torch.from_numpy(result / np.float32(255)).view(1, 3, 1, 1)).flatten()
    expected = reduce_chroma(torch.tensor([53.6, -100.0, 90.0]).view(3, 1, 1)).flatten()
    torch.testing.assert_close(lab, expected, atol=1.0, rtol=0)


@pytest.mark.parametrize("any_colorizer", MODELS, indirect=True)
def test_point_fills_its_region_exactly(any_colorizer: Colorizer) -> None:
    points = (PointHint(20, 20, color="#c04020"), PointHint(2, 2, color="#80a0ff"))
    result = np.asarray(any_colorizer(drawing(), Recipe(points=points)))
    assert result[12:28, 14:38].reshape(-1, 3).tolist() == [[192, 64, 32]] * (16 * 24)
    assert result[:7].reshape(-1, 3).tolist() == [[128, 160, 255]] * (7 * 80)


def test_point_colors_similar_regions_more_than_others() -> None:
    trained = Colorizer("colorzoo2026_drawing", device="cpu", precision="float32")
    image = np.full((200, 200, 3), 255, np.uint8)
    for row, column in ((50, 50), (50, 150), (150, 50), (150, 150)):
        cv2.circle(image, (column, row), 30, (0, 0, 0), 2, cv2.LINE_AA)
    point = Recipe(points=(PointHint(50, 50, color="#1040e0"),))
    plain, hinted = (np.asarray(trained(image, recipe)) for recipe in (Recipe(), point))
    change = np.abs(hinted.astype(float) - plain).sum(2)
    assert change[150, 150] > 3 * change[5, 100]  # an equal circle, and the paper between the circles


@pytest.mark.parametrize(
    "division",
    [
        {"path": [[25, 5], [25, 35]]},
        {"path": [[14, 12], [30, 12], [30, 26], [14, 26]], "closed": True},
    ],
)
def test_divisions_cut_and_outline_regions(division: dict[str, object]) -> None:
    recipe = Recipe.from_json({"divisions": [division]})
    regions = read_drawing(drawing(), divisions=recipe.divisions).regions
    assert len({regions[20, 15], regions[20, 36], regions[20, 60]}) == 3


def test_join_merges_the_regions_that_it_crosses() -> None:
    recipe = Recipe.from_json({"divisions": [{"path": [[25, 20], [60, 20]], "join": True}]})
    regions = read_drawing(drawing(), divisions=recipe.divisions).regions
    assert regions[20, 25] == regions[20, 60] != regions[45, 25]
    assert sorted(np.unique(regions)) == list(range(regions.max() + 1))


def discs() -> np.ndarray:
    """Return twelve discs in a row of four, 600 x 800 pixels, on paper."""
    image = np.full((600, 800), 255, np.uint8)
    for y in (100, 300, 500):
        for x in (100, 300, 500, 700):
            cv2.circle(image, (x, y), 80, 0, 4, cv2.LINE_AA)
    return image


@pytest.mark.parametrize("ends", [(-12, 12), (5, -5), (0, 0)])
def test_a_cut_divides_only_the_region_that_it_crosses(ends: tuple[int, int]) -> None:
    """The line ends behind the outline of a disc or a few pixels before it."""
    before = read_drawing(discs())
    line = Division(((20 + ends[0], 110), (180 + ends[1], 110)))
    after = divide_regions(before, [line])
    disc = before.regions[100, 100]
    is_disc = before.regions == disc
    assert np.array_equal(after.regions[~is_disc], before.regions[~is_disc])
    assert len(after.areas) == len(before.areas) + 1
    upper, lower = after.regions[60, 100], after.regions[150, 100]
    assert (upper, lower) == (disc, len(before.areas))  # the larger part keeps the number
    parts = np.mgrid[:600, :800][0][is_disc] < 110
    assert (np.where(parts, upper, lower) == after.regions[is_disc]).mean() > 0.98
    assert np.array_equal(read_drawing(discs(), divisions=[line]).regions, after.regions)


def test_divisions_apply_in_the_order_of_drawing() -> None:
    before = read_drawing(discs())
    join = Division(((100, 100), (300, 100)), join=True)
    cut = Division(((100, 20), (100, 180)))
    joined = divide_regions(before, [join])
    assert joined.regions[100, 60] == joined.regions[100, 300] == joined.regions[100, 140]
    parts = divide_regions(joined, [cut]).regions
    assert parts[100, 60] != parts[100, 140]
    assert np.unique(parts[before.regions == before.regions[100, 300]]).size == 1  # the other disc is whole
    again = divide_regions(before, [cut, join]).regions
    assert again[100, 60] == again[100, 140] == again[100, 300]


def test_a_line_that_ends_inside_a_region_cuts_nothing() -> None:
    before = read_drawing(discs())
    after = divide_regions(before, [Division(((100, 60), (100, 140)))])
    assert np.array_equal(after.regions, before.regions)


@pytest.mark.parametrize("path", [[[80, 10], [80, 50]], [[-9, 5], [-2, 50]]])
def test_join_outside_the_image_changes_nothing(path: list[list[int]]) -> None:
    recipe = Recipe.from_json({"divisions": [{"path": path, "join": True}]})
    joined = read_drawing(drawing(), divisions=recipe.divisions).regions
    assert np.array_equal(joined, read_drawing(drawing()).regions)


def test_a_border_of_a_drawing_is_ignored_with_a_note(colorizer: Colorizer) -> None:
    (note,) = colorizer.colorize(drawing(), border=Rectangle(10, 10, 40, 30)).notes
    assert "does not use borders" in note
    assert all(colorizer.colorize(drawing(), border=name).notes == () for name in ("automatic", "none"))


def test_palette_limits_the_colors_of_all_regions(drawing_colorizer: Colorizer) -> None:
    palette = ("#d02020", "#20a040", "#f0f0f0")
    recipe = Recipe(drawing=DrawingSettings(palette=palette))
    result = np.asarray(drawing_colorizer(drawing(), recipe))
    paper = drawing()[..., 0] == 255
    allowed = {tuple(int(color[i : i + 2], 16) for i in (1, 3, 5)) for color in palette}
    found = {tuple(map(int, pixel)) for pixel in result[paper]}
    assert all(min(max(abs(a - b) for a, b in zip(x, y, strict=True)) for y in allowed) <= 1 for x in found)


@pytest.mark.filterwarnings("error::RuntimeWarning")
@pytest.mark.parametrize("settings", [{"variant": 1}, {"palette": ("#ffffff",)}], ids=["variant", "palette"])
def test_a_page_without_objects_stays_paper(settings: dict[str, Any], drawing_colorizer: Colorizer) -> None:
    page = np.full((60, 80, 3), 255, np.uint8)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        result = np.asarray(drawing_colorizer(page, Recipe(drawing=DrawingSettings(**settings))))
    assert np.ptp(result.reshape(-1, 3), axis=0).max() == 0


def test_variants_differ_and_are_reproducible(drawing_colorizer: Colorizer) -> None:
    def colored(variant: int) -> np.ndarray:
        recipe = Recipe(drawing=DrawingSettings(variant=variant))
        return np.asarray(drawing_colorizer(drawing(240, 320), recipe))

    assert np.array_equal(colored(1), colored(1))
    assert len({colored(variant).tobytes() for variant in range(8)}) >= 4


def test_shading_varies_within_regions_only(drawing_colorizer: Colorizer) -> None:
    flat, shaded = (
        np.asarray(drawing_colorizer(drawing(240, 320), Recipe(drawing=DrawingSettings(shading=shading))))
        for shading in (False, True)
    )
    inside = (slice(20, 110), slice(24, 150))
    assert np.ptp(flat[inside].reshape(-1, 3), axis=0).max() == 0
    assert np.ptp(shaded[inside].reshape(-1, 3), axis=0).max() > 0


def test_white_ink_on_black_paper_stays_white(drawing_colorizer: Colorizer) -> None:
    points = (PointHint(20, 20, color="#c04020"),)
    result = np.asarray(drawing_colorizer(drawing(paper=0, ink=255), Recipe(points=points)))
    assert result[9, 30].tolist() == [255, 255, 255]
    assert result[20, 20].tolist() == [192, 64, 32]


def test_drawing_settings_survive_json() -> None:
    settings = DrawingSettings(gap=8, palette=("#102030",), variant=2, shading=True)
    recipe = Recipe(drawing=settings)
    assert Recipe.from_json(recipe.to_json()).drawing == settings
    with pytest.raises(GuidanceError, match=r"recipe\.drawing\.palette\[0\] must be a color"):
        Recipe.from_json({"drawing": {"palette": ["red"]}})


def test_line_art_is_recognized_on_any_paper_and_photos_are_not() -> None:
    rng = np.random.default_rng(0)
    for paper, ink in [(255, 0), (190, 110), (235, 90), (0, 255)]:
        image = drawing(240, 320, paper=paper, ink=ink).astype(float)
        scan = np.clip(image + rng.normal(0, 2, (240, 320, 1)), 0, 255).astype(np.uint8)
        assert is_line_art(scan), (paper, ink)
    smooth = cv2.GaussianBlur(rng.uniform(0, 255, (240, 320)), (0, 0), 12)
    photo = ((smooth - smooth.min()) / np.ptp(smooth) * 255).astype(np.uint8)
    assert not is_line_art(photo)
    assert not is_line_art(np.full((64, 64), 255, np.uint8))


def test_photos_are_converted_to_lines_with_a_note(colorizer: Colorizer) -> None:
    rng = np.random.default_rng(0)
    smooth = cv2.GaussianBlur(rng.uniform(0, 255, (120, 160)), (0, 0), 6)
    photo = ((smooth - smooth.min()) / np.ptp(smooth) * 255).astype(np.uint8)
    assert any("photo" in note for note in colorizer.colorize(photo).notes)


@pytest.mark.parametrize("any_colorizer", MODELS, indirect=True)
def test_sketch_models_colorize_drawings_of_any_size(any_colorizer: Colorizer) -> None:
    for size in [(37, 1000), (1, 1), (9, 300), (130, 70)]:
        image = np.full((*size, 3), 255, np.uint8)
        image[size[0] // 2] = 0
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            painted = np.asarray(any_colorizer(image))
        assert painted.shape[:2] == size
        assert np.ptp(painted) > 0 or size == (1, 1)


def test_region_color_edits_reuse_the_cached_segmentation(colorizer: Colorizer) -> None:
    image = read_image_of(drawing())
    runs: list[int] = []
    results: Results = {}
    handle = colorizer.model.network.segmenter.register_forward_hook(lambda *_: runs.append(1))
    lightness = FullLightness(drawing().astype(np.float32) / 255).whole()
    regions = proposed_regions(edit_on(colorizer, lightness))
    numbers = filled_regions(regions)
    assert len(numbers) > 1
    colors = [RegionColor(numbers[0], "#ff0000"), RegionColor(numbers[1], "#0000ff")]
    one, two = (
        color_again(
            colorizer, image, Recipe(regions=tuple(colors[:count]), proposal=proposal_hash(regions)), results
        )
        for count in (1, 2)
    )
    handle.remove()
    assert len(runs) == 2  # once for `proposed_regions` above, without the cache
    assert not np.array_equal(one.rgb, two.rgb)
    assert not any("region colors" in note for note in (*one.notes, *two.notes))


def read_image_of(image: np.ndarray) -> object:
    return read_image(Image.fromarray(image))


def test_recipe_with_another_proposal_hash_adds_a_note(colorizer: Colorizer) -> None:
    recipe = Recipe(regions=(RegionColor(0, "#ff0000"),), proposal="0" * 64)
    notes = colorizer.colorize(read_image_of(drawing()), recipe).notes
    assert "region colors may be misplaced" in " ".join(notes)


def test_region_colors_with_invalid_index_or_color_raise(colorizer: Colorizer) -> None:
    with pytest.raises(GuidanceError, match=r"recipe\.regions: index must be from 0 to 29 .*got 30"):
        colorizer.colorize(read_image_of(drawing()), {"regions": [{"index": 30, "color": "#ff0000"}]})
    with pytest.raises(GuidanceError, match="#rrggbb"):
        colorizer.colorize(read_image_of(drawing()), {"regions": [{"index": 0, "color": "#ff00000"}]})


def test_transparent_line_art_is_colorized_on_white_paper(tmp_path: Path) -> None:
    """The color of fully transparent pixels has no effect."""
    for hidden in [0, 90]:
        for mode in ["RGBA", "LA", "P"]:
            cover = np.zeros((64, 64), np.uint8)
            cover[8:56, 20:23] = cover[30:33, 8:56] = 255
            cover[50:54, 40:44] = 128
            gray = np.where(cover > 0, 0, hidden).astype(np.uint8)
            path = tmp_path / "a.png"
            image = Image.merge("LA", [Image.fromarray(gray), Image.fromarray(cover)])
            if mode == "P":
                image = Image.fromarray(np.digitize(cover, [1, 200]).astype(np.uint8), "P")
                image.putpalette([hidden] * 3 + [0] * 6)
                image.save(path, transparency=bytes([0, 128, 255]))
            else:
                image.convert("RGBA" if mode == "RGBA" else "LA").save(path)
            paper = Image.fromarray(255 - cover)
            colorizer = Colorizer(tiny_painter(), device="cpu", allow_untrained=True)
            expected, found = colorizer(paper), colorizer.colorize(path)
            np.testing.assert_allclose(found.rgb, np.asarray(expected) / 255, atol=3 / 255)
            assert any("filled with paper" in note for note in found.notes)
            source = found.source(read_image(path))
            assert source.alpha is None
            assert colorizer(Image.open(path)).mode == "RGB"
            lines = decode_rgb(path.read_bytes())
            np.testing.assert_allclose(lines.numpy(), np.broadcast_to(255 - cover, (3, 64, 64)), atol=1)


def test_zhang2017_keeps_the_alpha_channel(tmp_path: Path) -> None:
    rgba = np.dstack([np.full((48, 64, 3), 90, np.uint8), np.full((48, 64), 7, np.uint8)])
    result = Colorizer("zhang2017_local_small", device="cpu")(rgba)
    assert result.mode == "RGBA"
    assert np.asarray(result)[..., 3].tolist() == rgba[..., 3].tolist()
