"""Messages say what is true."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw
from torch import Tensor

from colorzoo.batch.file import FileOptions
from colorzoo.batch.request import prepared_alone
from colorzoo.batch.runner import PictureJob, color_pictures
from colorzoo.cli.main import main
from colorzoo.color import lab_to_rgb
from colorzoo.guidance import Guidance
from colorzoo.inference.colorizer import Colorizer
from colorzoo.model import ColoringModel
from colorzoo.prediction import AbPrediction
from tiny_model import Refused, gray_picture


def test_two_formats_for_one_result_are_refused(tmp_path: Path, refused: Refused) -> None:
    Image.fromarray(gray_picture(30, 40)).save(tmp_path / "a.png")
    words = ["colorize", str(tmp_path / "a.png"), "-o", str(tmp_path / "q.jpg")]
    assert "name two formats" in refused(*words, "--format", "png")
    assert main([*words, "--format", "jpg", "--dry-run"]) == 0


class Flat(ColoringModel):
    """Gives every pixel the same color."""

    def __init__(self, chroma: float) -> None:
        super().__init__(torch.nn.Identity())
        self.trained, self.ab = True, torch.tensor([chroma, 0.0]).view(1, 2, 1, 1)

    def forward(self, lightness: Tensor, guidance: Guidance | None = None) -> AbPrediction:
        return AbPrediction(ab=self.ab.expand(len(lightness), 2, *lightness.shape[2:]).clone())


@pytest.mark.parametrize(("chroma", "light", "pale"), [(1.4, 96, True), (1.6, 96, False), (2.8, 100, True)])
def test_almost_no_color_is_said(tmp_path: Path, chroma: float, light: int, pale: bool) -> None:
    """Chroma below a mean of 1.5 that shows: paper, of a lightness of 97 and more, has none."""
    lightness = np.full((32, 32), 60.0)
    lightness[16:] = light
    levels = lab_to_rgb(torch.from_numpy(np.stack([lightness, 0 * lightness, 0 * lightness])))[0]
    Image.fromarray((255 * levels).round().byte().numpy()).save(tmp_path / "a.png")
    prepared = prepared_alone(Colorizer(Flat(chroma), device="cpu", precision="float32"))
    job = PictureJob("a.png", tmp_path / "a.png", tmp_path / "b.png", lambda: prepared)
    (result,) = color_pictures([job], FileOptions())
    drawings = "`colorzoo models --guidance regions` lists models for drawings"
    assert result.notes == (("almost no color was added", drawings) if pale else ())


def test_a_drawing_that_stays_gray_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    drawing = Image.new("L", (96, 96), 255)
    ImageDraw.Draw(drawing).ellipse((20, 20, 70, 70), outline=0)
    drawing.save(tmp_path / "a.png")
    assert main(["colorize", str(tmp_path / "a.png"), "--device", "cpu"]) == 0
    told = capsys.readouterr().out
    assert "nothing to color" in told
    assert "lists models for drawings" in told
    words = ["colorize", str(tmp_path / "a.png"), "--device", "cpu", "--strength", "0", "--overwrite"]
    assert main(words) == 0
    assert "models for drawings" not in capsys.readouterr().out
