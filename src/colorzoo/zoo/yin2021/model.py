"""Yes, "Attention Is All You Need", for Exemplar based Colorization (ACM MM 2021).

Yin et al. compute two colors per position: the mean color of matching reference positions, and a weighted
mean of 198 common colors. The weights are predicted from image features and the reference histogram. A
learned gate blends features of the two colors. https://doi.org/10.1145/3474085.3475385
"""

from __future__ import annotations

from typing import Annotated

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from colorzoo.model import ColoringModel
from colorzoo.networks.blocks import conv3x3, scaled_width, upconv4x4
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
from colorzoo.networks.levels import attention_weights, normalized_stack
from colorzoo.networks.renaming import Pattern
from colorzoo.networks.scaling import scaled_lab
from colorzoo.settings import Fraction, Positive, PositiveInt, Range, Width

STRIDE = 16
REDUCED = 4
"""Stride of the matched reference positions in pixels."""

_STEP, _HALF = 0.1, 10  # bin width of ab / 110, and number of bins on each side of 0
_SIDE = 2 * _HALF + 1
_KEPT = (
    *((3, 15, 17), (4, 12, 17), (5, 9, 18), (6, 8, 18), (7, 7, 18), (8, 6, 19), (9, 5, 18), (10, 5, 18)),
    *((11, 4, 18), (12, 3, 17), (13, 2, 17), (14, 2, 17), (15, 1, 17), (16, 1, 16), (17, 0, 16), (18, 5, 6)),
)
"""Runs of common colors in the paper: bin of a, first bin of b, last bin of b."""

_BIN_SHARPNESS = 100.0
_GATE_SHARPNESS = 5.0

_SOURCES = {"align": "matched", "hist": "histogram"}
NAMES: tuple[Pattern, ...] = (
    (r"model_head\.", "first."),
    (r"model7\.", "histogram.body."),
    (r"model_hist\.", "histogram.logits."),
    (r"model_tail_(\d)\.0\.", lambda m: f"heads.{int(m[1]) - 1}.0."),
    (r"model_out(\d)\.0\.", lambda m: f"heads.{int(m[1]) - 1}.2."),
    (r"global_network\.model\.", "histogram.vector."),
    (r"global_network\.model_1\.0\.", "histogram.vector.6."),
    (r"ref_network_(align|hist)\.model(\d)\.", lambda m: f"{_SOURCES[m[1]]}_colors.blocks.{int(m[2]) - 1}."),
    (r"conf_feature_(align|hist)\.fc1\.0\.", lambda m: f"{_SOURCES[m[1]]}_trust.0."),
    (r"conf_feature_(align|hist)\.fc2\.0\.", lambda m: f"{_SOURCES[m[1]]}_trust.3."),
    *GATED_NAMES,
)
"""Patterns that rename the parameters of the authors' file ``latest_net_G.pth``."""


class AttentionNet(GatedNetwork):
    """Network of Yin et al. 2021; image height and width are multiples of 16.

    Args:
        width: See `AttentiveTransfer`.
        reference_side: See `AttentiveTransfer`.
        classes: See `AttentiveTransfer`.
        tau: See `AttentiveTransfer`.
        dropout: See `AttentiveTransfer`.
    """

    def __init__(
        self,
        width: float = 1.0,
        reference_side: int = 256,
        classes: int = 1000,
        tau: float = 0.01,
        dropout: float = 0.1,
    ) -> None:
        super().__init__()
        self.tau = tau
        c32, c64, c128, c256, c512 = (scaled_width(each, width) for each in (32, 64, 128, 256, 512))
        self.first = normalized_stack(1, c32)
        self.body = encoder_blocks(c32, width)
        self.levels = gated_levels(width)
        self.heads = nn.ModuleList(
            nn.Sequential(upconv4x4(ins, outs), nn.LeakyReLU(0.2), nn.Conv2d(outs, 2, 1), nn.Tanh())
            for ins, outs in ((c256, c128), (c128, c64), (c128, c64))
        )
        self.histogram = HistogramAttention(c256, c512)
        self.matched_colors = ColorMaps((c64, c128, c256, c512))
        self.histogram_colors = ColorMaps((c64, c128, c256, c512))
        positions = (reference_side // REDUCED) ** 2
        hidden = scaled_width(1024, width)
        # reliability scores of both colors, predicted from the matching weights of a position
        self.matched_trust, self.histogram_trust = (
            nn.Sequential(
                *(nn.Conv1d(positions, hidden, 1), nn.ReLU(), nn.Dropout(dropout)),
                *(nn.Conv1d(hidden, 1, 1), nn.Sigmoid()),
            )
            for _ in range(2)
        )
        self.classifier = nn.Linear(c512, classes)

    def encode(self, lightness: Tensor) -> list[Tensor]:
        """Return six encoder maps ``(B, C, h, w)`` of images, from fine to coarse.

        The first map has half the image size.

        Args:
            lightness: ``(B, 1, H, W)``, scaled to L / 50 - 1.
        """
        return encoder_maps(self.body, self.first(lightness)[:, :, ::2, ::2])

    def transfer(self, maps: list[Tensor], reference: Reference) -> Transferred:
        """Compute matched colors and common colors, and encode the colors as features.

        Matched colors are reference colors at similar positions (semantic alignment). Common colors result
        from attention to the color histogram of the reference (histogram attention).

        Args:
            maps: Encoder maps of the image; see `encode`.
            reference: Network input computed from the reference.

        Returns:
            Features of the matched and common colors, and the gate that blends the features.
        """
        reference_ab = reference.ab.flatten(2)  # (B, 2, M) at M reference positions

        def matched_colors_and_gate(similarity: Tensor) -> tuple[Tensor, Tensor]:
            """Return ab ``(B, 2, N)`` and the gate ``(B, 1, N)`` for similarities ``(B, M, N)``."""
            attention = attention_weights(similarity, tau=self.tau).to(reference_ab.dtype)
            confidence_difference = self.matched_trust(attention) - self.histogram_trust(attention)
            # the sigmoid of the difference equals a softmax over both confidences
            gate = torch.sigmoid(_GATE_SHARPNESS * confidence_difference)
            return reference_ab @ attention, gate

        matched_ab, gate = self.match(maps, reference, matched_colors_and_gate)
        common_ab = self.histogram(maps[5], reference.histogram)
        common_ab = F.interpolate(common_ab, scale_factor=2, mode="bilinear")
        return Transferred(
            matched=self.matched_colors.deeper(self.matched_colors.first(matched_ab)),
            general=self.histogram_colors.deeper(self.histogram_colors.first(common_ab)),
            gate=gate,
        )


class HistogramAttention(nn.Module):
    """Attention of each position to 198 common colors, conditioned on the reference histogram.

    Args:
        narrow: Channel count after upsampling.
        wide: Channel count of the image features and of the encoded histogram.
    """

    colors: Tensor

    def __init__(self, narrow: int, wide: int) -> None:
        super().__init__()
        bins = kept_bins()
        self.vector = nn.Sequential(
            *(nn.Conv2d(len(bins), wide, 1), nn.ReLU()),
            *(nn.Conv2d(wide, wide, 1), nn.ReLU()),
            *(nn.Conv2d(wide, wide, 1), nn.ReLU()),
            *(nn.Conv2d(wide, wide, 1), nn.Sigmoid()),
        )
        self.body = normalized_stack(*[wide] * 4)
        self.logits = nn.Sequential(
            *(upconv4x4(wide, narrow), nn.ReLU()),
            *(conv3x3(narrow, narrow), nn.ReLU()),
            *(conv3x3(narrow, narrow), nn.ReLU()),
            nn.Conv2d(narrow, len(bins), 1),
        )
        colors = (torch.stack([bins // _SIDE, bins % _SIDE]) - _HALF) / _HALF
        self.register_buffer("colors", colors, persistent=False)

    def forward(self, x: Tensor, histogram: Tensor) -> Tensor:
        """Return the weighted mean of the common colors at each position.

        Args:
            x: Image features ``(B, C, h, w)``.
            histogram: Reference histogram ``(B, 198)``.

        Returns:
            ab / 110, ``(B, 2, 2h, 2w)``.
        """
        logits = self.logits(self.body(x * self.vector(histogram[:, :, None, None])))
        weights = torch.softmax(_BIN_SHARPNESS * logits, dim=1)
        ab: Tensor = self.colors.to(weights) @ weights.flatten(2)
        return torch.unflatten(ab, 2, logits.shape[-2:])


def kept_bins(device: torch.device | None = None) -> Tensor:
    """Return the indices ``(198,)`` of common colors in the flattened 21 x 21 ab grid."""
    runs = [torch.arange(_SIDE * a + first, _SIDE * a + last + 1, device=device) for a, first, last in _KEPT]
    return torch.cat(runs)


def color_histogram(ab: Tensor) -> Tensor:
    """Return histograms ``(B, 198)`` over 198 frequent color bins.

    Each histogram has a sum of 1. If no pixel of an image falls into these bins, all values are 0.

    Args:
        ab: ab / 110, ``(B, 2, H, W)``.
    """
    bins = (ab / _STEP).round().clamp(-_HALF, _HALF).long() + _HALF
    index = (_SIDE * bins[:, 0] + bins[:, 1]).flatten(1)
    counts = ab.new_zeros(ab.shape[0], _SIDE**2)
    counts = counts.scatter_add(1, index, torch.ones_like(index, dtype=ab.dtype))
    kept = counts[:, kept_bins(ab.device)]
    return kept / kept.sum(dim=1, keepdim=True).clamp(min=1)


class AttentiveTransfer(GatedColorization, ColoringModel):
    """Exemplar colorization with colors of matching positions and weighted common colors.

    Args:
        width: Multiplier for every channel count; 1.0 matches the published network.
        reference_side: Side of the resized reference in pixels, a multiple of 16. Trained weights require the
            training value, because the gate has one input per reference position.
        classes: Number of image classes that the classifier predicts.
        tau: Softmax temperature in the matching of image and reference positions.
        dropout: Dropout probability in the gate, which blends the two kinds of colors.
    """

    stride = STRIDE
    published_names = NAMES
    network: AttentionNet

    def __init__(
        self,
        width: Width = 1.0,
        reference_side: Annotated[int, Range(32, unit="pixels", step=16)] = 256,
        classes: PositiveInt = 1000,
        tau: Positive = 0.01,
        dropout: Fraction = 0.1,
    ) -> None:
        super().__init__(AttentionNet(width, reference_side, classes, tau, dropout))
        self.reference_side = reference_side

    def read(self, rgb: Tensor) -> Reference:
        """Convert references ``(B, 3, H, W)`` in [0, 1] to the network input `Reference`."""
        square = self.resize_to_square(rgb)
        lab = scaled_lab(square)
        small = scaled_lab(F.avg_pool2d(square, REDUCED))
        return Reference(lab[:, :1], small[:, 1:], color_histogram(lab[:, 1:]))
