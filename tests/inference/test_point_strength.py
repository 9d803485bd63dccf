"""Strength of points, from none to their full effect."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from colorzoo.color import rgb_to_lab
from colorzoo.inference.colorizer import Colorizer
from tiny_model import gray_image, tiny_model

RED = {"x": 30, "y": 30, "radius": 4, "color": "#d02010"}
BLUE = {"x": 70, "y": 50, "radius": 4, "color": "#1030d0"}


@pytest.fixture(scope="module")
def colorizer() -> Colorizer:
    return Colorizer(tiny_model(), device="cpu", size=64)


def colored(colorizer: Colorizer, *points: dict[str, Any], **more: Any) -> np.ndarray:
    levels: np.ndarray = colorizer.colorize(gray_image(80, 100), {"points": list(points), **more}).rgb
    return levels


@pytest.mark.parametrize("reach", ["automatic", "everywhere", 0.5])
def test_point_strength_interpolates_between_no_and_full_effect(colorizer: Colorizer, reach: object) -> None:
    red = {**RED, "reach": reach}
    without, with_it = colored(colorizer, BLUE), colored(colorizer, BLUE, red)
    assert np.array_equal(colored(colorizer, BLUE, {**red, "strength": 0}), without)
    assert np.array_equal(colored(colorizer, BLUE, {**red, "strength": 1}), with_it)
    steps = [colored(colorizer, BLUE, {**red, "strength": s})[30, 30] for s in (0, 0.25, 0.5, 0.75, 1)]
    redness = [float(step[0] - step[2]) for step in steps]
    assert redness == sorted(redness)
    assert redness[2] == pytest.approx((redness[0] + redness[4]) / 2, abs=0.15 * (redness[4] - redness[0]))
    assert np.abs(colored(colorizer, BLUE, {**red, "strength": 0.5})[50, 70] - with_it[50, 70]).max() < 0.02


def test_weak_point_over_another_point_has_nearly_its_full_effect_near_full_strength(
    colorizer: Colorizer,
) -> None:
    """The image is larger than the network input, so point colors are restored at full size."""
    image = gray_image(320, 400)
    strong = {"x": 120, "y": 120, "radius": 12, "color": "#d02010"}
    over = {**strong, "color": "#1030d0"}

    def color(strength: float) -> np.ndarray:
        points = [strong, {**over, "strength": strength}]
        levels: np.ndarray = colorizer.colorize(image, {"points": points}).levels()
        return levels[110:131, 110:131].astype(int)

    only_strong, only_over = (colorizer.colorize(image, {"points": [p]}).levels() for p in (strong, over))
    assert np.abs(color(0.99) - only_over[110:131, 110:131]).mean() <= 8
    assert np.abs(color(0.01) - only_strong[110:131, 110:131]).mean() <= 8
    assert 60 < color(0.5)[10, 10, 0] < 195  # between the colors of the points


@pytest.mark.parametrize("ab", [[-100.0, 90.0], [20.0, -15.0]])
def test_strength_scales_the_limited_color_of_an_exact_ab(colorizer: Colorizer, ab: list[float]) -> None:
    """The image is larger than the network input, so the color of the point is restored at full size."""
    image, point = gray_image(320, 400), {"x": 120, "y": 120, "radius": 3, "ab": ab}

    def ab_at(strength: float) -> torch.Tensor:
        rgb = colorizer.colorize(image, {"points": [point], "strength": strength}).rgb[120, 120]
        return rgb_to_lab(torch.from_numpy(rgb).view(3, 1, 1))[1:].flatten()

    torch.testing.assert_close(ab_at(0.5), ab_at(1.0) / 2, atol=0.3, rtol=0)
