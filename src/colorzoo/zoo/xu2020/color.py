"""The colorization sub-net of Xu et al. 2020, and how transferred colors become its hints."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from colorzoo.guidance import Points, simulate_points
from colorzoo.networks.hint_input import AB_SCALE, hint_input
from colorzoo.networks.hint_unet import HintEncoding, HintUNet
from colorzoo.networks.padding import cells
from colorzoo.networks.taps import TapState, Visit
from colorzoo.randomness import Generators

_PATCH_SIDE_AT = 256  # pixels of the shorter side at which a patch has its stated side

HintLayout = Literal["grid", "dense", "random"]
"""How transferred colors become hints: a grid of patches, all of them, or patches drawn as in training."""


class ColorNetwork(nn.Module):
    """The U-Net that the paper shares with Zhang et al. 2017, with its normalization around it.

    Args:
        width: Multiplier of every channel count; 1.0 is the published network.
        hint_attention: See `HintUNet`.
        scene_blocks: See `HintUNet`.
    """

    def __init__(self, width: float = 1.0, *, hint_attention: bool = False, scene_blocks: int = 0) -> None:
        super().__init__()
        self.unet = HintUNet(4, width, hint_attention=hint_attention, scene_blocks=scene_blocks)

    def forward(self, luma: Tensor, points: Points) -> tuple[Tensor, Tensor]:
        """Color a picture of any size.

        Args:
            luma: ``(B, 1, H, W)`` in [0, 100].
            points: Hints of the same size.

        Returns:
            ab ``(B, 2, H, W)`` in CIE units, and the logits ``(B, 529, ceil(H/4), ceil(W/4))`` of the head
            that the paper leaves unused.
        """
        height, width = luma.shape[-2:]
        out = self.unet(*hint_input(luma, points, 0.0))
        rows, columns = cells(height, 4), cells(width, 4)
        ab = out.ab[:, :, :height, :width].float() * AB_SCALE
        return ab, out.logits[:, :, :rows, :columns].float()

    def before_taps(self, luma: Tensor, points: Points) -> TapState:
        """Run all that comes before block 9; arguments as of `forward`."""
        encoded = self.unet.encode(*hint_input(luma, points, 0.0))
        return TapState(encoded[:3], (luma.shape[-2], luma.shape[-1]))

    def after_taps(self, state: TapState, visit: Visit) -> Tensor:
        """Return ``(B, 2, H, W)`` ab in CIE units."""
        height, width = state.size
        trunk, beside9, beside10 = state.maps
        ab = self.unet.decode(HintEncoding(trunk, beside9, beside10, ()), visit)
        return ab[:, :, :height, :width].float() * AB_SCALE


def sample_hints(
    ab: Tensor, generators: Generators, *, kind: HintLayout = "grid", grid: int = 8, patch: int = 5
) -> Points:
    """Turn transferred colors into hints.

    Args:
        ab: ``(B, 2, H, W)`` in CIE units.
        generators: Source of the randomness of ``random``.
        kind: See `HintLayout`.
        grid: Cells of ``grid`` along each side.
        patch: Side of a patch in pixels of a picture of 256; it grows with the picture.
    """
    match kind:
        case "dense":
            return Points(ab, torch.ones_like(ab[:, :1]))
        case "random":
            return simulate_points(ab, generators)
        case "grid":
            return grid_hints(ab, grid, patch)


def grid_hints(ab: Tensor, grid: int, patch: int) -> Points:
    """Place a patch with its mean color in the middle of each cell of a grid; see `sample_hints`."""
    ab = ab.float()
    height, width = ab.shape[-2:]
    side = patch * min(height, width) / _PATCH_SIDE_AT
    rows, columns = (_patches(length, grid, side, ab) for length in (height, width))
    with torch.autocast(ab.device.type, enabled=False):  # colors are no weights: bfloat16 would round them
        mean = _normalized(rows) @ ab @ _normalized(columns).T
        painted = rows.T @ mean @ columns
    cover = rows.sum(0)[:, None] * columns.sum(0)  # more than 1 where a tiny picture makes patches overlap
    return Points(painted / cover.clamp(min=1), (cover > 0).to(ab).expand_as(ab[:, :1]).clone())


def _patches(length: int, grid: int, side: float, like: Tensor) -> Tensor:
    """Return ``(grid, length)`` in {0, 1}: which pixels of an axis belong to the patch of each cell."""
    pixel = torch.arange(length, device=like.device)
    center = (torch.arange(grid, device=like.device) + 0.5) * length / grid
    extent = (torch.zeros_like(center) + side).round().clamp(min=1)  # whole pixels, at least one
    first = (center - extent / 2).floor().clamp(min=0)[:, None]
    inside = (pixel >= first) & (pixel < first + extent[:, None])
    return inside.to(like.dtype)


def _normalized(patches: Tensor) -> Tensor:
    return patches / patches.sum(dim=1, keepdim=True).clamp(min=1)


def weigh_transfer(
    transferred: Tensor, automatic: Tensor, logits: Tensor, centers: Tensor, error: float
) -> Tensor:
    """Move transferred colors towards the automatic ones where the network is the surer of the two (ours).

    Both are taken for measurements of the same color: the variance of the automatic one is that of the
    network's distribution, and that of the transferred one at least ``error`` squared, or what its distance
    from the automatic colors shows beyond what these explain. A reference that does not fit is found out.

    Args:
        transferred: ``(B, 2, H, W)`` in CIE units.
        automatic: ``(B, 2, H, W)``.
        logits: ``(B, 529, ceil(H/4), ceil(W/4))`` over the ab grid.
        centers: ``(529, 2)``, the colors of the grid.
        error: Deviation of a good transfer, in CIE units.
    """
    variance = F.interpolate(_variance(logits, centers), size=transferred.shape[-2:], mode="bilinear")
    apart = (transferred - automatic).square().mean(dim=1, keepdim=True)
    excess = (apart - variance).mean(dim=(1, 2, 3), keepdim=True).clamp(min=error**2)
    return automatic + variance / (variance + excess) * (transferred - automatic)


def _variance(logits: Tensor, centers: Tensor) -> Tensor:
    """Return the mean variance of a and b ``(B, 1, h, w)`` of a distribution over the ab grid."""
    with torch.autocast(logits.device.type, enabled=False):  # large squares are subtracted from each other
        share = logits.float().softmax(dim=1)
        mean = torch.einsum("bqhw,qc->bchw", share, centers)
        square = torch.einsum("bqhw,q->bhw", share, centers.square().sum(dim=1))
        return ((square - mean.square().sum(dim=1)) / 2).clamp(min=0).unsqueeze(1)


def merge_points(given: Points | None, hints: Points) -> Points:
    """Lay the points that a user gave over hints."""
    if given is None:
        return hints
    ab = torch.where(given.mask > 0, given.ab, hints.ab)
    return Points(ab, torch.maximum(given.mask, hints.mask))
