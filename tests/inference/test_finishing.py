"""Adjustments of all colors: temperature, tint, vibrance, and chroma of shadows and highlights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from colorzoo.apps.cli.main import main
from colorzoo.errors import GuidanceError
from colorzoo.guidance import Recipe
from colorzoo.guidance.edits import parse_finish_text
from colorzoo.inference.colorizer import Colorizer
from inference.by_hand import overlays_of
from tiny_model import gray_image, tiny_model

AB = [[10.0, 0.0], [60.0, 0.0]]  # a pale and a vivid color


def finished(lightness: float, **finish: Any) -> list[list[float]]:
    """Return `AB` after the adjustments at a lightness."""
    (overlay,) = overlays_of(Recipe.from_json({"finish": finish}), (2, 1), (1, 2))
    maps = torch.tensor(AB).T[:, None].clone()
    overlay(maps, torch.full((1, 2), lightness), 0)
    found: list[list[float]] = maps[:, 0].T.tolist()
    return found


def test_finish_adjustments_change_the_named_color_property() -> None:
    (pale, _), (vivid, _) = finished(50, vibrance=100)
    assert pale / 10 > 1.5 > vivid / 60 > 1
    assert finished(20, shadows=-100)[0][0] == pytest.approx(4)
    assert finished(20, highlights=-100) == AB
    assert finished(80, highlights=50)[0][0] == pytest.approx(13)
    assert finished(50, temperature=100)[0] == pytest.approx([15, 20])
    assert finished(50, tint=-50)[0] == pytest.approx([2, 3])
    assert finished(100, temperature=100, tint=100) == AB  # white stays neutral
    assert overlays_of(Recipe.from_json({}), (2, 1), (1, 2)) == []


@pytest.mark.parametrize("action", ["gray", "lock"])
def test_finish_keeps_gray_and_locked_areas(action: str) -> None:
    colorizer = Colorizer(tiny_model(), device="cpu", size=64)
    left = {"action": action, "path": [[0, 0], [60, 0], [60, 80], [0, 80]]}
    plain, warm = (
        np.asarray(colorizer(gray_image(80, 120), {"areas": [left], "finish": {"temperature": warmth}}))
        for warmth in (0, 100)
    )
    change = np.abs(warm.astype(int) - plain).max(axis=2)
    assert change[:, :50].max() == 0
    assert np.median(change[:, 70:]) > 10


def test_finish_in_recipe_and_finish_option_produce_equal_images(tmp_path: Path) -> None:
    Image.fromarray(gray_image(40, 50)).save(tmp_path / "in.png")
    arguments = ["colorize", str(tmp_path / "in.png"), "--model", "zhang2017_local_small", "--device", "cpu"]
    finish = {"temperature": 30, "vibrance": 40}
    Recipe.from_json({"finish": finish}).to_json(tmp_path / "recipe.json")
    texts = ["--finish", "temperature=30,vibrance=40"], ["--recipe", str(tmp_path / "recipe.json")], []
    found = []
    for name, more in zip("abc", texts, strict=True):
        assert main([*arguments, *more, "-o", str(tmp_path / f"{name}.png")]) == 0
        found.append(np.asarray(Image.open(tmp_path / f"{name}.png")))
    assert np.array_equal(found[0], found[1])
    assert not np.array_equal(found[0], found[2])
    colorizer = Colorizer(tiny_model(), device="cpu", size=64)
    assert Recipe.from_json({"finish": finish}).to_dict()["finish"] == finish
    warm = np.asarray(colorizer(gray_image(40, 50), {"finish": {"temperature": 100}})).astype(int)
    assert (warm[..., 0] - warm[..., 2]).mean() > 5


@pytest.mark.parametrize("text", ["warmth=3", "tint", "tint=x", "tint=101"])
def test_parse_finish_text_error_names_the_option(text: str) -> None:
    with pytest.raises(GuidanceError, match="--finish"):
        parse_finish_text(text, "--finish")
