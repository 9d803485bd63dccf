"""What the pad's server does for areas: select a thing, keep colors, color with both."""

from __future__ import annotations

import numpy as np
import pytest
from pads import DirectPad, pixels

from colorzoo.guidance import Mask, Recipe
from colorzoo.guidance.areas import parse_mask
from colorzoo.guidance.fields import Fields

POINT = {"x": 70, "y": 60, "radius": 4, "color": "#c04020"}
OUTLINE = [[5, 5], [40, 5], [40, 40], [5, 40]]


def mask_of(fields: dict) -> np.ndarray:
    found = parse_mask(Fields({"mask": fields}, "answer"))
    assert isinstance(found, Mask)
    return found.array()


def test_a_click_selects_what_is_there_and_more_or_less_of_it(pad: DirectPad) -> None:
    pad.open()
    sizes = []
    for size in (0.6, 1, 1.6):
        answer = pad.ask("select", recipe={}, x=20, y=30, size=size)
        assert answer.type == "selected", answer.body
        inside = mask_of(answer.body["mask"])
        height, width = inside.shape
        assert inside[int(30 / 80 * height), int(20 / 96 * width)]
        sizes.append(inside.sum())
    assert sizes[0] <= sizes[1] <= sizes[2]
    assert sizes[0] < sizes[2]
    assert (
        pad.ask("select", recipe={}, x=20, y=30, size=1).body["mask"]
        == pad.ask("select", recipe={"points": [POINT]}, x=20, y=30, size=1).body["mask"]
    ), "hints do not change what a thing is"


def test_an_outline_selects_something_inside_of_it(pad: DirectPad) -> None:
    pad.open()
    inside = mask_of(pad.ask("select", recipe={}, path=OUTLINE).body["mask"])
    height, width = inside.shape
    rows, columns = np.nonzero(inside)
    assert inside.sum() > 0
    assert rows.max() <= 40 / 80 * height + 1
    assert columns.max() <= 40 / 96 * width + 1


def test_what_is_locked_keeps_its_colors_in_the_picture(pad: DirectPad) -> None:
    pad.open()
    area = {"action": "lock", "path": OUTLINE}
    before = pixels(pad.ask("color", recipe={"points": [POINT]}).buffers[0]).astype(int)
    kept = pad.ask("keep", recipe={"points": [POINT]}, area=area).body["kept"]
    areas = [{**area, "kept": kept}]
    other = {"points": [{**POINT, "x": 20, "y": 20, "color": "#2040c0"}, POINT]}
    free = pixels(pad.ask("color", recipe=other).buffers[0]).astype(int)
    held = pixels(pad.ask("color", recipe={**other, "areas": areas}).buffers[0]).astype(int)
    inside = np.s_[14:30, 14:30]
    assert np.abs(free - before)[inside].max() > 20
    assert np.abs(held - before)[inside].mean() < 1.5  # JPEG; to the pixel in tests/inference/test_areas.py
    assert np.abs(held - before)[inside].max() < 12
    assert Recipe.from_json({"areas": areas}).to_dict()["areas"] == areas


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        ("select", {"x": 500, "y": 3}),
        ("select", {"x": 5}),
        ("select", {"path": [[1, "2"]]}),
        ("keep", {"area": {"action": "lock"}}),
        ("keep", {}),
    ],
)
def test_wrong_places_and_areas_are_refused_in_words(pad: DirectPad, kind: str, fields: dict) -> None:
    pad.open()
    answer = pad.ask(kind, recipe={}, **fields)
    assert answer.type == "error"
    assert answer.body["code"] in ("bad_message", "bad_recipe")
