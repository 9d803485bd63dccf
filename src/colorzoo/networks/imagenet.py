"""Common parts of networks trained on ImageNet: the scale of their input, and the layers of VGG."""

from __future__ import annotations

from collections.abc import Collection
from typing import Literal

import torch
from torch import Tensor, nn

from colorzoo.networks.blocks import scaled_width

IMAGENET_MEAN = (0.485, 0.456, 0.406)
"""Mean of red, green and blue in [0, 1], which networks expect subtracted."""

IMAGENET_DEVIATION = (0.229, 0.224, 0.225)
"""Deviation of red, green and blue, by which they expect the difference divided."""

_CONFIGURATIONS = {16: "D", 19: "E"}


def normalized(rgb: Tensor) -> Tensor:
    """Normalize RGB ``(B, 3, H, W)``, or gray ``(B, 1, H, W)``, in [0, 1] as ImageNet's."""
    mean, deviation = (rgb.new_tensor(each).view(3, 1, 1) for each in (IMAGENET_MEAN, IMAGENET_DEVIATION))
    return (rgb - mean) / deviation


def denormalized(rgb: Tensor) -> Tensor:
    """Return what `normalized` was given."""
    mean, deviation = (rgb.new_tensor(each).view(3, 1, 1) for each in (IMAGENET_MEAN, IMAGENET_DEVIATION))
    return rgb * deviation + mean


def vgg_layers(
    depth: Literal[16, 19], count: int, *, batch_norm: bool = False, width: float = 1.0
) -> nn.Sequential:
    """Return the first layers of torchvision's VGG with random weights, named as in its ``features``.

    Args:
        depth: Its number of layers with weights.
        count: Number of layers to keep, with activations and pooling.
        batch_norm: Whether each convolution is followed by BatchNorm.
        width: Multiplier of every channel count; 1.0 is torchvision's network.
    """
    from torchvision.models.vgg import cfgs, make_layers  # takes seconds

    widths = cfgs[_CONFIGURATIONS[depth]]
    scaled = [each if isinstance(each, str) else scaled_width(each, width) for each in widths]
    layers: nn.Sequential = make_layers(scaled, batch_norm=batch_norm)[:count]
    return layers


def outputs_of(network: nn.Sequential, x: Tensor, layers: Collection[int]) -> list[Tensor]:
    """Return the outputs of the layers with the given indices, in ascending order."""
    maps = []
    for index, layer in enumerate(network):
        x = layer(x)
        if index in layers:
            maps.append(x)
    return maps


class VGGOutputs(nn.Module):
    """Outputs of several layers of torchvision's VGG without BatchNorm, with its names of weights.

    Args:
        depth: Its number of layers with weights.
        layers: Numbers of the layers whose outputs are returned, ascending; 3 is relu1_2, 8 relu2_2.
    """

    def __init__(self, depth: Literal[16, 19], layers: Collection[int]) -> None:
        super().__init__()
        self.layers = layers
        self.features = vgg_layers(depth, max(layers) + 1)

    def forward(self, pictures: Tensor) -> list[Tensor]:
        """Return the maps of ``(B, 3, H, W)``, scaled as the caller wants."""
        return outputs_of(self.features, pictures, self.layers)


class VGG19Maps(nn.Module):
    """torchvision's VGG-19 up to one of its layers, for RGB in [0, 1]; weights keep their names.

    Args:
        count: Number of layers up to the map.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self, count: int) -> None:
        super().__init__()
        self.features = vgg_layers(19, count)
        self.register_buffer("mean", torch.tensor(IMAGENET_MEAN).view(3, 1, 1), persistent=False)
        self.register_buffer("deviation", torch.tensor(IMAGENET_DEVIATION).view(3, 1, 1), persistent=False)

    def forward(self, rgb: Tensor) -> Tensor:
        """Return the map of RGB ``(B, 3, H, W)`` in [0, 1]."""
        return self.maps(rgb, [len(self.features) - 1])[0]

    def maps(self, rgb: Tensor, layers: Collection[int]) -> list[Tensor]:
        """Return the outputs of the layers with some numbers, ascending, of ``(B, 3, H, W)`` in [0, 1]."""
        return outputs_of(self.features, (rgb - self.mean) / self.deviation, layers)
