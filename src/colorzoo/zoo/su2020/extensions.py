"""Additions to Su et al. 2020 in `su2020_small`; all off in the paper's model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from torch import Tensor

from colorzoo.errors import ColorzooError
from colorzoo.guidance import Points
from colorzoo.networks.shared_weights import borrow
from colorzoo.randomness import picture_generators
from colorzoo.settings import Count, Share, Weight
from colorzoo.simulation.points import PointSimulation, simulate_points
from colorzoo.zoo.su2020.network import InstanceNetworks

if TYPE_CHECKING:
    from colorzoo.data.dataset import Batch

_ENCODER = (*(f"block{index}." for index in range(1, 8)), "scene.")
_HEAD = "class_head."
_FUSED_END = ("block10.", "ab_head.")  # trained by the third stage beside the fusion layers


@dataclass(frozen=True)
class InstanceExtensions:
    """Additions to Su et al. 2020.

    Attributes:
        hint_attention: See `HintUNet`.
        scene_blocks: See `HintUNet`.
        trunk: Registered Local Hints model whose layers the networks use; requires `keep_trunk`.
        keep_trunk: Use the trunk's layers as the full-image network and as the encoders of the other two;
            they are neither trained nor stored in weight files.
        random_boxes: Number of random boxes of a training picture without boxes; with 0 the whole picture is
            one.
        colorfulness: Weight the loss by 1 + c * chroma / 20 of the true color, so that an uncertain network
            does not return gray.
        hints: Share of the training pictures with color points.
    """

    hint_attention: bool = False
    scene_blocks: Count = 0
    trunk: str | None = None
    keep_trunk: bool = False
    random_boxes: Count = 0
    colorfulness: Weight = 0.0
    hints: Share = 0.0

    def __post_init__(self) -> None:
        """Check `trunk` and `keep_trunk`.

        Raises:
            ColorzooError: Only one of them is set.
        """
        if self.keep_trunk != (self.trunk is not None):
            raise ColorzooError(
                "trunk and keep_trunk must be set together; to train a model further, use start."
            )


def keep_trunk(network: InstanceNetworks) -> None:
    """Exclude the trunk's layers from training and from weight files."""
    borrow(network, [key for key in network.state_dict() if not _own(key)])


def _own(key: str) -> bool:
    """Return whether a weight is not the trunk's: those of the instance decoder and the fusion."""
    part, _, name = key.partition(".")
    own = {
        "full": False,
        "instance": not name.startswith((*_ENCODER, _HEAD)),
        "fusion": name.startswith(_FUSED_END),
        "layers": True,
    }
    return own[part]


def training_points(extensions: InstanceExtensions, ab: Tensor, batch: Batch) -> Points:
    """Draw the points of a training batch from the seeds of its pictures."""
    simulation = PointSimulation(none=1 - extensions.hints)
    return simulate_points(ab, picture_generators(batch["seed"], "points"), simulation)
