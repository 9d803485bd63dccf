"""Networks of Zhang et al. 2017: lightness and points, or statistics of the whole image, in; ab out.

Additions to Zhang et al. 2017 in the small models; all off in the paper's models.

`SteeredNetwork` gives a Local Hints network statistics of the whole image, by matching its distributions
over colors to them: one weight for each color, the same at all positions, is found with which the
distributions agree with the histogram or the saturation, and every position takes its mean color. This part
has no weights.
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
from colorzoo.networks.taps import TapState, unchanged
from colorzoo.settings import Count, Natural, Share, Weight


class HypercolumnHead(nn.Module):
    """The paper's head for color distributions: a hypercolumn over blocks 3 to 8 (section 3.3).

    It brings six maps to one size and width, sums them, and classifies each position by a 1x1 layer (the sum
    before the ReLU is the same as one layer over the concatenated maps). The head sends no gradient into the
    network.

    Args:
        width: Multiplier of every channel count of the network.
    """

    def __init__(self, width: float) -> None:
        super().__init__()
        c256, c384, c512 = (scaled_width(base, width) for base in (256, 384, 512))
        self.fine = nn.ModuleList(conv3x3(c256, c384) for _ in range(2))
        self.coarse = nn.ModuleList(upconv4x4(c512, c384) for _ in range(4))
        self.classify = nn.Conv2d(c384, len(hull_centers()), 1)

    def forward(self, maps: Sequence[Tensor], trunk: Tensor) -> Tensor:
        """Return logits over the 313 bins, ``(B, 313, H/4, W/4)``.

        Args:
            maps: Outputs of blocks 3 to 7.
            trunk: Output of block 8, ``(B, C, H/4, W/4)``.
        """
        fine = [layer(each.detach()) for layer, each in zip(self.fine, (maps[0], trunk), strict=True)]
        coarse = [layer(each.detach()) for layer, each in zip(self.coarse, maps[1:], strict=True)]
        logits: Tensor = self.classify(torch.relu(torch.stack([*fine, *coarse]).sum(dim=0)))
        return logits


class LocalHintsNetwork(PointNetwork):
    """The U-Net of the paper, with the head of its distribution.

    Args:
        width: Multiplier of every channel count; 1.0 is the published network.
        mask_center: Subtracted from the hint mask: 0 for the released converted weights, 0.5 for the
            retrained ones.
        hint_attention: See `HintUNet`.
        channel_attention: See `HintUNet`.
        rank_layers: See `HintUNet`.
        scene_blocks: See `HintUNet`.
        hypercolumn: Predict the distribution by the paper's head instead of the published 529-way one.
        ab_scale: Value in CIE units of 1 at the output: 110, or 100 for the authors' Caffe weights.
    """

    def __init__(
        self,
        width: float,
        *,
        mask_center: float,
        hint_attention: bool,
        channel_attention: bool,
        rank_layers: int,
        scene_blocks: int,
        hypercolumn: bool,
        ab_scale: float,
    ) -> None:
        unet = HintUNet(
            4,
            width,
            hint_attention=hint_attention,
            channel_attention=channel_attention,
            rank_layers=rank_layers,
            scene_blocks=scene_blocks,
        )
        super().__init__(unet, mask_center=mask_center, ab_scale=ab_scale)
        self.hypercolumn = HypercolumnHead(width) if hypercolumn else None

    def logits_of(self, out: HintUNetOutput) -> Tensor:
        """Return the distribution: ``(B, 529, ...)``, or ``(B, 313, ...)`` of a hypercolumn head."""
        return out.logits if self.hypercolumn is None else self.hypercolumn(out.maps, out.trunk)


class VectorNorm(nn.BatchNorm2d):
    """Batch norm of 1x1 maps that uses its running statistics for a batch of one image in training.

    A single vector is its own mean, so that the authors' Caffe layer returns zero for it and the hint is
    lost.
    """

    def forward(self, vectors: Tensor) -> Tensor:
        """Return ``(B, C, 1, 1)`` normalized; a single vector does not update the statistics."""
        if not self.training or len(vectors) > 1:
            return super().forward(vectors)
        known = (self.running_mean, self.running_var, self.weight, self.bias)
        return F.batch_norm(vectors, *known, training=False, eps=self.eps)


class GlobalBranch(nn.Module):
    """Turns histogram and saturation into one vector per image, by 1x1 convolutions.

    Args:
        channels: Length of the vector.
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
        """Return ``(batch, channels, 1, 1)``; missing statistics are zeros with a zero indicator."""
        histogram, saturation = known_statistics(statistics, batch, self.histogram.weight)
        has_histogram = (histogram.sum(dim=1, keepdim=True) > 0).to(histogram)
        has_saturation = (saturation >= 0).to(saturation)
        x = self.histogram(torch.cat([histogram, has_histogram], dim=1)[:, :, None, None])
        x = x + self.saturation(torch.cat([saturation.clamp_min(0), has_saturation], dim=1)[:, :, None, None])
        vector: Tensor = self.last_norm(self.deeper(self.norm(torch.relu(x))))
        return vector


class GlobalNetwork(HintNetwork):
    """Base of the Global Hints networks: a U-Net with the branch added after block 4.

    Args:
        unet: The U-Net.
        ab_scale: Value in CIE units of 1 at the output.
    """

    def __init__(self, unet: HintUNet, ab_scale: float) -> None:
        super().__init__(unet, ab_scale=ab_scale)
        self.branch = GlobalBranch(unet.up8.in_channels)

    def forward(self, lightness: Tensor, statistics: GlobalStatistics) -> Tensor:
        """Color an image of any size.

        Args:
            lightness: ``(B, 1, H, W)`` in [0, 100].
            statistics: Known statistics of the image's colors.

        Returns:
            ``(B, 2, H, W)`` in CIE units.
        """
        return self.after_taps(self.before_taps(lightness, statistics), unchanged)

    def before_taps(self, lightness: Tensor, statistics: GlobalStatistics) -> TapState:
        """Compute everything before block 9; see `forward` for the arguments."""
        raise NotImplementedError


class GlobalHintsNetwork(GlobalNetwork):
    """The paper's network: the U-Net of the Local Hints network on lightness alone, without a distribution.

    Args:
        width: Multiplier of every channel count; 1.0 is the published network.
        ab_scale: Value in CIE units of 1 at the output: 110, or 100 for the authors' Caffe weights.
    """

    def __init__(self, width: float, *, ab_scale: float = 110.0) -> None:
        super().__init__(HintUNet(1, width, distribution=False), ab_scale)

    def before_taps(self, lightness: Tensor, statistics: GlobalStatistics) -> TapState:
        """Compute everything before block 9; see `forward` for the arguments."""
        context = self.branch(statistics, lightness.shape[0])
        encoded = self.unet.encode(pad_to_multiple((lightness - 50) / 100, STRIDE), context=context)
        return TapState(encoded[:3], (lightness.shape[-2], lightness.shape[-1]))


def known_statistics(statistics: GlobalStatistics, batch: int, like: Tensor) -> tuple[Tensor, Tensor]:
    """Return histogram ``(batch, 313)``, zeros if missing, and saturation ``(batch, 1)``, -1 if missing."""
    histogram = _known(statistics.histogram, like.new_zeros(batch, len(hull_centers())))
    return histogram, _known(statistics.saturation, like.new_full((batch, 1), -1.0))


def _layer(channels: int) -> tuple[nn.Module, ...]:
    return nn.Conv2d(channels, channels, 1), nn.ReLU()


def _known(value: Tensor | None, absent: Tensor) -> Tensor:
    return absent if value is None else value.to(absent)


_FAINT_VECTOR = 0.1  # initial scale of the branch: training begins near the lender's colors
_CELL = 4  # pixels per side of a position of the distribution
_ROUNDS = 2  # of fitting the histogram: the second gains 0.05 dB, four gain no more
_FAINT = 1e-4  # smallest share of a color, so that no weight grows without bound
_STEEPEST = 16.0  # largest exponent of the weight of a color of chroma 40
_HALVINGS = 12  # bisections of the exponent, to 0.01
_CHROMA_UNIT = 40.0
_LIGHTNESS_STEP = 5.0  # of the table of saturations
_LEAST = 1e-30


@dataclass(frozen=True)
class LocalExtensions:
    """Extensions of Local Hints; the paper's ``README.md`` describes them.

    Attributes:
        hint_attention: Carry hint colors to positions that look alike, see `HintUNet`.
        channel_attention: Weight the channels of the skips by the whole image.
        rank_layers: Number of linear layers between encoder and decoder (implicit rank minimization); weight
            files hold them folded into the next layer.
        scene_blocks: Number of blocks that see the whole scene, see `SceneBlocks`.
        colorfulness: Weight smooth-l1 by 1 + c * chroma / 20 of the true color, so that an uncertain network
            does not return gray.
        class_stride: Train the distribution on every n-th of its positions (2 costs a quarter).
        many: Fraction of the training images with a log-uniform number of points, see `PointSimulation`.
        everywhere: Fraction of the training images with uniformly placed points, see `PointSimulation`.
    """

    hint_attention: bool = False
    channel_attention: bool = False
    rank_layers: Count = 0
    scene_blocks: Count = 0
    colorfulness: Weight = 0.0
    class_stride: Natural = 1
    many: Share = 0.0
    everywhere: Share = 0.0


@dataclass(frozen=True)
class GlobalExtensions:
    """Extensions of Global Hints.

    Attributes:
        trunk: Registered Local Hints model whose layers replace the network's own, see `SteeredNetwork`. They
            are neither trained nor stored in weight files, and decide width and scale.
    """

    trunk: str | None = None


class SteeredNetwork(GlobalNetwork):
    """A Local Hints network without points, steered by statistics of the whole image.

    As in the paper a branch turns them into a vector that is added after block 4. In addition (not in the
    paper), the network's distributions are matched to the statistics, and a convolution adds the resulting
    colors to the map 8_3, where the lender adds those of points. Without statistics the output is the
    lender's.

    Args:
        lender: A trained Local Hints model. Its layers are neither trained nor stored in weight files.

    Raises:
        ColorzooError: The lender is of another family.
    """

    shown: Tensor
    saturations: Tensor

    def __init__(self, lender: ColoringModel) -> None:
        unet = getattr(lender.network, "unet", None)
        if not isinstance(unet, HintUNet) or unet.class_head is None:
            raise ColorzooError(f"trunk does not fit: a {type(lender).__name__} is not a Local Hints model.")
        super().__init__(unet, float(getattr(lender.network, "ab_scale", AB_SCALE)))
        self.mask_center = float(getattr(lender.network, "mask_center", 0.0))
        self.bring = nn.Conv2d(3, unet.up9.in_channels, 3, padding=1, bias=False)
        # Made here, not while a graph is traced, which would keep the tracer's proxies. Indices instead of a
        # mask, because the number of channels that a mask selects depends on its content.
        self.register_buffer("shown", hull_mask().nonzero().flatten(), persistent=False)
        self.register_buffer("saturations", saturation_table(), persistent=False)
        borrow(self, [f"unet.{key}" for key in unet.state_dict()])

    def begin(self, std: float | None) -> None:
        """Initialize the trained weights: a weak branch, and the lender's convolution of points."""
        initialize(self.branch, std)
        nn.init.constant_(self.branch.last_norm.weight, _FAINT_VECTOR)
        nn.init.zeros_(self.bring.weight)
        if self.unet.inject is not None:
            with torch.no_grad():
                self.bring.weight.copy_(self.unet.inject.weight)

    def train(self, mode: bool = True) -> SteeredNetwork:
        """Set the mode of all but the borrowed layers, whose batch statistics are the lender's."""
        super().train(mode)
        self.unet.eval()
        return self

    def before_taps(self, lightness: Tensor, statistics: GlobalStatistics) -> TapState:
        """Compute everything before block 9; see `forward` for the arguments."""
        histogram, saturation = known_statistics(statistics, lightness.shape[0], lightness)
        told = (histogram.sum(dim=1, keepdim=True) > 0) | (saturation >= 0)
        vector = self.branch(statistics, lightness.shape[0]) * told[:, :, None, None]
        hinted, none = hint_input(lightness, Points.none(lightness), self.mask_center)
        encoded = self.unet.encode(hinted, none, context=vector)
        likely = self._likely_colors(encoded.trunk, lightness, statistics)
        given = torch.cat([likely, torch.ones_like(likely[:, :1])], dim=1) * told[:, :, None, None]
        trunk = encoded.trunk + self.bring(given.to(encoded.trunk))
        return TapState((trunk, *encoded[1:3]), (lightness.shape[-2], lightness.shape[-1]))

    def _likely_colors(self, trunk: Tensor, lightness: Tensor, statistics: GlobalStatistics) -> Tensor:
        """Return the mean colors of the matched distributions, ``(B, 2, H/4, W/4)``, over 110."""
        rows, columns = cells(lightness.shape[-2], _CELL), cells(lightness.shape[-1], _CELL)
        logits = self.unet.distribution(trunk)[:, self.shown]
        with torch.autocast(trunk.device.type, enabled=False):  # shares far below 1 decide
            shares = logits.float().softmax(dim=1)
            inside = shares.detach()[:, :, :rows, :columns].flatten(2)
            light = F.avg_pool2d(lightness.float(), _CELL, ceil_mode=True).flatten(1)
            weights = self._weights(inside, light, statistics)
            return mean_colors(shares.flatten(2), weights).view(-1, 2, *trunk.shape[2:]) / AB_SCALE

    @torch.no_grad()
    def _weights(self, shares: Tensor, lightness: Tensor, statistics: GlobalStatistics) -> Tensor:
        """Return a weight for each color: by the histogram if given, else by the saturation, else 1."""
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
    """Return the weights with which the mean of the distributions is a histogram (proportional fitting).

    Args:
        shares: ``(B, 313, N)``, a distribution over the bins at each of N positions.
        histogram: ``(B, 313)``.

    Returns:
        ``(B, 313)``.
    """
    weights = torch.ones_like(histogram)
    for _ in range(_ROUNDS):
        found = weights * torch.bmm(_scales(shares, weights), shares.mT).squeeze(1) / shares.shape[2]
        weights = weights * (histogram + _FAINT) / (found + _FAINT)
    return weights


def match_saturation(shares: Tensor, saturations: Tensor, saturation: Tensor) -> Tensor:
    """Return the weights, exponential in chroma, with which the expected mean saturation is a given one.

    Args:
        shares: ``(B, 313, N)``, a distribution over the bins at each of N positions.
        saturations: ``(B, 313, N)``, of the bins' colors at the positions, see `saturation_at`.
        saturation: ``(B, 1)`` in [0, 1].

    Returns:
        ``(B, 313)``.
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
    """Return the mean colors of distributions whose bins are weighted, ``(B, 2, N)`` in CIE units.

    Args:
        shares: ``(B, 313, N)``.
        weights: ``(B, 313)``.
    """
    weighted = weights[:, :, None] * hull_centers().to(shares)
    return torch.bmm(weighted.mT, shares) * _scales(shares, weights)


def saturation_at(lightness: Tensor, table: Tensor) -> Tensor:
    """Return the HSV saturation of every bin's color at given lightnesses.

    Args:
        lightness: ``(B, N)``.
        table: Table of `saturation_table`.

    Returns:
        ``(B, 313, N)``.
    """
    table = table.to(lightness)
    place = (lightness / _LIGHTNESS_STEP).clamp(0, table.shape[1] - 1)
    steps = torch.arange(table.shape[1], device=lightness.device)
    between = (1 - (place[:, None] - steps[:, None]).abs()).clamp_min(0)  # linear between two steps
    return table @ between


def saturation_table() -> Tensor:
    """Return ``(313, 21)``: the saturation of each bin's color at lightness 0, 5 .. 100."""
    with torch.device("cpu"):  # a model may be built on the meta device for its shapes
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
    """Return the factors ``(B, 1, N)`` by which weighted distributions sum to 1."""
    return 1 / torch.bmm(weights.unsqueeze(1), shares).clamp_min(_LEAST)
