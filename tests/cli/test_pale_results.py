"""Notes about results with little color."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from colorzoo.batch.runner import run_tasks
from colorzoo.batch.task import FileTask
from colorzoo.color import lab_to_rgb
from colorzoo.guidance import Guidance
from colorzoo.inference.colorizer import Colorizer
from colorzoo.model import ColoringModel
from colorzoo.prediction import AbPrediction


class Flat(ColoringModel):
    """Predict one color for all pixels."""

    def __init__(self, chroma: float) -> None:
        super().__init__(torch.nn.Identity())
        self.trained, self.ab = True, torch.tensor([chroma, 0.0]).view(1, 2, 1, 1)

    def forward(self, lightness: Tensor, guidance: Guidance | None = None) -> AbPrediction:
        return AbPrediction(ab=self.ab.expand(len(lightness), 2, *lightness.shape[2:]).clone())


@pytest.mark.parametrize(("chroma", "light", "pale"), [(1.4, 96, True), (1.6, 96, False), (2.8, 100, True)])
def test_pale_results_are_noted(tmp_path: Path, chroma: float, light: int, pale: bool) -> None:
    """Mean chroma below 1.5 is noted; pixels with L of at least 97 are excluded."""
    lightness = np.full((32, 32), 60.0)
    lightness[16:] = light
    levels = lab_to_rgb(torch.from_numpy(np.stack([lightness, 0 * lightness, 0 * lightness])))[0]
    Image.fromarray((255 * levels).round().byte().numpy()).save(tmp_path / "a.png")
    colorizer = Colorizer(Flat(chroma), device="cpu", precision="float32")
    task = FileTask(tmp_path / "a.png", tmp_path / "b.png", "a.png", colorizer=colorizer)
    (result,) = run_tasks([task])
    drawings = "`colorzoo models --guidance regions` lists models for drawings"
    assert result.notes == (("almost no color was added", drawings) if pale else ())
