"""Additions to Xu et al. 2020; all off in the paper's model."""

from __future__ import annotations

from dataclasses import dataclass

from colorzoo.settings import Count, Share, Weight, Width


@dataclass(frozen=True)
class Extensions:
    """Additions to Xu et al. 2020.

    Attributes:
        color_width: Multiplier of the channel counts of the colorization sub-net; None takes ``width``.
        hint_attention: See `HintUNet`.
        scene_blocks: See `HintUNet`.
        backbone: Registered Local Hints model whose weights the colorization sub-net starts from; weight
            files store only the weights that differ from it.
        transfer_error: Standard deviation of a good transfer in CIE units, by which transferred colors are
            weighted against the network's own, see `weigh_transfer`; None uses them unchanged.
        none_share: Share of the training pictures without points.
        grid_share: Share of those whose hints are the grid of inference, with true colors.
        transferred_share: Share of those whose hints are the grid with transferred colors, from references
            that are related, unrelated, or a mixture.
    """

    color_width: Width | None = None
    hint_attention: bool = False
    scene_blocks: Count = 0
    backbone: str | None = None
    transfer_error: Weight | None = None
    none_share: Share = 0.0
    grid_share: Share = 0.0
    transferred_share: Share = 0.0
