"""Global match by features: the baseline of Xu et al. 2020 for exemplar colorization without a global style.

Each place of the picture takes the color of the place of the exemplar whose features are nearest, as in the
matching step of He et al. 2018 (https://arxiv.org/abs/1807.06587), without the network that follows there.
"""

from __future__ import annotations

from typing import Any, cast

import torch
from torch import Tensor
from torch.nn import functional as F

from colorzoo.color import lab_to_rgb, rgb_to_lab
from colorzoo.factory import create_model
from colorzoo.guidance import Guidance
from colorzoo.networks.padding import pad_to_multiple
from colorzoo.tasks import AbPrediction, ColorizationModule, TrainingFreeModule
from colorzoo.zoo.feature_match.network import CELL, match_colors, window_features


class FeatureMatch(TrainingFreeModule):
    """Color transfer by nearest features.

    Args:
        encoder: Registered model whose encoder compares; None compares windows of lightness.
    """

    accepts = frozenset({"exemplar"})

    def __init__(self, encoder: str | None = "xu2020_small") -> None:
        super().__init__()

    def configure_network(self) -> None:
        """Build nothing: the encoder belongs to another model, and is no part of this one's state."""
        self.network = torch.nn.Identity()
        self._encoder: tuple[ColorizationModule, ...] = ()

    def forward(self, luma: Tensor, guidance: Guidance | None = None) -> AbPrediction:
        """Color a batch; gray without an exemplar."""
        batch, _, height, width = luma.shape
        if guidance is None or guidance.exemplar is None:
            return AbPrediction(ab=luma.new_zeros(batch, 2, height, width))
        with torch.autocast(luma.device.type, enabled=False):  # matching compares small differences
            lab = rgb_to_lab(pad_to_multiple(guidance.exemplar.rgb.float(), 2 * CELL))
            target = self._features(pad_to_multiple(luma.float(), 2 * CELL))
            found = match_colors(target, self._features(lab[:, :1]), F.avg_pool2d(lab[:, 1:], CELL))
            ab = F.interpolate(found, scale_factor=CELL, mode="bilinear", align_corners=False)
        return AbPrediction(ab=ab[:, :, :height, :width])

    def _features(self, luma: Tensor) -> Tensor:
        """Return ``(B, C, H/4, W/4)`` for a lightness, seen as a gray picture."""
        name = self.hparams.encoder
        if name is None:
            return window_features(luma)
        if not self._encoder:
            self._encoder = (create_model(name),)
        model: Any = cast(Any, self._encoder[0].to(luma.device))
        gray = lab_to_rgb(F.pad(luma, (0, 0, 0, 0, 0, 2)))
        features: Tensor = model.features(gray)
        return features
