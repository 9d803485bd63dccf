"""Settings and stages of Su et al. 2020, as the paper and its authors' code have them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from colorzoo.tasks import Stage


@dataclass(frozen=True)
class InstanceArchitecture:
    """The three networks.

    Attributes:
        width: Multiplier of every channel count; 1.0 is the published network.
        mask_center: Subtracted from the hint mask; 0.5 in the published weights.
        init_std: Deviation of the initial weights; None takes He's.
    """

    width: float = 1.0
    mask_center: float = 0.5
    init_std: float | None = None


# The head over the ab grid gets no gradient: no loss of the paper reads it.
STAGES: Mapping[str, Stage] = {
    "full": Stage(trains=("network.full.*",), leaves=("*.class_head.*",)),
    "instance": Stage(trains=("network.instance.*",), leaves=("*.class_head.*",)),
    "fusion": Stage(trains=("network.layers.*", "network.fusion.block10.*", "network.fusion.ab_head.*")),
}

# The authors' training script: between two stages the full-image network is copied to networks that were not
# trained yet. Keys: the stage that weights were trained in, the stage that begins.
COPIES: Mapping[tuple[str, str], tuple[str, ...]] = {
    ("full", "instance"): ("instance",),
    ("full", "fusion"): ("instance", "fusion"),
    ("instance", "fusion"): ("fusion",),
}
