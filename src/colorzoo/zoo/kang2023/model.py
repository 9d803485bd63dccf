"""DDColor: colorization by dual decoders (Kang et al., ICCV 2023).

An encoder computes feature maps of a gray image, and a pixel decoder upsamples the maps to pixel features. A
color decoder computes color embeddings from learned queries, which attend to the maps. The product of pixel
features and color embeddings determines ab. https://arxiv.org/abs/2212.11613
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from colorzoo.factory import create_backbone
from colorzoo.guidance import Guidance
from colorzoo.model import ColoringModel
from colorzoo.networks.blocks import scaled_width
from colorzoo.prediction import AbPrediction
from colorzoo.settings import Positive, PositiveInt, Width
from colorzoo.zoo.kang2023.extensions import TRUNK_SIZE, Extensions, TrunkEncoder
from colorzoo.zoo.kang2023.network import DDColorNetwork, Encoder, Size
from colorzoo.zoo.kang2023.published import NAMES, UNUSED

PIXEL_CHANNELS = (512, 512, 256)
FEED_CHANNELS = 2048


@dataclass(frozen=True)
class Architecture:
    """Settings of the generator (sections 3.1 to 3.4).

    Attributes:
        size: Encoder size: ``tiny`` (ConvNeXt-T) or ``large`` (ConvNeXt-L).
        width: Multiplier for every channel count; 1.0 matches the published network.
        depth: Multiplier for the number of blocks in each encoder stage; 1.0 matches the published network.
        queries: Number of color queries.
        layers: Number of color decoder layers.
        pretrained: Name of a timm ConvNeXt whose weights initialize the encoder in training; None uses random
            weights.
    """

    size: Size = "large"
    width: Width = 1.0
    depth: Positive = 1.0
    queries: PositiveInt = 100
    layers: PositiveInt = 9
    pretrained: str | None = None


class DDColor(ColoringModel):
    """Colorization without guidance by a pixel decoder and a color decoder.

    Args:
        architecture: Settings of the generator.
        extensions: Extensions that are not in the paper.
    """

    working_size = 512
    feature_layers = ("network.encoder",)
    published_names, published_unused = NAMES, UNUSED
    network: DDColorNetwork

    def __init__(
        self, architecture: Architecture = Architecture(), extensions: Extensions = Extensions()
    ) -> None:
        network = DDColorNetwork(
            build_encoder(architecture, extensions),
            [scaled_width(base, architecture.width) for base in PIXEL_CHANNELS],
            queries=architecture.queries,
            layers=architecture.layers,
            feed=scaled_width(FEED_CHANNELS, architecture.width),
        )
        super().__init__(network)
        self.architecture = architecture
        self.extensions = extensions
        if extensions.trunk is not None:
            self.working_size = TRUNK_SIZE

    def forward(self, lightness: Tensor, guidance: Guidance | None = None) -> AbPrediction:
        """Colorize a batch; guidance is ignored."""
        return AbPrediction(ab=self.network(lightness))


def build_encoder(architecture: Architecture, extensions: Extensions) -> Encoder:
    """Return ConvNeXt, or the frozen layers of the model `Extensions.trunk`."""
    if extensions.trunk is not None:
        return TrunkEncoder(create_backbone(extensions.trunk, "trunk"))
    from colorzoo.zoo.kang2023.convnext import ConvNextEncoder  # slow import

    return ConvNextEncoder(architecture.size, architecture.width, architecture.depth)
