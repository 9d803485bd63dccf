"""Extensions of Local Hints and Global Hints that are not in the paper.

The module `extended_unet` extends the network of Local Hints.

`SteeredNetwork` conditions a Local Hints network on a color histogram or a mean saturation. The predicted
color distributions of all positions are multiplied by the same color weights, computed so that the mean
distribution has the target histogram or saturation. Each position then gets the mean color of the reweighted
distribution.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from colorzoo.color import hull_centers, hull_mask, lab_to_rgb
from colorzoo.guidance import GlobalStatistics, Points
from colorzoo.guidance.color_statistics import pixel_saturation
from colorzoo.losses import smooth_l1_map, weighted_by_chroma
from colorzoo.model import ColoringModel
from colorzoo.networks.blocks import cells
from colorzoo.networks.hint_unet import HintEncoding, hint_input, initialize, point_network
from colorzoo.networks.scaling import AB_SCALE
from colorzoo.networks.shared_weights import borrow
from colorzoo.training.stages import Stage
from colorzoo.zoo.zhang2017.extended_unet import ExtendedHintUNet
from colorzoo.zoo.zhang2017.network import GlobalNetwork, known_statistics

_FAINT_VECTOR = 0.1  # initial scale of the branch, so training starts near the colors of the trunk
_CELL = 4  # stride of the distribution in pixels
_ROUNDS = 2  # iterations of histogram fitting; more iterations do not improve the fit
_FAINT = 1e-4  # added to probabilities to bound the weights
_MAX_SLOPE = 16.0  # maximum exponent of the weight of a color with chroma 40
_BISECTIONS = 12  # bisection steps; resolves the exponent to 0.01
_CHROMA_UNIT = 40.0
_LIGHTNESS_STEP = 5.0  # lightness step of the saturation table
_LEAST = 1e-30


@dataclass(frozen=True)
class GlobalExtensions:
    """Extensions of Global Hints that are not in the paper.

    Attributes:
        trunk: Name of a Local Hints model that provides the U-Net, which is frozen and not stored in weight
            files; see `SteeredNetwork`. The Local Hints model determines ``width`` and ``ab_scale``.
    """

    trunk: str | None = None


ExtensionStage = Literal["joint", "scene", "colors"]

EXTENSION_STAGES: dict[str, Stage] = {
    "joint": Stage(),  # both heads train the trunk
    # both heads train all layers after the encoder, which other models share
    "scene": Stage(leaves=("model.network.unet.block[1-7].*",)),
    # the last layers, which no other model shares, for more colorful results
    "colors": Stage(trains=("model.network.unet.block10.*", "model.network.unet.ab_head.*")),
}
"""Training stages of Local Hints that are not in the paper."""


def chroma_weighted_l1(predicted: Tensor, ab: Tensor, *, delta: float, colorfulness: float) -> Tensor:
    """Return the mean smooth L1 loss, weighted by the chroma of the ground truth.

    Args:
        predicted: Predicted ab ``(B, 2, H, W)`` in CIE units.
        ab: Ground truth ab ``(B, 2, H, W)`` in CIE units.
        delta: Error in CIE units at which the loss changes from quadratic to linear.
        colorfulness: Increase of the weight at a chroma of 20 CIE units.
    """
    return weighted_by_chroma(smooth_l1_map(predicted, ab, delta=delta), ab, colorfulness).mean()


class SteeredNetwork(GlobalNetwork):
    """Local Hints network conditioned on global statistics instead of points.

    As in the paper, a branch encodes the statistics as a vector that is added after block 4. In addition, the
    predicted color distributions are matched to the statistics, and a convolution adds the resulting colors
    to the feature map 8_3 (the output of block 8), like the colors of points. Without statistics, the Local
    Hints output is unchanged.

    Args:
        backbone: Trained Local Hints model that provides the U-Net, which is frozen and not stored in weight
            files.

    Raises:
        ColorzooError: ``backbone`` is not a Local Hints model.
    """

    shown: Tensor
    saturations: Tensor

    def __init__(self, backbone: ColoringModel) -> None:
        local_hints = point_network(backbone, "--model.extensions.trunk")
        unet = local_hints.unet
        super().__init__(unet, local_hints.ab_scale)
        self.mask_center = local_hints.mask_center
        self.bring = nn.Conv2d(3, unet.up9.in_channels, 3, padding=1, bias=False)
        # Tensors created during tracing would be tracer proxies, so these buffers are computed here. Indices
        # replace a mask because the number of channels that a mask selects is data-dependent.
        self.register_buffer("shown", hull_mask().nonzero().flatten(), persistent=False)
        self.register_buffer("saturations", saturation_table(), persistent=False)
        borrow(self, [f"unet.{key}" for key in unet.state_dict()])

    def begin(self, std: float | None) -> None:
        """Initialize the statistics branch and the convolution that adds matched colors.

        If the U-Net has a convolution for hint colors, its weights are copied.

        Args:
            std: Standard deviation of the initial weights; None selects He initialization.
        """
        initialize(self.branch, std)
        nn.init.constant_(self.branch.last_norm.weight, _FAINT_VECTOR)
        nn.init.zeros_(self.bring.weight)
        if isinstance(self.unet, ExtendedHintUNet) and self.unet.inject is not None:
            with torch.no_grad():
                self.bring.weight.copy_(self.unet.inject.weight)

    def train(self, mode: bool = True) -> SteeredNetwork:
        """Set the mode of all layers except the U-Net, which stays in eval mode.

        Args:
            mode: True selects training mode, False selects eval mode.
        """
        super().train(mode)
        self.unet.eval()
        return self

    def encode(self, lightness: Tensor, statistics: GlobalStatistics) -> HintEncoding:
        """Run the network up to block 8 and add the matched colors; see `forward` for the arguments."""
        histogram, saturation = known_statistics(statistics, lightness.shape[0], lightness)
        is_known = (histogram.sum(dim=1, keepdim=True) > 0) | (saturation >= 0)
        vector = self.branch(statistics, lightness.shape[0]) * is_known[:, :, None, None]
        x = hint_input(lightness, Points.none(lightness), self.mask_center)
        encoded = self.unet.encode(x, context=vector)
        likely = self._likely_colors(encoded.trunk, lightness, statistics)
        hinted_colors = (
            torch.cat([likely, torch.ones_like(likely[:, :1])], dim=1) * is_known[:, :, None, None]
        )
        return encoded._replace(trunk=encoded.trunk + self.bring(hinted_colors.to(encoded.trunk)))

    def _likely_colors(self, trunk: Tensor, lightness: Tensor, statistics: GlobalStatistics) -> Tensor:
        """Return mean colors ``(B, 2, H/4, W/4)`` of the matched distributions, ab / 110."""
        rows, columns = cells(lightness.shape[-2], _CELL), cells(lightness.shape[-1], _CELL)
        logits = self.unet.distribution(trunk)[:, self.shown]
        with torch.autocast(trunk.device.type, enabled=False):  # float32 for small probabilities
            shares = logits.float().softmax(dim=1)
            inside = shares.detach()[:, :, :rows, :columns].flatten(2)
            light = F.avg_pool2d(lightness.float(), _CELL, ceil_mode=True).flatten(1)
            weights = self._weights(inside, light, statistics)
            return mean_colors(shares.flatten(2), weights).view(-1, 2, *trunk.shape[2:]) / AB_SCALE

    @torch.no_grad()
    def _weights(self, shares: Tensor, lightness: Tensor, statistics: GlobalStatistics) -> Tensor:
        """Return color weights ``(B, 313)`` that match the statistics of each image.

        A histogram takes precedence over a saturation. Without statistics, all weights are 1.
        """
        histogram, saturation = known_statistics(statistics, shares.shape[0], shares)
        weights = torch.ones_like(histogram)
        if statistics.saturation is not None:
            saturations = saturation_at(lightness, self.saturations)
            matched = match_saturation(shares, saturations, saturation)
            weights = torch.where(saturation >= 0, matched, weights)
        if statistics.histogram is not None:
            known = histogram.sum(dim=1, keepdim=True) > 0
            weights = torch.where(known, match_histogram(shares, histogram), weights)
        return weights


def match_histogram(shares: Tensor, histogram: Tensor) -> Tensor:
    """Return bin weights for which the mean reweighted distribution equals a histogram.

    The weights are approximated by iterative proportional fitting.

    Args:
        shares: Bin probabilities ``(B, 313, N)`` at N positions.
        histogram: Target histogram ``(B, 313)``.

    Returns:
        Bin weights ``(B, 313)``.
    """
    weights = torch.ones_like(histogram)
    for _ in range(_ROUNDS):
        current = weights * torch.bmm(_normalizers(shares, weights), shares.mT).squeeze(1) / shares.shape[2]
        weights = weights * (histogram + _FAINT) / (current + _FAINT)
    return weights


def match_saturation(shares: Tensor, saturations: Tensor, saturation: Tensor) -> Tensor:
    """Return bin weights for which the mean expected saturation equals a target.

    The weight of a bin is an exponential function of its chroma: weight = exp(slope * chroma / 40). The slope
    is computed by bisection for each image, because the mean saturation increases with the slope.

    Args:
        shares: Bin probabilities ``(B, 313, N)`` at N positions.
        saturations: Bin saturations ``(B, 313, N)``; see `saturation_at`.
        saturation: Target saturation ``(B, 1)`` in [0, 1].

    Returns:
        Bin weights ``(B, 313)``.
    """
    saturation_terms = shares * saturations
    chroma = torch.linalg.vector_norm(hull_centers(), dim=1).to(shares) / _CHROMA_UNIT  # (313,)
    # bounds of the slope, (B, 1)
    low, high = torch.full_like(saturation, -_MAX_SLOPE), torch.full_like(saturation, _MAX_SLOPE)
    for _ in range(_BISECTIONS):
        slope = (low + high) / 2
        weights = torch.exp(slope * chroma)  # (B, 313)
        saturation_sums = torch.bmm(weights.unsqueeze(1), saturation_terms)
        expected = saturation_sums * _normalizers(shares, weights)  # saturation of each position, (B, 1, N)
        is_too_pale = expected.mean(dim=2) < saturation
        low = torch.where(is_too_pale, slope, low)
        high = torch.where(is_too_pale, high, slope)
    slope = (low + high) / 2
    return torch.exp(slope * chroma)


def mean_colors(shares: Tensor, weights: Tensor) -> Tensor:
    """Return the mean colors ``(B, 2, N)`` in CIE units of reweighted distributions.

    Args:
        shares: Bin probabilities ``(B, 313, N)`` at N positions.
        weights: Bin weights ``(B, 313)``.
    """
    weighted = weights[:, :, None] * hull_centers().to(shares)
    return torch.bmm(weighted.mT, shares) * _normalizers(shares, weights)


def saturation_at(lightness: Tensor, table: Tensor) -> Tensor:
    """Return the HSV saturation of each bin at the lightness of each position.

    Args:
        lightness: ``(B, N)`` in [0, 100].
        table: Output of `saturation_table`.

    Returns:
        Saturations ``(B, 313, N)``.
    """
    table = table.to(lightness)
    columns = torch.arange(table.shape[1], device=lightness.device)
    position = (lightness / _LIGHTNESS_STEP).clamp(0, table.shape[1] - 1)  # column, not rounded
    # linear interpolation: weights (B, 21, N) of the columns
    weights = (1 - (position[:, None] - columns[:, None]).abs()).clamp_min(0)
    return table @ weights


def saturation_table() -> Tensor:
    """Return HSV saturations ``(313, 21)`` of the bins at lightness 0, 5, ..., 100."""
    with torch.device("cpu"):  # models can be built on the meta device
        lightness = torch.arange(0, 100 + _LIGHTNESS_STEP, _LIGHTNESS_STEP)
        centers = hull_centers()
        planes = torch.stack(
            [
                lightness.expand(len(centers), -1),
                *(each[:, None].expand(-1, len(lightness)) for each in centers.T),
            ]
        )
        return pixel_saturation(lab_to_rgb(planes[None]).clamp(0, 1))[0]


def _normalizers(shares: Tensor, weights: Tensor) -> Tensor:
    """Return normalization factors ``(B, 1, N)`` of reweighted distributions."""
    return 1 / torch.bmm(weights.unsqueeze(1), shares).clamp_min(_LEAST)
