"""The control of GuidingPainter for a process that only colors: g reading points, no Lightning."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from colorzoo.card import InputKind, OutputKind
from colorzoo.guidance import Guidance, Points
from colorzoo.networks.hint_input import point_colors
from colorzoo.networks.unet import UNet, initialize_gan
from colorzoo.tasks import ColoringModel, InferenceModel, RgbPrediction, settings_of
from colorzoo.zoo.cho2023.network import as_residual, base_channels


@dataclass(frozen=True)
class PointsSettings:
    """The painter and its training.

    Attributes:
        width: Multiplier of the channel counts; 1.0 is g of the paper.
        stop_probability: See `PointSimulation`.
        reconstruction_weight: Weight of the L1 loss.
        hint_residual: See `colorzoo.zoo.cho2023.extensions.Extensions`.
    """

    width: float = 1.0
    stop_probability: float = 1 / 8
    reconstruction_weight: float = 30.0
    hint_residual: bool = False


class PointsAnswers(ColoringModel):
    """How g answers, whether it only colors or is trained too."""

    accepts = frozenset({"points"})
    input_kind: InputKind = "sketch"
    output_kind: OutputKind = "rgb"
    network: UNet
    settings: PointsSettings

    def forward(self, luma: Tensor, guidance: Guidance | None = None) -> RgbPrediction:
        """Paint sketches ``(B, 1, H, W)`` in [0, 1]."""
        points = (
            guidance.points if guidance is not None and guidance.points is not None else Points.none(luma)
        )
        color = point_colors(points)
        x = torch.cat([2 * luma - 1, color * points.mask, points.mask], dim=1)
        painted = self.network(x).float()
        if self.settings.hint_residual:
            painted = painted + as_residual(color * points.mask)
        return RgbPrediction(rgb=(torch.tanh(painted) + 1) / 2)


class Cho2023PointsInference(PointsAnswers, InferenceModel):
    """g, as `Cho2023Points` answers.

    Args:
        settings: The painter.
    """

    def __init__(self, settings: PointsSettings = PointsSettings()) -> None:
        settings = settings_of(PointsSettings, settings)
        super().__init__(build_painter(settings), settings=settings)
        self.settings = settings


def build_painter(settings: PointsSettings) -> UNet:
    """Build g and draw its weights."""
    network = UNet(1 + 3 + 1, 3, base_channels(settings.width))
    initialize_gan(network)
    return network
