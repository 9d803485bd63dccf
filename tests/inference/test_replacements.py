"""Color replacements."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch

from colorzoo.errors import GuidanceError
from colorzoo.guidance import Recipe
from colorzoo.guidance.edits import ColorReplacement
from colorzoo.guidance.hints import color_lab
from colorzoo.inference.colorizer import Colorizer
from inference.by_hand import overlays_of
from tiny_model import gray_image, tiny_model

RED, BLUE = "#b04030", "#3050b0"


def replaced(ab: list[list[float]], *replacements: dict[str, Any], **more: Any) -> torch.Tensor:
    """Return colors ``(2, K)`` after the replacements."""
    recipe = Recipe.from_json({"replacements": list(replacements)})
    maps = torch.tensor(ab).T[:, None].clone()
    (overlay,) = overlays_of(recipe, (len(ab), 1), (1, len(ab)), **more)
    overlay(maps, torch.full((1, len(ab)), 50.0), 0)
    return maps[:, 0]


def turned(color: str, degrees: float, factor: float = 1.0) -> list[float]:
    _, a, b = color_lab(color)
    angle, chroma = math.atan2(b, a) + math.radians(degrees), factor * math.hypot(a, b)
    return [chroma * math.cos(angle), chroma * math.sin(angle)]


def test_replacement_maps_the_old_color_to_the_new_color() -> None:
    found = replaced([turned(RED, 0), turned(RED, 10, 0.6)], {"old": RED, "new": BLUE})
    assert found[:, 0].tolist() == pytest.approx(turned(BLUE, 0), abs=1e-3)
    assert found[:, 1].tolist() == pytest.approx(turned(BLUE, 10, 0.6), abs=1e-3)  # chroma ratios are kept


def test_replacement_keeps_other_hues_and_fades_at_its_range() -> None:
    angles = list(range(0, 181, 5))
    before = [turned(RED, angle) for angle in angles]
    found = replaced(before, {"old": RED, "new": "#808080", "range": 30, "fade": 40})
    chroma = (found.norm(dim=0) / math.hypot(*turned(RED, 0))).tolist()
    assert max(chroma[: angles.index(30) + 1]) < 0.01
    assert chroma[angles.index(50)] == pytest.approx(0.5, abs=0.02)
    assert torch.allclose(found[:, angles.index(70) :], torch.tensor(before[angles.index(70) :]).T)
    assert all(-1e-4 <= after - first < 0.2 for first, after in pairwise(chroma))


def test_gray_colors_cannot_be_replaced() -> None:
    with pytest.raises(GuidanceError, match=r"ColorReplacement\.old #808080 is gray"):
        ColorReplacement("#808080", RED)
    with pytest.raises(GuidanceError, match=r"^recipe\.replacements\[0\]\.old #808080 is gray"):
        Recipe.from_json({"replacements": [{"old": "#808080", "new": RED}]})


def test_replacement_keeps_near_gray_and_locked_pixels() -> None:
    faint = turned(RED, 0, 0.02)
    found = replaced([faint], {"old": "#a08080", "new": "#ff0000"})
    assert (found[:, 0] - torch.tensor(faint)).norm() < 1
    locked = torch.tensor([[1.0, 1.0, 0.0, 0.0]])
    row = [turned(RED, 0)] * 4
    found = replaced(row, {"old": RED, "new": BLUE}, locked=locked)
    assert found[:, 0].tolist() == pytest.approx(row[0], abs=1.5)
    assert found[:, 3].tolist() == pytest.approx(turned(BLUE, 0), abs=1.5)


def test_replacement_changes_point_colors_but_not_paint() -> None:
    colorizer, gray = Colorizer(tiny_model(), device="cpu", size=64), gray_image(80, 100)
    hints = {
        "points": [{"x": 30, "y": 30, "radius": 4, "color": RED}],
        "paint": [{"path": [[75, 60]], "size": 24, "hardness": 1, "color": RED}],
    }
    plain = np.asarray(colorizer(gray, hints)).astype(int)
    rule = {"old": RED, "new": BLUE, "range": 40}
    found = np.asarray(colorizer(gray, {**hints, "replacements": [rule]})).astype(int)
    assert plain[30, 30, 0] > plain[30, 30, 2]
    assert found[30, 30, 2] > found[30, 30, 0]
    assert np.array_equal(found[56:64, 71:79], plain[56:64, 71:79])
