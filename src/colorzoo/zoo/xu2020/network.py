"""Pipeline of Xu et al. 2020: transfer sub-net, hint selection, colorization sub-net."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from colorzoo.color import grid_centers, lab_to_rgb, rgb_to_lab
from colorzoo.guidance import Points
from colorzoo.networks.hint_unet import HintUNet, PointNetwork
from colorzoo.settings import Fraction, NonNegativeFloat, NonNegativeInt, Width
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

_PATCH = 5 / 256  # side of a patch as a fraction of the shorter image side


@dataclass(frozen=True)
class Extensions:
    """Extensions that are not in Xu et al. 2020.

    Attributes:
        color_width: Multiplier for the channel counts of the colorization sub-net; None uses ``width``.
        hint_attention: Whether to add an attention layer for hint colors; see `HintUNet`.
        scene_blocks: Number of ConvNeXt blocks at stride 16; see `HintUNet`.
        backbone: Name of a Local Hints model (Zhang et al. 2017) with initial weights for the colorization
            sub-net. Weight files store only weights that differ from this model.
        transfer_error: Expected color error (standard deviation in CIE units) of a transfer from a suitable
            reference. The error determines the weights in the average of transferred and automatic colors;
            see `weigh_transfer`. None uses only transferred colors.
        none_share: Fraction of the training images without color points.
        grid_share: Fraction of the training images whose hints are a grid of true colors; see `grid_hints`.
        transferred_share: Fraction of the training images whose hints are a grid of transferred colors.
    """

    color_width: Width | None = None
    hint_attention: bool = False
    scene_blocks: NonNegativeInt = 0
    backbone: str | None = None
    transfer_error: NonNegativeFloat | None = None
    none_share: Fraction = 0.0
    grid_share: Fraction = 0.0
    transferred_share: Fraction = 0.0


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


class ExemplarOutput(NamedTuple):
    """Pipeline output. All ab maps are ``(B, 2, H, W)`` in CIE units.

    Attributes:
        ab: Final ab.
        logits: Logits ``(B, 529, ceil(H/4), ceil(W/4))`` over the ab grid.
        automatic: ab of the first colorization pass, before the transfer.
        transferred: ab after the transfer, before the last colorization pass.
    """

    ab: Tensor
    logits: Tensor
    automatic: Tensor
    transferred: Tensor


class ExemplarNetwork(nn.Module):
    """Pipeline of automatic colorization, color transfer, hint selection and recoloring.

    Args:
        architecture: Settings of the transfer and colorization sub-nets.
        extensions: Settings of extensions that are not in the paper.
    """

    centers: Tensor

    def __init__(self, architecture: Architecture, extensions: Extensions) -> None:
        super().__init__()
        self.architecture, self.extensions = architecture, extensions
        self.register_buffer("centers", grid_centers(), persistent=False)
        self.transfer = TransferNetwork(architecture.width)
        own = architecture.width if extensions.color_width is None else extensions.color_width
        unet = HintUNet(
            4, own, hint_attention=extensions.hint_attention, scene_blocks=extensions.scene_blocks
        )
        self.color = PointNetwork(unet)

    def forward(
        self,
        lightness: Tensor,
        embedding: Tensor,
        *,
        points: Points | None = None,
        alpha: Tensor | float = 1.0,
    ) -> ExemplarOutput:
        """Colorize images with the feature statistics of a reference.

        Args:
            lightness: ``(B, 1, H, W)`` in [0, 100].
            embedding: Feature statistics ``(B, 2, C)``; see `TransferNetwork.encode_reference`.
            points: Color points of the user, which override hints from the reference; None without points.
            alpha: Strength of the transfer in [0, 1].
        """
        automatic, transferred, hints = self.transferred_hints(
            lightness, embedding, points=points, alpha=alpha
        )
        ab, logits = self.color(lightness, hints)
        return ExemplarOutput(ab, logits, automatic, transferred)

    def transferred_hints(
        self, lightness: Tensor, embedding: Tensor, *, points: Points | None, alpha: Tensor | float
    ) -> tuple[Tensor, Tensor, Points]:
        """Return automatic ab, transferred ab and the hints for the last colorization pass.

        See `forward` for the arguments.
        """
        automatic, logits = self.color(lightness, points or Points.none(lightness))
        transferred = self.transferred(lightness, automatic, embedding, alpha)
        colors = transferred
        error = self.extensions.transfer_error
        if error is not None:
            colors = weigh_transfer(transferred, automatic, logits, self.centers, error)
        return automatic, transferred, merge_points(points, grid_hints(colors))

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


def weigh_transfer(
    transferred: Tensor, automatic: Tensor, logits: Tensor, centers: Tensor, error: float
) -> Tensor:
    """Average transferred and automatic colors by inverse variance (not in the paper).

    The variance of an automatic color is the variance of the predicted color distribution. The variance of
    the transferred colors is estimated for each image: the mean squared distance between transferred and
    automatic colors, minus the variance of the automatic colors, but at least ``error`` squared. The colors
    of an unsuitable reference therefore have a low weight.

    Args:
        transferred: ab ``(B, 2, H, W)`` after the transfer in CIE units.
        automatic: ab ``(B, 2, H, W)`` before the transfer in CIE units.
        logits: Logits ``(B, 529, ceil(H/4), ceil(W/4))`` over the ab grid.
        centers: Bin centers ``(529, 2)`` of the ab grid.
        error: Minimum standard deviation of the transferred colors in CIE units.

    Returns:
        Averaged ab ``(B, 2, H, W)`` in CIE units.
    """
    variance = F.interpolate(_variance(logits, centers), size=transferred.shape[-2:], mode="bilinear")
    apart = (transferred - automatic).square().mean(dim=1, keepdim=True)
    excess = (apart - variance).mean(dim=(1, 2, 3), keepdim=True).clamp(min=error**2)
    return automatic + variance / (variance + excess) * (transferred - automatic)


def _variance(logits: Tensor, centers: Tensor) -> Tensor:
    """Return the mean of the variances of a and b, ``(B, 1, h, w)``."""
    with torch.autocast(logits.device.type, enabled=False):  # float32 for differences of large squares
        share = logits.float().softmax(dim=1)
        mean = torch.einsum("bqhw,qc->bchw", share, centers)
        square = torch.einsum("bqhw,q->bhw", share, centers.square().sum(dim=1))
        return ((square - mean.square().sum(dim=1)) / 2).clamp(min=0).unsqueeze(1)


def merge_points(given: Points | None, hints: Points) -> Points:
    """Merge user points and hints; user points take precedence at each pixel.

    Args:
        given: Color points of the user; None without points.
        hints: Hints from the reference.
    """
    if given is None:
        return hints
    ab = torch.where(given.mask > 0, given.ab, hints.ab)
    return Points(ab, torch.maximum(given.mask, hints.mask))
