"""Local Hints network of Zhang et al. 2017: lightness and color points in, ab and a distribution out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from torch import Tensor, nn

from colorzoo.guidance import Points
from colorzoo.networks.hint_input import AB_SCALE, hint_input
from colorzoo.networks.hint_memory import HintMemory
from colorzoo.networks.hint_unet import Detach, HintEncoding, HintUNet
from colorzoo.networks.padding import cells
from colorzoo.networks.taps import TapState, Visit
from colorzoo.zoo.zhang2017.hypercolumn import HypercolumnHead


class LocalHintsOutput(NamedTuple):
    """Answer of the network.

    Attributes:
        ab: ``(B, 2, H, W)`` in CIE units.
        logits: ``(B, 529, ceil(H/4), ceil(W/4))`` over the 23 x 23 ab grid, or from a hypercolumn head
            ``(B, 313, ...)`` over the bins inside the sRGB hull.
        deep: ``(B, C, ceil(H/8), ceil(W/8))``, the deepest map, from which a picture's label is told.
    """

    ab: Tensor
    logits: Tensor
    deep: Tensor


class LocalHintsNetwork(nn.Module):
    """The U-Net with the paper's normalization around it (fact: L - 50 over 100, ab over 110).

    Args:
        width: Multiplier of every channel count; 1.0 is the published network.
        mask_center: Subtracted from the hint mask: 0 for the released converted weights, 0.5 for the
            retrained ones.
        hint_attention: See `HintUNet`.
        channel_attention: See `HintUNet`.
        rank_layers: See `HintUNet`.
        scene_blocks: See `HintUNet`.
        hypercolumn: Answer the distribution by the paper's head instead of the published 529-way one.
        ab_scale: What 1 at the output means in CIE units: 110, or 100 for the authors' Caffe weights.
    """

    def __init__(
        self,
        width: float = 1.0,
        *,
        mask_center: float = 0.0,
        hint_attention: bool = False,
        channel_attention: bool = False,
        rank_layers: int = 0,
        scene_blocks: int = 0,
        hypercolumn: bool = False,
        ab_scale: float = AB_SCALE,
    ) -> None:
        super().__init__()
        self.mask_center, self.ab_scale = mask_center, ab_scale
        self.unet = HintUNet(
            4,
            width,
            hint_attention=hint_attention,
            channel_attention=channel_attention,
            rank_layers=rank_layers,
            scene_blocks=scene_blocks,
        )
        self.hypercolumn = HypercolumnHead(width) if hypercolumn else None

    def forward(
        self, luma: Tensor, points: Points, *, detach: Detach = "none", decode_every: int = 1
    ) -> LocalHintsOutput:
        """Color a picture of any size.

        Args:
            luma: ``(B, 1, H, W)`` in [0, 100].
            points: Hints of the same size.
            detach: See `HintUNet.forward`.
            decode_every: See `HintUNet.forward`; ab is that of the decoded pictures.
        """
        height, width = luma.shape[-2:]
        hinted = hint_input(luma, points, self.mask_center)
        out = self.unet(*hinted, detach=detach, decode_every=decode_every)
        rows, columns = cells(height, 4), cells(width, 4)
        ab = out.ab[:, :, :height, :width].float() * self.ab_scale
        logits = out.logits if self.hypercolumn is None else self.hypercolumn(out.maps, out.trunk)
        return LocalHintsOutput(ab, logits[:, :, :rows, :columns].float(), out.deep)

    def edit(self, luma: Tensor, points: Points, memory: HintMemory) -> tuple[Tensor, HintEncoding]:
        """Color one picture, of which other points were seen before.

        Args:
            luma: ``(1, 1, H, W)`` in [0, 100].
            points: Hints of the same size.
            memory: Of this network's U-Net.

        Returns:
            ab ``(1, 2, H, W)`` in CIE units, and what `distribution` reads.
        """
        height, width = luma.shape[-2:]
        x, hints = hint_input(luma, points, self.mask_center)
        encoded = self.unet.deepen(memory.shallow(x), hints)
        return self.unet.decode(encoded)[:, :, :height, :width].float() * self.ab_scale, encoded

    def distribution(self, trunk: Tensor, maps: Sequence[Tensor], size: tuple[int, int]) -> Tensor:
        """Return the logits of `LocalHintsOutput` for a picture of a height and a width from its encoding."""
        logits = self.unet.distribution(trunk) if self.hypercolumn is None else self.hypercolumn(maps, trunk)
        return logits[:, :, : cells(size[0], 4), : cells(size[1], 4)].float()

    def before_taps(self, luma: Tensor, points: Points) -> TapState:
        """Run all that comes before block 9; arguments as of `forward`."""
        encoded = self.unet.encode(*hint_input(luma, points, self.mask_center))
        return TapState(encoded[:3], (luma.shape[-2], luma.shape[-1]))

    def after_taps(self, state: TapState, visit: Visit) -> Tensor:
        """Return ``(B, 2, H, W)`` ab in CIE units."""
        height, width = state.size
        trunk, beside9, beside10 = state.maps
        ab = self.unet.decode(HintEncoding(trunk, beside9, beside10, ()), visit)
        return ab[:, :, :height, :width].float() * self.ab_scale
