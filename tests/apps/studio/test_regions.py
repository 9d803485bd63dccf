"""Selections and locked areas."""

from __future__ import annotations

import numpy as np
import pytest
from pads import DirectPad, image_file, pixels

from colorzoo.apps.studio import regions
from colorzoo.apps.studio.regions import innermost_pixel
from colorzoo.guidance import Recipe
from colorzoo.guidance.areas import Mask, parse_mask
from colorzoo.guidance.fields import Fields
from colorzoo.inference import segmenter_features
from tiny_model import gray_image

POINT = {"x": 70, "y": 60, "radius": 4, "color": "#c04020"}
OUTLINE = [[5, 5], [40, 5], [40, 40], [5, 40]]


def mask_of(fields: dict) -> np.ndarray:
    found = parse_mask(Fields({"mask": fields}, "answer"))
    assert isinstance(found, Mask)
    return found.array()


def test_select_returns_an_object_at_several_sizes(pad: DirectPad) -> None:
    pad.open()
    sizes = []
    for size in (0.6, 1, 1.6):
        reply = pad.call("select", recipe={}, x=20, y=30, size=size)
        assert reply.type == "selected", reply.body
        inside = mask_of(reply.body["mask"])
        height, width = inside.shape
        assert inside[int(30 / 80 * height), int(20 / 96 * width)]
        sizes.append(inside.sum())
    assert sizes[0] <= sizes[1] <= sizes[2]
    assert sizes[0] < sizes[2]
    assert (
        pad.call("select", recipe={}, x=20, y=30, size=1).body["mask"]
        == pad.call("select", recipe={"points": [POINT]}, x=20, y=30, size=1).body["mask"]
    ), "hints do not change selections"


def test_models_share_the_segmenter_features_of_a_photo(
    pad: DirectPad, monkeypatch: pytest.MonkeyPatch
) -> None:
    computed = []
    monkeypatch.setattr(regions, "segmenter_features", lambda x: computed.append(x) or segmenter_features(x))
    for levels in (gray_image(72, 90), 255 - gray_image(72, 90)):
        pad.open(image_file(levels))
        masks = [
            pad.call("select", recipe=recipe, x=20, y=30, size=1).body["mask"]
            for recipe in ({}, {"model": "levin2004"})
        ]
        assert masks[0] == masks[1]
    assert len(computed) == 2, "one for each photo"


def test_select_with_a_path_returns_a_mask_inside_the_path(pad: DirectPad) -> None:
    pad.open()
    for recipe in ({}, {"model": "levin2004"}):  # levin2004 predicts no colors without strokes
        inside = mask_of(pad.call("select", recipe=recipe, path=OUTLINE).body["mask"])
        height, width = inside.shape
        rows, columns = np.nonzero(inside)
        assert inside.sum() > 0
        assert rows.max() <= 40 / 80 * height + 1
        assert columns.max() <= 40 / 96 * width + 1


@pytest.mark.parametrize("border", [{}, {"border": [22, 22, 70, 56]}])
def test_locked_areas_keep_their_colors(pad: DirectPad, border: dict) -> None:
    pad.open()
    area = {"action": "lock", "path": OUTLINE}
    before = pixels(pad.call("color", recipe={"points": [POINT], **border}).buffers[0]).astype(int)
    kept = pad.call("keep", recipe={"points": [POINT], **border}, area=area).body["kept"]
    areas = [{**area, "kept": kept}]
    other = {"points": [{**POINT, "x": 30, "y": 30, "color": "#2040c0"}, POINT], **border}
    free = pixels(pad.call("color", recipe=other).buffers[0]).astype(int)
    locked = pixels(pad.call("color", recipe={**other, "areas": areas}).buffers[0]).astype(int)
    inside = np.s_[24:36, 24:36]
    assert np.abs(free - before)[inside].max() > 20
    assert np.abs(locked - before)[inside].mean() < 1.5  # JPEG; exact in tests/inference/test_area_maps.py
    assert np.abs(locked - before)[inside].max() < 12
    assert Recipe.from_json({"areas": areas}).to_dict()["areas"] == areas


def test_keep_of_an_only_area_excludes_other_only_areas(pad: DirectPad) -> None:
    pad.open()
    area, other = ({"action": "only", "path": [[x + shift, y] for x, y in OUTLINE]} for shift in (0, 45))
    alone, beside, locked = (
        pad.call("keep", recipe={"areas": areas}, area=area).body["kept"]
        for areas in ([], [other], [{**other, "action": "lock"}])
    )
    assert alone == locked != beside


def test_innermost_pixel_is_far_from_the_region_border() -> None:
    ring = np.zeros((60, 80), bool)
    ring[5:55, 5:75] = True
    ring[8:52, 25:72] = False  # its center of mass is near a border
    row, column = innermost_pixel(ring)
    assert ring[row - 9 : row + 10, column - 9 : column + 10].all()
    assert innermost_pixel(np.ones((1, 1), bool)) == (0, 0)
