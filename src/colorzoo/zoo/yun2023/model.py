"""iColoriT (Yun, Lee, Park, Choo, WACV 2023).

A vision transformer propagates the colors of 2 x 2 pixel hints by attention. The local stabilizing layer, a
convolution over the output tokens, reduces differences between neighboring patches.
https://arxiv.org/abs/2207.06831
"""

from __future__ import annotations

from typing import Any, Literal

import torch
from timm.models.vision_transformer_relpos import VisionTransformerRelPos
from torch import Tensor, nn
from torch.nn import functional as F

from colorzoo.errors import ColorzooError
from colorzoo.guidance import Guidance, Points
from colorzoo.model import ColoringModel
from colorzoo.networks.hint_unet import points_of
from colorzoo.networks.renaming import Pattern
from colorzoo.networks.scaling import AB_SCALE, membership
from colorzoo.prediction import AbPrediction

CELL = 2
"""Side of a hint in pixels, the only size in the authors' training."""

_CHANNELS = 4  # lightness, a, b, hint
_HEADS = 8  # heads of `NeighborAttentionHead`

Head = Literal["convolution", "linear", "attention"]


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

    Inside the network, colors are scaled to (L - 50) / 100 and ab / 110. For the arguments, see `IColoriT`.

    Raises:
        ColorzooError: ``side`` is odd or not a multiple of ``patch``.
    """

    positions: Tensor

    def __init__(
        self, width: int, heads: int, depth: int, patch: int, side: int, head: Head, mask_center: float
    ) -> None:
        super().__init__()
        if side % patch or side % CELL:
            raise ColorzooError(
                f"'side' must be even and a multiple of 'patch', got side={side}, patch={patch}"
            )
        self.side, self.patch, self.mask_center = side, patch, mask_center

        # timm's ViT with relative position biases, without class token and key bias
        trunk: Any = VisionTransformerRelPos(
            img_size=side,
            patch_size=patch,
            in_chans=_CHANNELS,
            num_classes=0,
            global_pool="",
            embed_dim=width,
            depth=depth,
            num_heads=heads,
            qkv_bias=False,
            init_values=None,
            rel_pos_type="bias",
        )
        for block in trunk.blocks:
            block.attn.qkv = QueryValueLinear(width)
        self.trunk = trunk
        self.register_buffer("positions", sinusoid((side // patch) ** 2, width), persistent=False)

        # layer that maps tokens to pixel colors
        out = 2 * patch**2
        if head == "attention":
            self.head: nn.Module = NeighborAttentionHead(width, out, side // patch)
        elif head == "linear":
            self.head = nn.Linear(width, out)
        else:
            self.head = ConvolutionHead(width, out)

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


def sinusoid(count: int, width: int) -> Tensor:
    """Return sinusoidal position encodings ``(count, width)``.

    Even channels are sines, and odd channels are cosines.
    """
    channel = torch.arange(width, dtype=torch.float64)
    period = 10000 ** (2 * (channel // 2) / width)
    angle = torch.arange(count, dtype=torch.float64)[:, None] / period
    return torch.where(channel % 2 == 0, angle.sin(), angle.cos()).float()


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


NAMES: tuple[Pattern, ...] = (
    (r"head\.head\.", "head.conv."),
    (r"(blocks\.\d+\.attn)\.rpb_table", r"trunk.\1.rel_pos.relative_position_bias_table"),
    (r"(blocks\.\d+\.attn)\.([qv]_bias)", r"trunk.\1.qkv.\2"),
    (r"(patch_embed|blocks|norm)\.", r"trunk.\1."),
)
UNUSED = r"\.attn\.relative_position_index$"


class IColoriT(ColoringModel):
    """Colorization with color points by a vision transformer.

    Args:
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

    accepts = frozenset({"points"})
    feature_layers = ("network.trunk.norm",)
    weight_settings = ("mask_center",)
    published_names, published_unused = NAMES, UNUSED
    network: IColoriTNetwork

    def __init__(
        self,
        width: int = 768,
        heads: int = 12,
        depth: int = 12,
        patch: int = 16,
        side: int = 224,
        head: Head = "convolution",
        mask_center: float = 0.0,
    ) -> None:
        network = IColoriTNetwork(width, heads, depth, patch, side, head, mask_center)
        # initialize linear layers and relative position biases as in the authors' code
        for name, module in network.named_modules():
            if isinstance(module, nn.Linear):
                nn.init.xavier_uniform_(module.weight)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
            elif name.endswith("rel_pos"):
                nn.init.trunc_normal_(module.relative_position_bias_table, std=0.02, a=-0.02, b=0.02)
        super().__init__(network)
        self.working_size = side

    def forward(self, lightness: Tensor, guidance: Guidance | None = None) -> AbPrediction:
        """Colorize a batch; see `IColoriTNetwork.forward`."""
        return AbPrediction(ab=self.network(lightness, points_of(guidance, lightness)))

    def feature_maps(self, lightness: Tensor) -> tuple[Tensor, ...]:
        """Return a tuple with the last block's tokens as a map ``(B, width, n, n)``.

        n is ``side / patch``. The transformer processes the images without hints.

        Args:
            lightness: ``(B, 1, H, W)`` in [0, 100].
        """
        (tokens,) = super().feature_maps(lightness)
        side = self.network.side // self.network.patch
        return (tokens.mT.reshape(len(tokens), -1, side, side),)
