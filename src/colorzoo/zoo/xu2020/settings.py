"""Settings and stages of Xu et al. 2020, as the paper and its authors' code have them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from colorzoo.tasks import Stage
from colorzoo.zoo.xu2020.color import HintLayout
from colorzoo.zoo.xu2020.transfer import PLACE_SETS


@dataclass(frozen=True)
class ExemplarArchitecture:
    """The two sub-nets, and how colors go from the first to the second.

    Attributes:
        width: Multiplier of the channel counts; 1.0 is the published network.
        places: Sets of places at which moments are matched (figure 5 of the paper).
        hints: How transferred colors become hints, which the paper does not say: a ``grid`` of patches,
            ``dense``, or ``random`` as in training.
        hint_grid: Cells of the grid along each side.
        hint_patch: Side of a patch in pixels of a picture of 256.
    """

    width: float = 1.0
    places: tuple[str, ...] = PLACE_SETS
    hints: HintLayout = "grid"
    hint_grid: int = 8
    hint_patch: int = 5


@dataclass(frozen=True)
class ExemplarObjective:
    """The losses of both sub-nets.

    Attributes:
        image_weight: Weight of the squared error of the picture in training the decoder.
        perceptual_weight: Weight of that of relu4_1; the paper does not name the layer.
        hint_weight: lambda of the masked Huber loss.
        delta: Its delta, of ab over 110; the paper gives none.
    """

    image_weight: float = 0.8
    perceptual_weight: float = 0.2
    hint_weight: float = 10.0
    delta: float = 1.0


# No gradient reaches the head over the ab grid: the paper's loss does not read it.
STAGES: Mapping[str, Stage] = {
    "decoder": Stage(trains=("network.transfer.decoder.*",)),
    "color": Stage(trains=("network.color.*",), leaves=("*.class_head.*",)),
}
