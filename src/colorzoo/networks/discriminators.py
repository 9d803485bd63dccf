"""PatchGAN discriminators and a self-attention discriminator.

The PatchGAN discriminators follow Isola et al. 2017. The self-attention discriminator of Zhang et al. 2019
uses spectral normalization (Miyato et al. 2018).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from colorzoo.networks.blocks import InstanceNorm, instance_norm, scaled_width
from colorzoo.networks.spectral import SpectralConv

_SLOPE = 0.2
_CHANNELS = (64, 64, 128, 256, 512, 1024)


class PatchDiscriminator(nn.Module):
    """PatchGAN with patches of 70 x 70 pixels (Isola et al. 2017, section 3.2.2).

    Examples:
        >>> PatchDiscriminator(3, width=0.25)(torch.rand(2, 3, 64, 64)).shape
        torch.Size([2, 1, 6, 6])

    The network has five 4 x 4 convolutions. The first three convolutions have stride 2.

    Args:
        in_channels: Number of channels of an image concatenated with its conditioning input.
        width: Multiplier for every channel count; 1.0 matches the paper.
    """

    def __init__(self, in_channels: int, width: float = 1.0) -> None:
        super().__init__()
        c64, c128, c256, c512 = (scaled_width(base, width) for base in (64, 128, 256, 512))
        self.layers = nn.Sequential(
            nn.Conv2d(in_channels, c64, 4, stride=2, padding=1),
            nn.LeakyReLU(_SLOPE),
            *_conv_norm(c64, c128, stride=2),
            *_conv_norm(c128, c256, stride=2),
            *_conv_norm(c256, c512, stride=1),
            nn.Conv2d(c512, 1, 4, padding=1),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return one unbounded score per patch, ``(B, 1, h, w)``, for ``(B, in_channels, H, W)``."""
        return self.layers(x)


def _conv_norm(in_channels: int, out_channels: int, *, stride: int) -> list[nn.Module]:
    conv = nn.Conv2d(in_channels, out_channels, 4, stride=stride, padding=1, bias=False)
    return [conv, nn.BatchNorm2d(out_channels), nn.LeakyReLU(_SLOPE)]


def pixel_patch_discriminator(width: float = 1.0) -> nn.Sequential:
    """Return a PatchGAN with a 1 x 1 first layer and instance normalization (Lu et al. 2020).

    Examples:
        >>> pixel_patch_discriminator(0.25)(torch.rand(2, 3, 64, 64)).shape
        torch.Size([2, 1, 6, 6])

    Args:
        width: Multiplier for every channel count; 1.0 matches the published network.
    """
    c32, c64, c128, c256, c512 = (scaled_width(base, width) for base in (32, 64, 128, 256, 512))
    layers: list[nn.Module] = [nn.Conv2d(3, c32, 1), nn.LeakyReLU(_SLOPE)]
    for inputs, outputs, stride in ((c32, c64, 2), (c64, c128, 2), (c128, c256, 2), (c256, c512, 1)):
        convolution = nn.Conv2d(inputs, outputs, 4, stride=stride, padding=1)
        layers += [convolution, InstanceNorm(), nn.LeakyReLU(_SLOPE)]
    return nn.Sequential(*layers, nn.Conv2d(c512, 1, 4, padding=1))


class AttentionDiscriminator(nn.Module):
    """Discriminator with self-attention that returns one score per image.

    Examples:
        >>> AttentionDiscriminator(3, width=0.25, layers=4)(torch.rand(2, 3, 64, 64)).shape
        torch.Size([2, 1])

    Zhang et al. 2019 and SPColor (Chen et al. 2023) use this discriminator. It has strided 4 x 4
    convolutions, self-attention after the second convolution, and a last convolution without padding.

    Args:
        in_channels: 3 for a Lab image, or 6 for two concatenated video frames.
        width: Multiplier for every channel count; 1.0 matches the published network.
        layers: Number of strided convolutions, 3 to 6. The published network has 6 layers and requires images
            of at least 192 pixels. Each removed layer halves this minimum.
        last_kernel: Kernel of the last convolution: (3, 3), or (3, 6) for the wide frames of Zhang et al.
            2019.
    """

    def __init__(
        self, in_channels: int = 3, width: float = 1.0, layers: int = 6, last_kernel: tuple[int, int] = (3, 3)
    ) -> None:
        super().__init__()
        outs = [scaled_width(base, width) for base in _CHANNELS[:layers]]
        ins = [in_channels, *outs[:-1]]
        self.layers = nn.ModuleList(
            [SpectralConv(i, o, (4, 4), stride=2, padding=1) for i, o in zip(ins, outs, strict=True)]
        )
        self.attention = _SelfAttention(outs[1])
        self.last = SpectralConv(outs[-1], 1, last_kernel)

    def forward(self, x: Tensor) -> Tensor:
        """Return an unbounded score ``(B, 1)`` for each image ``(B, in_channels, H, W)``."""
        for index, layer in enumerate(self.layers):
            x = layer(x)
            x = F.leaky_relu(instance_norm(x) if index else x, _SLOPE)
            if index == 1:
                x = self.attention(x)
        return self.last(x).mean(dim=(2, 3))


class _SelfAttention(nn.Module):
    """Self-attention over all positions, initialized to the identity."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.query, self.key, self.value = (SpectralConv(channels, channels, (1, 1)) for _ in range(3))
        self.gamma = nn.Parameter(torch.zeros(1))

    def forward(self, x: Tensor) -> Tensor:
        parts: list[Tensor] = [part(x).flatten(2) for part in (self.query, self.key, self.value)]
        query, key, value = parts
        weights = torch.softmax(query.transpose(1, 2) @ key, dim=2)
        mixed = (value @ weights.transpose(1, 2)).view_as(x)
        return self.gamma * mixed + x
