"""The global match by features for a process that only colors: no Lightning."""

from __future__ import annotations

from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from colorzoo.color import lab_to_rgb, rgb_to_lab
from colorzoo.factory import create_inference_model
from colorzoo.guidance import Guidance
from colorzoo.networks.padding import pad_to_multiple
from colorzoo.tasks import AbPrediction, ColoringModel, InferenceModel
from colorzoo.zoo.feature_match.network import CELL, match_colors, window_features


class FeatureMatching(nn.Module):
    """Gives each place the color of the exemplar's place with the nearest features.

    The encoder belongs to another model, and is no part of this one's state; it is made when it is needed.

    Args:
        encoder: Registered model whose encoder compares; None compares windows of lightness.
    """

    def __init__(self, encoder: str | None) -> None:
        super().__init__()
        self.encoder = encoder
        self._lender: tuple[ColoringModel, ...] = ()

    def forward(self, luma: Tensor, exemplar: Tensor) -> Tensor:
        """Return ``(B, 2, H, W)`` ab for lightness ``(B, 1, H, W)`` and an exemplar ``(B, 3, H', W')``."""
        height, width = luma.shape[-2:]
        with torch.autocast(luma.device.type, enabled=False):  # matching compares small differences
            lab = rgb_to_lab(pad_to_multiple(exemplar.float(), 2 * CELL))
            target = self._features(pad_to_multiple(luma.float(), 2 * CELL))
            found = match_colors(target, self._features(lab[:, :1]), F.avg_pool2d(lab[:, 1:], CELL))
            ab = F.interpolate(found, scale_factor=CELL, mode="bilinear", align_corners=False)
        return ab[:, :, :height, :width]

    def _features(self, luma: Tensor) -> Tensor:
        """Return ``(B, C, H/4, W/4)`` for a lightness, seen as a gray picture."""
        if self.encoder is None:
            return window_features(luma)
        if not self._lender:
            self._lender = (create_inference_model(self.encoder),)
        model: Any = cast(Any, self._lender[0].to(luma.device))
        features: Tensor = model.features(lab_to_rgb(F.pad(luma, (0, 0, 0, 0, 0, 2))))
        return features


class Answers(ColoringModel):
    """How the match by features answers, whether it only colors or is measured too."""

    accepts = frozenset({"exemplar"})
    network: FeatureMatching

    def forward(self, luma: Tensor, guidance: Guidance | None = None) -> AbPrediction:
        """Color a batch; gray without an exemplar."""
        if guidance is None or guidance.exemplar is None:
            return AbPrediction.gray(luma)
        return AbPrediction(ab=self.network(luma, guidance.exemplar.rgb))


class FeatureMatchInference(Answers, InferenceModel):
    """Color transfer by nearest features, as `FeatureMatch` answers.

    Args:
        encoder: See `FeatureMatching`.
    """

    def __init__(self, encoder: str | None = "xu2020_small") -> None:
        super().__init__(FeatureMatching(encoder), encoder=encoder)
