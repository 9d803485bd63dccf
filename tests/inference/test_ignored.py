"""Guidance that a model does not use is remarked upon, every kind by the same rule."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from colorzoo.cli.main import main
from colorzoo.guidance import Guidance, Recipe
from colorzoo.inference.colorizer import Colorizer
from colorzoo.model import ColoringModel
from colorzoo.pictures.read import read_picture
from colorzoo.prediction import AbPrediction
from tiny_model import NAME, gray_picture, write_tiny_weights

GIVEN: dict[str, Any] = {
    "points": [{"x": 5, "y": 5, "color": "#c04020"}],
    "scribbles": [{"path": [[1, 1], [9, 9]]}],
    "regions": [{"index": 0, "color": "#c04020"}],
    "boxes": [{"x": 1, "y": 1, "width": 8, "height": 8}],
    "exemplar": {"path": "look.png"},
    "classes": {"map": {"1": 2}},
    "statistics": {"saturation": 0.4},
}
WORDS = {"exemplar": "references"}


class Deaf(ColoringModel):
    """A model that takes no guidance."""

    accepts = ()

    def __init__(self) -> None:
        super().__init__(torch.nn.Identity())
        self.trained = True

    def forward(self, lightness: Tensor, guidance: Guidance | None = None) -> AbPrediction:
        del guidance
        return AbPrediction(ab=torch.zeros_like(lightness).expand(-1, 2, -1, -1))


@pytest.fixture(scope="module")
def colorizer() -> Colorizer:
    return Colorizer(Deaf(), device="cpu", precision="float32")


def look() -> np.ndarray:
    return np.dstack([gray_picture(20, 20), gray_picture(20, 20)[::-1], gray_picture(20, 20)])


@pytest.mark.parametrize("kind", GIVEN)
def test_every_kind_in_a_recipe(colorizer: Colorizer, kind: str) -> None:
    recipe = Recipe.from_json({"version": 1, kind: GIVEN[kind]})
    notes = colorizer.colorize(read_picture(gray_picture(20, 20)), recipe).notes
    assert len(notes) == 1
    assert notes[0].startswith(f"Deaf does not use {WORDS.get(kind, kind)}; they ")


def test_a_reference_in_python(colorizer: Colorizer) -> None:
    told = "Deaf does not use references; they were ignored"
    with pytest.warns(UserWarning, match=told):
        colorizer(gray_picture(20, 20), reference=look())
    notes = colorizer.colorize(read_picture(gray_picture(20, 20)), reference=read_picture(look())).notes
    assert notes == (told,)
    given = Recipe.from_json({"version": 1, "exemplar": {"path": "look.png"}})
    assert colorizer.colorize(
        read_picture(gray_picture(20, 20)), given, reference=read_picture(look())
    ).notes == (told,)


def test_points_of_a_model_that_takes_none_say_where_they_are(colorizer: Colorizer) -> None:
    recipe = Recipe.from_json({"version": 1, "points": GIVEN["points"]})
    colored = colorizer.colorize(read_picture(gray_picture(20, 20)), recipe)
    assert colored.notes == ("Deaf does not use points; they color their own place only",)
    assert np.ptp(colored.rgb[5, 5]) > 0.05


def test_a_reference_on_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    weights = write_tiny_weights(tmp_path / "tiny.safetensors")
    Image.fromarray(gray_picture(20, 20)).save(tmp_path / "a.png")
    Image.fromarray(look()).save(tmp_path / "look.png")
    words = ["colorize", str(tmp_path / "a.png"), "--weights", str(weights), "--model", NAME]
    assert main([*words, "--reference", str(tmp_path / "look.png"), "--json"]) == 0
    (result,) = json.loads(capsys.readouterr().out)
    assert sum("does not use references" in note for note in result["notes"]) == 1
