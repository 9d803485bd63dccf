"""Network of iColoriT: a vision transformer for lightness and hints of 2 x 2 pixels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import torch
from timm.models.vision_transformer_relpos import VisionTransformerRelPos
from torch import Tensor, nn
from torch.nn import functional as F

from colorzoo.errors import ColorzooError
from colorzoo.guidance import Points
from colorzoo.networks.scaling import AB_SCALE, membership

CELL = 2
"""Side of a hint in pixels, the only size in the authors' training."""

_CHANNELS = 4  # lightness, a, b, hint
_HEADS = 8  # heads of `NeighborAttentionHead`

Head = Literal["convolution", "linear", "attention"]


@dataclass(frozen=True)
class Architecture:
    """Settings of the transformer; the defaults match the published base model.

    Attributes:
        width: Channels of each token: 768 (base model), 384 (small model, S) or 192 (tiny model, T).
        heads: Number of attention heads; each head has 64 channels in the paper.
        depth: Number of transformer blocks.
        patch: Patch side in pixels.
        side: Side in pixels of the square to which images are resized, a multiple of `patch`.
        head: Layer that maps tokens to pixel colors: ``"convolution"`` (the paper's local stabilizing layer),
            ``"linear"`` or ``"attention"`` (ablations in the paper).
        mask_center: Value that is subtracted from the hint mask in the network input; all published weights
            require 0.
    """

    width: int = 768
    heads: int = 12
    depth: int = 12
    patch: int = 16
    side: int = 224
    head: Head = "convolution"
    mask_center: float = 0.0


class QueryValueLinear(nn.Linear):
    """Linear layer for queries, keys and values without a key bias, as in BEiT.

    Args:
        width: Channels of each token.
    """

    def __init__(self, width: int) -> None:
        super().__init__(width, 3 * width, bias=False)
        self.q_bias = nn.Parameter(torch.zeros(width))
        self.v_bias = nn.Parameter(torch.zeros(width))

    def forward(self, tokens: Tensor) -> Tensor:
        """Map tokens ``(..., width)`` to queries, keys and values ``(..., 3 * width)``."""
        bias = torch.cat([self.q_bias, torch.zeros_like(self.q_bias), self.v_bias])
        return F.linear(tokens, self.weight, bias)


class ConvolutionHead(nn.Module):
    """The paper's local stabilizing layer: a 3 x 3 convolution over tokens.

    Args:
        width: Channels of each token.
        out: Output channels per token.
    """

    def __init__(self, width: int, out: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(width, out, 3, padding=1, padding_mode="reflect")

    def forward(self, tokens: Tensor) -> Tensor:
        """Map row-major tokens ``(B, N, width)`` of a square grid to ``(B, N, out)``."""
        batch, count, width = tokens.shape
        side = round(count**0.5)
        square = tokens.transpose(1, 2).reshape(batch, width, side, side)
        outputs: Tensor = self.conv(square)
        return outputs.flatten(2).transpose(1, 2)


class NeighborAttentionHead(nn.Module):
    """Attention of each token to itself and its eight neighbors.

    Args:
        width: Channels of each token.
        out: Output channels per token.
        side: Number of tokens along each side.
    """

    near: Tensor

    def __init__(self, width: int, out: int, side: int) -> None:
        super().__init__()
        self.qkv = nn.Linear(width, 3 * width, bias=False)
        self.proj = nn.Linear(width, out)
        place = torch.cartesian_prod(torch.arange(side), torch.arange(side))
        apart = (place[:, None] - place).abs().amax(dim=-1)
        self.register_buffer("near", apart <= 1, persistent=False)

    def forward(self, tokens: Tensor) -> Tensor:
        """Map row-major tokens ``(B, N, width)`` of a square grid to ``(B, N, out)``."""
        batch, count, width = tokens.shape
        qkv = self.qkv(tokens).view(batch, count, 3, _HEADS, width // _HEADS)
        query, key, value = qkv.permute(2, 0, 3, 1, 4)
        mixed = F.scaled_dot_product_attention(query, key, value, attn_mask=self.near)
        return self.proj(mixed.transpose(1, 2).reshape(batch, count, width))


class IColoriTNetwork(nn.Module):
    """Vision transformer that predicts ab from lightness and hints.

    Inside the network, colors are scaled to (L - 50) / 100 and ab / 110.

    Args:
        architecture: Settings of the transformer.

    Raises:
        ColorzooError: ``side`` is odd or not a multiple of ``patch``.
    """

    positions: Tensor

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        side, patch, width = architecture.side, architecture.patch, architecture.width
        if side % patch or side % CELL:
            raise ColorzooError(
                f"'side' must be even and a multiple of 'patch', got side={side}, patch={patch}"
            )
        self.side, self.patch, self.mask_center = side, patch, architecture.mask_center
        self.trunk = build_trunk(architecture)
        self.register_buffer("positions", sinusoid((side // patch) ** 2, width), persistent=False)
        self.head = build_head(architecture)

    def forward(self, lightness: Tensor, points: Points) -> Tensor:
        """Colorize images of any size, resized to a square for the transformer.

        Args:
            lightness: ``(B, 1, H, W)`` in [0, 100].
            points: Color points; the maps have the image size.

        Returns:
            ab ``(B, 2, H, W)`` in CIE units.
        """
        ab = self.generate(hint_image(lightness, points, self.side, self.mask_center))
        size = (lightness.shape[-2], lightness.shape[-1])
        return F.interpolate(AB_SCALE * ab, size=size, mode="bicubic")

    def generate(self, image: Tensor) -> Tensor:
        """Return ab / 110 in [-1, 1], ``(B, 2, side, side)``.

        Args:
            image: Output of `hint_image`.
        """
        tokens = self.embed(image) + self.positions
        for block in self.trunk.blocks:
            tokens = block(tokens)
        outputs = self.head(self.trunk.norm(tokens))
        return to_pixels(outputs.float().tanh(), self.patch)

    def embed(self, image: Tensor) -> Tensor:
        """Return tokens ``(B, N, width)`` without position encodings.

        Args:
            image: Output of `hint_image`.
        """
        # float32: some oneDNN releases compute this convolution incorrectly in bfloat16
        with torch.autocast(image.device.type, enabled=False):
            tokens: Tensor = self.trunk.patch_embed(image.float())
        return tokens


def build_trunk(architecture: Architecture) -> Any:
    """Return timm's ViT with relative position biases, without class token and key bias."""
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


def build_head(architecture: Architecture) -> nn.Module:
    """Return the layer that maps tokens to pixel colors; see `Architecture.head`."""
    width, out = architecture.width, 2 * architecture.patch**2
    if architecture.head == "attention":
        return NeighborAttentionHead(width, out, architecture.side // architecture.patch)
    if architecture.head == "linear":
        return nn.Linear(width, out)
    return ConvolutionHead(width, out)


def sinusoid(count: int, width: int) -> Tensor:
    """Return sinusoidal position encodings ``(count, width)``.

    Even channels are sines, and odd channels are cosines.
    """
    channel = torch.arange(width, dtype=torch.float64)
    period = 10000 ** (2 * (channel // 2) / width)
    angle = torch.arange(count, dtype=torch.float64)[:, None] / period
    return torch.where(channel % 2 == 0, angle.sin(), angle.cos()).float()


def initialize(network: IColoriTNetwork) -> None:
    """Initialize the transformer as in the authors' code.

    Linear layers use Xavier uniform initialization, and relative position biases use a truncated normal
    distribution.
    """
    for name, module in network.named_modules():
        if isinstance(module, nn.Linear):
            nn.init.xavier_uniform_(module.weight)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        elif name.endswith("rel_pos"):
            nn.init.trunc_normal_(module.relative_position_bias_table, std=0.02, a=-0.02, b=0.02)


def to_pixels(outputs: Tensor, patch: int) -> Tensor:
    """Rearrange tokens ``(B, N, 2 * patch^2)`` of a square grid to pixels ``(B, 2, S, S)``.

    S is ``patch`` times the square root of N. Unlike in ``nn.PixelShuffle``, the values of a token are
    ordered by row, column and channel.

    Args:
        outputs: Tokens in row-major order.
        patch: Patch side in pixels.
    """
    batch, count, _ = outputs.shape
    side = round(count**0.5)
    pixels = outputs.view(batch, side, side, patch, patch, 2).permute(0, 5, 1, 3, 2, 4)
    return pixels.reshape(batch, 2, side * patch, side * patch)


def hint_image(lightness: Tensor, points: Points, side: int, mask_center: float) -> Tensor:
    """Return the network input for images and hints.

    Args:
        lightness: ``(B, 1, H, W)`` in [0, 100].
        points: Color points; the maps have the image size.
        side: Side of the network input in pixels.
        mask_center: Value that is subtracted from the hint mask.

    Returns:
        Network input ``(B, 4, side, side)`` with the channels (L - 50) / 100, hint a / 110, hint b / 110 and
        hint mask. The values of a and b are 0 at pixels without a hint.
    """
    gray = F.interpolate(lightness, size=(side, side), mode="bilinear", antialias=True)
    ab, mask = hint_cells(points, side // CELL)
    hints = torch.cat([ab / AB_SCALE, mask - mask_center], dim=1)
    return torch.cat([(gray - 50) / 100, F.interpolate(hints, scale_factor=CELL)], dim=1)


def hint_cells(points: Points, cells: int) -> tuple[Tensor, Tensor]:
    """Average the colors of points in each cell of a square grid.

    A pixel belongs to the cell that contains the pixel center.

    Args:
        points: Color points at any image size.
        cells: Number of cells along each side.

    Returns:
        ab ``(B, 2, cells, cells)`` in CIE units, 0 in cells without a hint, and the hint mask
        ``(B, 1, cells, cells)``.
    """
    height, width = points.mask.shape[-2:]
    given = torch.cat([points.ab * points.mask, points.mask], dim=1).float()
    with torch.autocast(given.device.type, enabled=False):  # bfloat16 rounds colors to 0.5 units
        sums = membership(height, cells, given) @ given @ membership(width, cells, given).T
    count = sums[:, 2:]
    return sums[:, :2] / count.clamp(min=1), (count > 0).to(sums.dtype)
