"""Additions to Zhang et al. 2017 in the small models; all off in the paper's models.

`SteeredNetwork` gives a Local Hints network statistics of the whole picture, by matching its distributions
over colors to them: one weight for each color, the same at all positions, is found with which the
distributions agree with the histogram or the saturation, and every position takes its mean color. This part
has no weights.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from colorzoo.color import hull_centers, hull_mask, lab_to_rgb
from colorzoo.errors import ColorzooError
from colorzoo.guidance import GlobalStatistics, Points
from colorzoo.guidance.color_statistics import pixel_saturation
from colorzoo.model import ColoringModel
from colorzoo.networks.blocks import cells
from colorzoo.networks.hint_unet import AB_SCALE, HintUNet, hint_input, initialize
from colorzoo.networks.shared_weights import borrow
from colorzoo.networks.taps import TapState
from colorzoo.settings import Count, Natural, Share, Weight
from colorzoo.zoo.zhang2017.network import GlobalNetwork, known_statistics

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
        hint_attention: Carry hint colors to places that look alike, see `HintUNet`.
        channel_attention: Weight the channels of the skips by the whole picture.
        rank_layers: Number of linear layers between encoder and decoder (implicit rank minimization); weight
            files hold them folded into the next layer.
        scene_blocks: Number of blocks that see the whole scene, see `SceneBlocks`.
        colorfulness: Weight smooth-l1 by 1 + c * chroma / 20 of the true color, so that an uncertain network
            does not return gray.
        class_stride: Train the distribution on every n-th of its positions (2 costs a quarter).
        many: Share of the training pictures with a log-uniform number of points, see `PointSimulation`.
        everywhere: Share of the training pictures with uniformly placed points, see `PointSimulation`.
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
    """A Local Hints network without points, steered by statistics of the whole picture.

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
