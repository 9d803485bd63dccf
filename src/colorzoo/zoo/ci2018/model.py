"""AlacGAN: User-Guided Deep Anime Line Art Colorization (Ci et al., ACM MM 2018).

ResNeXt blocks without normalization colorize line art. Maps of the color points are concatenated to feature
maps at 1/4 scale. https://arxiv.org/abs/1808.03240
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from torch import Tensor

from colorzoo.card import InputKind, OutputKind
from colorzoo.errors import ColorzooError
from colorzoo.guidance import Guidance
from colorzoo.model import ColoringModel
from colorzoo.networks.blocks import pad_with_zeros, scaled_width
from colorzoo.networks.hint_unet import initialize, point_colors, points_of
from colorzoo.networks.renaming import Pattern
from colorzoo.prediction import RgbPrediction
from colorzoo.settings import Width
from colorzoo.zoo.ci2018.network import BLOCKS, STRIDE, SketchFeatures, StrokeNetwork, quarter_hints

LAST_FEATURE = 14  # later layers of Illustration2Vec predict tags
NAMES: tuple[Pattern, ...] = (
    (r"i2v\.", "features.layers."),
    (r"module\.(?=to|tunnel|exit\.)", ""),
    (r"(?:module\.)?(feed|feed2|out)\.", r"discriminator.\1."),
)
"""Parameter names of the authors' files; see `rename_keys`."""


@dataclass(frozen=True)
class Architecture:
    """Settings of the networks.

    Attributes:
        width: Multiplier for the generator's channel counts; 1.0 matches the paper.
        blocks: Number of ResNeXt blocks in each of the four decoder stages, from coarse to fine; 20, 8, 8 and
            5 in the paper.
        local_features: Network that extracts features of the line art: ``illustration2vec`` (frozen, as in
            the paper) or ``trained`` (not in the paper).
        discriminator_width: Multiplier for the discriminator's channel counts; 1.0 matches the paper.
        discriminator_side: Side of the training images in pixels, 64 times a power of 2.
    """

    width: Width = 1.0
    blocks: tuple[int, ...] = BLOCKS
    local_features: Literal["illustration2vec", "trained"] = "illustration2vec"
    discriminator_width: Width = 1.0
    discriminator_side: int = 512

    def __post_init__(self) -> None:
        halvings = self.discriminator_side // 64
        if self.discriminator_side % 64 or halvings.bit_count() != 1:
            raise ColorzooError(
                "'discriminator_side' must be 64 times a power of 2, such as 512, "
                f"got {self.discriminator_side}"
            )


class StrokePainter(ColoringModel):
    """Sketch colorization with color points.

    Args:
        architecture: Settings of the networks.
    """

    accepts = frozenset({"points"})
    input_kind: InputKind = "sketch"
    output_kind: OutputKind = "rgb"
    published_names = NAMES
    published_unused = r"^i2v\.(1[5-9]|[2-9]\d)\."  # layers after `LAST_FEATURE`
    network: StrokeNetwork

    def __init__(self, architecture: Architecture = Architecture()) -> None:
        trained = architecture.local_features == "trained"
        features = SketchFeatures(scaled_width(512, architecture.width)) if trained else None
        network = StrokeNetwork(architecture.width, architecture.blocks, features)
        if trained:
            initialize(network, None)  # the paper uses PyTorch's default initialization
        super().__init__(network)
        self.architecture = architecture

    def forward(self, lightness: Tensor, guidance: Guidance | None = None) -> RgbPrediction:
        """Colorize sketches ``(B, 1, H, W)`` in [0, 1] with color points."""
        points = points_of(guidance, lightness)
        color, mask = (pad_with_zeros(each, STRIDE) for each in (point_colors(points), points.mask))
        return RgbPrediction(rgb=(self.network(lightness, quarter_hints(color, mask)) + 1) / 2)
