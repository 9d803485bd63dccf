"""Each layer of a recipe beside each other layer, in each context, by each route: one meaning.

The rows of issue 114 that are still wrong are in `test_edit_rows`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import combinations
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from edits import (
    BLUE,
    BORDER,
    CROP,
    FREE,
    GRAY,
    GREEN,
    HEALED,
    HEIGHT,
    KINDS,
    LAYER,
    LAYERS,
    LOCK,
    MULTIPLY,
    PALETTE,
    PINK,
    ROUTES,
    SHADE,
    UNTOUCHED,
    WEAK,
    WIDTH,
    Cell,
    Kind,
    Levels,
    Place,
    at_lightness,
    cell,
    edit_in_pad,
    lab,
    result,
    rgb,
    scaled,
    scene,
    to_levels,
)


@pytest.fixture(autouse=True, scope="module")
def cells_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Write the files of all cells into one temporary folder."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tempfile.tempdir", str(tmp_path_factory.mktemp("cells")))
        yield


def uncropped(each: Cell) -> Levels:
    """Return the result without the crop; another property compares both."""
    return result(each.without("crop"))


def at(each: Cell, place: Place) -> NDArray[np.float64]:
    """Return the levels of a pixel."""
    x, y = place
    return uncropped(each)[y, x].astype(float)


def lightness_at(place: Place, each: Cell) -> float:
    """Return the CIE lightness of a pixel of the input."""
    x, y = place
    return float(lab(np.full(3, scene(each.kind)[y, x]))[0])


def assert_near(found: NDArray[Any], expected: NDArray[Any], tolerance: float = 2.0) -> None:
    """Compare levels."""
    apart = abs(np.asarray(found, float) - expected).max()
    assert apart <= tolerance, f"{np.asarray(found).tolist()} instead of {np.round(expected, 1).tolist()}"


def assert_equal(found: Levels, expected: Levels, tolerance: int = 0) -> None:
    """Compare images."""
    assert found.shape == expected.shape
    apart = abs(found.astype(int) - expected).max(2)
    assert apart.max() <= tolerance, (
        f"{(apart > tolerance).mean():.1%} of the pixels differ by up to {apart.max()}"
    )


# properties of one layer in a cell


def points_have_their_color(each: Cell, name: str) -> None:
    """Test the exact color in drawings, and hue and chroma at the lightness of the pixel in photos."""
    for place, color in LAYER[name].colors:
        if each.kind == "drawing":
            assert_near(at(each, place), rgb(color))
        else:
            assert_near(at(each, place), at_lightness(color, lightness_at(place, each), each.strength))


def area_has_its_color(each: Cell, name: str) -> None:
    """In photos, an area mixes its color with the prediction, so only hue and chroma are similar."""
    ((place, color),) = LAYER[name].colors
    if each.kind == "drawing":
        assert_near(at(each, place), rgb(color))
        return
    expected = lab(at_lightness(color, lightness_at(place, each), each.strength))
    apart = np.hypot(*(lab(at(each, place)) - expected)[1:])
    assert apart < 0.6 * np.hypot(*expected[1:]), f"{apart:.1f} CIE units"


def weak_point_is_a_mixture(each: Cell, _name: str) -> None:
    """Mix the color with the automatic color of a drawing, or the results with and without the point."""
    if each.kind == "drawing":
        automatic = replace(each.automatic("palette", "variant", "shading"), strength=1.0)
        assert_near(at(each, WEAK), 0.5 * (rgb(BLUE) + at(automatic, WEAK)))
        return
    without = each.without("weak point")
    strong = replace(each, layers=(*without.layers, "strong point"))
    expected = 0.5 * (lab(at(without, WEAK)) + lab(at(strong, WEAK)))
    assert abs(lab(at(each, WEAK)) - expected).max() < 2


def gray_is_gray(each: Cell, _name: str) -> None:
    assert np.ptp(at(each, GRAY)) <= 2, at(each, GRAY)


def lock_keeps_the_automatic_colors(each: Cell, _name: str) -> None:
    assert_near(at(each, LOCK), at(each.automatic(), LOCK))


def only_keeps_the_automatic_colors_outside(each: Cell, _name: str) -> None:
    for place in UNTOUCHED:
        assert_near(at(each, place), at(each.automatic(), place))


def paint_has_its_color(each: Cell, name: str) -> None:
    """In photos, paint is as dark as the pixel: linear RGB is scaled down, or the lightness is raised."""
    ((place, color),) = LAYER[name].colors
    if each.kind == "drawing":
        assert_near(at(each, place), rgb(color))
        return
    lightness = lightness_at(place, each)
    expected = at_lightness(color, lightness, each.strength)
    if lightness < lab(rgb(color))[0]:
        luminance = [((value + 16) / 116) ** 3 for value in (lightness, lab(rgb(color))[0])]
        share = rgb(color) / 255
        linear = np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)
        linear = linear * luminance[0] / luminance[1]
        expected = 255 * np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
        expected = scaled(expected, each.strength)
    assert_near(at(each, place), expected)


def multiply_multiplies(each: Cell, name: str) -> None:
    """In photos, the lightness stays."""
    below = at(each.without(name), MULTIPLY)
    expected = below * rgb(SHADE) / 255
    if each.kind == "drawing":
        assert_near(at(each, MULTIPLY), expected)
    else:
        assert abs(lab(at(each, MULTIPLY)) - lab(expected))[1:].max() < 3


def replacement_replaces(each: Cell, name: str) -> None:
    """The hue is turned, and the chroma multiplied, as from the old to the new color."""
    ((place, _),) = LAYER[name].colors
    before = rgb(GREEN)
    if each.kind == "photo":
        before = at_lightness(GREEN, lightness_at(place, each), each.strength)
    old, new = (complex(*lab(rgb(color))[1:]) for color in (GREEN, PINK))
    lightness, a, b = lab(before)
    turned = complex(a, b) * new / old
    assert_near(at(each, place), to_levels(np.array([lightness, turned.real, turned.imag])), 3)


def finish_is_warmer(each: Cell, name: str) -> None:
    """Compare the part that is neither gray nor locked."""
    change = lab(uncropped(each).reshape(-1, 3)) - lab(uncropped(each.without(name)).reshape(-1, 3))
    assert change[:, 2].mean() > 1


def palette_limits_the_automatic_colors(each: Cell, _name: str) -> None:
    """The colors of points are allowed, too, because similar regions copy them."""
    allowed = [scaled(rgb(color), each.strength) for color in PALETTE]
    allowed += [rgb(point["color"]) for name in each.layers for point in LAYER[name].recipe.get("points", ())]
    for place in (*UNTOUCHED, FREE, (2, 2)):
        found = at(each, place)
        assert min(abs(found - color).max() for color in allowed) <= 2, f"{found} at {place}"


def layer_has_an_effect(each: Cell, name: str) -> None:
    assert not np.array_equal(uncropped(each), uncropped(each.without(name)))


def layer_has_no_effect(each: Cell, name: str) -> None:
    assert_equal(uncropped(each), uncropped(each.without(name)))


def healing_removes_the_speck(each: Cell, _name: str) -> None:
    x, y = HEALED
    around = uncropped(each)[y - 8 : y + 9, x - 8 : x + 9].reshape(-1, 3)
    assert_near(at(each, HEALED), np.median(around, 0), 8)


def crop_is_cut_out(each: Cell, _name: str) -> None:
    left, top, right, bottom = CROP
    assert_equal(result(each), uncropped(each)[top:bottom, left:right])


def border_is_gray(each: Cell, _name: str) -> None:
    left, top, right, bottom = BORDER
    outside = np.ones((HEIGHT, WIDTH), bool)
    outside[top:bottom, left:right] = False
    gray = np.repeat(scene(each.kind)[outside][:, None], 3, 1)
    assert_near(uncropped(each)[outside], gray, 0 if not each.has("finish") else 1)


def nothing_changes_outside(each: Cell, name: str) -> None:
    mask = LAYER[name].mask
    assert mask is not None
    left, top, right, bottom = mask
    found, before = (uncropped(one).copy() for one in (each, each.without(name)))
    for levels in (found, before):
        levels[top:bottom, left:right] = 0
    assert_equal(found, before, 1)


Property = Callable[[Cell, str], None]
SETS: dict[str, Property] = {
    "point": points_have_their_color,
    "weak point": weak_point_is_a_mixture,
    "area": area_has_its_color,
    "gray": gray_is_gray,
    "only": only_keeps_the_automatic_colors_outside,
    "lock": lock_keeps_the_automatic_colors,
    "paint": paint_has_its_color,
    "multiply": multiply_multiplies,
    "replacement": replacement_replaces,
    "finish": finish_is_warmer,
    "palette": palette_limits_the_automatic_colors,
    "variant": layer_has_an_effect,
    "split": points_have_their_color,
    "join": points_have_their_color,
    "gap": points_have_their_color,
    "shading": layer_has_an_effect,
    "healing": healing_removes_the_speck,
    "crop": crop_is_cut_out,
    "border": border_is_gray,
    "statistics": layer_has_an_effect,
}
UNCHANGED_BY_FINISH = ("gray", "only", "lock", "finish", "crop", "border", "variant", "shading", "statistics")


def properties(each: Cell) -> Iterator[tuple[str, str]]:
    """Yield the names of a property and of a layer, for all documented properties of a cell."""
    for name in each.layers:
        layer = LAYER[name]
        if each.kind not in layer.kinds:
            yield "no effect", name
            continue
        if layer.mask is not None and not each.same:  # the earlier page has the same layers
            yield "outside", name
        if each.has("finish") and name not in UNCHANGED_BY_FINISH:
            continue  # the finish changes these colors, too
        if name == "palette" and each.has("shading"):
            continue  # the shading varies the colors of the palette
        if name == "variant" and (each.has("palette") or each.references > 1 or each.same):
            continue  # two colors can be the likeliest ones again, and all regions can be copied
        if name == "weak point" and each.same:
            continue  # the automatic color depends on the earlier page, which has a weak point, too
        if name == "weak point" and each.has("replacement") and each.kind == "photo":
            continue  # the replacement applies to the mixture
        if name == "replacement" and each.strength != 1 and each.kind == "photo":
            continue  # pale colors are replaced with less weight
        yield "set", name


def check(each: Cell, what: str, name: str) -> None:
    """Test one property of a layer in a cell."""
    checks = {"no effect": layer_has_no_effect, "outside": nothing_changes_outside}
    (SETS[name] if what == "set" else checks[what])(each, name)


NAMES = [layer.name for layer in LAYERS]
ALONE = [cell(kind, name) for kind in KINDS for name in NAMES]
PAIRS = [cell(kind, *pair) for kind in KINDS for pair in combinations(NAMES, 2)]
PALE = [replace(each, strength=0.4) for each in ALONE]
REFERRED = [replace(each, references=count) for count in (1, 2) for each in ALONE]
SAME = [replace(each, same=True) for each in ALONE if each.kind == "drawing"]


def items(cells: list[Cell]) -> list[Any]:
    """Return the parameters of the properties of cells."""
    return [
        pytest.param(each, what, name, id=f"{each}: {what} {name}")
        for each in cells
        for what, name in properties(each)
    ]


@pytest.mark.parametrize(("each", "what", "name"), items([*ALONE, *PALE, *PAIRS]))
def test_layers(each: Cell, what: str, name: str) -> None:
    check(each, what, name)


@pytest.mark.parametrize(("each", "what", "name"), items([*REFERRED, *SAME]))
def test_layers_with_references(each: Cell, what: str, name: str) -> None:
    check(each, what, name)


GROUPS = [NAMES[first::5] for first in range(5)]
"""Five groups that together contain each layer once, for the routes."""
IN_MEMORY = "Colorizer"


@pytest.mark.parametrize("route", [name for name in ROUTES if name not in (IN_MEMORY, "film key")])
@pytest.mark.parametrize("group", range(len(GROUPS)))
@pytest.mark.parametrize("kind", KINDS)
def test_routes_have_equal_pixels(kind: Kind, group: int, route: str) -> None:
    each = cell(kind, *GROUPS[group])
    assert_equal(result(each, route), result(each, IN_MEMORY))


@pytest.mark.nightly
@pytest.mark.parametrize("route", [name for name in ROUTES if name not in (IN_MEMORY, "film key")])
@pytest.mark.parametrize("kind", KINDS)
def test_routes_have_equal_pixels_for_each_layer(kind: Kind, route: str) -> None:
    for name in NAMES:
        for each in (cell(kind, name), cell(kind, name, strength=0.4), cell(kind, name, references=1)):
            assert_equal(result(each, route), result(each, IN_MEMORY))


@pytest.mark.parametrize("references", [0, 1])
@pytest.mark.parametrize("group", range(len(GROUPS)))
def test_a_key_frame_of_a_drawn_film_equals_the_image(group: int, references: int) -> None:
    """A frame has no crop."""
    each = cell("drawing", *GROUPS[group], references=references).without("crop")
    assert_equal(result(each, "film key"), result(each, IN_MEMORY))


@pytest.mark.parametrize("kind", KINDS)
def test_the_cache_of_a_pad_does_not_change_results(kind: Kind) -> None:
    """Add the layers one group after another, and undo them again."""
    steps = [tuple(name for group in GROUPS[:count] for name in group) for count in (1, 3, 5, 3, 1, 0)]
    for names, found in zip(steps, edit_in_pad(kind, steps), strict=True):
        assert_equal(found, result(cell(kind, *names)))


@pytest.mark.parametrize("kind", KINDS)
def test_the_order_of_layers_that_do_not_overlap_does_not_matter(kind: Kind) -> None:
    """In drawings, points are left out, because similar regions copy the earliest point."""
    names = ("area", "gray", "only", "lock", "paint", "multiply")
    if kind == "photo":
        names = tuple(name for name in NAMES if name not in ("crop", "palette", "variant"))
    assert_equal(result(Cell(kind, names[::-1])), result(Cell(kind, names)), 1)


@pytest.mark.parametrize("kind", KINDS)
def test_layers_that_overlap_have_a_fixed_order(kind: Kind) -> None:
    """Paint lies above locks, and locks lie above filled areas, in any order in the recipe."""
    for names in (("lock below paint", "paint"), ("paint", "lock below paint")):
        paint_has_its_color(Cell(kind, names), "paint")
    for names in (("area below lock", "lock"), ("lock", "area below lock")):
        lock_keeps_the_automatic_colors(Cell(kind, names), "lock")


@pytest.mark.nightly
@pytest.mark.parametrize("first", NAMES[:-2])
@pytest.mark.parametrize("kind", KINDS)
def test_triples(kind: Kind, first: str) -> None:
    """Test all triples that start with a layer."""
    found = []
    later = NAMES[NAMES.index(first) + 1 :]
    for each in (cell(kind, first, *pair) for pair in combinations(later, 2)):
        for what, name in properties(each):
            try:
                check(each, what, name)
            except AssertionError as error:
                found.append(f"{each}: {what} {name}: {error}".splitlines()[0])
    assert found == []
