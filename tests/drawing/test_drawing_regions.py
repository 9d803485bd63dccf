"""Regions of drawings: closed outlines, gaps, fragments, line colors and full size."""

import cv2
import numpy as np
import pytest

from colorzoo.drawing.lines import LineArt, is_line_art, shrink_darkness
from colorzoo.drawing.regions import find_open_boundaries, find_regions
from colorzoo.inference.steps.drawing import read_drawing


def circle(side: int, *, line: float, gap: float = 0) -> np.ndarray:
    """Return a circle of radius side / 4, with lengths in units of side / 1000."""
    image, middle = np.full((side, side), 255, np.uint8), side // 2
    cv2.circle(image, (middle, middle), side // 4, 0, max(1, round(line * side / 1000)), cv2.LINE_AA)
    half = round(gap * side / 2000)
    if half:
        image[middle - half : middle + half, middle:] = 255
    return image


def regions_of(image: np.ndarray, **settings: float) -> np.ndarray:
    return find_regions(LineArt.read(image).darkness, **settings)


def distances(side: int) -> np.ndarray:
    rows, columns = np.mgrid[:side, :side]
    return np.hypot(rows - side // 2, columns - side // 2)


@pytest.mark.parametrize("side", [250, 700, 1600])
@pytest.mark.parametrize("line", [4, 12])
def test_closed_outline_separates_inside_from_outside_without_leaks(side: int, line: float) -> None:
    regions = regions_of(circle(side, line=line))
    inside, outside = regions[side // 2, side // 2], regions[0, 0]
    away, half = distances(side), line * side / 2000 + 2
    assert inside != outside
    assert np.all(regions[away < side / 4 - half] == inside)
    assert np.all(regions[away > side / 4 + half] == outside)


@pytest.mark.parametrize("side", [1000, 1600])
def test_gaps_of_four_pixels_at_a_thousand_are_closed(side: int) -> None:
    regions = regions_of(circle(side, line=6, gap=4))
    inside, away = regions[side // 2, side // 2], distances(side)
    assert inside != regions[0, 0]
    assert np.mean((regions == inside) & (away > side / 4 + 4)) < 0.0001


def test_a_larger_gap_setting_closes_a_wide_opening() -> None:
    image = np.full((300, 300), 255, np.uint8)
    image[:, 148:152] = 0
    image[130:170, 148:152] = 255
    joined, closed = regions_of(image, gap=1), regions_of(image, gap=8)
    assert joined[150, 20] == joined[150, 280]
    assert closed[150, 20] != closed[150, 280]


@pytest.mark.parametrize("gap", [4, 8, 14])
@pytest.mark.parametrize(("radius", "half"), [(10, 7), (15, 10)])
def test_a_larger_gap_setting_joins_no_regions_that_the_default_separates(
    radius: int, half: int, gap: float
) -> None:
    image = np.full((300, 300), 255, np.uint8)  # a wall with a small round chamber in its opening
    image[:, 149:152] = 0
    cv2.circle(image, (150, 150), radius, 0, 3)
    cv2.circle(image, (150, 150), radius - 2, 255, -1)
    image[150 - half : 151 + half, 146 - radius : 155 + radius] = 255
    regions = regions_of(image, gap=gap)
    assert regions[150, 20] != regions[150, 280]


@pytest.mark.parametrize(("gap", "opening"), [(8, 16), (14, 20)])
def test_a_larger_gap_setting_keeps_the_background_beside_a_figure_in_one_region(
    gap: float, opening: int
) -> None:
    """A head divides the background of a panel except for an opening below the frame."""
    image = np.full((800, 800), 255, np.uint8)
    cv2.rectangle(image, (60, 60), (480, 460), 0, 5)
    cv2.circle(image, (270, 260), 197 - opening, 0, 5, cv2.LINE_AA)
    cv2.rectangle(image, (190, 400), (350, 460), 255, -1)
    image[400:460, 188:193] = image[400:460, 348:353] = 0
    scaled = cv2.copyMakeBorder(image, 100, 100, 100, 100, cv2.BORDER_CONSTANT, value=255)
    regions = regions_of(scaled, gap=gap)
    assert regions[175, 175] == regions[175, 545]


@pytest.mark.parametrize("side", [400, 1000, 1600])
def test_chambers_on_both_sides_of_a_narrow_place_without_a_line_are_one_region(side: int) -> None:
    image, unit = np.full((side, side), 255, np.uint8), side / 1000
    for radius, level in ((103, 0), (97, 255)):  # an hourglass: two discs that overlap
        for x in (405, 595):
            cv2.circle(image, (round(x * unit), side // 2), round(radius * unit), level, -1)
    regions = regions_of(image)
    left, right = (regions[side // 2, round(x * unit)] for x in (405, 595))
    assert left == right
    assert left != regions[5, 5]


def test_an_opening_of_a_long_outline_stays_closed() -> None:
    regions = regions_of(circle(1000, line=6, gap=60))
    assert regions[500, 500] != regions[5, 5]


def test_open_boundaries_are_boundaries_without_a_line() -> None:
    regions = np.zeros((90, 90), np.int32)
    regions[45:] = 2
    regions[:45, 45:] = 1
    regions[45:, 45:] = 3
    darkness = np.zeros((90, 90), np.uint8)
    darkness[44:46] = 255  # between the upper and the lower regions
    darkness[46:80, 44:46] = 255  # three quarters of the boundary of the lower regions
    assert find_open_boundaries(regions, darkness).tolist() == [[0, 1]]
    darkness[46:60] = 0
    assert find_open_boundaries(regions, darkness).tolist() == [[0, 1], [2, 3]]


@pytest.mark.parametrize("shape", [(1000, 1000), (1000, 1400), (1400, 1000)])
@pytest.mark.parametrize(("gap", "closed"), [(4.0, 8), (3.0, 6)])
def test_openings_up_to_twice_the_gap_count_as_a_line(
    shape: tuple[int, int], gap: float, closed: int
) -> None:
    middle = shape[1] // 2
    regions = np.zeros(shape, np.int32)
    regions[:, middle:] = 1
    for width in (6, 7, closed, closed + 1, 10):
        darkness = np.zeros(shape, np.uint8)
        darkness[:, middle - 2 : middle + 2] = 255
        for top in range(0, shape[0] - 20, round(width / 0.6)):  # openings are 60 % of the boundary
            darkness[top : top + width, middle - 2 : middle + 2] = 0
        found = find_open_boundaries(regions, darkness, gap).tolist()
        assert found == ([] if width <= closed else [[0, 1]]), width


def test_a_corridor_without_a_line_across_is_one_region() -> None:
    image = np.full((400, 400), 255, np.uint8)
    for offset in (0, 9):  # two parallel lines, 8 pixels apart
        cv2.line(image, (50, 100 + offset), (350, 300 + offset), 0, 2)
    cv2.line(image, (50, 100), (50, 109), 0, 2)
    cv2.line(image, (350, 300), (350, 309), 0, 2)
    regions = regions_of(image)
    corridor = [regions[100 + round(t * 200) + 5, 50 + round(t * 300)] for t in np.linspace(0.05, 0.95, 30)]
    assert len(set(corridor)) == 1
    assert corridor[0] not in (regions[10, 200], regions[390, 200])


def test_background_of_a_panel_above_a_head_is_one_region() -> None:
    page = np.full((700, 500), 255, np.uint8)
    middles = [(x, y) for y in (120, 350, 580) for x in (130, 370)]
    for x, y in middles:
        cv2.rectangle(page, (x - 112, y - 108), (x + 112, y + 108), 0, 2)
        cv2.circle(page, (x, y - 55), 30, 0, 2)  # 22 pixels below the frame
        for side in (-1, 1):
            body = [(x + side * 18, y - 32), (x + side * 55, y + 10), (x + side * 60, y + 108)]
            cv2.polylines(page, [np.array(body, np.int32)], False, 0, 2)
    regions = regions_of(page)
    backgrounds = [(regions[y, x - 95], regions[y, x + 95]) for x, y in middles]
    assert all(left == right for left, right in backgrounds)
    assert len({left for left, _ in backgrounds} | {regions[0, 0]}) == 7


def test_regions_meet_below_the_lines() -> None:
    image = np.full((200, 200), 255, np.uint8)
    image[:, 95:105] = 0
    regions = regions_of(image)
    boundary = np.flatnonzero(np.diff(regions[100]))
    assert len(np.unique(regions)) == 2
    assert 95 <= boundary[0] <= 104


@pytest.mark.parametrize(
    ("paper", "ink"),
    [((255, 255, 255), (0, 0, 0)), ((235, 220, 190), (60, 40, 30)), ((255, 255, 255), (70, 90, 220)),
     ((255, 255, 255), (170, 170, 170)), ((0, 0, 0), (255, 255, 255))],
)  # fmt: skip
def test_lines_of_any_color_and_contrast_separate_regions(
    paper: tuple[int, int, int], ink: tuple[int, int, int]
) -> None:
    image = np.full((300, 300, 3), paper, np.uint8)
    cv2.rectangle(image, (80, 80), (220, 220), ink, 3)
    regions = regions_of(image)
    assert len(np.unique(regions)) == 2
    assert regions[150, 150] != regions[10, 10]


@pytest.mark.parametrize(("side", "gap", "line"), [(1200, 5, 2), (3000, 8, 4)])
def test_narrow_regions_of_large_drawings_are_kept(side: int, gap: int, line: int) -> None:
    darkness, first = np.zeros((side, side), np.uint8), side // 2
    narrow = np.s_[:, first + line : first + line + gap]
    darkness[:, first : first + gap + 2 * line] = 255
    darkness[narrow] = 0
    regions = find_regions(darkness)
    assert len(np.unique(regions)) == 3
    assert np.all(regions[narrow] == 2)


def test_largest_region_has_number_zero() -> None:
    regions = regions_of(circle(300, line=8))
    counts = np.bincount(regions.ravel())
    assert list(counts) == sorted(counts, reverse=True)
    assert regions.dtype == np.int32


def test_screentone_dots_count_as_paper() -> None:
    image = np.full((400, 400), 255, np.uint8)
    cv2.rectangle(image, (50, 50), (350, 350), 0, 3)
    image[60:340:5, 60:340:5] = 0
    image[61:341:5, 60:340:5] = 0
    assert len(np.unique(regions_of(image))) == 2


def test_shrunk_thin_lines_stay_visible() -> None:
    darkness = np.zeros((1000, 1000), np.uint8)
    darkness[:, 500] = 255
    small = shrink_darkness(darkness, (100, 100))
    assert small.max(axis=1).min() > 64
    assert (small > 0).mean() < 0.05


@pytest.mark.parametrize("shape", [(9, 33_000), (33_000, 9)])
@pytest.mark.parametrize("is_photo", [False, True])
def test_drawings_can_have_more_pixels_per_side_than_opencv_can_remap(
    shape: tuple[int, int], is_photo: bool
) -> None:
    levels = np.full(shape, 255, np.uint8)
    if is_photo:
        levels = np.random.default_rng(0).integers(0, 255, shape, np.uint8)
    assert not is_line_art(levels)
    assert read_drawing(levels).regions.shape == shape


def test_blank_drawings_are_one_region() -> None:
    for side in (1, 7, 64):
        assert np.all(regions_of(np.full((side, side), 255, np.uint8)) == 0)


@pytest.mark.parametrize("gap", [4, 30])
def test_specks_join_their_neighbor_below_an_area(gap: float) -> None:
    """A disc of 0.015 % is a speck, a disc of 0.13 % is none, and every region remains with the value 0."""
    image = np.full((900, 600), 255, np.uint8)
    for x, radius in ((200, 4), (400, 14)):
        cv2.circle(image, (x, 300), radius, 0, 2)
    small, large = (300, 200), (300, 400)
    joined, kept, coarse = (regions_of(image, gap=gap, specks=each) for each in (0.02, 0, 0.2))
    assert joined[small] == joined[0, 0] != joined[large]
    assert len({kept[small], kept[large], kept[0, 0]}) == 3
    assert len(np.unique(coarse)) == 1


def test_neighboring_specks_of_equal_area_join_the_paper() -> None:
    image = np.full((600, 600), 255, np.uint8)
    image[300, 300:315] = image[307, 300:315] = image[300:308, 300] = image[300:308, 307] = 0
    image[300:308, 314] = 0
    assert len(np.unique(regions_of(image))) == 1
    assert len(np.unique(regions_of(image, specks=0))) == 3
