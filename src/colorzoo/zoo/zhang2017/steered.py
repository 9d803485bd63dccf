"""Global Hints over the layers of a trained Local Hints model, as `zhang2017_global_small` has them."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from colorzoo.color.bins import hull_mask
from colorzoo.errors import ColorzooError
from colorzoo.guidance import GlobalStatistics, Points
from colorzoo.networks.borrowed import borrow
from colorzoo.networks.hint_input import AB_SCALE, hint_input
from colorzoo.networks.hint_unet import HintUNet, initialize
from colorzoo.networks.padding import cells
from colorzoo.networks.taps import TapState
from colorzoo.tasks import ColoringModel
from colorzoo.zoo.zhang2017.global_network import GlobalNetwork, known_statistics
from colorzoo.zoo.zhang2017.matching import (
    match_histogram,
    match_saturation,
    mean_colors,
    saturation_at,
    saturation_table,
)

_FAINT_VECTOR = 0.1  # of the branch at first: training begins near the lender's colors
_CELL = 4  # pixels a position of the distribution, each way


class SteeredNetwork(GlobalNetwork):
    """A Local Hints network without points, steered by statistics of the whole picture.

    As in the paper a branch turns them into a vector that is added after block 4. Besides (not in the paper),
    the distributions that the network answers are matched to them (`colorzoo.zoo.zhang2017.matching`), and a
    convolution adds the colors of that to the map 8_3, where the lender adds those of points. Told nothing,
    it answers as the lender does.

    Args:
        lender: A trained Local Hints model. Its layers are borrowed: not trained, and not in a weight file.

    Raises:
        ColorzooError: It is of another family.
    """

    shown: Tensor
    saturations: Tensor

    def __init__(self, lender: ColoringModel) -> None:
        unet = getattr(lender.network, "unet", None)
        if not isinstance(unet, HintUNet) or unet.class_head is None:
            raise ColorzooError(f"trunk does not fit: a {type(lender).__name__} is no Local Hints model.")
        super().__init__(unet, float(getattr(lender.network, "ab_scale", AB_SCALE)))
        self.mask_center = float(getattr(lender.network, "mask_center", 0.0))
        self.bring = nn.Conv2d(3, unet.up9.in_channels, 3, padding=1, bias=False)
        # Made here, not while a graph is traced: the tracer's stand-ins would be kept as the tables. Indices,
        # as the number of channels that a mask chooses depends on its content.
        self.register_buffer("shown", hull_mask().nonzero().flatten(), persistent=False)
        self.register_buffer("saturations", saturation_table(), persistent=False)
        borrow(self, [f"unet.{key}" for key in unet.state_dict()])
        self.unet.eval()

    def begin(self, std: float | None) -> None:
        """Draw the weights that are trained: the branch's faint; the others as the lender reads points."""
        initialize(self.branch, std)
        nn.init.constant_(self.branch.last_norm.weight, _FAINT_VECTOR)
        nn.init.zeros_(self.bring.weight)
        if self.unet.inject is not None:
            with torch.no_grad():
                self.bring.weight.copy_(self.unet.inject.weight)

    def train(self, mode: bool = True) -> SteeredNetwork:
        """Leave the borrowed layers in evaluation mode: batch statistics belong to the lender."""
        super().train(mode)
        self.unet.eval()
        return self

    def before_taps(self, luma: Tensor, statistics: GlobalStatistics) -> TapState:
        """Run all that comes before block 9; arguments as of `forward`."""
        histogram, saturation = known_statistics(statistics, luma.shape[0], luma)
        told = (histogram.sum(dim=1, keepdim=True) > 0) | (saturation >= 0)
        vector = self.branch(statistics, luma.shape[0]) * told[:, :, None, None]
        hinted, none = hint_input(luma, Points.none(luma), self.mask_center)
        encoded = self.unet.encode(hinted, none, context=vector)
        likely = self._likely_colors(encoded.trunk, luma, statistics)
        given = torch.cat([likely, torch.ones_like(likely[:, :1])], dim=1) * told[:, :, None, None]
        trunk = encoded.trunk + self.bring(given.to(encoded.trunk))
        return TapState((trunk, *encoded[1:3]), (luma.shape[-2], luma.shape[-1]))

    def _likely_colors(self, trunk: Tensor, luma: Tensor, statistics: GlobalStatistics) -> Tensor:
        """Return the mean colors of the matched distributions, ``(B, 2, H/4, W/4)``, over 110."""
        rows, columns = cells(luma.shape[-2], _CELL), cells(luma.shape[-1], _CELL)
        logits = self.unet.distribution(trunk)[:, self.shown]
        with torch.autocast(trunk.device.type, enabled=False):  # shares far below 1 decide
            shares = logits.float().softmax(dim=1)
            inside = shares.detach()[:, :, :rows, :columns].flatten(2)
            light = F.avg_pool2d(luma.float(), _CELL, ceil_mode=True).flatten(1)
            weights = self._weights(inside, light, statistics)
            return mean_colors(shares.flatten(2), weights).view(-1, 2, *trunk.shape[2:]) / AB_SCALE

    @torch.no_grad()
    def _weights(self, shares: Tensor, luma: Tensor, statistics: GlobalStatistics) -> Tensor:
        """Return a weight for each color: by the histogram if known, else by the saturation, or 1."""
        histogram, saturation = known_statistics(statistics, shares.shape[0], shares)
        weights = torch.ones_like(histogram)
        if statistics.saturation is not None:
            saturations = saturation_at(luma, self.saturations)
            matched = match_saturation(shares, saturations, saturation)
            weights = torch.where(saturation >= 0, matched, weights)
        if statistics.histogram is not None:
            known = histogram.sum(dim=1, keepdim=True) > 0
            weights = torch.where(known, match_histogram(shares, histogram), weights)
        return weights
