"""ImageNet normalization and VGG feature extractors."""

from __future__ import annotations

from collections.abc import Collection
from typing import Literal

from torch import Tensor, nn

from colorzoo.networks.blocks import scaled_width

IMAGENET_MEAN = (0.485, 0.456, 0.406)
"""Mean of red, green and blue on ImageNet, for RGB in [0, 1]."""

IMAGENET_DEVIATION = (0.229, 0.224, 0.225)
"""Standard deviation of red, green and blue on ImageNet, for RGB in [0, 1]."""

_CONFIGURATIONS = {16: "D", 19: "E"}


def normalized(rgb: Tensor) -> Tensor:
    """Apply ImageNet normalization to RGB ``(B, 3, H, W)`` or gray ``(B, 1, H, W)`` in [0, 1]."""
    mean, deviation = (rgb.new_tensor(each).view(3, 1, 1) for each in (IMAGENET_MEAN, IMAGENET_DEVIATION))
    return (rgb - mean) / deviation


def denormalized(rgb: Tensor) -> Tensor:
    """Revert ImageNet normalization; the inverse of `normalized`."""
    mean, deviation = (rgb.new_tensor(each).view(3, 1, 1) for each in (IMAGENET_MEAN, IMAGENET_DEVIATION))
    return rgb * deviation + mean


def vgg_layers(
    depth: Literal[16, 19], count: int, *, batch_norm: bool = False, width: float = 1.0
) -> nn.Sequential:
    """Return the first layers of torchvision's VGG with random weights.

    Layer names are the same as in ``features`` of torchvision's model.

    Args:
        depth: Number of weight layers: 16 or 19.
        count: Number of layers to keep, including activations and pooling.
        batch_norm: Whether each convolution is followed by BatchNorm.
        width: Multiplier for every channel count; 1.0 matches torchvision's network.
    """
    from torchvision.models.vgg import cfgs, make_layers  # slow import (seconds)

    widths = cfgs[_CONFIGURATIONS[depth]]
    scaled = [each if isinstance(each, str) else scaled_width(each, width) for each in widths]
    return make_layers(scaled, batch_norm=batch_norm)[:count]


def outputs_of(network: nn.Sequential, x: Tensor, layers: Collection[int]) -> list[Tensor]:
    """Run a network on ``x`` and return the outputs of selected layers in ascending order.

    Args:
        network: Layers to run.
        x: Input of the first layer.
        layers: Indices of the selected layers.
    """
    maps = []
    for index, layer in enumerate(network):
        x = layer(x)
        if index in layers:
            maps.append(x)
    return maps


class VGGOutputs(nn.Module):
    """VGG network of torchvision, whose forward pass returns the outputs of several layers.

    The keys of the state dict match torchvision.

    Args:
        depth: Number of weight layers: 16 or 19.
        layers: Ascending indices of the returned layers. Without BatchNorm, relu1_2 has index 3, and relu2_2
            has index 8.
        batch_norm: Whether each convolution is followed by BatchNorm.
        rgb: Whether to apply ImageNet normalization; inputs are then RGB in [0, 1].
    """

    def __init__(
        self, depth: Literal[16, 19], layers: Collection[int], *, batch_norm: bool = False, rgb: bool = False
    ) -> None:
        super().__init__()
        self.layers, self.rgb = layers, rgb
        self.features = vgg_layers(depth, max(layers) + 1, batch_norm=batch_norm)

    def forward(self, images: Tensor) -> list[Tensor]:
        """Return the outputs of the selected layers for images ``(B, 3, H, W)``."""
        if self.rgb:
            images = normalized(images.to(next(self.parameters()).dtype))
        return outputs_of(self.features, images, self.layers)
