"""Settings of the Zhang 2017 networks and their training, as the paper and its authors' code have them."""

from __future__ import annotations

from dataclasses import dataclass

from colorzoo.networks.hint_input import AB_SCALE
from colorzoo.networks.hint_unet import Detach
from colorzoo.tasks import Stage


@dataclass(frozen=True)
class LocalArchitecture:
    """The Local Hints network (section 3.3).

    Attributes:
        width: Multiplier of every channel count; 1.0 is the published network.
        mask_center: Subtracted from the hint mask: 0 for the released converted weights, 0.5 for the
            retrained ones.
        hypercolumn: Answer the distribution by the paper's hypercolumn head over 313 bins, which sends no
            gradient into the trunk, instead of the published head over 529.
        ab_scale: What 1 at the output means in CIE units: 110, or 100 for the authors' Caffe weights.
        init_std: Deviation of the initial weights; None takes He's.
    """

    width: float = 1.0
    mask_center: float = 0.0
    hypercolumn: bool = False
    ab_scale: float = AB_SCALE
    init_std: float | None = 0.02


@dataclass(frozen=True)
class GlobalArchitecture:
    """The Global Hints network.

    Attributes:
        width: Multiplier of every channel count; 1.0 is the published network.
        ab_scale: What 1 at the output means in CIE units: 110, or 100 for the authors' Caffe weights.
        init_std: Deviation of the initial weights; None takes He's.
    """

    width: float = 1.0
    ab_scale: float = AB_SCALE
    init_std: float | None = 0.02


@dataclass(frozen=True)
class LocalObjective:
    """The losses (eq. 3 and 4, and the authors' ``pix2pix_model.py``).

    Attributes:
        regression_weight: Weight of smooth-l1, mean over pixels, in CIE units; 10 on ab / 110 in the code.
        classification_weight: Weight of the cross-entropy.
        delta: Where smooth-l1 turns linear, in CIE units.
    """

    regression_weight: float = 10 / AB_SCALE
    classification_weight: float = 1.0
    delta: float = 1.0


@dataclass(frozen=True)
class LocalUsers:
    """The simulated users of training (section 3.2).

    Attributes:
        hints: Share of the training pictures that get points at all; 0 before the regression stage.
        stop_probability: p of P(n) = (1 - p)^n p.
        reveal_all: Share of the pictures that show all their colors.
    """

    hints: float = 1.0
    stop_probability: float = 1 / 8
    reveal_all: float = 0.01


@dataclass(frozen=True)
class GlobalUsers:
    """What training pictures tell of themselves; neither share is published.

    Attributes:
        histogram_share: Share that shows its histogram.
        saturation_share: Share that shows its saturation.
    """

    histogram_share: float = 0.5
    saturation_share: float = 0.5


@dataclass(frozen=True)
class LocalStage(Stage):
    """A stage of Local Hints.

    Attributes:
        detach: Which head sends no gradient into the trunk.
    """

    detach: Detach = "none"


LOCAL_STAGES = {
    "classification": LocalStage(detach="regression"),
    "regression": LocalStage(detach="classification"),
    "joint": LocalStage(detach="none"),  # ours: both heads teach the trunk
    # ours: all behind the encoder, which other models borrow
    "scene": LocalStage(leaves=("network.unet.block[1-7].*",)),
    # ours: more color where nothing is known, by the layers that no other model borrows
    "colors": LocalStage(trains=("network.unet.block10.*", "network.unet.ab_head.*")),
    "distribution": LocalStage(trains=("network.hypercolumn.*",)),  # section 3.3: the head alone
}
