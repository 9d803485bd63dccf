"""What the decoders of DDColor and DeOldify share: pixel shuffle with a blur, and blocks that join a skip.

All parts keep the names under which the authors published their weights.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from colorzoo.networks.stored_spectral import StoredSpectralConv


class ShuffleUp(nn.Module):
    """Enlarge: 1 x 1 convolution, ReLU, pixel shuffle, and a mean over 2 x 2 against its checkerboard.

    Args:
        layers: The convolution to ``factor ** 2`` times the channels, and what stands before the ReLU.
        factor: Enlargement.
    """

    def __init__(self, *layers: nn.Module, factor: int = 2) -> None:
        super().__init__()
        self.conv = nn.Sequential(*layers)
        self.factor = factor

    def forward(self, x: Tensor) -> Tensor:
        """Enlarge ``(B, C, H, W)`` to ``(B, C', factor H, factor W)``."""
        return blur(F.pixel_shuffle(F.relu(self.conv(x)), self.factor))


def blur(x: Tensor) -> Tensor:
    """Average each place with those left of and above it; the first row and column are repeated."""
    return F.avg_pool2d(F.pad(x, (1, 0, 1, 0), mode="replicate"), 2, stride=1)


def spectral_shuffle(fan_in: int, fan_out: int, factor: int = 2, *, norm: bool = True) -> ShuffleUp:
    """Return a `ShuffleUp` with spectral norm, which begins as nearest enlargement (ICNR).

    Args:
        fan_in: Channels in.
        fan_out: Channels out.
        factor: Enlargement.
        norm: BatchNorm after the convolution; without it the convolution has a bias.
    """
    wide = fan_out * factor**2
    conv = StoredSpectralConv(fan_in, wide, (1, 1), bias=not norm)
    repeat_kernels(conv.weight_orig, factor)
    conv.settle()
    return ShuffleUp(conv, *[nn.BatchNorm2d(wide)] * norm, factor=factor)


@torch.no_grad()
def repeat_kernels(weight: Tensor, factor: int) -> None:
    """Give all places that one place is shuffled to the same kernel (ICNR, Aitken et al. 2017).

    Args:
        weight: Of a convolution before a pixel shuffle; changed in place.
        factor: Enlargement of the shuffle.
    """
    weight.copy_(weight[:: factor**2].repeat_interleave(factor**2, dim=0))


def spectral_block(fan_in: int, fan_out: int) -> nn.Sequential:
    """Return a 3 x 3 convolution without bias, ReLU and BatchNorm, in this order."""
    conv = StoredSpectralConv(fan_in, fan_out, (3, 3), padding=1, bias=False)
    return nn.Sequential(conv, nn.ReLU(), nn.BatchNorm2d(fan_out))


class SkipJoin(nn.Module):
    """Enlarge a map and put a normalized skip beside it; the first half of a decoder block.

    Args:
        fan_in: Channels of the map.
        skip: Channels of the skip.
        up: Channels of the enlarged map.
    """

    def __init__(self, fan_in: int, skip: int, up: int) -> None:
        super().__init__()
        self.shuf = spectral_shuffle(fan_in, up)
        self.bn = nn.BatchNorm2d(skip)

    def join(self, x: Tensor, skip: Tensor) -> Tensor:
        """Return ``(B, up + skip, H, W)``; a skip that is not twice as large gets the map's nearest values.

        Args:
            x: ``(B, fan_in, h, w)``.
            skip: ``(B, skip, H, W)``.
        """
        up = self.shuf(x)
        if up.shape[-2:] != skip.shape[-2:]:
            up = F.interpolate(up, size=skip.shape[-2:], mode="nearest")
        return F.relu(torch.cat([up, self.bn(skip)], dim=1))


class WideBlock(SkipJoin):
    """`SkipJoin` and one 3 x 3 convolution: a block of DDColor and of DeOldify's stable model.

    Args:
        fan_in: Channels of the map.
        skip: Channels of the skip.
        up: Channels of the enlarged map.
        fan_out: Channels out.
        last: Appended to the convolution.
    """

    def __init__(self, fan_in: int, skip: int, up: int, fan_out: int, *last: nn.Module) -> None:
        super().__init__(fan_in, skip, up)
        self.conv = spectral_block(up + skip, fan_out).extend(last)

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        """Return ``(B, fan_out, H, W)`` of a map and its skip; see `SkipJoin.join`."""
        out: Tensor = self.conv(self.join(x, skip))
        return out
