"""ConvNeXt encoder of DDColor; a separate module because timm is slow to import."""

from __future__ import annotations

import re

import timm
from timm.layers import LayerNorm2d
from torch import Tensor, nn

from colorzoo.metrics.feature_networks import load_by_name, timm_network
from colorzoo.networks.blocks import scaled_width
from colorzoo.zoo.kang2023.network import CHANNELS, Size

_DEPTHS: dict[Size, tuple[int, ...]] = {"tiny": (3, 3, 9, 3), "large": (3, 3, 27, 3)}


class ConvNextEncoder(nn.Module):
    """ConvNeXt (Liu et al. 2022) with normalized feature maps at four scales.

    Args:
        size: ``tiny`` (ConvNeXt-T) or ``large`` (ConvNeXt-L).
        width: Multiplier for the channel counts; 1.0 matches the published network.
        depth: Multiplier for the number of blocks in each stage; 1.0 matches the published network.
    """

    stride = 32
    finest = 4

    def __init__(self, size: Size, width: float = 1.0, depth: float = 1.0) -> None:
        super().__init__()
        self.channels: tuple[int, ...] = tuple(scaled_width(base, width) for base in CHANNELS[size])
        depths = tuple(max(1, round(base * depth)) for base in _DEPTHS[size])
        shape = {"depths": depths, "dims": self.channels}
        self.stages: nn.Module = timm.create_model(
            "convnext_tiny", pretrained=False, features_only=True, **shape
        )
        self.norms = nn.ModuleList([LayerNorm2d(channels, eps=1e-6) for channels in self.channels])

    def load_pretrained(self, name: str) -> None:
        """Load the weights of a ConvNeXt classifier of timm into the encoder.

        Args:
            name: timm name of a ConvNeXt of this encoder's size, such as ``"convnext_large.fb_in22k"``.

        Raises:
            WeightsError: The weights are not available or do not match the encoder.
        """
        found = timm_network(name, num_classes=0).model.state_dict()
        names = {key: re.sub(r"^(stem|stages)_", r"\1.", key) for key in self.stages.state_dict()}
        load_by_name(self.stages, names, found, name)

    def forward(self, lightness: Tensor, image: Tensor) -> tuple[Tensor, ...]:
        """Return normalized feature maps at strides 4, 8, 16 and 32.

        Args:
            lightness: Not used.
            image: Gray RGB ``(B, 3, H, W)`` with ImageNet normalization.
        """
        maps = zip(self.norms, self.stages(image), strict=True)
        return tuple(norm(each) for norm, each in maps)
