"""GuidingPainter (Cho et al., WACV 2023): sketch colorization by proposed regions.

The segmenter f divides the sketch into up to 30 ordered segments without supervision. The user colors the
first n segments, and the generator g colorizes the image. https://arxiv.org/abs/2210.14270
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn import functional as F

from colorzoo.card import InputKind, OutputKind
from colorzoo.errors import GuidanceError
from colorzoo.guidance import Guidance, Regions
from colorzoo.model import ColoringModel
from colorzoo.networks.blocks import is_traced
from colorzoo.networks.hint_unet import point_colors, points_of
from colorzoo.networks.unet import UNet, initialize_gan
from colorzoo.prediction import RgbPrediction
from colorzoo.settings import NonNegativeFloat, Probability, Width
from colorzoo.zoo.cho2023.extensions import Extensions, ResidualUNet
from colorzoo.zoo.cho2023.network import (
    SEGMENTS,
    GuidingPainterNetwork,
    base_channels,
    look_up_hints,
    one_hot,
)
from colorzoo.zoo.cho2023.published import NAMES


@dataclass(frozen=True)
class Architecture:
    """Width multipliers of the networks; 1.0 matches the paper.

    Attributes:
        width: Multiplier for the channel counts of the generator g.
        segmenter_width: Multiplier for the channel counts of the segmenter f.
        discriminator_width: Multiplier for the channel counts of the discriminator.
    """

    width: Width = 1.0
    segmenter_width: Width = 1.0
    discriminator_width: Width = 1.0


class GuidingPainter(ColoringModel):
    """Sketch colorization from the colors of proposed regions.

    Args:
        architecture: Settings of the networks.
        extensions: Extensions that are not in the paper.
    """

    accepts = frozenset({"regions"})
    input_kind: InputKind = "sketch"
    output_kind: OutputKind = "rgb"
    published_names = NAMES
    published_unused = r"^gan_loss\."
    network: GuidingPainterNetwork

    def __init__(
        self, architecture: Architecture = Architecture(), extensions: Extensions = Extensions()
    ) -> None:
        network = extensions.build(architecture.width, architecture.segmenter_width)
        initialize_gan(network)
        super().__init__(network)
        self.architecture = architecture
        self.extensions = extensions

    def forward(self, lightness: Tensor, guidance: Guidance | None = None) -> RgbPrediction:
        """Colorize sketches ``(B, 1, H, W)`` in [0, 1] with the colors of regions.

        If ``guidance`` contains no regions, the segmenter f divides the sketch into regions without colors.

        Raises:
            GuidanceError: ``guidance`` contains more than 30 regions or colors outside [0, 1].
        """
        regions = guidance.regions if guidance is not None else None
        if regions is None:
            regions = _without_colors(self.network.divide(lightness))
        regions = _all_segments(regions)
        hints = look_up_hints(regions.index, 2 * regions.rgb - 1, regions.given)
        segments = one_hot(regions.original_segments, SEGMENTS)
        generated = self.network.generate(lightness, hints, segments)  # in [-1, 1]
        return RgbPrediction(rgb=(generated + 1) / 2)

    def propose(self, lightness: Tensor) -> Regions:
        """Propose regions of sketches ``(B, 1, H, W)`` in [0, 1], the most useful region first."""
        device = lightness.device.type
        with torch.autocast(device, enabled=False):  # rounding must not move pixels between regions
            logits = self.network.divide(lightness.float())
        return self.extensions.refine(_without_colors(logits), lightness)


@dataclass(frozen=True)
class PointsSettings:
    """Settings of the baseline `PointPainter`, which receives color points, and its training.

    Attributes:
        width: Multiplier for the channel counts; 1.0 matches the generator g of the paper.
        stop_probability: Parameter of the distribution of the number of points; see `PointSimulation`.
        reconstruction_weight: Weight of the L1 loss between generated and true images.
        hint_residual: Whether the output is predicted relative to the hint colors; see `ResidualUNet`.
    """

    width: Width = 1.0
    stop_probability: Probability = 1 / 8
    reconstruction_weight: NonNegativeFloat = 30.0
    hint_residual: bool = False


class PointPainter(ColoringModel):
    """Baseline for GuidingPainter: the generator g with color points instead of regions.

    The paper uses the network of Zhang et al. 2017 as its baseline instead.

    Args:
        settings: Settings of the generator and its training.
    """

    accepts = frozenset({"points"})
    input_kind: InputKind = "sketch"
    output_kind: OutputKind = "rgb"
    network: UNet

    def __init__(self, settings: PointsSettings = PointsSettings()) -> None:
        generator = ResidualUNet if settings.hint_residual else UNet
        network = generator(1 + 3 + 1, 3, base_channels(settings.width))
        initialize_gan(network)
        super().__init__(network)
        self.settings = settings

    def forward(self, lightness: Tensor, guidance: Guidance | None = None) -> RgbPrediction:
        """Colorize sketches ``(B, 1, H, W)`` in [0, 1] with color points."""
        points = points_of(guidance, lightness)
        color = point_colors(points)
        x = torch.cat([2 * lightness - 1, color * points.mask, points.mask], dim=1)
        return RgbPrediction(rgb=(torch.tanh(self.network(x).float()) + 1) / 2)


def _without_colors(logits: Tensor) -> Regions:
    colors = logits.new_zeros(len(logits), SEGMENTS, 3)
    return Regions(logits.argmax(1, keepdim=True), colors, torch.zeros_like(colors[..., 0]))


def _all_segments(regions: Regions) -> Regions:
    """Pad region colors to 30 entries; added entries have no hint."""
    missing = SEGMENTS - regions.rgb.shape[1]
    if missing < 0:
        raise GuidanceError(
            f"at most {SEGMENTS} regions can be colored, got colors for {regions.rgb.shape[1]} regions"
        )
    if not is_traced():
        low, high = regions.rgb.aminmax()
        if not 0 <= low <= high <= 1:
            raise GuidanceError(f"region colors must be in [0, 1], got {low:g} to {high:g}")
    rgb, given = F.pad(regions.rgb, (0, 0, 0, missing)), F.pad(regions.given, (0, missing))
    return replace(regions, rgb=rgb, given=given)
