"""Scan borders: detection, unchanged images, and guidance relative to the border."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from scipy.ndimage import gaussian_filter

from colorzoo.errors import GuidanceError
from colorzoo.guidance import Area, BoxHint, Guidance, PaintStroke, Points, Recipe, Regions, Stroke
from colorzoo.guidance.areas import Mask
from colorzoo.guidance.hints import rasterize_scribbles
from colorzoo.guidance.objects import Rectangle
from colorzoo.image_io.raster_image import RasterImage
from colorzoo.image_io.read import read_image
from colorzoo.inference.border import crop_recipe, find_border, select_part
from colorzoo.inference.colorizer import Colorizer
from colorzoo.inference.steps.areas import area_map
from colorzoo.inference.steps.classes import class_map
from colorzoo.inference.steps.regions import edit_regions
from inference.by_hand import overlays_of
from inference.flood_model import Flood, red
from inference.test_classes import Halves
from tiny_model import gray_image, tiny_model

INSIDE = Rectangle(24, 20, 180, 120)
Array = NDArray[np.float32]
Draw = Callable[[Recipe, tuple[int, int]], NDArray[np.generic]]


def scene(height: int, width: int, low: float = 20, high: float = 85, seed: int = 0) -> Array:
    """Return a smooth image with a few hard edges."""
    generator = np.random.default_rng(seed)
    coarse = Image.fromarray(generator.uniform(low, high, (6, 8)).astype(np.float32))
    smooth = np.array(coarse.resize((width, height), Image.Resampling.BICUBIC))
    smooth[height // 3 :, width // 4 : width // 2] = generator.uniform(low, high)
    return smooth.clip(0, 100)


def bordered(tone: float, noise: float = 0.0, inside: Array | None = None) -> Array:
    """Return a scene within a border of one tone; its inside is `INSIDE`."""
    x, y, width, height = INSIDE[:4]
    whole = np.full((height + 44, width + 54), tone, np.float32)
    whole[y : y + height, x : x + width] = scene(height, width) if inside is None else inside
    return (whole + np.random.default_rng(1).normal(0, noise, whole.shape)).clip(0, 100).astype(np.float32)


def assert_near(found: Rectangle | None, tolerance: int = 3) -> None:
    """Check that a border is found and removes at most ``tolerance`` image pixels on each side."""
    assert found is not None
    right, below = INSIDE.x + INSIDE.width, INSIDE.y + INSIDE.height
    cut = (
        found.x - INSIDE.x,
        found.y - INSIDE.y,
        right - found.x - found.width,
        below - found.y - found.height,
    )
    assert all(0 <= each <= tolerance for each in cut), cut


def test_find_border_detects_dark_and_light_borders_with_noise() -> None:
    for noise in [0, 3]:
        for tone in [2, 10, 90, 99]:
            assert_near(find_border(bordered(tone, noise)))


def soft(image: Array) -> Array:
    """Return an image with blurred edges."""
    blurred: Array = gaussian_filter(image, 0.7)
    return blurred


def rough(image: Array) -> Array:
    """Return an image in which the border reaches zero to two pixels into the inside."""
    x, y, width, height = INSIDE[:4]
    image, generator, tone = image.copy(), np.random.default_rng(2), image[2, 2]
    for turn, (start, depth, count) in enumerate(
        ((x, y, width), (y, 30, height), (x, 24, width), (y, x, height))
    ):
        side = np.rot90(image, turn)
        for column, reach in enumerate(generator.integers(0, 3, count // 4).repeat(4)):
            side[depth : depth + reach, start + column] = tone
    return image


@pytest.mark.parametrize("noise", [0, 2])
@pytest.mark.parametrize("tone", [4, 93])
@pytest.mark.parametrize(("edge", "first"), [(np.copy, 0), (soft, 0), (rough, 1)])
def test_find_border_keeps_the_outermost_rows_and_columns_of_the_image(
    edge: Callable[[Array], Array], first: int, tone: float, noise: float
) -> None:
    found = find_border(edge(bordered(tone, noise)))
    assert found is not None
    x, y, width, height = INSIDE[:4]
    left, top = found.x - x, found.y - y
    ends = (left, top, width - left - found.width, height - top - found.height)
    assert all(abs(end - first) <= 1 for end in ends), ends


def film(bar: tuple[int, int], tone: float = 3, *, upright: bool = False) -> Array:
    """Return a film with two exposures, separated by a bar between two columns of `INSIDE`."""
    inside = scene(INSIDE.height, INSIDE.width, low=30)
    inside[:, slice(*bar)] = tone
    whole = bordered(tone, noise=1, inside=inside)
    return whole.T.copy() if upright else whole


def test_find_border_excludes_a_second_exposure() -> None:
    for upright in [False, True]:
        for bar, (start, stop) in (((130, 138), (0, 130)), ((20, 24), (24, 180))):
            found = find_border(film(bar, upright=upright))
            assert found is not None
            x, width = (found.y, found.height) if upright else (found.x, found.width)
            assert 0 <= x - INSIDE.x - start <= 3
            assert 0 <= INSIDE.x + stop - x - width <= 3


def test_find_border_excludes_film_margins_with_markings() -> None:
    for upright in [False, True]:
        for first, last in ((6, 174), (16, 180), (0, 164)):  # each bar begins or ends within the margin
            inside = scene(INSIDE.height, INSIDE.width, low=30)
            inside[:, max(first - 8, 0) : first] = inside[:, last : last + 8] = 3
            inside[INSIDE.height // 2 : INSIDE.height * 57 // 100, [first - 2, last + 2][first == 0]] = 90
            whole = bordered(3, noise=1, inside=inside)
            found = find_border(whole.T.copy() if upright else whole)
            assert found is not None
            x, width = (found.y, found.height) if upright else (found.x, found.width)
            assert 0 <= x - INSIDE.x - first <= 3
            assert 0 <= INSIDE.x + last - x - width <= 3


def test_find_border_splits_exposures_only_at_narrow_dark_full_length_bars() -> None:
    assert_near(find_border(film((130, 132))), 4)  # a line
    assert_near(find_border(film((120, 140))), 4)  # a door
    assert_near(find_border(film((130, 138), tone=96)), 4)  # a white post before a white margin
    post = scene(INSIDE.height, INSIDE.width, low=30)
    post[INSIDE.height * 7 // 100 :, 130:138] = 3  # it ends below the upper border
    assert_near(find_border(bordered(3, noise=1, inside=post)), 4)
    shade = scene(INSIDE.height, INSIDE.width, low=30)
    shade[INSIDE.height * 14 // 100 :, 168:174] = 3  # near a side, but not all along it
    assert_near(find_border(bordered(3, noise=1, inside=shade)), 4)
    dim = scene(INSIDE.height, INSIDE.width, low=30)
    dim[:, 130:138] = 14  # darker than the image, and lighter than the film
    assert_near(find_border(bordered(3, noise=1, inside=dim)), 4)


def test_find_border_ignores_lettering_and_perforations() -> None:
    image = Image.fromarray(bordered(4))
    draw = ImageDraw.Draw(image)
    draw.text((60, 4), "SAFETY FILM 5063", fill=90)
    for column in range(0, image.width, 40):
        draw.rectangle([column, image.height - 16, column + 9, image.height - 8], fill=95)
    assert_near(find_border(np.array(image)))


def test_find_border_of_a_tilted_image_contains_no_border_pixels() -> None:
    for tone in [4, 95]:
        for degrees in [-0.9, -0.5, 0.3, 0.6, 0.9]:
            around = np.zeros((380, 520), np.float32)
            around[40:340, 40:480] = 1
            rotated = np.array(Image.fromarray(around).rotate(degrees, Image.Resampling.BICUBIC)) > 0.5
            whole = np.where(rotated, scene(380, 520, 25, 80), np.float32(tone))
            found = find_border(whole)
            assert found is not None
            part = rotated[found.y : found.y + found.height, found.x : found.x + found.width]
            assert part.all()  # no pixel of the border
            height, width = (
                300 - 440 * abs(np.sin(np.radians(degrees))),
                440 - 300 * abs(np.sin(np.radians(degrees))),
            )
            assert part.size > 0.97 * height * width  # of the largest upright rectangle


def test_find_border_removes_nested_borders() -> None:
    whole = bordered(5)
    for width, tone in ((20, 97), (16, 6)):
        whole = np.pad(whole, width, constant_values=tone)
        found = find_border(whole)
        assert found is not None
        around = (whole.shape[0] - INSIDE.height - 44) // 2
        assert_near(Rectangle(found.x - around, found.y - around, found.width, found.height), tolerance=4)


def night() -> Array:
    """Return a lit spot in the dark."""
    rows, columns = np.mgrid[:160, :240]
    return (3 + 90 * np.exp(-((rows - 80) ** 2 + (columns - 120) ** 2) / 900)).astype(np.float32)


def horizon() -> Array:
    """Return an even sky above an even sea, with a straight border."""
    sea = scene(160, 240, 20, 45)
    sea[:24] = 92
    return sea


def studio() -> Array:
    """Return a figure before a white wall."""
    wall = np.full((200, 160), 96, np.float32)
    wall[60:, 50:110] = scene(140, 60)
    return wall


def tiles() -> Array:
    """Return thin dark lines on white, as between tiles, around a figure."""
    wall = np.full((200, 200), 97, np.float32)
    wall[::40] = wall[:, ::40] = 40
    rows, columns = np.mgrid[:200, :200]
    figure = (rows - 150) ** 2 + (columns - 100) ** 2 < 70**2
    return np.where(figure, scene(200, 200), wall)


def window() -> Array:
    """Return an image with one straight dark edge, as of a door."""
    room = scene(160, 240)
    room[:, :20] = 4
    return room


def test_find_border_returns_none_for_images_without_border() -> None:
    for image in [night, horizon, studio, tiles, window, lambda: scene(160, 240)]:
        assert find_border(image()) is None


def test_find_border_returns_none_for_tiny_images() -> None:
    for shape in [(1, 1), (3, 400), (20, 20), (64, 9)]:
        assert find_border(np.zeros(shape, np.float32)) is None


def color(levels: NDArray[np.uint8], recipe: Recipe) -> NDArray[np.uint8]:
    return Colorizer(Flood(), device="cpu").colorize(RasterImage(levels), recipe).levels()


def test_recipe_border_stays_gray_and_inside_equals_the_cropped_image() -> None:
    levels = (bordered(4) * 2.55).astype(np.uint8)
    x, y, width, height = INSIDE[:4]
    points = tuple(replace(red(90 + x, 60 + y, reach), radius=3) for reach in ("everywhere", 1.0))
    alone = tuple(replace(point, x=point.x - x, y=point.y - y) for point in points)
    whole = color(levels, Recipe(points=points, border=INSIDE))
    part = color(levels[y : y + height, x : x + width], Recipe(points=alone, border="none"))
    assert np.array_equal(whole[y : y + height, x : x + width], part)
    assert np.ptp(part.astype(int), axis=2).max() > 20
    around = np.ones(levels.shape, bool)
    around[y : y + height, x : x + width] = False
    assert np.array_equal(whole[around], levels[around][:, None].repeat(3, 1))


def test_select_part_includes_the_last_row_and_column_of_a_large_scan() -> None:
    """The search uses every second row and column; the image size is not a multiple of this step."""
    inside = (scene(1551, 2301) * 2.55).astype(np.uint8)
    levels = np.pad(inside, ((150, 0), (200, 0)), constant_values=5)
    found = select_part(RasterImage(levels), "automatic")
    assert found is not None
    assert (found.x + found.width, found.y + found.height) == (2501, 1701)
    assert 0 <= found.x - 200 <= 5  # 5 pixels correspond to a pixel of the downscaled scan
    assert 0 <= found.y - 150 <= 5


def test_points_on_the_scan_border_are_ignored_with_a_note() -> None:
    levels = (bordered(4) * 2.55).astype(np.uint8)
    recipe = Recipe(points=(red(5, 5, "everywhere"), red(90, 80, "everywhere")), border=INSIDE)
    found = Colorizer(Flood(), device="cpu").colorize(RasterImage(levels), recipe)
    assert any(note.startswith("1 of 2 points") for note in found.notes)
    assert "only the image inside the scan border was colored (24,20,180,120)" in found.notes


def test_points_on_the_last_edges_color_the_image_with_and_without_a_border() -> None:
    colorizer = Colorizer(tiny_model(), device="cpu", size=64)
    image = gray_image(80, 96)
    corner = {"x": 96, "y": 80, "radius": 4, "color": "#c04020"}
    for border in ("none", [10, 8, 86, 72]):
        results = [
            np.asarray(colorizer(image, {"border": border, "points": points})).astype(int)
            for points in ([], [corner])
        ]
        assert np.abs(results[1] - results[0])[-3:, -3:].max() > 20, border
    beside = Recipe.from_json({"points": [{**corner, "x": 86, "y": 40}]})
    assert crop_recipe(beside, (96, 80), Rectangle(10, 8, 76, 72))[0].points == ()


def test_crop_recipe_crops_boxes_and_masks_to_the_part() -> None:
    half = np.zeros((164, 234), bool)
    half[:, :100] = True
    recipe = Recipe(
        width=234,
        height=164,
        boxes=(BoxHint(0, 0, 124, 70), BoxHint(0, 0, 10, 10)),
        areas=(Area("gray", mask=Mask.of(half)),),
    )
    moved, notes = crop_recipe(recipe, (234, 164), INSIDE)
    assert (moved.width, moved.height, moved.border, notes) == (180, 120, "none", ())
    assert moved.boxes == (BoxHint(0, 0, 100, 50),)
    assert moved.areas[0].mask is not None
    assert np.array_equal(moved.areas[0].mask.array(), half[20:140, 24:204])


def test_crop_recipe_keeps_the_place_of_coarse_masks() -> None:
    """The border is inside cells of 9 x 9 pixels."""
    cells = np.zeros((18, 26), bool)
    cells[4:11, 5:16] = True
    recipe = Recipe(areas=(Area("gray", mask=Mask.of(cells)),))
    expected = np.kron(cells, np.ones((9, 9)))
    for inside in (Rectangle(24, 20, 180, 120), Rectangle(5, 4, 190, 150), Rectangle(49, 40, 90, 60)):
        moved, _ = crop_recipe(recipe, (234, 162), inside)
        found = area_map(moved.areas[0], (inside.width, inside.height), (inside.height, inside.width))
        assert np.abs(found - expected[inside.slices]).mean() < 0.03, inside


SLANTED = ((5.0, 60.0), (150.0, 8.0), (228.0, 160.0), (70.0, 100.0))
"""Path across the border on all sides."""
CORNERS = list(map(list, SLANTED))


def draw_area(recipe: Recipe, size: tuple[int, int]) -> NDArray[np.generic]:
    return area_map(recipe.areas[0], size, size[::-1])


def draw_scribble(recipe: Recipe, size: tuple[int, int]) -> NDArray[np.generic]:
    drawn = rasterize_scribbles(recipe.scribbles, *size, size[::-1])
    assert drawn is not None
    return drawn.mask[0, 0].numpy()


def draw_class(recipe: Recipe, size: tuple[int, int]) -> NDArray[np.generic]:
    sized = replace(recipe, width=size[0], height=size[1])
    found = class_map(Halves(), sized, torch.zeros(1, 1, *size[::-1]), None)
    return (found.target == 2)[0, 0].numpy()


def draw_division(recipe: Recipe, size: tuple[int, int]) -> NDArray[np.generic]:
    index = torch.zeros(1, 1, *size[::-1], dtype=torch.int64)
    regions = Regions(index, torch.zeros(1, 3, 3), torch.zeros(1, 3))
    blank = torch.ones(1, 1, *size[::-1])  # sketch without lines
    return edit_regions(regions, blank, recipe.divisions, size).index[0, 0].numpy()


def draw_paint(recipe: Recipe, size: tuple[int, int]) -> NDArray[np.generic]:
    (paint,) = overlays_of(recipe, size, size[::-1])
    ab = torch.zeros(2, *size[::-1])
    paint(ab, torch.full(size[::-1], 50.0), 0)
    return ab[0].numpy()


@pytest.mark.parametrize(
    ("draw", "recipe"),
    [
        (draw_area, Recipe(areas=(Area("gray", SLANTED),))),
        (draw_scribble, Recipe(scribbles=(Stroke(SLANTED, 9),))),
        (
            draw_class,
            Recipe.from_json({"classes": {"painted": [{"class": 2, "path": CORNERS}]}}),
        ),
        (draw_division, Recipe.from_json({"divisions": [{"path": CORNERS, "closed": True}]})),
        (draw_paint, Recipe(paint=(PaintStroke(SLANTED, "#c04020", 9),))),
    ],
)
def test_paths_across_the_border_keep_their_shape(draw: Draw, recipe: Recipe) -> None:
    moved, _ = crop_recipe(recipe, (234, 164), INSIDE)
    whole, part = draw(recipe, (234, 164)), draw(moved, (180, 120))
    expected = whole[20:140, 24:204]
    wrong = np.abs(part.astype(float) - expected).sum() / np.abs(expected.astype(float)).sum()
    assert wrong < 0.02  # OpenCV and Pillow round clipped edges
    assert 0 < np.count_nonzero(part) < min(np.count_nonzero(whole), part.size)


def test_reach_of_paint_ignores_the_part_of_the_stroke_on_the_border() -> None:
    """A stroke along the border and into the image reaches as far as its end in the image."""
    levels = (bordered(4) * 2.55).astype(np.uint8)
    inner, outer = (60.0, 40.0), (5.0, 150.0)
    found = [
        Colorizer(Flood(), device="cpu").colorize(
            RasterImage(levels), Recipe(paint=(PaintStroke(path, "#c04020", 9, reach=1.0),), border=INSIDE)
        )
        for path in ((inner,), (outer, (5.0, 40.0), inner))
    ]
    (alone,), (across,) = (image.canvas.finishing[0].reaches for image in found)  # type: ignore[attr-defined]
    assert alone is not None
    assert across is not None
    for reach in (alone, across):
        assert reach[-20:].max() < 0.1 < 0.9 < reach.max()  # the rows of `outer` are far from `inner`


def test_recipe_with_strokes_across_the_border_gives_an_image() -> None:
    levels = (bordered(4) * 2.55).astype(np.uint8)
    recipe = Recipe(scribbles=(Stroke(SLANTED),), border=INSIDE)
    assert color(levels, recipe).shape == (164, 234, 3)
    with pytest.raises(GuidanceError, match="outside the image"):
        color(levels, replace(recipe, scribbles=(Stroke(((5, 60), (240, 8))),)))


@pytest.mark.parametrize("png", ["", "aGVsbG8="])
def test_unreadable_locked_colors_inside_a_border_raise_the_same_error_as_without_it(png: str) -> None:
    kept = {"png": png, "low": [0, 0, 0], "step": [1, 1, 1]}
    lock = {"action": "lock", "path": [[20, 20], [60, 20], [60, 60]], "kept": kept}
    levels = (bordered(4) * 2.55).astype(np.uint8)
    for border in (list(INSIDE), "none"):
        with pytest.raises(GuidanceError, match="locked area"):
            color(levels, Recipe.from_json({"areas": [lock], "border": border}))


def test_tensor_guidance_covers_the_whole_image_and_rejects_a_border() -> None:
    image = RasterImage((bordered(4) * 2.55).astype(np.uint8))
    points = Recipe(points=(red(90, 80, "everywhere"),))
    tensors = points.to_guidance(*image.size)
    colorizer = Colorizer(Flood(), device="cpu")
    (point,) = colorizer.resolve(image, tensors).recipe.points
    assert (point.x, point.y, point.radius, point.ab) == (90, 80, 3, (60, 40))
    board = ((torch.arange(64) + torch.arange(64)[:, None]) % 2)[None, None].float()
    more = board.clone().index_fill_(3, torch.tensor(63), 1)
    for places, count in ((board, 2048), (more, 0)):  # more points stay maps
        dense = Guidance(points=Points(places.expand(-1, 2, -1, -1), places))
        edit = colorizer.resolve(RasterImage(np.zeros((64, 64), np.uint8)), dense, border="none")
        assert (len(edit.recipe.points), edit.tensors.points is None) == (count, count > 0)
    several = Guidance(points=Points(torch.zeros(2, 2, 8, 8), torch.zeros(2, 1, 8, 8)))
    with pytest.raises(GuidanceError, match="guidance"):
        colorizer.resolve(image, several, border="none")
    with pytest.raises(GuidanceError, match="border' must be 'none'"):
        colorizer.resolve(image, tensors, border=INSIDE)
    with pytest.raises(GuidanceError, match=r"classes\.file requires border"):
        colorizer.resolve(image, Recipe.from_json({"classes": {"file": "a.png"}}), border=INSIDE)


def test_recipe_reads_and_writes_border_and_its_former_name() -> None:
    assert Recipe.from_json({"version": 1}).border == "none"  # the behavior of version 1
    assert Recipe.from_json({}).border == "automatic"
    for name in ("border", "frame"):  # the second is the former name
        for numbers in ([1, 2, 30, 40], [1, 2, 30, 40, 2.5]):  # an earlier version wrote a tilt
            assert Recipe.from_json({name: numbers}).to_dict()["border"] == [1, 2, 30, 40]


def test_recipe_rejects_invalid_borders() -> None:
    for border in [
        "all",
        [1, 2, 3],
        [0, 0, 4, 40],
        [-1, 0, 40, 40],
        [1.5, 0, 40, 40],
        [True, 0, 40, 40],
        True,
    ]:
        with pytest.raises(GuidanceError, match="border must be"):
            Recipe.from_json({"border": border})


def test_select_part_rejects_a_rectangle_outside_the_image() -> None:
    image = read_image(np.full((50, 60), 128, np.uint8))
    with pytest.raises(GuidanceError, match="border"):
        select_part(image, Rectangle(20, 0, 60, 50))
    assert select_part(image, Rectangle(0, 0, 60, 50)) is None
