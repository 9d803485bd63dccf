"""Spectral norm whose vectors are stored, as DDColor and DeOldify publish it, and their self-attention.

Every pass in training mode takes one power iteration and stores u and v; evaluation divides by the stored
``u . (W v)``, which is not the exact norm. Names and shapes are those of torch's older spectral norm (Miyato
et al. 2018), under which the authors published. `attention_discriminator.SpectralConv` iterates in evaluation
too; torch's own are left out for the reasons in docs/architecture.md, "Engines".
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

_SETTLING_STEPS = 5  # for an estimate within a tenth of the norm; training goes on with one a pass
_CONVOLVE = {1: F.conv1d, 2: F.conv2d}


class StoredSpectralConv(nn.Module):
    """A convolution whose weight is divided by an estimate of its largest singular value.

    Args:
        fan_in: Channels in.
        fan_out: Channels out.
        kernel: Size of the kernel: one number for rows of tokens, two for maps.
        stride: See `torch.nn.Conv2d`.
        padding: See `torch.nn.Conv2d`.
        bias: Whether there is one.
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
        """Bring u and v near those of a weight that was just drawn: evaluation takes them as they are."""
        for _ in range(0 if self.weight_orig.is_meta else _SETTLING_STEPS):
            self._iterate(self.weight_orig.flatten(1))

    def divided_weight(self) -> Tensor:
        """Return the weight as it is used, in training mode after one power iteration."""
        with torch.autocast(self.weight_orig.device.type, enabled=False):
            matrix = self.weight_orig.flatten(1)
            u, v = self._iterate(matrix) if self.training else (self.weight_u, self.weight_v)
            return self.weight_orig / self._norm(u, v)

    @torch.no_grad()
    def folded(self) -> nn.Conv2d:
        """Return a plain convolution of maps that answers what this one does in evaluation."""
        fan_out, fan_in, *kernel = self.weight_orig.shape
        plain = nn.Conv2d(fan_in, fan_out, (kernel[0], kernel[1]), bias=self.bias is not None, **self.options)
        plain.weight.copy_(self.weight_orig / self._norm(self.weight_u, self.weight_v))
        if self.bias is not None and plain.bias is not None:
            plain.bias.copy_(self.bias)
        return plain

    def _norm(self, u: Tensor, v: Tensor) -> Tensor:
        return u @ (self.weight_orig.flatten(1) @ v)

    @torch.no_grad()
    def _iterate(self, matrix: Tensor) -> tuple[Tensor, Tensor]:
        """Step towards the largest singular value; what is returned outlives the next step."""
        v = F.normalize(matrix.T @ self.weight_u, dim=0)
        u = F.normalize(matrix @ v, dim=0)
        self.weight_u.copy_(u)
        self.weight_v.copy_(v)
        return u, v


class StoredSpectralAttention(nn.Module):
    """Self-attention of DeOldify and DDColor's discriminator; begins as the identity.

    As published, the softmax runs over the places that ask, not over those that are asked.

    Args:
        channels: Of the maps; an eighth of them are compared.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        compared = channels // 8
        self.query, self.key, self.value = (
            StoredSpectralConv(channels, width, (1,), bias=False) for width in (compared, compared, channels)
        )
        self.gamma = nn.Parameter(torch.zeros(1))

    def forward(self, x: Tensor) -> Tensor:
        """Attend within ``(B, channels, H, W)``."""
        flat = x.flatten(2)
        query, key, value = self.query(flat), self.key(flat), self.value(flat)
        shares = torch.softmax(query.transpose(1, 2) @ key, dim=1)
        attended: Tensor = (self.gamma * (value @ shares) + flat).view_as(x)
        return attended
