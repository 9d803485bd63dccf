"""Multi-level features and decoder levels of exemplar networks.

The networks are derived from Zhang et al. 2017. Gray2ColorNet (Lu et al. 2020), its successor (Yin et al.
2021) and SSCN (Bai et al. 2022) match positions by features of all encoder levels, and inject the matched
colors into a decoder with three levels.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from colorzoo.networks.blocks import InstanceNorm, conv3x3, conv_relu_stack, upconv4x4
from colorzoo.precision import at_least_float32


def normalized_stack(*channels: int, dilation: int = 1) -> nn.Sequential:
    """Return 3 x 3 convolutions with ReLU, followed by one instance normalization.

    Args:
        *channels: Number of input channels, followed by the output channels of each convolution.
        dilation: Dilation of every convolution.
    """
    return nn.Sequential(*conv_relu_stack(channels, dilation=dilation), InstanceNorm())


class DecoderLevel(nn.Module):
    """Decoder level: blocks, upsampling by 2, an additive skip, and fusion layers.

    Args:
        blocks: Layers before the upsampling.
        channels: Numbers of channels: output of ``blocks``, skip connection, and upsampled map.
        fuse: Layers after the skip connection is added.
    """

    def __init__(self, blocks: nn.Module, channels: tuple[int, int, int], fuse: nn.Module) -> None:
        super().__init__()
        in_channels, skip, out_channels = channels
        self.blocks, self.fuse = blocks, fuse
        self.up, self.skip = upconv4x4(in_channels, out_channels), conv3x3(skip, out_channels)

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        """Upsample ``x`` and fuse it with an encoder map; return ``(B, C, 2h, 2w)``.

        Args:
            x: ``(B, C', h, w)``.
            skip: Encoder map, ``(B, skip, 2h, 2w)``.
        """
        return self.fuse(self.up(self.blocks(x)) + self.skip(skip))


def fusion_layers(channels: int, convolutions: int, *last: nn.Module) -> nn.Sequential:
    """Return layers for the argument ``fuse`` of a `DecoderLevel`.

    Args:
        channels: Number of input and output channels.
        convolutions: Number of pairs of a ReLU and a 3 x 3 convolution.
        *last: Layers after these pairs.
    """
    layers = [layer for _ in range(convolutions) for layer in (nn.ReLU(), conv3x3(channels, channels))]
    return nn.Sequential(*layers, *last)


class Residual(nn.Module):
    """Residual block without an activation after the sum.

    Args:
        *layers: Layers of the residual branch, which keep the shape of their input.
    """

    def __init__(self, *layers: nn.Module) -> None:
        super().__init__()
        self.layers = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        """Return the sum of ``x`` and the output of the layers."""
        return x + self.layers(x)


def normalized_level(channels: int, skip: int, out: int, convolutions: int, *last: nn.Module) -> DecoderLevel:
    """Return a `DecoderLevel` with instance normalization.

    Args:
        channels: Input channels.
        skip: Channels of the encoder map.
        out: Output channels.
        convolutions: Number of ReLU-convolution pairs after the skip connection is added.
        *last: Layers that follow these pairs.
    """
    conv, norm = partial(conv3x3, channels, channels), InstanceNorm
    blocks = nn.Sequential(
        nn.Sequential(conv(), norm(), nn.ReLU()),
        *(Residual(conv(), norm(), nn.ReLU(), conv(), norm()) for _ in range(2)),
    )
    return DecoderLevel(blocks, (channels, skip, out), fusion_layers(out, convolutions, *last))


def resize_and_concatenate(maps: Iterable[Tensor], size: torch.Size) -> Tensor:
    """Resize encoder maps ``(B, C, h, w)`` bilinearly to ``size`` and concatenate channels."""
    return torch.cat([F.interpolate(each, size=size, mode="bilinear") for each in maps], dim=1)


def cosines(features: Tensor, reference: Tensor) -> Tensor:
    """Return cosine similarities ``(B, M, N)`` of N image and M reference positions.

    The computation uses at least float32, even under autocast, because rounding errors can change which
    position the softmax selects.

    Args:
        features: ``(B, C, N)``.
        reference: ``(B, C, M)``.
    """
    with torch.autocast(features.device.type, enabled=False):
        ours, theirs = (F.normalize(at_least_float32(each), dim=1) for each in (features, reference))
        return theirs.mT @ ours


def attention_weights(similarity: Tensor, *, tau: float = 0.01) -> Tensor:
    """Apply a softmax over the M reference positions to similarities ``(B, M, N)``.

    Args:
        similarity: Cosine similarities, as returned by `cosines`.
        tau: Softmax temperature; values near 0 give the best match a weight of nearly 1.
    """
    return torch.softmax(similarity / tau, dim=1)
