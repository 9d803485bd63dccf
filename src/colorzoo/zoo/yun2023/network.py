"""The network of iColoriT: a vision transformer on lightness and hints."""

from __future__ import annotations

from typing import Any

import torch
from timm.models.vision_transformer_relpos import VisionTransformerRelPos
from torch import Tensor, nn
from torch.nn import functional as F

from colorzoo.errors import ColorzooError
from colorzoo.guidance import Points
from colorzoo.networks.hint_input import AB_SCALE
from colorzoo.zoo.yun2023.heads import build_head, to_pixels
from colorzoo.zoo.yun2023.hints import CELL, hint_image
from colorzoo.zoo.yun2023.settings import Architecture

_CHANNELS = 4  # lightness, a, b, hint


class QueryValueLinear(nn.Linear):
    """Queries, keys and values of an attention whose keys have no bias, as in BEiT.

    Args:
        width: Channels of a token.
    """

    def __init__(self, width: int) -> None:
        super().__init__(width, 3 * width, bias=False)
        self.q_bias = nn.Parameter(torch.zeros(width))
        self.v_bias = nn.Parameter(torch.zeros(width))

    def forward(self, tokens: Tensor) -> Tensor:
        """Map ``(..., width)`` to ``(..., 3 width)``."""
        bias = torch.cat([self.q_bias, torch.zeros_like(self.q_bias), self.v_bias])
        return F.linear(tokens, self.weight, bias)


class IColoriTNetwork(nn.Module):
    """The transformer with the paper's normalization around it (L - 50 over 100, ab over 110).

    Args:
        architecture: Its numbers.

    Raises:
        ColorzooError: The side is not a multiple of the patch and of a hint's cell.
    """

    positions: Tensor

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        side, patch, width = architecture.side, architecture.patch, architecture.width
        if side % patch or side % CELL:
            raise ColorzooError(f"side must be even and a multiple of patch, got {side} and {patch}.")
        self.side, self.patch, self.mask_center = side, patch, architecture.mask_center
        self.trunk = build_trunk(architecture)
        self.register_buffer("positions", sinusoid((side // patch) ** 2, width), persistent=False)
        self.head = build_head(architecture.head, width, 2 * patch**2, side // patch)

    def forward(self, luma: Tensor, points: Points) -> Tensor:
        """Color a picture of any size, squashed to a square for the transformer and back.

        Args:
            luma: ``(B, 1, H, W)`` in [0, 100].
            points: Hints of the same size.

        Returns:
            ``(B, 2, H, W)`` in CIE units.
        """
        ab = self.paint(hint_image(luma, points, self.side, self.mask_center))
        size = (luma.shape[-2], luma.shape[-1])
        return F.interpolate(AB_SCALE * ab, size=size, mode="bicubic", align_corners=False)

    def paint(self, seen: Tensor) -> Tensor:
        """Answer ab / 110 ``(B, 2, side, side)`` for a `hint_image`."""
        tokens = self.embed(seen) + self.positions
        for block in self.trunk.blocks:
            tokens = block(tokens)
        spoken = self.head(self.trunk.norm(tokens))
        return to_pixels(spoken.float().tanh(), self.patch)

    def embed(self, seen: Tensor) -> Tensor:
        """Return the tokens ``(B, N, width)`` of a `hint_image`, without positions."""
        # in float32: a fiftieth of the work, all that the network knows of the hints, and a convolution of
        # which some releases of oneDNN make nonsense in bfloat16
        with torch.autocast(seen.device.type, enabled=False):
            tokens: Tensor = self.trunk.patch_embed(seen.float())
        return tokens


def build_trunk(architecture: Architecture) -> Any:
    """Build timm's transformer without class token, with relative positions and biases as published."""
    trunk = VisionTransformerRelPos(
        img_size=architecture.side,
        patch_size=architecture.patch,
        in_chans=_CHANNELS,
        num_classes=0,
        global_pool="",
        embed_dim=architecture.width,
        depth=architecture.depth,
        num_heads=architecture.heads,
        qkv_bias=False,
        init_values=None,
        rel_pos_type="bias",
    )
    for block in trunk.blocks:
        block.attn.qkv = QueryValueLinear(architecture.width)
    return trunk


def sinusoid(count: int, width: int) -> Tensor:
    """Return ``(count, width)``: sines (even channels) and cosines of the number of a token, row by row."""
    channel = torch.arange(width, dtype=torch.float64)
    period = 10000 ** (2 * (channel // 2) / width)
    angle = torch.arange(count, dtype=torch.float64)[:, None] / period
    return torch.where(channel % 2 == 0, angle.sin(), angle.cos()).float()


def initialize(network: IColoriTNetwork) -> None:
    """Draw the weights of the transformer as the authors do; there is no pretrained start."""
    for name, module in network.named_modules():
        if isinstance(module, nn.Linear):
            nn.init.xavier_uniform_(module.weight)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        elif name.endswith("rel_pos"):
            nn.init.trunc_normal_(module.relative_position_bias_table, std=0.02, a=-0.02, b=0.02)
