"""Gray2ColorNet: Transfer More Colors from Reference Image (Lu et al., ACM MM 2020).

The decoder receives features of matched reference positions and features of the reference's color histogram.
A learned gate estimates the reliability of each match and blends the features accordingly.
https://doi.org/10.1145/3394171.3413594
"""

from __future__ import annotations

from typing import Annotated

from torch import Tensor, nn
from torch.nn import functional as F

from colorzoo.losses.statistics import soft_histogram
from colorzoo.model import ColoringModel
from colorzoo.networks.blocks import scaled_width
from colorzoo.networks.gated_transfer import (
    GATED_NAMES,
    ColorMaps,
    GatedColorization,
    GatedNetwork,
    Reference,
    Transferred,
    encoder_blocks,
    encoder_maps,
    gated_levels,
)
from colorzoo.networks.levels import attention_weights
from colorzoo.networks.renaming import Pattern
from colorzoo.networks.scaling import scaled_lab
from colorzoo.settings import Positive, PositiveInt, Range, Width

STRIDE = 8
BINS = 441

NAMES: tuple[Pattern, ...] = (
    (r"model_out(\d)\.", lambda m: f"heads.{int(m[1]) - 1}."),
    (r"global_network\.model\.", "histogram.shared."),
    (r"global_network\.model_(\d)\.0\.", lambda m: f"histogram.of_level.{int(m[1]) - 1}."),
    (r"ref_network\.model(\d)\.", lambda m: f"colors.blocks.{int(m[1]) - 1}."),
    (r"conf_feature\.fc(\d)\.0\.", lambda m: f"gate.{2 * int(m[1]) - 2}."),
    *GATED_NAMES,
)
"""Patterns that rename the parameters of the authors' file ``latest_net_G.pth``."""


class Gray2ColorNet(GatedNetwork):
    """Network of Lu et al. 2020; image height and width are multiples of 8.

    Args:
        width: See `GatedTransfer`.
        reference_side: See `GatedTransfer`.
        classes: See `GatedTransfer`.
        tau: See `GatedTransfer`.
    """

    def __init__(
        self, width: float = 1.0, reference_side: int = 128, classes: int = 1000, tau: float = 0.01
    ) -> None:
        super().__init__()
        self.tau = tau
        c64, c128, c256, c512, c1024 = (scaled_width(each, width) for each in (64, 128, 256, 512, 1024))
        self.body = encoder_blocks(1, width)
        self.levels = gated_levels(width)
        self.heads = nn.ModuleList(
            nn.Sequential(nn.Conv2d(each, 2, 1), nn.Tanh()) for each in (c256, c128, c128)
        )
        self.histogram = HistogramVectors((c512, c512, c256, c128))
        self.colors = ColorMaps((c64, c128, c256, c512))
        positions = (reference_side // 2) ** 2
        self.gate = nn.Sequential(
            nn.Conv1d(positions, c1024, 1), nn.ReLU(), nn.Conv1d(c1024, 1, 1), nn.Sigmoid()
        )
        self.classifier = nn.Linear(c512, classes)

    def encode(self, lightness: Tensor) -> list[Tensor]:
        """Return six encoder feature maps ``(B, C, h, w)``, from fine to coarse.

        Args:
            lightness: L / 50 - 1, ``(B, 1, H, W)``.
        """
        return encoder_maps(self.body, lightness)

    def transfer(self, maps: list[Tensor], reference: Reference) -> Transferred:
        """Match image and reference positions and return reference features for the decoder.

        Args:
            maps: Output of `encode` for the images.
            reference: Lightness, ab and histogram of the references.

        Returns:
            Features of the matched colors and of the histogram, and the gate that blends them.
        """
        color_features = self.colors.first(reference.ab, step=2).flatten(2)  # (B, C, M)

        def matched_features_and_gate(similarity: Tensor) -> tuple[Tensor, Tensor]:
            """Return features ``(B, C, N)`` and the gate ``(B, 1, N)`` for similarities ``(B, M, N)``."""
            attention = attention_weights(similarity, tau=self.tau).to(color_features.dtype)
            return color_features @ attention, self.gate(similarity)

        matched, gate = self.match(maps, reference, matched_features_and_gate)
        return Transferred(self.colors.deeper(matched), self.histogram(reference.histogram), gate)


class HistogramVectors(nn.Module):
    """Encoder of the reference's color histogram ("global network" in the authors' code).

    Args:
        channels: Channel count of the hidden layers, then of the vectors for the three decoder levels.
    """

    def __init__(self, channels: tuple[int, int, int, int]) -> None:
        super().__init__()
        hidden, *outs = channels
        self.shared = nn.Sequential(
            *(nn.Conv2d(BINS, hidden, 1), nn.ReLU()),
            *(nn.Conv2d(hidden, hidden, 1), nn.ReLU()),
            *(nn.Conv2d(hidden, hidden, 1), nn.ReLU()),
        )
        self.of_level = nn.ModuleList(nn.Conv2d(hidden, each, 1) for each in outs)

    def forward(self, histogram: Tensor) -> list[Tensor]:
        """Encode histograms ``(B, 441)`` as one vector ``(B, C, 1, 1)`` per decoder level.

        The vector for the coarsest level is the first.
        """
        shared = self.shared(histogram[:, :, None, None])
        return [F.relu(layer(shared)) for layer in self.of_level]


class GatedTransfer(GatedColorization, ColoringModel):
    """Exemplar colorization with matched colors and the exemplar's color histogram.

    Args:
        width: Multiplier for every channel count; 1.0 matches the published network.
        reference_side: Side of the resized reference in pixels, a multiple of 8. Trained weights require the
            training value, because the gate has one input per reference position.
        classes: Number of classes of the image classifier, which training uses.
        tau: Softmax temperature of the matching between image and reference positions.
    """

    stride = STRIDE
    published_names = NAMES
    network: Gray2ColorNet

    def __init__(
        self,
        width: Width = 1.0,
        reference_side: Annotated[int, Range(16, unit="pixels", step=8)] = 128,
        classes: PositiveInt = 1000,
        tau: Positive = 0.01,
    ) -> None:
        super().__init__(Gray2ColorNet(width, reference_side, classes, tau))
        self.reference_side = reference_side

    def read(self, rgb: Tensor) -> Reference:
        """Convert RGB references ``(B, 3, H, W)`` in [0, 1] to lightness, ab and histogram."""
        lab = scaled_lab(self.resize_to_square(rgb))
        return Reference(lab[:, :1], lab[:, 1:], soft_histogram(lab[:, 1:]).flatten(1))
