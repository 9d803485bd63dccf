"""ConvNeXt as the paper's encoder, in a module of its own: timm takes seconds to import."""

from __future__ import annotations

import re

import timm
from timm.layers import LayerNorm2d
from torch import Tensor, nn

from colorzoo.metrics.frozen import load_by_name
from colorzoo.metrics.timm_network import timm_network
from colorzoo.networks.hint_unet import scaled_width
from colorzoo.zoo.kang2023.encoder import CHANNELS, Size

_DEPTHS: dict[Size, tuple[int, ...]] = {"tiny": (3, 3, 9, 3), "large": (3, 3, 27, 3)}


class ConvNextEncoder(nn.Module):
    """ConvNeXt (Liu et al. 2022), whose four stages are normalized once more for the decoder.

    Args:
        size: Of the paper's two networks.
        width: Multiplier of its channel counts; 1.0 is published.
        depth: Multiplier of the blocks in each stage.
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

    def begin_with(self, name: str) -> None:
        """Take the weights of one of timm's classifiers, fetched once; the last normalizations stay.

        Args:
            name: Of a ConvNeXt of the same size, such as ``"convnext_large.fb_in22k"``.

        Raises:
            WeightsError: The weights are not here, or do not fit.
        """
        found = timm_network(name, num_classes=0).model.state_dict()
        names = {key: re.sub(r"^(stem|stages)_", r"\1.", key) for key in self.stages.state_dict()}
        load_by_name(self.stages, names, found, name)

    def forward(self, luma: Tensor, image: Tensor) -> tuple[Tensor, ...]:
        """Return the normalized maps at strides 4, 8, 16 and 32; see `Encoder`."""
        del luma
        maps = zip(self.norms, self.stages(image), strict=True)
        return tuple(norm(each) for norm, each in maps)
