"""Blocks with spectral norm that DDColor and DeOldify share: convolution, attention, and decoder blocks.

In training mode every pass does one power iteration and stores u and v; evaluation divides by the stored
``u . (W v)``, which is not the exact norm. All names and shapes are those of the authors' checkpoints, which
were made with torch's older spectral norm (Miyato et al. 2018). `discriminators.SpectralConv` iterates in
evaluation, too; see there for the reasons against torch's own.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

_INITIAL_STEPS = 5  # estimate within a tenth of the norm; training continues with one per pass
_CONVOLVE = {1: F.conv1d, 2: F.conv2d}


class StoredSpectralConv(nn.Module):
    """A convolution whose weight is divided by an estimate of its largest singular value.

    Args:
        fan_in: Channels in.
        fan_out: Channels out.
        kernel: Size of the kernel: one number for rows of tokens, two for maps.
        stride: See `torch.nn.Conv2d`.
        padding: See `torch.nn.Conv2d`.
        bias: Add a bias.
    """

    weight_u: Tensor
    weight_v: Tensor

    def __init__(
        self,
        fan_in: int,
        fan_out: int,
        kernel: tuple[int, ...],
        *,
        stride: int = 1,
        padding: int = 0,
        bias: bool = True,
    ) -> None:
        super().__init__()
        weight = torch.empty(fan_out, fan_in, *kernel)
        self.weight_orig = nn.Parameter(nn.init.kaiming_normal_(weight))
        self.bias = nn.Parameter(torch.zeros(fan_out)) if bias else None
        self.register_buffer("weight_u", F.normalize(torch.randn(fan_out), dim=0))
        self.register_buffer("weight_v", F.normalize(torch.randn(weight[0].numel()), dim=0))
        self.convolve = _CONVOLVE[len(kernel)]
        self.options: dict[str, Any] = {"stride": stride, "padding": padding}
        self.settle()

    def forward(self, x: Tensor) -> Tensor:
        """Convolve ``(B, fan_in, ...)``; in training mode after one power iteration."""
        convolved: Tensor = self.convolve(x, self.divided_weight(), self.bias, **self.options)
        return convolved

    def settle(self) -> None:
        """Iterate u and v for newly drawn weights, because evaluation uses them without iterating."""
        for _ in range(0 if self.weight_orig.is_meta else _INITIAL_STEPS):
            self._iterate(self.weight_orig.flatten(1))

    def divided_weight(self) -> Tensor:
        """Return the weight divided by its norm, in training mode after one power iteration."""
        with torch.autocast(self.weight_orig.device.type, enabled=False):
            matrix = self.weight_orig.flatten(1)
            u, v = self._iterate(matrix) if self.training else (self.weight_u, self.weight_v)
            return self.weight_orig / (u @ (matrix @ v))

    @torch.no_grad()
    def _iterate(self, matrix: Tensor) -> tuple[Tensor, Tensor]:
        """Do one power iteration; return u and v as tensors that the next iteration does not change."""
        v = F.normalize(matrix.T @ self.weight_u, dim=0)
        u = F.normalize(matrix @ v, dim=0)
        self.weight_u.copy_(u)
        self.weight_v.copy_(v)
        return u, v


class StoredSpectralAttention(nn.Module):
    """Self-attention of DeOldify and of DDColor's discriminator, initialized to the identity.

    As published, the softmax runs over the queries, not over the keys.

    Args:
        channels: Channels of the maps; queries and keys have an eighth of them.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        narrow = channels // 8
        self.query, self.key, self.value = (
            StoredSpectralConv(channels, width, (1,), bias=False) for width in (narrow, narrow, channels)
        )
        self.gamma = nn.Parameter(torch.zeros(1))

    def forward(self, x: Tensor) -> Tensor:
        """Attend within ``(B, channels, H, W)``."""
        flat = x.flatten(2)
        query, key, value = self.query(flat), self.key(flat), self.value(flat)
        shares = torch.softmax(query.transpose(1, 2) @ key, dim=1)
        attended: Tensor = (self.gamma * (value @ shares) + flat).view_as(x)
        return attended


class ShuffleUp(nn.Module):
    """Upsampling: 1 x 1 convolution, ReLU, pixel shuffle, and a 2 x 2 mean against checkerboard artifacts.

    Args:
        layers: The convolution to ``factor ** 2`` times the channels, and further layers before the ReLU.
        factor: Upsampling factor.
    """

    def __init__(self, *layers: nn.Module, factor: int = 2) -> None:
        super().__init__()
        self.conv = nn.Sequential(*layers)
        self.factor = factor

    def forward(self, x: Tensor) -> Tensor:
        """Upsample ``(B, C, H, W)`` to ``(B, C', factor H, factor W)``."""
        return blur(F.pixel_shuffle(F.relu(self.conv(x)), self.factor))


def blur(x: Tensor) -> Tensor:
    """Average each place with its left, upper and upper left neighbors, with replicated borders."""
    return F.avg_pool2d(F.pad(x, (1, 0, 1, 0), mode="replicate"), 2, stride=1)


def spectral_shuffle(fan_in: int, fan_out: int, factor: int = 2, *, norm: bool = True) -> ShuffleUp:
    """Return a `ShuffleUp` with spectral norm, initialized to nearest upsampling (ICNR).

    Args:
        fan_in: Channels in.
        fan_out: Channels out.
        factor: Upsampling factor.
        norm: Add BatchNorm after the convolution; without it the convolution has a bias.
    """
    wide = fan_out * factor**2
    conv = StoredSpectralConv(fan_in, wide, (1, 1), bias=not norm)
    repeat_kernels(conv.weight_orig, factor)
    conv.settle()
    return ShuffleUp(conv, *[nn.BatchNorm2d(wide)] * norm, factor=factor)


@torch.no_grad()
def repeat_kernels(weight: Tensor, factor: int) -> None:
    """Give all outputs that are shuffled from one place the same kernel (ICNR, Aitken et al. 2017).

    Args:
        weight: Weight of a convolution before a pixel shuffle; changed in place.
        factor: Upsampling factor of the shuffle.
    """
    weight.copy_(weight[:: factor**2].repeat_interleave(factor**2, dim=0))


def spectral_block(fan_in: int, fan_out: int) -> nn.Sequential:
    """Return a 3 x 3 convolution without bias, ReLU and BatchNorm, in this order."""
    conv = StoredSpectralConv(fan_in, fan_out, (3, 3), padding=1, bias=False)
    return nn.Sequential(conv, nn.ReLU(), nn.BatchNorm2d(fan_out))


class SkipJoin(nn.Module):
    """First half of a decoder block: upsample a map and concatenate it with a normalized skip.

    Args:
        fan_in: Channels of the map.
        skip: Channels of the skip.
        up: Channels of the upsampled map.
    """

    def __init__(self, fan_in: int, skip: int, up: int) -> None:
        super().__init__()
        self.shuf = spectral_shuffle(fan_in, up)
        self.bn = nn.BatchNorm2d(skip)

    def join(self, x: Tensor, skip: Tensor) -> Tensor:
        """Return ``(B, up + skip, H, W)``; the map is resized to a skip that is not exactly twice as large.

        Args:
            x: ``(B, fan_in, h, w)``.
            skip: ``(B, skip, H, W)``.
        """
        # unconditional, because a check of the sizes would become constant in an exported graph
        up = F.interpolate(self.shuf(x), size=skip.shape[-2:])
        return F.relu(torch.cat([up, self.bn(skip)], dim=1))


class WideBlock(SkipJoin):
    """Decoder block of DDColor and of DeOldify's stable model: `SkipJoin` and one 3 x 3 convolution.

    Args:
        fan_in: Channels of the map.
        skip: Channels of the skip.
        up: Channels of the upsampled map.
        fan_out: Channels out.
        last: Further layers after the convolution.
    """

    def __init__(self, fan_in: int, skip: int, up: int, fan_out: int, *last: nn.Module) -> None:
        super().__init__(fan_in, skip, up)
        self.conv = spectral_block(up + skip, fan_out).extend(last)

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        """Return ``(B, fan_out, H, W)`` for a map and its skip; see `SkipJoin.join`."""
        out: Tensor = self.conv(self.join(x, skip))
        return out
