"""Global feature matching, a baseline for exemplar colorization.

Each cell (4 x 4 pixels) of the image gets the color of the exemplar cell with the most similar features, as
in the matching step of He et al. 2018 (https://arxiv.org/abs/1807.06587).
"""

from __future__ import annotations

from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from colorzoo.color import lightness_to_rgb, rgb_to_lab
from colorzoo.factory import create_coloring_model
from colorzoo.guidance import Guidance
from colorzoo.model import ColoringModel
from colorzoo.networks.blocks import pad_to_multiple
from colorzoo.prediction import AbPrediction

CELL = 4
"""Side of a cell in pixels."""

# number of cells that are compared at once, so that memory grows linearly with the image size
_CHUNK = 1024


class FeatureMatching(ColoringModel):
    """Color transfer from the exemplar cells with the most similar features.

    A cell is a square of 4 x 4 pixels. The encoder is loaded on first use and is not part of the state dict.

    Args:
        encoder: Name of the model whose encoder computes the features of the cells. With None, the features
            of a cell are the lightness values of its 16 pixels.
    """

    accepts = frozenset({"exemplar"})

    def __init__(self, encoder: str | None = "xu2020_small") -> None:
        super().__init__(nn.Identity())
        self.encoder = encoder
        self._encoder_model: tuple[ColoringModel, ...] = ()

    def forward(self, lightness: Tensor, guidance: Guidance | None = None) -> AbPrediction:
        """Predict ab for lightness ``(B, 1, H, W)`` in [0, 100]; ab is 0 without an exemplar."""
        if guidance is None or guidance.exemplar is None:
            return AbPrediction.gray(lightness)
        height, width = lightness.shape[-2:]
        with torch.autocast(lightness.device.type, enabled=False):  # matching needs float32
            lab = rgb_to_lab(pad_to_multiple(guidance.exemplar.rgb.float(), 2 * CELL))
            target = self._features(pad_to_multiple(lightness.float(), 2 * CELL))
            query, key = _directions(target), _directions(self._features(lab[:, :1]))
            colors = F.avg_pool2d(lab[:, 1:], CELL).flatten(2)
            matched = []  # the color of the most similar reference cell, for parts of the image
            for part in torch.split(query, _CHUNK, dim=1):
                nearest = (part @ key.transpose(1, 2)).argmax(dim=2)
                matched.append(colors.gather(2, nearest[:, None].expand(-1, 2, -1)))
            matched_ab = torch.cat(matched, dim=2).view(colors.shape[0], 2, *target.shape[-2:])
            ab = F.interpolate(matched_ab, scale_factor=CELL, mode="bilinear", align_corners=False)
        return AbPrediction(ab=ab[:, :, :height, :width])

    def _features(self, lightness: Tensor) -> Tensor:
        """Return features ``(B, C, H/4, W/4)`` of a lightness map."""
        if self.encoder is None:
            return F.pixel_unshuffle(lightness, CELL)  # the lightness values of each cell
        if not self._encoder_model:
            self._encoder_model = (create_coloring_model(self.encoder),)
        model: Any = cast(Any, self._encoder_model[0].to(lightness.device))
        return model.features(lightness_to_rgb(lightness))


def _directions(features: Tensor) -> Tensor:
    """Return unit features ``(B, N, C)``, centered over the cells."""
    flat = features.flatten(2).float()
    return F.normalize(flat - flat.mean(dim=2, keepdim=True), dim=1).transpose(1, 2)
