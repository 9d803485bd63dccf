"""Healing brush: dust and scratches are filled from their surroundings before colorization."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import pytest

from colorzoo.guidance import Stroke
from colorzoo.inference.colorizer import Colorizer
from colorzoo.inference.steps.healing import heal
from tiny_model import gray_image, tiny_model

SCRATCH = {"path": [[20, 10], [80, 60]], "width": 7}
STROKE = Stroke(((20.0, 10.0), (80.0, 60.0)), 7.0)


def ramp(dtype: Any = np.uint8) -> np.ndarray:
    """Return an image whose levels rise to the right."""
    most = 1.0 if dtype is np.float32 else np.iinfo(dtype).max
    return (np.linspace(0.2, 0.7, 100)[None].repeat(80, axis=0) * most).astype(dtype)


def scratched(levels: np.ndarray) -> np.ndarray:
    """Return an image with a bright scratch that is narrower than `STROKE`."""
    damaged = levels.copy()
    for step in np.linspace(0, 1, 200):
        x, y = round(20 + 60 * step), round(10 + 50 * step)
        damaged[y - 1 : y + 2, x - 1 : x + 2] = 1 if levels.dtype.kind == "f" else np.iinfo(levels.dtype).max
    return damaged


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("channels", [1, 3])
def test_heal_fills_a_scratch_and_keeps_distant_pixels(dtype: Any, channels: int) -> None:
    clean = ramp(dtype)
    if channels == 3:
        clean = np.stack([clean, clean // 2 if dtype is not np.float32 else clean / 2, clean], axis=-1)
    damaged = scratched(clean)
    before = damaged.copy()
    healed = heal(damaged, [STROKE])
    assert np.array_equal(damaged, before)
    assert (healed.dtype, healed.shape) == (damaged.dtype, damaged.shape)
    most = 1.0 if dtype is np.float32 else float(np.iinfo(dtype).max)
    assert np.abs(healed.astype(float) - clean).max() < 0.03 * most
    rows, columns = np.mgrid[:80, :100]
    share = np.clip(((columns + 0.5 - 20) * 60 + (rows + 0.5 - 10) * 50) / (60**2 + 50**2), 0, 1)
    away = np.hypot(columns + 0.5 - 20 - 60 * share, rows + 0.5 - 10 - 50 * share)
    assert np.array_equal(healed[away > 5], damaged[away > 5])


def test_heal_excludes_pixels_of_all_strokes_as_sources() -> None:
    levels = ramp()
    levels[30:50, 40:44], levels[30:50, 44:48] = 255, 0  # dust, and a hair beside it
    strokes = [Stroke(((x, 28.0), (x, 52.0)), 6.0) for x in (42.0, 47.0)]
    both = heal(levels, strokes)
    assert np.array_equal(both, heal(levels, strokes[::-1]))
    assert np.abs(both.astype(int) - ramp()).max() < 10
    one_by_one = heal(heal(levels, strokes[:1]), strokes[1:])
    assert np.abs(one_by_one.astype(int) - ramp()).max() > 25


@pytest.mark.parametrize("width", [5.0, 20.0])
@pytest.mark.parametrize("other", [5.0, 16.0])
def test_heal_of_a_stroke_is_independent_of_separate_strokes_in_its_bounding_box(
    width: float, other: float
) -> None:
    levels = np.random.default_rng(0).integers(40, 220, (200, 200), dtype=np.uint8)
    diagonal = Stroke(((20.0, 20.0), (180.0, 180.0)), width)
    alone = heal(levels, [diagonal])
    corners = [Stroke(((x, y), (x + 9, y)), other) for x, y in ((150.0, 40.0), (40.0, 150.0))]
    both = heal(levels, [diagonal, *corners])
    rows, columns = np.mgrid[:200, :200]
    near = np.abs(rows - columns) < 60
    assert np.array_equal(both[near], alone[near])
    assert (both != alone)[~near].sum() > 50


def test_heal_removes_an_object_without_smearing_its_uncovered_edge() -> None:
    """The stroke covers a white pen, but not the dark edge around it."""
    pen = ramp()
    cv2.line(pen, (30, 40), (70, 40), 40, 26)
    cv2.line(pen, (30, 40), (70, 40), 255, 22)
    healed = heal(pen, [Stroke(((30.5, 40.5), (70.5, 40.5)), 23.5)])
    assert np.abs(healed.astype(int) - ramp()).max() < 25


def test_recipe_healing_equals_colorizing_the_healed_image() -> None:
    colorizer = Colorizer(tiny_model(), device="cpu", size=64)
    damaged = scratched(gray_image(80, 100))
    recipe = {"healing": [SCRATCH], "points": [{"x": 50, "y": 30, "color": "#c04020"}]}
    by_recipe = np.asarray(colorizer(damaged, recipe))
    by_hand = np.asarray(colorizer(heal(damaged, [STROKE]), {"points": recipe["points"]}))
    assert np.array_equal(by_recipe, by_hand)
    assert not np.array_equal(by_recipe, np.asarray(colorizer(damaged, {"points": recipe["points"]})))
