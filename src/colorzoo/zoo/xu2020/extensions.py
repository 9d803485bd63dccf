"""What is not in the paper of Xu et al. 2020: two more stages, their hints (`exposure`), and weighing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from colorzoo.tasks import Stage

_COLOR_DECODER = (
    *("up8", "skip3", "block8", "attention", "inject", "up9", "skip2", "block9"),
    *("up10", "skip1", "block10", "ab_head"),
)

EXTRA_STAGES: Mapping[str, Stage] = {
    # both halves of the transfer sub-net together, where no VGG-19 can be had
    "encoder": Stage(trains=("network.transfer.*",)),
    # the decoder of the colorization sub-net alone, which learns what transferred hints are worth
    "exposure": Stage(trains=tuple(f"network.color.unet.{name}.*" for name in _COLOR_DECODER)),
}


@dataclass(frozen=True)
class ExemplarExtensions:
    """Extensions of Xu et al. 2020.

    Attributes:
        color_width: Multiplier of the channel counts of the colorization sub-net; None takes ``width``.
        hint_attention: See `HintUNet`.
        scene_blocks: See `HintUNet`.
        backbone: Registered Local Hints model whose weights the colorization sub-net stands on; weight files
            hold only what differs from it.
        transfer_error: Deviation of a good transfer, in CIE units: with it transferred colors count less
            where the network is surer, and the more they contradict it; None takes them as they are.
        none_share: Share of the training pictures that get no points.
        grid_share: Share whose hints are the grid of inference, with true colors.
        transferred_share: Share whose hints are the grid with transferred colors, from references that are
            related, foreign, or between.
    """

    color_width: float | None = None
    hint_attention: bool = False
    scene_blocks: int = 0
    backbone: str | None = None
    transfer_error: float | None = None
    none_share: float = 0.0
    grid_share: float = 0.0
    transferred_share: float = 0.0
