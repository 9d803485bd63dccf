"""Frozen feature extractors of exemplar models: VGG-19 or an automatic colorization model."""

from __future__ import annotations

from itertools import pairwise
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from colorzoo.color import rgb_to_lab
from colorzoo.errors import ColorzooError
from colorzoo.networks.blocks import scaled_width
from colorzoo.networks.matching import VGG_CHANNELS
from colorzoo.networks.shared_weights import borrow

_CONVOLUTIONS = (2, 2, 4, 4, 4)
_CHANNELS = (64, 128, 256, 512, 512)
_MEAN_BGR = (0.40760392, 0.45795686, 0.48501961)
_BLOCKS = tuple(f"block{number}" for number in range(1, 9))


class CaffeVGG19(nn.Module):
    """VGG-19 up to relu5_2 with Caffe weights and Caffe input scaling.

    Args:
        width: Multiplier for every channel count; 1.0 matches the published network.
    """

    mean: Tensor

    def __init__(self, width: float = 1.0) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(_MEAN_BGR).view(3, 1, 1), persistent=False)
        in_channels = 3
        self.blocks = nn.ModuleList()
        for count, base in zip(_CONVOLUTIONS, _CHANNELS, strict=True):
            out_channels = scaled_width(base, width)
            widths = [in_channels, *[out_channels] * count]
            layers = [nn.Conv2d(i, o, 3, padding=1) for i, o in pairwise(widths)]
            self.blocks.append(nn.ModuleList(layers))
            in_channels = out_channels

    def forward(self, rgb: Tensor) -> tuple[Tensor, ...]:
        """Return the maps relu1_2, relu2_2, ..., relu5_2, at full to 1/16 scale.

        Args:
            rgb: ``(B, 3, H, W)`` in [0, 1].
        """
        x, hooks = caffe_input(rgb, self.mean), []
        for number, block in enumerate(self.blocks, start=1):
            first, second, *others = block.children()
            x = F.relu(second(F.relu(first(x))))
            hooks.append(x)
            if number == len(self.blocks):
                break  # the other layers of the last block are unused
            for layer in others:
                x = F.relu(layer(x))
            x = F.max_pool2d(x, 2)
        return tuple(hooks)


def caffe_input(rgb: Tensor, mean: Tensor) -> Tensor:
    """Convert RGB to the VGG input of Caffe: BGR in [0, 255] minus the mean of each channel.

    Args:
        rgb: ``(B, 3, H, W)`` in [0, 1].
        mean: ``(3, 1, 1)`` channel means in BGR order, for values in [0, 1].
    """
    return (rgb.flip(1) - mean) * 255


class TrunkFeatures(NamedTuple):
    """Feature maps of an image for matching and segmentation.

    Attributes:
        hooks: Four maps for the correspondence network, at H/2, H/4, H/8 and H/16.
        deep: Feature map at H/8, from which segmenters without an encoder predict classes.
        automatic: ``(B, 2, H, W)`` ab in CIE units that an automatic colorization model predicts from the
            lightness. None if the feature network is VGG-19 or the input was RGB.
    """

    hooks: tuple[Tensor, ...]
    deep: Tensor
    automatic: Tensor | None = None


class VGGTrunk(nn.Module):
    """Frozen VGG-19 with Caffe weights as a feature network.

    Lightness is converted to grayscale RGB with R = G = B = L / 100.

    Args:
        width: Multiplier for every channel count; 1.0 matches the published network.
    """

    channels: tuple[int, ...]
    """Channels of the four `TrunkFeatures.hooks`."""

    def __init__(self, width: float = 1.0) -> None:
        super().__init__()
        self.vgg = CaffeVGG19(width)
        self.channels = tuple(scaled_width(base, width) for base in VGG_CHANNELS)
        self.requires_grad_(False)

    def of_lightness(self, lightness: Tensor) -> TrunkFeatures:
        """Return the features of lightness ``(B, 1, H, W)`` in [0, 100]."""
        return self.of_rgb((lightness / 100).expand(-1, 3, -1, -1))

    def of_rgb(self, rgb: Tensor) -> TrunkFeatures:
        """Return the features of RGB ``(B, 3, H, W)`` in [0, 1]."""
        hooks = self.vgg(rgb)
        return TrunkFeatures(hooks[1:], deep=hooks[3])

    def semantic(self, rgb: Tensor) -> tuple[Tensor, ...]:
        """Return three color-dependent feature maps for perceptual losses, the deepest last.

        Args:
            rgb: ``(B, 3, H, W)`` in [0, 1].
        """
        maps: tuple[Tensor, ...] = self.vgg(rgb)
        return maps[2:]


class BorrowedTrunk(nn.Module):
    """Feature network that consists of frozen layers of an automatic colorization model.

    Checkpoints exclude the weights of this network. The features of `of_lightness` and `of_rgb` depend only
    on the lightness. The features of `semantic` also depend on the color.

    Args:
        network: Network from a model of the zhang2016 family.

    Raises:
        ColorzooError: The network lacks the required blocks.
    """

    channels: tuple[int, ...]
    """Channels of the four `TrunkFeatures.hooks`."""

    def __init__(self, network: Any) -> None:
        super().__init__()
        if not all(hasattr(network, block) for block in (*_BLOCKS, "class_head")):
            raise ColorzooError(
                f"'features' must name a model of the zhang2016 family, got {type(network).__name__}"
            )
        self.network = network.eval()
        widths = [network.get_submodule(block)[-1].num_features for block in _BLOCKS[:7]]
        self.channels = (widths[0], widths[1], widths[2], widths[6])
        self.deep_channels = network.class_head.in_channels
        borrow(self, self.state_dict())

    def train(self, mode: bool = True) -> BorrowedTrunk:
        """Set eval mode for any ``mode``, so that the BatchNorm statistics do not change."""
        return super().train(False)

    def of_lightness(self, lightness: Tensor) -> TrunkFeatures:
        """Return the features of lightness ``(B, 1, H, W)`` in [0, 100]."""
        maps = self._maps(lightness)
        automatic = self.network.decode(maps[7], (lightness.shape[2], lightness.shape[3]))
        return _features(maps)._replace(automatic=automatic)

    def of_rgb(self, rgb: Tensor) -> TrunkFeatures:
        """Return the features of RGB ``(B, 3, H, W)`` in [0, 1], computed from the lightness."""
        return _features(self._maps(rgb_to_lab(rgb)[:, :1]))

    def semantic(self, rgb: Tensor) -> tuple[Tensor, ...]:
        """Return three color-dependent feature maps for perceptual losses, the deepest last.

        Red, green and blue are encoded as three grayscale images at half the size. The feature maps of these
        images are concatenated.

        Args:
            rgb: ``(B, 3, H, W)`` in [0, 1].
        """
        half = F.avg_pool2d(rgb, 2)
        maps = self._maps(100 * half.flatten(0, 1)[:, None], _BLOCKS[:7])
        return tuple(maps[index].reshape(rgb.shape[0], -1, *maps[index].shape[2:]) for index in (2, 4, 6))

    def _maps(self, lightness: Tensor, blocks: tuple[str, ...] = _BLOCKS) -> list[Tensor]:
        x, maps = (lightness - 50) / 100, []
        for block in blocks:
            x = self.network.get_submodule(block)(x)
            maps.append(x)
        return maps


Trunk = VGGTrunk | BorrowedTrunk
"""Frozen feature network of an exemplar model."""


def _features(maps: list[Tensor]) -> TrunkFeatures:
    hooks = (maps[0], maps[1], maps[2], F.avg_pool2d(maps[6], 2))
    # 3 x 3 averaging reduces class noise and improves cluster purity against true labels
    smooth = F.avg_pool2d(F.avg_pool2d(maps[7], 2), 3, stride=1, padding=1, count_include_pad=False)
    return TrunkFeatures(hooks, smooth)
