"""A model for tests of points and areas, and the image that it colors."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from colorzoo.guidance import Guidance, PointHint
from colorzoo.guidance.fields import Reach
from colorzoo.model import ColoringModel
from colorzoo.prediction import AbPrediction

SIDE = 96
LEFT, RIGHT = np.s_[:, : SIDE // 2 - 4], np.s_[:, SIDE // 2 + 4 :]


class Flood(ColoringModel):
    """Predicts the mean point color everywhere and counts all forward passes, including those of copies."""

    accepts = ("points", "scribbles")
    runs: ClassVar[list[None]] = []

    def __init__(self) -> None:
        super().__init__(torch.nn.Identity())
        self.trained = True

    def forward(self, lightness: Tensor, guidance: Guidance | None = None) -> AbPrediction:
        self.runs.append(None)
        points = None if guidance is None else guidance.points
        mean = torch.zeros(1, 2, 1, 1)
        if points is not None:
            mean = (points.ab * points.mask).sum((2, 3), keepdim=True) / points.mask.sum()
        return AbPrediction(ab=mean.expand(-1, -1, *lightness.shape[2:]).clone())


def two_walls(grain: float = 0.0) -> NDArray[np.uint8]:
    """Return a dark wall beside a light one."""
    image = np.full((SIDE, SIDE), 50.0)
    image[:, SIDE // 2 :] = 220
    image += np.random.default_rng(0).normal(0, grain, image.shape) if grain else 0
    return image.clip(0, 255).astype(np.uint8)


def red(x: float, y: float, reach: Reach, radius: float = 3) -> PointHint:
    return PointHint(x, y, radius, "#808080", (60.0, 40.0), reach)
