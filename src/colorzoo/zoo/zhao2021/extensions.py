"""Additions to Zhao et al. 2021: features of another model, and gray references; off in the paper's model."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from colorzoo.color import lightness_to_rgb, rgb_to_lab
from colorzoo.factory import create_backbone
from colorzoo.networks.exemplar_features import BorrowedTrunk
from colorzoo.randomness import draw_uniform, picture_generators
from colorzoo.settings import Share

_FOLD = 4  # positions per side whose colors become channels of one position
_SPREAD = (25.0, 10.0, 10.0)  # deviations of L, a and b in photos


@dataclass(frozen=True)
class Extensions:
    """Additions to Zhao et al. 2021.

    Attributes:
        features: Registered model of the zhang2016 family whose layers replace VGG-19, in the encoder and in
            the perceptual loss; None is the paper's.
        gray_share: Share of the training pictures with a gray reference, so that the network learns to color
            without one.
    """

    features: str | None = None
    gray_share: Share = 0.0


class BorrowedFeatures(nn.Module):
    """Feature maps of a trained automatic model instead of VGG-19; see `BorrowedTrunk`.

    Args:
        name: Name of the registered model.

    Raises:
        ColorzooError: It has no trained weights on this machine, or is of another family.
    """

    channels: int
    """Channels of the deepest map."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.trunk = BorrowedTrunk(create_backbone(name, "features", offline=True).network)
        self.channels = 3 * self.trunk.channels[-1] + 3 * _FOLD**2

    def forward(self, rgb: Tensor) -> tuple[Tensor, ...]:
        """Return three maps of ``(B, 3, H, W)`` RGB in [0, 1], the deepest at H/16.

        The colors at H/4 are appended to the deepest one: the model's layers read one channel at a time, and
        carry little information about the strength of colors.
        """
        *shallow, deep = self.trunk.semantic(rgb)
        height, width = deep.shape[-2:]
        lab = F.adaptive_avg_pool2d(rgb_to_lab(rgb), (_FOLD * height, _FOLD * width))
        color = (lab - lab.new_tensor([50.0, 0, 0]).view(3, 1, 1)) / lab.new_tensor(_SPREAD).view(3, 1, 1)
        return (*shallow, torch.cat([deep, F.pixel_unshuffle(color, _FOLD).to(deep.dtype)], dim=1))


def initialize_large(layers: nn.Module) -> None:
    """Initialize convolutions to keep the variance of their inputs (He).

    VGG-19's activations are large enough for PyTorch's smaller weights; those of normalized layers would fade
    to nearly equal vectors through seven convolutions.
    """
    for layer in layers.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, a=0.2)


def without_some_colors(reference: Tensor, seeds: Tensor, share: float) -> Tensor:
    """Remove the colors of a share of the references ``(B, 3, H, W)``, drawn from the pictures' seeds."""
    draws = draw_uniform(picture_generators(seeds, "gray"), len(reference), 1, reference.device)
    gray = lightness_to_rgb(rgb_to_lab(reference)[:, :1])
    return torch.where((draws < share)[..., None, None], gray, reference)
