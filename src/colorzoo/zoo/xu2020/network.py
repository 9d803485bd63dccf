"""Pipeline of Xu et al. 2020: transfer sub-net, hint selection, colorization sub-net."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from colorzoo.color import lab_to_rgb, rgb_to_lab
from colorzoo.guidance import Points
from colorzoo.networks.hint_unet import PointNetwork
from colorzoo.settings import Width
from colorzoo.zoo.xu2020.transfer import (
    PLACE_SETS,
    Adapt,
    TransferNetwork,
    Transform,
    match_embedding,
    place_of,
)

GRID = 8
"""Number of hint grid cells along each image side; the paper does not define the hint selection."""

MASK_CENTER = 0.0
_PATCH = 5 / 256  # side of a patch as a fraction of the shorter image side


@dataclass(frozen=True)
class Architecture:
    """Settings of the transfer and colorization sub-nets.

    Attributes:
        width: Multiplier for the channel counts; 1.0 matches the published network.
        places: Sets of layers at which feature statistics are matched (figure 5): any of ``"encoder"``,
            ``"skip"`` and ``"decoder"``.
    """

    width: Width = 1.0
    places: tuple[str, ...] = PLACE_SETS


class ExemplarNetwork(nn.Module):
    """Transfer sub-net, hint selection and colorization sub-net.

    Args:
        architecture: Settings of the transfer and colorization sub-nets.
        color: Colorization sub-net.
    """

    def __init__(self, architecture: Architecture, color: PointNetwork) -> None:
        super().__init__()
        self.architecture = architecture
        self.transfer = TransferNetwork(architecture.width)
        self.color = color

    def hints(self, transferred: Tensor, automatic: Tensor, logits: Tensor, points: Points | None) -> Points:
        """Select hints from the transferred colors; see `grid_hints`.

        Only `ExtendedExemplarNetwork` uses the other arguments.

        Args:
            transferred: ab ``(B, 2, H, W)`` after the transfer in CIE units.
            automatic: ab ``(B, 2, H, W)`` before the transfer in CIE units.
            logits: Logits ``(B, 529, ceil(H/4), ceil(W/4))`` of the first colorization pass.
            points: Color points of the user; None without points.
        """
        return grid_hints(transferred)

    def transferred(
        self, lightness: Tensor, ab: Tensor, embedding: Tensor, alpha: Tensor | float = 1.0
    ) -> Tensor:
        """Transfer reference colors to automatically colorized images (T_ab in the paper).

        Args:
            lightness: ``(B, 1, H, W)`` in [0, 100].
            ab: ab ``(B, 2, H, W)`` before the transfer in CIE units.
            embedding: Reference feature statistics ``(B, 2, C)``.
            alpha: Strength of the transfer in [0, 1].

        Returns:
            ab ``(B, 2, H, W)`` in CIE units.
        """
        content = lab_to_rgb(torch.cat([lightness, ab], dim=1))
        rgb = self.transfer(content, self.adapt(embedding, alpha))
        return rgb_to_lab(rgb.clamp(0, 1))[:, 1:]

    def adapt(self, embedding: Tensor, alpha: Tensor | float = 1.0) -> Adapt:
        """Return a function that matches feature maps to reference statistics; see `Adapt`.

        The function changes only the layers of the setting ``places``.

        Args:
            embedding: Reference feature statistics ``(B, 2, C)``.
            alpha: Strength of the transfer in [0, 1].
        """
        return match_embedding(self.transfer.split_embedding(embedding), self.architecture.places, alpha)

    def adapt_maps(self, style: Tensor, transform: Transform, alpha: float = 1.0) -> Adapt:
        """Return a function that transforms feature maps with a style image; see `Adapt`.

        The function changes only the layers of the setting ``places``.

        Args:
            style: RGB ``(B, 3, H, W)`` in [0, 1].
            transform: Function that transforms a feature map, such as `adain` or `wct`.
            alpha: Strength of the transfer in [0, 1].
        """
        maps = self.transfer.style_maps(style)

        def adapt(place: str, content: Tensor) -> Tensor:
            known = place_of(place, self.architecture.places)
            return content if known is None else transform(content, maps[known], alpha)

        return adapt


def grid_hints(ab: Tensor) -> Points:
    """Select hints from ab ``(B, 2, H, W)``: one patch in each cell of an 8 x 8 grid.

    Each patch is a small square at the cell center and has the mean color of its pixels.
    """
    ab = ab.float()
    height, width = ab.shape[-2:]
    rows, columns = (_patches(length, _PATCH * min(height, width), ab) for length in (height, width))
    with torch.autocast(ab.device.type, enabled=False):  # bfloat16 would round colors
        mean = _normalized(rows) @ ab @ _normalized(columns).T
        generated = rows.T @ mean @ columns
    cover = rows.sum(0)[:, None] * columns.sum(0)  # above 1 where patches overlap in a tiny image
    return Points(generated / cover.clamp(min=1), (cover > 0).to(ab).expand_as(ab[:, :1]).clone())


def _patches(length: int, side: float, like: Tensor) -> Tensor:
    """Return a mask ``(GRID, length)`` of each patch's pixels along one axis."""
    pixel = torch.arange(length, device=like.device)
    center = (torch.arange(GRID, device=like.device) + 0.5) * length / GRID
    extent = (torch.zeros_like(center) + side).round().clamp(min=1)  # whole pixels, at least 1
    first = (center - extent / 2).floor().clamp(min=0)[:, None]
    inside = (pixel >= first) & (pixel < first + extent[:, None])
    return inside.to(like.dtype)


def _normalized(patches: Tensor) -> Tensor:
    return patches / patches.sum(dim=1, keepdim=True)
