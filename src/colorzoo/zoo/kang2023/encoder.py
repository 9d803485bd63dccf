"""What the decoders look at: ConvNeXt as the paper has it, or the layers of another model (ours)."""

from __future__ import annotations

import re
from typing import Literal, Protocol

import timm
from timm.layers import LayerNorm2d
from torch import Tensor, nn

from colorzoo.metrics.frozen import load_by_name
from colorzoo.metrics.timm_network import timm_network
from colorzoo.networks.hint_unet import scaled_width

Size = Literal["tiny", "large"]
DEPTHS: dict[Size, tuple[int, ...]] = {"tiny": (3, 3, 9, 3), "large": (3, 3, 27, 3)}
CHANNELS: dict[Size, tuple[int, ...]] = {"tiny": (96, 192, 384, 768), "large": (192, 384, 768, 1536)}


class Encoder(Protocol):
    """Gives four maps, each of half the size of the one before.

    Attributes:
        channels: Of the maps, the finest first.
        stride: Pixels of the picture to a cell of the coarsest map; sides must be multiples of it.
        finest: The same of the finest map.
    """

    channels: tuple[int, ...]
    stride: int
    finest: int

    def __call__(self, luma: Tensor, image: Tensor) -> tuple[Tensor, ...]:
        """Return the maps, the finest first.

        Args:
            luma: ``(B, 1, H, W)`` in [0, 100].
            image: ``(B, 3, H, W)``, the same as gray RGB in ImageNet's normalization.
        """
        ...


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
        depths = tuple(max(1, round(base * depth)) for base in DEPTHS[size])
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
