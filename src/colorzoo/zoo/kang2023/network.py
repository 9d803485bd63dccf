"""DDColor: an encoder, decoders of pixels and of colors, whose product is ab (Kang et al. 2023, sec. 3)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from colorzoo.color import lab_to_rgb
from colorzoo.networks.shuffle_block import WideBlock, blur, spectral_shuffle
from colorzoo.networks.stored_spectral import StoredSpectralConv
from colorzoo.zoo.kang2023.color_decoder import ColorDecoder
from colorzoo.zoo.kang2023.encoder import Encoder

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class PixelDecoder(nn.Module):
    """Enlarges the encoder's maps step by step (section 3.2).

    Args:
        channels: Of the encoder's maps, the finest first.
        widths: Of what the three blocks answer.
        factor: Enlargement of the last step, to the size of the picture.
    """

    def __init__(self, channels: Sequence[int], widths: Sequence[int], factor: int) -> None:
        super().__init__()
        ins = [channels[-1], *widths[:-1]]
        skips = channels[-2::-1]
        self.blocks = nn.ModuleList(
            [WideBlock(i, skip, out, out) for i, skip, out in zip(ins, skips, widths, strict=True)]
        )
        self.last = spectral_shuffle(widths[-1], widths[-1], factor, norm=False)

    def forward(self, maps: Sequence[Tensor]) -> list[Tensor]:
        """Return the answers of the three blocks, the coarsest first; `last` is left to the caller."""
        x, out = maps[-1], []
        for block, skip in zip(self.blocks, maps[-2::-1], strict=True):
            x = block(x, skip)
            out.append(x)
        return out


class DDColorNetwork(nn.Module):
    """Both decoders over an encoder.

    Args:
        encoder: Gives maps; a module.
        widths: Of the pixel decoder's blocks; 512, 512 and 256 in the paper. The last is that of the queries.
        queries: See `ColorDecoder`.
        layers: See `ColorDecoder`.
        feed: See `ColorDecoder`.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self, encoder: Encoder, widths: Sequence[int], *, queries: int, layers: int, feed: int
    ) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(MEAN).view(3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(STD).view(3, 1, 1), persistent=False)
        self.encoder = encoder
        self.stride = encoder.stride
        self.pixel_decoder = PixelDecoder(encoder.channels, widths, encoder.finest)
        self.color_decoder = ColorDecoder(widths, widths[-1], queries, layers, feed)
        self.refine = StoredSpectralConv(queries + 3, 2, (1, 1))

    def forward(self, luma: Tensor) -> Tensor:
        """Return ab ``(B, 2, H, W)`` in CIE units, not bounded.

        Args:
            luma: ``(B, 1, H, W)`` in [0, 100], of any size.
        """
        height, width = luma.shape[-2:]
        padded = pad_picture(luma, self.stride)
        return cut_corner(self.paint(padded, gray_rgb(padded)), height, width).float()

    def paint(self, luma: Tensor, gray: Tensor) -> Tensor:
        """Return ab of a picture whose sides are multiples of the stride.

        Args:
            luma: ``(B, 1, H, W)`` in [0, 100].
            gray: ``(B, 3, H, W)``, the same as RGB in [0, 1].
        """
        image = (gray - self.mean) / self.std
        maps = self.pixel_decoder(self.encoder(luma, image))
        return self.combine(self.color_decoder(maps), maps[-1], image)

    def combine(self, colors: Tensor, finest: Tensor, image: Tensor) -> Tensor:
        """Multiply colors and pixels and refine the product (section 3.4).

        The paper has a map for each query, ``colors @ embedding``, and a 1 x 1 convolution of these maps
        beside the picture. Both are linear, and so are shuffle and blur: here the convolution is taken into
        the colors, and two maps remain of a hundred.

        Args:
            colors: ``(B, queries, C)``.
            finest: ``(B, C, h, w)``, the answer of the last block.
            image: ``(B, 3, H, W)``.
        """
        weight = used_weight(self.refine).flatten(1).float()
        queries = colors.shape[1]
        with torch.autocast(colors.device.type, enabled=False):
            mixed = weight[:, :queries] @ colors.float()
        last = self.pixel_decoder.last
        tall = F.relu(last.conv(finest))
        batch, _, height, width = tall.shape
        parts = tall.reshape(batch, mixed.shape[2], last.factor**2 * height * width)
        product = torch.bmm(mixed.to(parts.dtype), parts).view(batch, -1, height, width)
        ab = blur(F.pixel_shuffle(product, last.factor))
        return ab + F.conv2d(image, weight[:, queries:, None, None], self.refine.bias)


def used_weight(layer: nn.Module) -> Tensor:
    """Return the weight of a convolution as it is used, be its norm folded in already or not."""
    found = layer.divided_weight() if isinstance(layer, StoredSpectralConv) else layer.weight
    assert isinstance(found, Tensor)
    return found


def pad_picture(luma: Tensor, stride: int) -> Tensor:
    """Repeat the last row and column until both sides are multiples of a stride, and two strides long.

    Maps of a single cell would be laid out in another way, which an exported graph cannot follow.
    """
    height, width = luma.shape[-2:]
    rows, columns = (_missing(side, stride) for side in (height, width))
    return F.pad(luma, (0, columns, 0, rows), mode="replicate")


def _missing(side: int, stride: int) -> int:
    longer: Any = torch.sym_max(-side % stride, 2 * stride - side)  # a size may be a symbol
    return longer  # type: ignore[no-any-return]


def cut_corner(maps: Tensor, height: int, width: int) -> Tensor:
    """Return the upper left of ``(B, C, H, W)`` as a copy: whether a view is one depends on the size."""
    rows, columns = (torch.arange(side, device=maps.device) for side in (height, width))
    return maps.index_select(2, rows).index_select(3, columns)


def gray_rgb(luma: Tensor) -> Tensor:
    """Return lightness ``(B, 1, H, W)`` in [0, 100] as RGB ``(B, 3, H, W)`` in [0, 1]."""
    return lab_to_rgb(torch.cat([luma, torch.zeros_like(luma), torch.zeros_like(luma)], dim=1))
