"""DDColor: colorization by dual decoders (Kang et al., ICCV 2023).

An encoder computes feature maps of a gray image, and a pixel decoder upsamples the maps to pixel features. A
color decoder computes color embeddings from learned queries, which attend to the maps. The product of pixel
features and color embeddings determines ab. https://arxiv.org/abs/2212.11613

`Extensions` contains settings of `kang2023_small` that are not in the paper; the published model disables
them.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn

from colorzoo.errors import ColorzooError
from colorzoo.factory import create_backbone
from colorzoo.guidance import Guidance, Points
from colorzoo.model import ColoringModel
from colorzoo.networks.blocks import scaled_width
from colorzoo.networks.hint_unet import HintUNet, hint_input
from colorzoo.networks.shared_weights import borrow
from colorzoo.prediction import AbPrediction
from colorzoo.settings import NonNegativeFloat, Positive, PositiveInt, Width
from colorzoo.zoo.kang2023.network import DDColorNetwork, Encoder, Size
from colorzoo.zoo.kang2023.published import NAMES, UNUSED


@dataclass(frozen=True)
class Extensions:
    """Extensions of DDColor that are not in the paper.

    Attributes:
        trunk: Name of a registered Local Hints model (Zhang et al. 2017), whose layers replace ConvNeXt as
            a frozen encoder. These layers are not stored in weight files. None uses ConvNeXt.
        chroma: Extra weight of colorful pixels in the pixel loss. With 0, all pixels have equal weights, as
            in the paper. See `colorzoo.losses.weighted_by_chroma`.
    """

    trunk: str | None = None
    chroma: NonNegativeFloat = 0.0


class TrunkEncoder(nn.Module):
    """Frozen encoder that consists of the layers of a Local Hints network (Zhang et al. 2017).

    The network runs without hints. The strides of the four feature maps are half the strides of ConvNeXt.

    Args:
        model: Trained Local Hints model, which provides the layers.

    Raises:
        ColorzooError: The model is not a Local Hints model.
    """

    stride = 16
    finest = 2

    def __init__(self, model: ColoringModel) -> None:
        super().__init__()
        unet = getattr(model.network, "unet", None)
        if not isinstance(unet, HintUNet):
            raise ColorzooError(f"'trunk' must name a Local Hints model, got {type(model).__name__}")
        self.unet = unet.eval()
        self.mask_center = float(getattr(model.network, "mask_center", 0.0))
        middle, deep = unet.up9.in_channels, unet.up8.in_channels
        self.channels: tuple[int, ...] = (unet.up10.in_channels, middle, deep, deep)
        borrow(self, self.state_dict())

    def train(self, mode: bool = True) -> TrunkEncoder:
        """Set eval mode regardless of ``mode``, because BatchNorm statistics are frozen."""
        return super().train(False)

    def forward(self, lightness: Tensor, image: Tensor) -> tuple[Tensor, ...]:
        """Return feature maps at strides 2, 4, 8 and 16.

        Args:
            lightness: ``(B, 1, H, W)`` in [0, 100].
            image: Not used.
        """
        maps = self.unet.contract(hint_input(lightness, Points.none(lightness), self.mask_center))
        deep = maps[6]
        return maps[1], self.unet.merge(maps), deep, nn.functional.avg_pool2d(deep, 2)


PIXEL_CHANNELS = (512, 512, 256)
FEED_CHANNELS = 2048
_TRUNK_SIZE = 256  # pixels, the input size with a Local Hints encoder


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
        encoder: Encoder
        if extensions.trunk is None:
            from colorzoo.zoo.kang2023.convnext import ConvNextEncoder

            encoder = ConvNextEncoder(architecture.size, architecture.width, architecture.depth)
        else:
            encoder = TrunkEncoder(create_backbone(extensions.trunk, "trunk"))
        network = DDColorNetwork(
            encoder,
            [scaled_width(base, architecture.width) for base in PIXEL_CHANNELS],
            queries=architecture.queries,
            layers=architecture.layers,
            feed=scaled_width(FEED_CHANNELS, architecture.width),
        )
        super().__init__(network)
        self.architecture = architecture
        self.extensions = extensions
        if extensions.trunk is not None:
            self.working_size = _TRUNK_SIZE

    def forward(self, lightness: Tensor, guidance: Guidance | None = None) -> AbPrediction:
        """Colorize a batch; guidance is ignored."""
        return AbPrediction(ab=self.network(lightness))
