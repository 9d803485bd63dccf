"""Spectrally normalized convolution, attention and decoder blocks of DDColor and DeOldify.

In training mode every forward pass runs one power iteration and stores the singular vectors u and v. Eval
mode divides the weight by ``u . (W v)`` with the stored vectors, which approximates the spectral norm.
Parameter names and shapes match the authors' checkpoints, which use torch's older spectral norm (Miyato et
al. 2018). `SpectralConv` also iterates in eval mode.

This module uses neither of PyTorch's two implementations of spectral normalization.
``parametrizations.spectral_norm`` updates the singular vector u before v, which changes scores by up to
1.7 %. Modules with ``nn.utils.spectral_norm`` cannot be copied after a forward pass.
"""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

_INITIAL_STEPS = 5  # power iterations at initialization: relative error below 0.1
_UNIT_TOLERANCE = 0.01  # float16 weights round the length of a unit vector by less than 0.001
_CONVOLVE = {1: F.conv1d, 2: F.conv2d}


class StoredSpectralConv(nn.Module):
    """Convolution with spectral normalization and stored singular vectors.

    Args:
        in_channels: Number of input channels.
        out_channels: Number of output channels.
        kernel: Kernel size: one number for 1D convolutions over tokens, two numbers for 2D convolutions.
        stride: Stride of the convolution.
        padding: Zero padding on each side.
        bias: Whether to add a bias.
    """

    iterates_in_eval: ClassVar[bool] = False
    weight_u: Tensor
    weight_v: Tensor

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel: tuple[int, ...],
        *,
        stride: int = 1,
        padding: int = 0,
        bias: bool = True,
    ) -> None:
        super().__init__()
        weight = torch.empty(out_channels, in_channels, *kernel)
        self.weight_orig = nn.Parameter(nn.init.kaiming_normal_(weight))
        self.bias = nn.Parameter(torch.zeros(out_channels)) if bias else None
        self.register_buffer("weight_u", F.normalize(torch.randn(out_channels), dim=0))
        self.register_buffer("weight_v", F.normalize(torch.randn(weight[0].numel()), dim=0))
        self.convolve = _CONVOLVE[len(kernel)]
        self.options: dict[str, Any] = {"stride": stride, "padding": padding}
        self.settle()

    def forward(self, x: Tensor) -> Tensor:
        """Convolve ``(B, in_channels, ...)``; in training mode, run one power iteration first."""
        return self.convolve(x, self.divided_weight(), self.bias, **self.options)

    def settle(self) -> None:
        """Run power iterations for newly initialized weights.

        The iterations are required because eval mode uses the stored u and v without iterating.
        """
        for _ in range(0 if self.weight_orig.is_meta else _INITIAL_STEPS):
            self._iterate(self.weight_orig.flatten(1))

    def divided_weight(self) -> Tensor:
        """Return the normalized weight; in training mode, run one power iteration first."""
        with torch.autocast(self.weight_orig.device.type, enabled=False):
            matrix = self.weight_orig.flatten(1)
            if self.training or self.iterates_in_eval:
                u, v = self._iterate(matrix)
            else:
                u, v = self.weight_u, self.weight_v
            length = u.norm() * v.norm()  # below 1 for averaged vectors
            return self.weight_orig * length / (u @ (matrix @ v))

    def _load_from_state_dict(self, *arguments: Any) -> None:
        """Load the weights; compute the singular vectors anew if weight averaging has averaged them."""
        super()._load_from_state_dict(*arguments)
        if not self.weight_u.is_meta and abs(float(self.weight_u.norm()) - 1) > _UNIT_TOLERANCE:
            self.settle()

    @torch.no_grad()
    def _iterate(self, matrix: Tensor) -> tuple[Tensor, Tensor]:
        """Run one power iteration and return copies of u and v."""
        v = F.normalize(matrix.T @ self.weight_u, dim=0)
        u = F.normalize(matrix @ v, dim=0)
        self.weight_u.copy_(u)
        self.weight_v.copy_(v)
        return u, v


class SpectralConv(StoredSpectralConv):
    """`StoredSpectralConv` that also runs a power iteration in eval mode, as some published networks do."""

    iterates_in_eval = True


class StoredSpectralAttention(nn.Module):
    """Self-attention of DeOldify and DDColor's discriminator, initialized to the identity.

    As published, the softmax runs over queries instead of keys.

    Args:
        channels: Number of channels of the maps; queries and keys have an eighth of this number.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        narrow = channels // 8
        self.query, self.key, self.value = (
            StoredSpectralConv(channels, width, (1,), bias=False) for width in (narrow, narrow, channels)
        )
        self.gamma = nn.Parameter(torch.zeros(1))

    def forward(self, x: Tensor) -> Tensor:
        """Return the attention output for maps ``(B, channels, H, W)``."""
        flat = x.flatten(2)
        query, key, value = self.query(flat), self.key(flat), self.value(flat)
        shares = torch.softmax(query.transpose(1, 2) @ key, dim=1)
        return (self.gamma * (value @ shares) + flat).view_as(x)


class ShuffleUp(nn.Module):
    """Upsampling by 1 x 1 convolution, ReLU and pixel shuffle.

    After the pixel shuffle, a 2 x 2 mean filter reduces checkerboard artifacts.

    Args:
        *layers: Convolution with ``factor ** 2`` times as many channels as the output, and optional layers
            before the ReLU.
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
    """Average each pixel with its left, upper and upper-left neighbors.

    The first row and column are replicated.
    """
    return F.avg_pool2d(F.pad(x, (1, 0, 1, 0), mode="replicate"), 2, stride=1)


def spectral_shuffle(in_channels: int, out_channels: int, factor: int = 2, *, norm: bool = True) -> ShuffleUp:
    """Return a spectrally normalized `ShuffleUp`, initialized as nearest neighbor (ICNR).

    Args:
        in_channels: Number of input channels.
        out_channels: Number of output channels.
        factor: Upsampling factor.
        norm: Whether to add BatchNorm after the convolution; if False, the convolution has a bias instead.
    """
    wide = out_channels * factor**2
    conv = StoredSpectralConv(in_channels, wide, (1, 1), bias=not norm)
    repeat_kernels(conv.weight_orig, factor)
    conv.settle()
    return ShuffleUp(conv, *[nn.BatchNorm2d(wide)] * norm, factor=factor)


@torch.no_grad()
def repeat_kernels(weight: Tensor, factor: int) -> None:
    """Initialize a convolution before a pixel shuffle with ICNR (Aitken et al. 2017).

    Channels that the pixel shuffle moves into the same block of pixels get equal kernels.

    Args:
        weight: Weight of the convolution; modified in place.
        factor: Upsampling factor of the shuffle.
    """
    weight.copy_(weight[:: factor**2].repeat_interleave(factor**2, dim=0))


def spectral_block(in_channels: int, out_channels: int) -> nn.Sequential:
    """Return a 3 x 3 convolution without bias, followed by ReLU and BatchNorm."""
    conv = StoredSpectralConv(in_channels, out_channels, (3, 3), padding=1, bias=False)
    return nn.Sequential(conv, nn.ReLU(), nn.BatchNorm2d(out_channels))


class SkipJoin(nn.Module):
    """First part of a decoder block: upsampling and concatenation with a skip connection.

    Args:
        in_channels: Number of channels of the decoder map.
        skip: Number of channels of the skip connection.
        up: Number of channels of the upsampled map.
    """

    def __init__(self, in_channels: int, skip: int, up: int) -> None:
        super().__init__()
        self.shuf = spectral_shuffle(in_channels, up)
        self.bn = nn.BatchNorm2d(skip)

    def join(self, x: Tensor, skip: Tensor) -> Tensor:
        """Upsample a map, concatenate the batch-normalized skip connection, and apply ReLU.

        Args:
            x: ``(B, in_channels, h, w)``.
            skip: ``(B, skip, H, W)``.

        Returns:
            ``(B, up + skip, H, W)``.
        """
        # unconditional: a size check would become a constant in an exported graph
        up = F.interpolate(self.shuf(x), size=skip.shape[-2:])
        return F.relu(torch.cat([up, self.bn(skip)], dim=1))


class WideBlock(SkipJoin):
    """Decoder block of DDColor and DeOldify: `SkipJoin` and one 3 x 3 convolution.

    Args:
        in_channels: Number of channels of the decoder map.
        skip: Number of channels of the skip connection.
        up: Number of channels of the upsampled map.
        out_channels: Number of output channels.
        *last: Further layers after the convolution.
    """

    def __init__(self, in_channels: int, skip: int, up: int, out_channels: int, *last: nn.Module) -> None:
        super().__init__(in_channels, skip, up)
        self.conv = spectral_block(up + skip, out_channels).extend(last)

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        """Return ``(B, out_channels, H, W)`` for a decoder map and its skip connection; see `join`."""
        return self.conv(self.join(x, skip))
