"""The discriminator of Zhang et al. 2019 and SPColor: spectral norm, self-attention, one score a picture.

Spectral norm as Miyato et al. 2018: one power iteration in every forward pass (here in evaluation too, as
published), with which the weights are divided by their largest singular value.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from colorzoo.networks.hint_unet import scaled_width

_SLOPE = 0.2
_CHANNELS = (64, 64, 128, 256, 512, 1024)
_EPSILON = 1e-12


class Judged(NamedTuple):
    """What the discriminator says.

    Attributes:
        score: ``(B, 1)`` without bounds.
        features: ``(B, 256, H/16, W/16)``, the map of the fourth layer.
    """

    score: Tensor
    features: Tensor


class AttentionDiscriminator(nn.Module):
    """Convolutions of 4 x 4 and stride 2, an attention step after the second, a last one without padding.

    Args:
        in_channels: 3 for Lab; 6 for two frames.
        width: Multiplier of every channel count; 1.0 is the published network.
        layers: How many strided convolutions, 3 .. 6; 6 are published and need pictures of 192 pixels, each
            one less halves that.
        last_kernel: Of the last convolution: (3, 3), or (3, 6) for the wide frames of Zhang et al. 2019.
    """

    def __init__(
        self,
        in_channels: int = 3,
        width: float = 1.0,
        layers: int = 6,
        last_kernel: tuple[int, int] = (3, 3),
    ) -> None:
        super().__init__()
        outs = [scaled_width(base, width) for base in _CHANNELS[:layers]]
        ins = [in_channels, *outs[:-1]]
        self.layers = nn.ModuleList(
            [SpectralConv(i, o, (4, 4), stride=2, padding=1) for i, o in zip(ins, outs, strict=True)]
        )
        self.attention = _SelfAttention(outs[1])
        self.last = SpectralConv(outs[-1], 1, last_kernel)

    def forward(self, x: Tensor) -> Judged:
        """Judge ``(B, in_channels, H, W)``."""
        features = x
        for index, layer in enumerate(self.layers):
            x = layer(x)
            x = F.leaky_relu(F.instance_norm(x) if index else x, _SLOPE)
            if index == 1:
                x = self.attention(x)
            if index <= 3:
                features = x
        return Judged(self.last(x).mean(dim=(2, 3)), features)


class SpectralConv(nn.Module):
    """A convolution whose weight is divided by its largest singular value.

    Args:
        fan_in: Channels in.
        fan_out: Channels out.
        kernel: Height and width of the kernel.
        stride: See `torch.nn.Conv2d`.
        padding: See `torch.nn.Conv2d`.
    """

    u: Tensor
    v: Tensor

    def __init__(
        self, fan_in: int, fan_out: int, kernel: tuple[int, int], *, stride: int = 1, padding: int = 0
    ) -> None:
        super().__init__()
        like = nn.Conv2d(fan_in, fan_out, kernel)
        self.weight, self.bias = like.weight, like.bias
        self.options: dict[str, Any] = {"stride": stride, "padding": padding}
        self.register_buffer("u", F.normalize(torch.randn(fan_out), dim=0))
        self.register_buffer("v", F.normalize(torch.randn(like.weight[0].numel()), dim=0))

    def forward(self, x: Tensor) -> Tensor:
        """Convolve ``(B, fan_in, H, W)``, after one step towards the largest singular value."""
        matrix = self.weight.flatten(1)
        with torch.no_grad():
            v = _unit(matrix.T @ self.u)
            u = _unit(matrix @ v)
            self.u.copy_(u)
            self.v.copy_(v)
        sigma = u @ (matrix @ v)
        convolved: Tensor = F.conv2d(x, self.weight / sigma, self.bias, **self.options)
        return convolved


class _SelfAttention(nn.Module):
    """Each place adds a mean over all places, weighted by likeness; begins as the identity."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.query, self.key, self.value = (SpectralConv(channels, channels, (1, 1)) for _ in range(3))
        self.gamma = nn.Parameter(torch.zeros(1))

    def forward(self, x: Tensor) -> Tensor:
        parts: list[Tensor] = [part(x).flatten(2) for part in (self.query, self.key, self.value)]
        query, key, value = parts
        weights = torch.softmax(query.transpose(1, 2) @ key, dim=2)
        mixed = (value @ weights.transpose(1, 2)).view_as(x)
        attended: Tensor = self.gamma * mixed + x
        return attended


def _unit(vector: Tensor) -> Tensor:
    scaled: Tensor = vector / (torch.linalg.vector_norm(vector) + _EPSILON)
    return scaled
