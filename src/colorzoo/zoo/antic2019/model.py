"""DeOldify (Antic, 2018 to 2024), https://github.com/jantic/DeOldify: no paper, its code and notebooks.

A U-Net over a ResNet paints RGB, of which the chroma is kept.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

from torch import Tensor

from colorzoo.color import lightness_to_rgb, rgb_to_lab
from colorzoo.color.sketch import rgb_to_gray
from colorzoo.guidance import Guidance
from colorzoo.model import ColoringModel
from colorzoo.networks.blocks import pad_to_multiple
from colorzoo.networks.imagenet import denormalized, normalized
from colorzoo.prediction import AbPrediction
from colorzoo.settings import Positive, Range, Width, settings_of
from colorzoo.zoo.antic2019.network import STRIDE, Decoder, DeOldifyNetwork, Encoder
from colorzoo.zoo.antic2019.published import convert_published

LARGEST_FACTOR = 64  # self-attention compares all positions of an eighth of the side with each other


@dataclass(frozen=True)
class Architecture:
    """Settings of the generator and its critic.

    Attributes:
        encoder: The ResNet: 34 layers in the artistic model, 101 in the stable one.
        decoder: ``deep`` blocks of two convolutions (artistic), or ``wide`` ones of one (stable).
        nf_factor: Factor on the channels of the decoder: 1.5 in the artistic model, 2 in the stable one.
        width: Multiplier of the encoder's channel counts; 1.0 is the published network.
        critic_width: Multiplier of the critic's channel counts.
    """

    encoder: Encoder = "resnet34"
    decoder: Decoder = "deep"
    nf_factor: Positive = 1.5
    width: Width = 1.0
    critic_width: Width = 1.0


@dataclass(frozen=True)
class Rendering:
    """Settings of the input size outside training.

    Attributes:
        render_factor: Shorter side of the input in units of 16 pixels, 1 .. 64; published: 35 for pictures,
            21 for video. Lower values give more vivid colors, higher ones more detail.
    """

    render_factor: Annotated[int, Range(1, LARGEST_FACTOR)] = 35


class DeOldify(ColoringModel):
    """Colors a photo by itself: the artistic or the stable model.

    Args:
        architecture: The generator.
        rendering: The input size outside training.
    """

    recorded_hparams = ("encoder", "decoder", "nf_factor", "width")
    feature_layers = ("network.encoder",)
    network: DeOldifyNetwork
    architecture: Architecture

    def __init__(
        self, architecture: Architecture = Architecture(), rendering: Rendering = Rendering()
    ) -> None:
        architecture = settings_of(Architecture, architecture)
        rendering = settings_of(Rendering, rendering)
        network = DeOldifyNetwork(
            architecture.encoder, architecture.decoder, architecture.nf_factor, architecture.width
        )
        super().__init__(network, architecture=architecture, rendering=rendering)
        self.working_size = STRIDE * rendering.render_factor

    def forward(self, lightness: Tensor, guidance: Guidance | None = None) -> AbPrediction:
        """Color a batch: the chroma of the network's output for the gray picture of the same lightness."""
        height, width = lightness.shape[-2:]
        gray = lightness_to_rgb(lightness)[:, :1]
        painted = self.paint(pad_to_multiple(gray, STRIDE))[:, :, :height, :width]
        return AbPrediction(ab=ab_of(painted, gray))

    def paint(self, gray: Tensor) -> Tensor:
        """Return the network's output, normalized RGB, for gray pictures ``(B, 1, H, W)`` in [0, 1]."""
        painted: Tensor = self.network(normalized(gray))
        return painted

    def convert_published(self, state_dict: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Rename the author's generator (378 or 754 keys)."""
        return convert_published(state_dict, self.architecture.decoder)


def keep_lightness(rgb: Tensor, gray: Tensor) -> Tensor:
    """Replace the lightness of a painted picture by a gray one's in YUV, as published.

    With U and V fixed, a change of Y changes all channels alike.

    Args:
        rgb: ``(B, 3, H, W)`` in [0, 1].
        gray: ``(B, 1, H, W)`` in [0, 1].

    Returns:
        ``(B, 3, H, W)``, clipped to [0, 1], as published.
    """
    return (rgb + gray - rgb_to_gray(rgb)).clamp(0, 1)


def ab_of(painted: Tensor, gray: Tensor) -> Tensor:
    """Return the ab ``(B, 2, H, W)`` of an output of the generator, after `keep_lightness`."""
    return rgb_to_lab(keep_lightness(denormalized(painted.float()).clamp(0, 1), gray.float()))[:, 1:]
