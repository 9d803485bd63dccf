"""Requests about drawings: likely colors, the next region, similar regions, versions."""

from __future__ import annotations

import zlib
from collections.abc import Iterator

import cv2
import numpy as np
import pytest
from pads import DirectPad, image_file, pixels

from colorzoo.apps.studio.protocol import Limits, Message
from colorzoo.apps.studio.studio import Studio
from colorzoo.inference.steps.drawing import read_drawing

MODEL = "colorzoo2026_drawing"
WINDOWS = [(60, 40), (240, 40), (60, 160), (240, 160)]  # equal rectangles, by their top left corners


@pytest.fixture(scope="module")
def drawing() -> np.ndarray:
    """Return four equal windows in a wall."""
    levels = np.full((280, 400), 255, np.uint8)
    cv2.rectangle(levels, (20, 10), (380, 270), 0, 3)
    for x, y in WINDOWS:
        cv2.rectangle(levels, (x, y), (x + 100, y + 80), 0, 3)
    return levels


@pytest.fixture(scope="module")
def studio() -> Iterator[Studio]:
    made = Studio()
    yield made
    made.close()


@pytest.fixture
def recipe(studio: Studio, drawing: np.ndarray) -> Iterator[dict]:
    pad = DirectPad(studio)
    photo = pad.open(image_file(drawing))
    assert photo["proposed"] == MODEL
    yield {"model": MODEL, "image": photo["image"], "pad": pad}
    studio.disconnect(pad.session)


def ask(recipe: dict, kind: str, points: list[tuple[float, float, str]] = (), **fields: object) -> dict:
    """Send a request with color points and return its reply."""
    pad, rest = recipe["pad"], {key: value for key, value in recipe.items() if key != "pad"}
    given = [{"x": x, "y": y, "color": color} for x, y, color in points]
    body = pad.call(kind, recipe={**rest, "points": given}, **fields).body
    assert body["type"] != "error", body
    return body


def window_at(x: float, y: float) -> int | None:
    return next((number for number, (u, v) in enumerate(WINDOWS) if u < x < u + 100 and v < y < v + 80), None)


def test_suggestions_are_colors_of_the_region_and_follow_points(recipe: dict) -> None:
    center = {"x": 110, "y": 80, "count": 5}
    items = ask(recipe, "suggest", **center)["items"]
    assert 1 < len(items) <= 5
    assert [item["share"] for item in items] == sorted((item["share"] for item in items), reverse=True)
    same_corner = ask(recipe, "suggest", x=66, y=46, count=5)["items"]
    assert same_corner == items  # each place of a region
    others = [(x + 50, y + 40, "#2040c0") for x, y in WINDOWS[1:]]
    first = ask(recipe, "suggest", others, **center)["items"][0]["color"]
    red, _, blue = bytes.fromhex(first[1:])
    assert blue > red + 40


def test_next_place_lies_well_inside_a_region_without_a_point(recipe: dict) -> None:
    points: list[tuple[float, float, str]] = []
    found = set()
    while (body := ask(recipe, "next", points))["x"] is not None and len(points) < 9:
        found.add(window_at(body["x"], body["y"]))
        points.append((body["x"], body["y"], "#c04020"))
    assert found == {0, 1, 2, 3, None}
    for x, y, _ in points:
        if (window := window_at(x, y)) is not None:
            left, top = WINDOWS[window]
            assert min(x - left, left + 100 - x, y - top, top + 80 - y) > 30
    assert len(points) < 9  # windows, wall and margin


def test_same_color_lists_similar_regions_without_points(recipe: dict) -> None:
    red = (110, 80, "#c04020")
    body = ask(recipe, "same", [red], x=100, y=70)
    assert body["color"] == red[2]
    assert body["places"][0] == (100, 70)
    others = body["places"][1:]
    assert {window_at(x, y) for x, y in others} & {1, 2, 3}
    filled = [(x, y, "#2040c0") for x, y in others]
    assert ask(recipe, "same", [red, *filled], x=100, y=70)["places"] == [(100, 70)]


def test_colorings_are_four_versions_with_different_colors(recipe: dict) -> None:
    items = ask(recipe, "colorings")["items"]
    pad, rest = recipe["pad"], {key: value for key, value in recipe.items() if key != "pad"}
    images = {pad.export({**rest, "drawing": item}) for item in items}
    assert len(items) == 4
    assert len({pixels(image).tobytes() for image in images}) > 2


def test_export_does_not_find_the_regions_again(recipe: dict, monkeypatch: pytest.MonkeyPatch) -> None:
    pad, rest = recipe["pad"], {key: value for key, value in recipe.items() if key != "pad"}
    expected = pad.export(rest)  # finds the regions
    monkeypatch.setattr("colorzoo.inference.steps.drawing.read_drawing", None)
    monkeypatch.setattr("colorzoo.apps.studio.opened_image.read_drawing", None)
    assert np.array_equal(pixels(pad.export(rest)), pixels(expected))


def region_map(reply: Message) -> np.ndarray:
    """Decode the runs of a region map."""
    starts, numbers = np.frombuffer(zlib.decompress(reply.buffers[0]), "<u4").reshape(2, -1)
    shape = reply.body["height"], reply.body["width"]
    return np.repeat(numbers, np.diff([*starts, shape[0] * shape[1]])).reshape(shape)


def test_region_map_has_the_region_numbers_of_the_drawing_at_full_size(drawing: np.ndarray) -> None:
    studio = Studio(limits=Limits(view_side=100))
    pad = DirectPad(studio)
    photo = pad.open(image_file(drawing))
    assert photo["view"] == [100, 70]
    found = region_map(pad.call("propose", recipe={"model": MODEL, "image": photo["image"]}))
    assert np.array_equal(found, read_drawing(drawing).regions)
    studio.close()


def test_region_map_follows_the_gap_and_divisions_of_the_recipe(recipe: dict) -> None:
    pad, rest = recipe["pad"], {key: value for key, value in recipe.items() if key != "pad"}
    path = [[110, 30], [110, 130]]
    counts, maps = [], []
    for divisions in ([], [{"path": path}], [{"path": path}, {"path": [[80, 80], [140, 80]], "join": True}]):
        reply = pad.call("propose", recipe={**rest, "divisions": divisions})
        maps.append(region_map(reply))
        counts.append(maps[-1].max() + 1)
    assert counts[1] == counts[0] + 1 == counts[2] + 1
    assert maps[0][80, 80] == maps[0][80, 140]
    assert maps[1][80, 80] != maps[1][80, 140]
    assert maps[2][80, 80] == maps[2][80, 140]


def test_same_requires_a_model_that_compares_regions(recipe: dict) -> None:
    body = recipe["pad"].call("same", recipe={"model": "zhang2017_local_small"}, x=1, y=1).body
    assert body["code"] == "unsupported"


@pytest.mark.parametrize("updates", [True, False])
def test_a_set_region_never_changes_by_later_edits(recipe: dict, drawing: np.ndarray, updates: bool) -> None:
    """Fill, weaken and clear random regions, paint, and change the settings of the drawing at random.

    A region with a point keeps its pixels, and so does a painted part. Undo restores all pixels. If other
    regions are not updated, no region without a point changes by a fill or its deletion either.
    """
    generator = np.random.default_rng(7)
    pad, rest = recipe["pad"], {key: value for key, value in recipe.items() if key != "pad"}
    numbers = read_drawing(drawing).regions
    places = [(x + 50, y + 40) for x, y in WINDOWS] + [(30, 20), (5, 5), (200, 140)]
    first = [
        {"x": 110, "y": 80, "color": "#c04020"},
        {"x": 290, "y": 80, "color": "#20a040", "strength": 0.6},
    ]
    stroke = {"path": [[290, 205], [310, 205]], "color": "#d0a0f0", "size": 30, "hardness": 1}
    settings: dict = {} if updates else {"base_points": first}
    current = {**rest, "points": first, "drawing": settings, "paint": [stroke], "strength": 1.0}
    points = {int(numbers[point["y"], point["x"]]): point for point in first}
    is_painted = np.zeros(drawing.shape, bool)
    is_painted[198:212, 285:315] = True
    steps = [(current, pixels(pad.export(current)))]
    for _ in range(10):
        before = steps[-1][1]
        kinds = ["fill", "fill", "clear", "strength", "version"]
        kind = kinds[generator.integers(len(kinds) if updates else 3)]
        region = None
        if kind == "fill" or len(points) < 2:
            x, y = places[generator.integers(len(places))]
            region, strength = int(numbers[y, x]), float(generator.choice([1, 1, 0.4]))
            color = f"#{generator.integers(256**3):06x}"
            points[region] = {"x": x, "y": y, "color": color, "strength": strength}
        elif kind == "clear":
            region = list(points)[generator.integers(len(points))]
            del points[region]
        elif kind == "strength":
            current = {**current, "strength": float(generator.choice([0.3, 0.7, 1.2]))}
        else:
            settings = {**settings, "variant": int(generator.integers(4)), "palette": ["#f0c8a0", "#304080"]}
        current = {**current, "points": list(points.values()), "drawing": settings}
        after = pixels(pad.export(current))
        kept = np.isin(numbers, [number for number in points if number != region]) | is_painted
        if not updates:
            kept |= numbers != region
        assert np.array_equal(after[kept], before[kept]), kind
        steps.append((current, after))
    for earlier, expected in reversed(steps):
        assert np.array_equal(pixels(pad.export(earlier)), expected)
