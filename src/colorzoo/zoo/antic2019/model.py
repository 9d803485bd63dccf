"""DeOldify (Antic, 2018 to 2024), https://github.com/jantic/DeOldify.

A U-Net with a ResNet encoder predicts RGB. The result combines the chroma of the predicted image with the
luma of the input. There is no paper. This implementation follows the author's code and notebooks.
"""

from __future__ import annotations

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
from colorzoo.settings import Positive, Range, Width
from colorzoo.zoo.antic2019.network import STRIDE, Decoder, DeOldifyNetwork, Encoder
from colorzoo.zoo.antic2019.published import NAMES

LARGEST_FACTOR = 64  # self-attention at 1/8 scale compares all pairs of positions, so memory grows as side**4


@dataclass(frozen=True)
class Architecture:
    """Settings of the generator and its discriminator.

    Attributes:
        encoder: ResNet variant of the encoder: ``resnet18``, ``resnet34`` (artistic model) or ``resnet101``
            (stable model).
        decoder: Block type of the decoder: ``deep`` (two convolutions per block, artistic model) or ``wide``
            (one convolution per block, stable model).
        nf_factor: Multiplier for the decoder's channel counts: 1.5 (artistic model) or 2 (stable model).
        width: Multiplier for the encoder's channel counts; 1.0 matches the published network.
        discriminator_width: Multiplier for the discriminator's channel counts; 1.0 matches the published
            network.
    """

    encoder: Encoder = "resnet34"
    decoder: Decoder = "deep"
    nf_factor: Positive = 1.5
    width: Width = 1.0
    discriminator_width: Width = 1.0


@dataclass(frozen=True)
class Rendering:
    """Size of the network input in inference and validation.

    Attributes:
        render_factor: Shorter side of the input in units of 16 pixels, 1 to 64. The published
            values are 35 for images and 21 for video. Lower values give more vivid colors.
            Higher values give more detail.
    """

    render_factor: Annotated[int, Range(1, LARGEST_FACTOR)] = 35


class DeOldify(ColoringModel):
    """The artistic or stable DeOldify model, which colorizes without guidance.

    Args:
        architecture: Settings of the generator and the discriminator.
        rendering: Size of the network input in inference and validation.
    """

    feature_layers = ("network.encoder",)
    published_names = NAMES
    network: DeOldifyNetwork

    def __init__(
        self, architecture: Architecture = Architecture(), rendering: Rendering = Rendering()
    ) -> None:
        network = DeOldifyNetwork(
            architecture.encoder, architecture.decoder, architecture.nf_factor, architecture.width
        )
        super().__init__(network)
        self.architecture = architecture
        self.working_size = STRIDE * rendering.render_factor

    def forward(self, lightness: Tensor, guidance: Guidance | None = None) -> AbPrediction:
        """Predict ab for lightness ``(B, 1, H, W)`` in [0, 100]; ``guidance`` is not used.

        The chroma comes from the generated RGB image, and the luma comes from the input.
        """
        height, width = lightness.shape[-2:]
        gray = lightness_to_rgb(lightness)[:, :1]
        generated = self.generate(pad_to_multiple(gray, STRIDE))[:, :, :height, :width]
        return AbPrediction(ab=ab_of(generated, gray))

    def generate(self, gray: Tensor) -> Tensor:
        """Generate normalized RGB images from gray images.

        Args:
            gray: ``(B, 1, H, W)`` in [0, 1]; H and W are multiples of 16.

        Returns:
            RGB ``(B, 3, H, W)`` with ImageNet normalization.
        """
        return self.network(normalized(gray))


def keep_lightness(rgb: Tensor, gray: Tensor) -> Tensor:
    """Replace the luma Y of an RGB image without changing the chroma channels U and V.

    Args:
        rgb: ``(B, 3, H, W)`` in [0, 1].
        gray: ``(B, 1, H, W)`` in [0, 1], the new luma.

    Returns:
        ``(B, 3, H, W)``, clipped to [0, 1] as in the published code.
    """
    return (rgb + gray - rgb_to_gray(rgb)).clamp(0, 1)


def ab_of(generated: Tensor, gray: Tensor) -> Tensor:
    """Replace the luma of generated images with ``gray`` and return their ab channels.

    Args:
        generated: RGB ``(B, 3, H, W)`` with ImageNet normalization.
        gray: ``(B, 1, H, W)`` in [0, 1], the new luma.

    Returns:
        ab ``(B, 2, H, W)`` in CIE units.
    """
    return rgb_to_lab(keep_lightness(denormalized(generated.float()).clamp(0, 1), gray.float()))[:, 1:]
