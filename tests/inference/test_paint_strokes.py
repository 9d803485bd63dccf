"""Paint strokes: shape, blending, and effect on the result."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch

from colorzoo.color import lab_to_rgb, rgb_to_lab
from colorzoo.color.lab import lab_to_linear_rgb
from colorzoo.guidance import Recipe
from colorzoo.inference.colorizer import Colorizer
from inference.by_hand import overlays_of
from tiny_model import gray_image, tiny_model

LINE = {"path": [[30, 40], [70, 40]], "size": 20, "hardness": 1, "color": "#c04020"}


def painted(*strokes: dict[str, Any], shape: tuple[int, int] = (80, 100)) -> torch.Tensor:
    recipe = Recipe.from_json({"paint": list(strokes)})
    (painting,) = overlays_of(recipe, (100, 80), shape)
    ab, lightness = torch.full((2, *shape), 7.0), torch.full(shape, 50.0)
    for first in range(0, shape[0], 13):  # in bands, as `join` processes images
        painting(ab[:, first : first + 13], lightness[first : first + 13], first)
    return ab


def test_hard_paint_stroke_changes_only_pixels_within_its_width() -> None:
    ab = painted(LINE)
    change = (ab - 7).abs().amax(dim=0)
    assert (change[32:48, 30:70] > 20).all()
    assert (change[:29] == 0).all()
    assert (change[:, 82:] == 0).all()
    assert torch.equal(ab[:, 35, 40], ab[:, 45, 60])


def test_paint_hardness_and_opacity_reduce_the_color_change() -> None:
    soft = (painted({**LINE, "hardness": 0})[0, 30:51, 50] - 7).tolist()
    hard = painted(LINE)[0, 40, 50] - 7
    assert soft[10] == pytest.approx(float(hard), rel=0.05)
    assert all(one <= other for one, other in pairwise(soft[:11]))
    assert 0.3 < soft[5] / soft[10] < 0.7
    half = painted({**LINE, "opacity": 0.5})[0, 40, 50] - 7
    assert float(half / hard) == pytest.approx(0.5, abs=1e-4)


def test_erase_stroke_restores_the_color_below_the_paint() -> None:
    erase = {"path": [[50, 40]], "size": 16, "hardness": 1, "erase": True}
    ab = painted(LINE, erase)
    assert torch.allclose(ab[:, 36:44, 46:54], torch.tensor(7.0))
    assert torch.equal(ab[:, 40, 33], painted(LINE)[:, 40, 33])
    again = painted(LINE, erase, {**LINE, "color": "#2040c0"})
    assert torch.equal(again[:, 40, 50], again[:, 40, 35])


def shaded(*strokes: dict[str, Any]) -> np.ndarray:
    """Return sRGB levels of gray paper of the level 200 below strokes."""
    shape = 80, 100
    gray = rgb_to_lab(torch.full((1, 3, *shape), 200 / 255))[0]
    ab, lightness = gray[1:].clone(), gray[0].clone()
    recipe = Recipe.from_json({"paint": list(strokes)})
    for overlay in overlays_of(recipe, (100, 80), shape, on_paper=True):
        for first in range(0, shape[0], 13):
            overlay(ab[:, first : first + 13], lightness[first : first + 13], first)
    rgb = lab_to_rgb(torch.cat([lightness[None], ab])[None])[0]
    return np.asarray((255 * rgb).round().permute(1, 2, 0))


def test_shading_multiplies_the_colors_and_the_paint_of_a_drawing() -> None:
    shade = {**LINE, "color": "#808080", "blend": "multiply"}
    assert np.abs(shaded(shade)[40, 50] - 200 * 128 / 255).max() <= 1
    paint = {**LINE, "path": [[50, 10], [50, 70]]}
    for strokes in ((paint, shade), (shade, paint)):  # above all paint
        levels = shaded(*strokes)
        assert np.abs(levels[40, 50] - np.array([192, 64, 32]) * 128 / 255).max() <= 1
        assert np.abs(levels[15, 50] - [192, 64, 32]).max() <= 1
        assert np.abs(levels[75, 90] - 200).max() <= 1


def test_each_eraser_erases_only_its_layer() -> None:
    shade = {**LINE, "color": "#808080", "blend": "multiply"}
    eraser = {"path": [[50, 40]], "size": 30, "hardness": 0.5, "erase": True}
    soft = shaded(shade, {**eraser, "blend": "multiply"})[40, 34:51, 0]
    assert abs(soft[16] - 200) <= 1
    assert abs(soft[0] - 200 * 128 / 255) <= 1
    assert soft[0] < soft[5] < soft[16]
    assert np.abs(shaded(LINE, {**eraser, "blend": "multiply"})[40, 50] - [192, 64, 32]).max() <= 1
    levels = shaded(LINE, shade, eraser)
    assert np.abs(levels[40, 50] - 200 * 128 / 255).max() <= 1


def test_a_closed_stroke_covers_its_inside() -> None:
    square = {"path": [[20, 20], [80, 20], [80, 60], [20, 60]], "size": 2, "hardness": 1, "color": "#c04020"}
    opened, closed = (painted({**square, "closed": value}) for value in (False, True))
    assert torch.equal(opened[:, 40, 50], torch.tensor([7.0, 7.0]))
    assert torch.equal(closed[:, 40, 50], closed[:, 25, 70])
    assert closed[0, 40, 50] > 20
    assert (closed[:, :18] == 7).all()
    assert (closed[:, :, 83:] == 7).all()


def chroma_and_hue(ab: torch.Tensor) -> tuple[float, float]:
    return float(torch.hypot(*ab)), float(torch.rad2deg(torch.atan2(ab[1], ab[0])))


def test_paint_blend_modes_replace_only_hue_or_saturation() -> None:
    ab = {blend: painted({**LINE, "blend": blend})[:, 40, 50] for blend in ("color", "hue", "saturation")}
    chroma, hue = chroma_and_hue(ab["color"])
    assert chroma_and_hue(ab["hue"]) == pytest.approx((7 * 2**0.5, hue), rel=1e-4)
    assert chroma_and_hue(ab["saturation"]) == pytest.approx((chroma, 45), rel=1e-4)
    gray = {**LINE, "color": "#808080"}
    assert (
        painted({**gray, "blend": "hue"})[:, 40, 50].abs().max() < 0.1
    )  # gray has no hue, as in the W3C's modes
    assert painted({**gray, "blend": "saturation"})[:, 40, 50].abs().max() < 0.1
    vivid = painted(gray, {**LINE, "blend": "saturation"})[:, 40, 50]
    assert vivid.abs().max() < 1  # gray below the stroke stays gray
    erased = {"path": [[5, 5]], "size": 2, "erase": True}
    assert torch.equal(painted(gray, erased, {**LINE, "blend": "saturation"})[:, 40, 50], vivid)
    faint = painted({**gray, "opacity": 0.95}, {**LINE, "blend": "saturation"})[:, 40, 50]
    assert chroma_and_hue(faint)[0] == pytest.approx(chroma * 0.05 * 7 * 2**0.5, rel=0.01)
    halves = [{**LINE, "blend": blend, "opacity": 0.5, "layer": 1} for blend in ("hue", "color")]
    assert not torch.equal(painted(*halves), painted(halves[0], {**halves[0]}))  # two strokes of one layer


def test_paint_changes_only_painted_pixels_and_scales_with_strength() -> None:
    colorizer, gray = Colorizer(tiny_model(), device="cpu"), gray_image(80, 100)
    plain = np.asarray(colorizer(gray)).astype(int)
    result = np.asarray(colorizer(gray, {"paint": [LINE]})).astype(int)
    assert np.array_equal(plain[:28], result[:28])
    lab = rgb_to_lab(torch.from_numpy(result).permute(2, 0, 1)[None] / 255)[0]
    wanted = rgb_to_lab(torch.tensor([192, 64, 32.0]).view(1, 3, 1, 1) / 255).flatten()
    a, b = lab[1:, 38:42, 45:55].flatten(1).mean(dim=1).tolist()
    assert np.arctan2(b, a) == pytest.approx(float(torch.atan2(wanted[2], wanted[1])), abs=0.15)
    weak = np.asarray(colorizer(gray, {"paint": [LINE], "strength": 0}))
    assert (weak.max(axis=2) - weak.min(axis=2)).max() <= 1


def test_paint_chroma_decreases_with_lightness_at_constant_linear_rgb_ratio() -> None:
    wanted = rgb_to_lab(torch.tensor([192, 64, 32.0]).view(3, 1, 1) / 255).flatten()
    levels = torch.tensor([float(wanted[0]), 30.0, 15.0, 5.0])
    recipe = Recipe.from_json({"paint": [{**LINE, "path": [[0, 40], [100, 40]]}]})
    (painting,) = overlays_of(recipe, (100, 80), (80, 100))
    ab, lightness = torch.zeros(2, 80, 100), levels.repeat_interleave(25).expand(80, 100)
    painting(ab, lightness, 0)
    found = ab[:, 40, 12::25]
    assert torch.allclose(found[:, 0], wanted[1:], atol=0.5)
    # the same linear RGB under less light: the levels of each channel keep their ratio
    linear = lab_to_linear_rgb(torch.cat([levels[None], found]), dim=0)
    assert torch.allclose(linear / linear.amax(dim=0), linear[:, :1] / linear[:, :1].amax(), atol=0.02)
    assert (found.norm(dim=0).diff() < -5).all()


def step_image() -> np.ndarray:
    """Return an image that is dark up to column 50 and light from there."""
    return np.repeat(np.where(np.arange(100) < 50, 70, 190)[None], 80, axis=0).astype(np.uint8)


def changed(*strokes: dict[str, Any]) -> np.ndarray:
    """Return the change of each pixel of `step_image` by paint, in levels."""
    colorizer, gray = Colorizer(tiny_model(), device="cpu", size=80), step_image()
    plain = np.asarray(colorizer(gray)).astype(int)
    found: np.ndarray = np.abs(np.asarray(colorizer(gray, {"paint": list(strokes)})) - plain).max(axis=2)
    return found


WIDE = {"path": [[40, 20], [40, 60]], "size": 40, "hardness": 1, "color": "#c04020"}


def test_paint_stroke_with_limited_reach_ends_at_an_image_edge() -> None:
    everywhere, limited = changed(WIDE), changed({**WIDE, "reach": 0.4})
    assert everywhere[25:55, 24:58].min() > 20
    assert limited[25:55, 30:46].min() > 20  # on the stroke's side of the edge
    assert limited[25:55, 54:].max() <= 3  # beyond the edge
    assert not limited[:, :18].any()  # outside the brush
    assert np.array_equal(changed({**WIDE, "reach": "everywhere"}), everywhere)
