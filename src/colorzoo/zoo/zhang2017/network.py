"""Networks of Zhang et al. 2017: ab from lightness and either points or global statistics.

`SteeredNetwork`, which is not in the paper, conditions a Local Hints network on a color histogram or a mean
saturation. The predicted color distributions of all positions are multiplied by the same color weights,
computed so that the mean distribution has the target histogram or saturation. Each position then gets the
mean color of the reweighted distribution.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from colorzoo.color import hull_centers, hull_mask, lab_to_rgb
from colorzoo.errors import ColorzooError
from colorzoo.guidance import GlobalStatistics, Points
from colorzoo.guidance.color_statistics import pixel_saturation
from colorzoo.model import ColoringModel
from colorzoo.networks.blocks import cells, conv3x3, pad_to_multiple, scaled_width, upconv4x4
from colorzoo.networks.feature_hooks import HookState, unchanged
from colorzoo.networks.hint_unet import (
    AB_SCALE,
    STRIDE,
    HintNetwork,
    HintUNet,
    HintUNetOutput,
    PointNetwork,
    hint_input,
    initialize,
)
from colorzoo.networks.shared_weights import borrow
from colorzoo.settings import Fraction, NonNegativeFloat, NonNegativeInt, Width


@dataclass(frozen=True)
class LocalArchitecture:
    """Settings of the Local Hints network (section 3.3).

    Attributes:
        width: Multiplier for every channel count; 1.0 matches the published network.
        mask_center: Value that is subtracted from the hint mask in the network input: 0 for weights from
            Caffe, 0.5 for the authors' weights retrained in PyTorch.
        hypercolumn: Whether to use the paper's hypercolumn head (313 bins) instead of the published head (529
            bins).
        ab_scale: Factor that converts the network output to CIE units: 110, or 100 for the authors' Caffe
            weights.
        init_std: Standard deviation of the initial weights; None selects He initialization.
    """

    width: Width = 1.0
    mask_center: float = 0.0
    hypercolumn: bool = False
    ab_scale: float = AB_SCALE
    init_std: float | None = 0.02


@dataclass(frozen=True)
class GlobalArchitecture:
    """Settings of the Global Hints network.

    Attributes:
        width: Multiplier for every channel count; 1.0 matches the published network.
        ab_scale: Factor that converts the network output to CIE units: 110, or 100 for the authors' Caffe
            weights.
        init_std: Standard deviation of the initial weights; None selects He initialization.
    """

    width: Width = 1.0
    ab_scale: float = AB_SCALE
    init_std: float | None = 0.02


@dataclass(frozen=True)
class LocalExtensions:
    """Extensions of Local Hints that are not in the paper.

    Attributes:
        hint_attention: Whether to add an attention layer that propagates hint colors to similar positions;
            see `HintUNet`.
        channel_attention: Whether the skip connections have squeeze-and-excitation layers.
        rank_layers: Number of linear 1 x 1 layers between encoder and decoder, which weight files contain as
            part of the next layer; see `RankLayers`.
        scene_blocks: Number of ConvNeXt blocks at stride 16; see `SceneBlocks`.
        colorfulness: Factor c in the smooth L1 weight 1 + c * chroma / 20, with chroma in CIE units. Larger
            factors counteract desaturated predictions.
        many: Fraction of the training images with a log-uniform number of points; see `PointSimulation`.
        everywhere: Fraction of the training images with points at uniformly distributed positions; see
            `PointSimulation`.
    """

    hint_attention: bool = False
    channel_attention: bool = False
    rank_layers: NonNegativeInt = 0
    scene_blocks: NonNegativeInt = 0
    colorfulness: NonNegativeFloat = 0.0
    many: Fraction = 0.0
    everywhere: Fraction = 0.0


@dataclass(frozen=True)
class GlobalExtensions:
    """Extensions of Global Hints that are not in the paper.

    Attributes:
        trunk: Name of a Local Hints model that provides the U-Net, which is frozen and not stored in weight
            files; see `SteeredNetwork`. The Local Hints model determines ``width`` and ``ab_scale``.
    """

    trunk: str | None = None


class HypercolumnHead(nn.Module):
    """Hypercolumn head, which predicts color distributions from blocks 3 to 8 (section 3.3).

    Each feature map is projected by a separate layer. The sum of the projections is equivalent to one layer
    on the concatenated feature maps. The head passes no gradient to other layers.

    Args:
        width: Multiplier for every channel count of the network.
    """

    def __init__(self, width: float) -> None:
        super().__init__()
        c256, c384, c512 = (scaled_width(base, width) for base in (256, 384, 512))
        self.fine = nn.ModuleList(conv3x3(c256, c384) for _ in range(2))
        self.coarse = nn.ModuleList(upconv4x4(c512, c384) for _ in range(4))
        self.classify = nn.Conv2d(c384, len(hull_centers()), 1)

    def forward(self, maps: Sequence[Tensor], trunk: Tensor) -> Tensor:
        """Return logits ``(B, 313, H/4, W/4)`` over the ab bins.

        Args:
            maps: Outputs of blocks 3 to 7: block 3 at 1/4 scale, blocks 4 to 7 at 1/8 scale.
            trunk: Output of block 8, ``(B, C, H/4, W/4)``.
        """
        fine = [layer(each.detach()) for layer, each in zip(self.fine, (maps[0], trunk), strict=True)]
        coarse = [layer(each.detach()) for layer, each in zip(self.coarse, maps[1:], strict=True)]
        return self.classify(torch.relu(torch.stack([*fine, *coarse]).sum(dim=0)))


class LocalHintsNetwork(PointNetwork):
    """U-Net of Zhang et al. 2017 with a classification head over color bins.

    Args:
        architecture: Settings of the network.
        extensions: Settings of extensions that are not in the paper.
    """

    def __init__(self, architecture: LocalArchitecture, extensions: LocalExtensions) -> None:
        unet = HintUNet(
            4,
            architecture.width,
            hint_attention=extensions.hint_attention,
            channel_attention=extensions.channel_attention,
            rank_layers=extensions.rank_layers,
            scene_blocks=extensions.scene_blocks,
        )
        super().__init__(unet, mask_center=architecture.mask_center, ab_scale=architecture.ab_scale)
        self.hypercolumn = HypercolumnHead(architecture.width) if architecture.hypercolumn else None

    def logits_of(self, out: HintUNetOutput) -> Tensor:
        """Return logits ``(B, 529, h, w)``, or ``(B, 313, h, w)`` with the hypercolumn head.

        Args:
            out: Output of the U-Net.
        """
        return out.logits if self.hypercolumn is None else self.hypercolumn(out.maps, out.trunk)


class VectorNorm(nn.BatchNorm2d):
    """BatchNorm for vectors that uses running statistics for a batch with a single vector.

    Batch statistics would normalize a single vector to 0.
    """

    def forward(self, vectors: Tensor) -> Tensor:
        """Normalize ``(B, C, 1, 1)``; a single vector does not update the running statistics."""
        if not self.training or len(vectors) > 1:
            return super().forward(vectors)
        known = (self.running_mean, self.running_var, self.weight, self.bias)
        return F.batch_norm(vectors, *known, training=False, eps=self.eps)


class GlobalBranch(nn.Module):
    """Encoder of a color histogram and a mean saturation into one vector per image.

    Args:
        channels: Vector length.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.saturation = nn.Conv2d(1 + 1, channels, 1)
        self.histogram = nn.Conv2d(len(hull_centers()) + 1, channels, 1)
        self.norm = VectorNorm(channels)
        self.last_norm = VectorNorm(channels)
        middle = [layer for _ in range(2) for layer in (*_layer(channels), VectorNorm(channels))]
        self.deeper = nn.Sequential(*middle, *_layer(channels))

    def forward(self, statistics: GlobalStatistics, batch: int) -> Tensor:
        """Encode global statistics as vectors ``(batch, channels, 1, 1)``.

        Each statistic has an indicator input, 1 if the statistic is present and 0 if it is missing. Missing
        statistics are encoded as zeros.

        Args:
            statistics: Color histograms and mean saturations.
            batch: Batch size.
        """
        histogram, saturation = known_statistics(statistics, batch, self.histogram.weight)
        has_histogram = (histogram.sum(dim=1, keepdim=True) > 0).to(histogram)
        has_saturation = (saturation >= 0).to(saturation)
        x = self.histogram(torch.cat([histogram, has_histogram], dim=1)[:, :, None, None])
        x = x + self.saturation(torch.cat([saturation.clamp_min(0), has_saturation], dim=1)[:, :, None, None])
        return self.last_norm(self.deeper(self.norm(torch.relu(x))))


class GlobalNetwork(HintNetwork):
    """Base class of Global Hints networks, which add a statistics vector after block 4.

    Args:
        unet: U-Net that predicts ab.
        ab_scale: Factor that converts the U-Net output to CIE units.
    """

    def __init__(self, unet: HintUNet, ab_scale: float) -> None:
        super().__init__(unet, ab_scale=ab_scale)
        self.branch = GlobalBranch(unet.up8.in_channels)

    def forward(self, lightness: Tensor, statistics: GlobalStatistics) -> Tensor:
        """Colorize images of any size.

        Args:
            lightness: ``(B, 1, H, W)`` in [0, 100].
            statistics: Color histograms and mean saturations; an attribute is None if the statistic is
                missing.

        Returns:
            ab ``(B, 2, H, W)`` in CIE units.
        """
        return self.after_hooks(self.before_hooks(lightness, statistics), unchanged)

    def before_hooks(self, lightness: Tensor, statistics: GlobalStatistics) -> HookState:
        """Return the network state after block 8; see `forward` for the arguments."""
        raise NotImplementedError


class GlobalHintsNetwork(GlobalNetwork):
    """Global Hints network of the paper, without a classification head.

    Args:
        width: Multiplier for every channel count; 1.0 matches the published network.
        ab_scale: Factor that converts the network output to CIE units: 110, or 100 for the authors' Caffe
            weights.
    """

    def __init__(self, width: float, *, ab_scale: float = 110.0) -> None:
        super().__init__(HintUNet(1, width, distribution=False), ab_scale)

    def before_hooks(self, lightness: Tensor, statistics: GlobalStatistics) -> HookState:
        """Return the network state after block 8; see `forward` for the arguments."""
        context = self.branch(statistics, lightness.shape[0])
        encoded = self.unet.encode(pad_to_multiple((lightness - 50) / 100, STRIDE), context=context)
        return HookState(encoded[:3], (lightness.shape[-2], lightness.shape[-1]))


def known_statistics(statistics: GlobalStatistics, batch: int, like: Tensor) -> tuple[Tensor, Tensor]:
    """Convert statistics to histograms ``(batch, 313)`` and saturations ``(batch, 1)``.

    Missing histograms are 0, and missing saturations are -1.

    Args:
        statistics: Color histograms and mean saturations.
        batch: Batch size.
        like: Tensor with the dtype and device of the results.
    """
    histogram = _known(statistics.histogram, like.new_zeros(batch, len(hull_centers())))
    return histogram, _known(statistics.saturation, like.new_full((batch, 1), -1.0))


def _layer(channels: int) -> tuple[nn.Module, ...]:
    return nn.Conv2d(channels, channels, 1), nn.ReLU()


def _known(value: Tensor | None, absent: Tensor) -> Tensor:
    return absent if value is None else value.to(absent)


_FAINT_VECTOR = 0.1  # initial scale of the branch, so training starts near the colors of the trunk
_CELL = 4  # stride of the distribution in pixels
_ROUNDS = 2  # iterations of histogram fitting; more iterations do not improve the fit
_FAINT = 1e-4  # added to probabilities to bound the weights
_STEEPEST = 16.0  # maximum exponent of the weight of a color with chroma 40
_HALVINGS = 12  # bisection steps; resolves the exponent to 0.01
_CHROMA_UNIT = 40.0
_LIGHTNESS_STEP = 5.0  # lightness step of the saturation table
_LEAST = 1e-30


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
        unet = getattr(backbone.network, "unet", None)
        if not isinstance(unet, HintUNet) or unet.class_head is None:
            raise ColorzooError(
                f"--model.extensions.trunk must name a Local Hints model, got {type(backbone).__name__}"
            )
        super().__init__(unet, float(getattr(backbone.network, "ab_scale", AB_SCALE)))
        self.mask_center = float(getattr(backbone.network, "mask_center", 0.0))
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
        if self.unet.inject is not None:
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

    def before_hooks(self, lightness: Tensor, statistics: GlobalStatistics) -> HookState:
        """Return the network state after block 8; see `forward` for the arguments."""
        histogram, saturation = known_statistics(statistics, lightness.shape[0], lightness)
        is_known = (histogram.sum(dim=1, keepdim=True) > 0) | (saturation >= 0)
        vector = self.branch(statistics, lightness.shape[0]) * is_known[:, :, None, None]
        hinted, none = hint_input(lightness, Points.none(lightness), self.mask_center)
        encoded = self.unet.encode(hinted, none, context=vector)
        likely = self._likely_colors(encoded.trunk, lightness, statistics)
        hinted_colors = (
            torch.cat([likely, torch.ones_like(likely[:, :1])], dim=1) * is_known[:, :, None, None]
        )
        trunk = encoded.trunk + self.bring(hinted_colors.to(encoded.trunk))
        return HookState((trunk, *encoded[1:3]), (lightness.shape[-2], lightness.shape[-1]))

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
        found = weights * torch.bmm(_scales(shares, weights), shares.mT).squeeze(1) / shares.shape[2]
        weights = weights * (histogram + _FAINT) / (found + _FAINT)
    return weights


def match_saturation(shares: Tensor, saturations: Tensor, saturation: Tensor) -> Tensor:
    """Return bin weights for which the mean expected saturation equals a target.

    The weight of a bin is an exponential function of its chroma. The exponent is computed by bisection.

    Args:
        shares: Bin probabilities ``(B, 313, N)`` at N positions.
        saturations: Bin saturations ``(B, 313, N)``; see `saturation_at`.
        saturation: Target saturation ``(B, 1)`` in [0, 1].

    Returns:
        Bin weights ``(B, 313)``.
    """
    saturated = shares * saturations
    chroma = torch.linalg.vector_norm(hull_centers(), dim=1).to(shares) / _CHROMA_UNIT
    low, high = torch.full_like(saturation, -_STEEPEST), torch.full_like(saturation, _STEEPEST)
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        weights = torch.exp(middle * chroma)
        expected = torch.bmm(weights.unsqueeze(1), saturated) * _scales(shares, weights)
        pale = expected.mean(dim=2) < saturation
        low, high = torch.where(pale, middle, low), torch.where(pale, high, middle)
    return torch.exp((low + high) / 2 * chroma)


def mean_colors(shares: Tensor, weights: Tensor) -> Tensor:
    """Return the mean colors ``(B, 2, N)`` in CIE units of reweighted distributions.

    Args:
        shares: Bin probabilities ``(B, 313, N)`` at N positions.
        weights: Bin weights ``(B, 313)``.
    """
    weighted = weights[:, :, None] * hull_centers().to(shares)
    return torch.bmm(weighted.mT, shares) * _scales(shares, weights)


def saturation_at(lightness: Tensor, table: Tensor) -> Tensor:
    """Return the HSV saturation of each bin at the lightness of each position.

    Args:
        lightness: ``(B, N)`` in [0, 100].
        table: Output of `saturation_table`.

    Returns:
        Saturations ``(B, 313, N)``.
    """
    table = table.to(lightness)
    place = (lightness / _LIGHTNESS_STEP).clamp(0, table.shape[1] - 1)
    steps = torch.arange(table.shape[1], device=lightness.device)
    between = (1 - (place[:, None] - steps[:, None]).abs()).clamp_min(0)  # linear interpolation
    return table @ between


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


def _scales(shares: Tensor, weights: Tensor) -> Tensor:
    """Return normalization factors ``(B, 1, N)`` of reweighted distributions."""
    return 1 / torch.bmm(weights.unsqueeze(1), shares).clamp_min(_LEAST)
