"""Both sub-nets of Xu et al. 2020 joined as the paper describes: color, transfer, take hints, color again."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from colorzoo.color import grid_centers, lab_to_rgb, rgb_to_lab
from colorzoo.guidance import Points
from colorzoo.randomness import Generators
from colorzoo.zoo.xu2020.color import ColorNetwork, HintLayout, merge_points, sample_hints, weigh_transfer
from colorzoo.zoo.xu2020.tiles import look_in_tiles, too_large, transfer_in_tiles
from colorzoo.zoo.xu2020.transfer import PLACE_SETS, Adapt, TransferNetwork, match_look, place_of
from colorzoo.zoo.xu2020.transforms import Transform

_RANDOM_SEED = 0  # of hints that are drawn: the same picture gets the same colors every time


class ExemplarOutput(NamedTuple):
    """What each step of the pipeline answers; maps are ``(B, 2, H, W)`` in CIE units.

    Attributes:
        ab: The result.
        logits: ``(B, 529, ceil(H/4), ceil(W/4))``.
        automatic: Without a reference; the pre-color that the transfer starts from.
        transferred: What the transfer sub-net made of it.
    """

    ab: Tensor
    logits: Tensor
    automatic: Tensor
    transferred: Tensor


class ExemplarNetwork(nn.Module):
    """The pipeline.

    Args:
        width: Multiplier of the channel counts of the transfer sub-net.
        color_width: Multiplier of those of the colorization sub-net.
        hint_attention: See `HintUNet`.
        scene_blocks: See `HintUNet`.
        places: Sets of places at which moments are matched, of ``encoder``, ``skip`` and ``decoder``.
        hints: How transferred colors become hints, see `sample_hints`.
        hint_grid: See `sample_hints`.
        hint_patch: See `sample_hints`.
        transfer_error: See `weigh_transfer`; None takes hints as they are transferred, as in the paper.
    """

    centers: Tensor

    def __init__(
        self,
        width: float = 1.0,
        color_width: float = 1.0,
        *,
        hint_attention: bool = False,
        scene_blocks: int = 0,
        places: tuple[str, ...] = PLACE_SETS,
        hints: HintLayout = "grid",
        hint_grid: int = 8,
        hint_patch: int = 5,
        transfer_error: float | None = None,
    ) -> None:
        super().__init__()
        self.places, self.hints, self.hint_grid, self.hint_patch = places, hints, hint_grid, hint_patch
        self.transfer_error = transfer_error
        self.register_buffer("centers", grid_centers(), persistent=False)
        self.transfer = TransferNetwork(width)
        self.color = ColorNetwork(color_width, hint_attention=hint_attention, scene_blocks=scene_blocks)

    def forward(
        self, luma: Tensor, look: Tensor, *, points: Points | None = None, alpha: Tensor | float = 1.0
    ) -> ExemplarOutput:
        """Color a picture of any size by the look of a reference.

        Args:
            luma: ``(B, 1, H, W)`` in [0, 100].
            look: ``(B, 2, 1856w)``, see `TransferNetwork.look`.
            points: Colors that the user gives besides; they go before those of the reference.
            alpha: How far statistics move to those of the reference, 0 to 1.
        """
        automatic, transferred, hints = self.looked_up(luma, look, points=points, alpha=alpha)
        ab, logits = self.color(luma, hints)
        return ExemplarOutput(ab, logits, automatic, transferred)

    def looked_up(
        self, luma: Tensor, look: Tensor, *, points: Points | None = None, alpha: Tensor | float = 1.0
    ) -> tuple[Tensor, Tensor, Points]:
        """Return the pre-color, the transferred color, and the hints of the last pass; as `forward`."""
        automatic, logits = self.color(luma, points or Points.none(luma))
        transferred = self.transferred(luma, automatic, look, alpha)
        colors = transferred
        if self.transfer_error is not None:
            colors = weigh_transfer(transferred, automatic, logits, self.centers, self.transfer_error)
        hints = self.hints_of(colors, torch.Generator().manual_seed(_RANDOM_SEED))
        return automatic, transferred, merge_points(points, hints)

    def transferred(self, luma: Tensor, ab: Tensor, look: Tensor, alpha: Tensor | float = 1.0) -> Tensor:
        """Return the ab ``(B, 2, H, W)`` of a colored picture with the look of a reference (T_ab)."""
        content = lab_to_rgb(torch.cat([luma, ab], dim=1))
        if too_large(content):
            targets = self.transfer.split_look(look)
            rgb = transfer_in_tiles(self.transfer, content, targets, self.places, alpha)
        else:
            rgb = self.transfer(content, self.adapt(look, alpha))
        return rgb_to_lab(rgb.clamp(0, 1))[:, 1:]

    def look(self, rgb: Tensor) -> Tensor:
        """Return the look of references ``(B, 3, H, W)``, large ones in tiles."""
        return look_in_tiles(self.transfer, rgb) if too_large(rgb) else self.transfer.look(rgb)

    def adapt(self, look: Tensor, alpha: Tensor | float = 1.0) -> Adapt:
        """Return what matches the moments of a look at the places that are switched on."""
        return match_look(self.transfer.split_look(look), self.places, alpha)

    def adapt_maps(self, style: Tensor, transform: Transform, alpha: float = 1.0) -> Adapt:
        """Return what applies a transform that needs the feature maps of a reference ``(B, 3, H, W)``."""
        maps = self.transfer.style_maps(style)

        def adapt(place: str, content: Tensor) -> Tensor:
            known = place_of(place, self.places)
            return content if known is None else transform(content, maps[known], alpha)

        return adapt

    def hints_of(self, ab: Tensor, generators: Generators) -> Points:
        """Sample transferred colors as this network is set to."""
        return sample_hints(ab, generators, kind=self.hints, grid=self.hint_grid, patch=self.hint_patch)
