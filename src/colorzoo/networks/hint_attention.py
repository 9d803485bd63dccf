"""Carry hint colors to every place that looks alike: one attention step over the hinted cells."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

MASKED = -1e4  # added to the logit of a cell without hint; finite, so that bfloat16 stays finite


class HintAttention(nn.Module):
    """Kernel regression of the hint colors in a learned feature space.

    Each position p asks every hinted cell q with the logit ``k - |f_p - f_q|^2 - |p - q|^2 / s^2``, next to
    one null cell of logit 0 and color 0; s is a share of the picture's mean side. Written as a dot product
    of extended vectors, it runs on the fused attention kernels: memory stays linear in the number of
    positions, and shapes stay static for export.

    Args:
        channels: Width of the feature map.
        key_channels: Width of the space in which positions are compared.
    """

    def __init__(self, channels: int, key_channels: int = 16) -> None:
        super().__init__()
        self.key = nn.Conv2d(channels, key_channels, 1)
        self.log_reach = nn.Parameter(torch.tensor(math.log(0.2)))
        self.bias = nn.Parameter(torch.tensor(3.0))

    def forward(self, features: Tensor, hints: Tensor) -> Tensor:
        """Spread the hints.

        Args:
            features: ``(B, C, h, w)``, what the places look like.
            hints: ``(B, 3, H, W)``: two color channels, 0 where unknown, and the mask in {0, 1}.

        Returns:
            ``(B, 3, h, w)``: the attended color, and the share of attention that fell on hints.
        """
        batch, _, height, width = features.shape
        cells = ((height + 1) // 2, (width + 1) // 2)
        given = F.adaptive_avg_pool2d(hints.float(), cells)
        weight = given[:, 2:]
        color = given / weight.clamp(min=1e-6)

        fine = self.key(features)
        query = _extend_query(self._embed(fine))
        key = _extend_key(self._embed(F.adaptive_avg_pool2d(fine.float(), cells)), self.bias, weight)
        value = _with_null(color)
        if not torch.is_grad_enabled() and not torch.compiler.is_compiling():
            key, value = _hinted_in_some_picture(key, value, weight)
        answer = F.scaled_dot_product_attention(query, key, value, scale=1.0)
        return answer.transpose(1, 2).reshape(batch, 3, height, width)

    def _embed(self, key: Tensor) -> Tensor:
        """Append scaled coordinates to the features and flatten: ``(B, h * w, D)``."""
        batch, _, height, width = key.shape
        reach = self.log_reach.exp().float()
        side = (height + width) / 2
        rows = (torch.arange(height, device=key.device) + 0.5) / side
        columns = (torch.arange(width, device=key.device) + 0.5) / side
        grid = torch.stack(torch.meshgrid(rows, columns, indexing="ij")) / reach
        place = grid.unsqueeze(0).expand(batch, -1, -1, -1)
        return torch.cat([key.float(), place], dim=1).flatten(2).transpose(1, 2)


def _extend_query(query: Tensor) -> Tensor:
    """Return ``[2 q, -|q|^2, 1]``."""
    norm = query.square().sum(-1, keepdim=True)
    return torch.cat([2 * query, -norm, torch.ones_like(norm)], dim=-1)


def _extend_key(key: Tensor, bias: Tensor, weight: Tensor) -> Tensor:
    """Return ``[k, 1, bias - |k|^2]`` for hinted cells, far below for others, and the null key of zeros."""
    norm = key.square().sum(-1, keepdim=True)
    hinted = weight.flatten(2).transpose(1, 2) > 0
    level = torch.where(hinted, bias - norm, MASKED)
    keys = torch.cat([key, torch.ones_like(norm), level], dim=-1)
    return torch.cat([keys, torch.zeros_like(keys[:, :1])], dim=1)


def _with_null(color: Tensor) -> Tensor:
    """Return ``(B, N + 1, 3)`` values; the null cell's are zeros."""
    values = color.flatten(2).transpose(1, 2)
    return torch.cat([values, torch.zeros_like(values[:, :1])], dim=1)


def _hinted_in_some_picture(key: Tensor, value: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
    """Leave out the cells that no picture of the batch has a hint in: their weights would be exactly 0.

    A user gives dozens of points, while a picture has thousands of cells: the step then costs next to
    nothing. Training and export keep all cells, whose number does not depend on the hints.
    """
    hinted = (weight > 0).any(dim=0).flatten()
    kept = torch.cat([hinted, hinted.new_ones(1)]).nonzero().flatten()
    return key[:, kept], value[:, kept]
