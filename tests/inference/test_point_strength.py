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


@pytest.mark.parametrize("ab", [[-100.0, 90.0], [20.0, -15.0]])
def test_strength_scales_the_limited_color_of_an_exact_ab(colorizer: Colorizer, ab: list[float]) -> None:
    """The image is larger than the network input, so the color of the point is restored at full size."""
    image, point = gray_image(320, 400), {"x": 120, "y": 120, "radius": 3, "ab": ab}

    def ab_at(strength: float) -> torch.Tensor:
        rgb = colorizer.colorize(image, {"points": [point], "strength": strength}).rgb[120, 120]
        return rgb_to_lab(torch.from_numpy(rgb).view(3, 1, 1))[1:].flatten()

    torch.testing.assert_close(ab_at(0.5), ab_at(1.0) / 2, atol=0.3, rtol=0)
