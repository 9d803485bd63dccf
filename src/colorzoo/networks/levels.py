"""Parts of the exemplar networks that grew out of Zhang et al. 2017's: features of all depths, and a decoder.

Gray2ColorNet (Lu et al. 2020), its successor (Yin et al. 2021) and SSCN (Bai et al. 2022) match places by
features of all depths of an encoder and mix what they find into a decoder of three levels.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from colorzoo.networks.blocks import InstanceNorm, conv3x3, conv_relu_stack, upconv4x4


def normalized_stack(*channels: int, dilation: int = 1) -> nn.Sequential:
    """Return 3 x 3 convolutions with ReLU through some channel counts, and instance normalization."""
    return nn.Sequential(*conv_relu_stack(channels, dilation=dilation), InstanceNorm())


class DecoderLevel(nn.Module):
    """A level of a decoder: blocks, a doubling of the size, a skip that is added, and layers after it.

    Args:
        blocks: Layers before the doubling.
        channels: Channels of the blocks' result, of the skip, and of the doubled map.
        fuse: Layers after the sum.
    """

    def __init__(self, blocks: nn.Module, channels: tuple[int, int, int], fuse: nn.Module) -> None:
        super().__init__()
        fan_in, skip, fan_out = channels
        self.blocks, self.fuse = blocks, fuse
        self.up, self.skip = upconv4x4(fan_in, fan_out), conv3x3(skip, fan_out)

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        """Return ``(B, C, 2h, 2w)`` for ``(B, C', h, w)`` and the encoder's map at 2h x 2w."""
        found: Tensor = self.fuse(self.up(self.blocks(x)) + self.skip(skip))
        return found


def fusing(channels: int, convolutions: int, *last: nn.Module) -> nn.Sequential:
    """Return layers after the sum of a `DecoderLevel`: convolutions, each after a ReLU, and other layers."""
    layers = [layer for _ in range(convolutions) for layer in (nn.ReLU(), conv3x3(channels, channels))]
    return nn.Sequential(*layers, *last)


class _Residual(nn.Module):
    """Two normalized convolutions that are added, without an activation after the sum."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            *(conv3x3(channels, channels), InstanceNorm(), nn.ReLU()),
            *(conv3x3(channels, channels), InstanceNorm()),
        )

    def forward(self, x: Tensor) -> Tensor:
        added: Tensor = x + self.layers(x)
        return added


def normalized_level(channels: int, skip: int, out: int, convolutions: int, *last: nn.Module) -> DecoderLevel:
    """Return a `DecoderLevel` with instance normalization.

    Args:
        channels: Channels of its input.
        skip: Channels of the encoder's map.
        out: Channels of its result.
        convolutions: Number of convolutions after the sum, each after a ReLU.
        last: Layers after them.
    """
    first = nn.Sequential(conv3x3(channels, channels), InstanceNorm(), nn.ReLU())
    blocks = nn.Sequential(first, _Residual(channels), _Residual(channels))
    return DecoderLevel(blocks, (channels, skip, out), fusing(out, convolutions, *last))


def all_depths(maps: Iterable[Tensor], size: torch.Size) -> Tensor:
    """Resize maps ``(B, C, h, w)`` of an encoder to one size, bilinearly, and concatenate them."""
    return torch.cat([F.interpolate(each, size=size, mode="bilinear") for each in maps], dim=1)


def cosines(features: Tensor, reference: Tensor) -> Tensor:
    """Return the cosines ``(B, M, N)`` of N places of a picture and M places of a reference.

    They are at least float32 under autocast: in the softmax a rounding chooses another place.

    Args:
        features: ``(B, C, N)``.
        reference: ``(B, C, M)``.
    """
    with torch.autocast(features.device.type, enabled=False):
        kind = torch.promote_types(features.dtype, torch.float32)
        ours, theirs = (F.normalize(each.to(kind), dim=1) for each in (features, reference))
        return theirs.mT @ ours


def shares(similarity: Tensor, *, tau: float = 0.01) -> Tensor:
    """Return what each place of a picture takes from those of the reference, ``(B, M, N)``.

    Args:
        similarity: See `cosines`.
        tau: Temperature of the softmax; towards 0 each place takes all from its best match.
    """
    return torch.softmax(similarity / tau, dim=1)
