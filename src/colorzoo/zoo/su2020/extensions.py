"""What `su2020_small` adds to the paper; all off in the paper's model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from torch import Tensor

from colorzoo.errors import ColorzooError
from colorzoo.guidance import Points, PointSimulation, simulate_points
from colorzoo.networks.borrowed import borrow
from colorzoo.randomness import picture_generators
from colorzoo.zoo.su2020.network import InstanceNetworks

if TYPE_CHECKING:
    from colorzoo.data.dataset import Batch

_ENCODER = (*(f"block{index}." for index in range(1, 8)), "scene.")
_HEAD = "class_head."
_FUSED_END = ("block10.", "ab_head.")  # what the third stage trains beside the fusion layers


@dataclass(frozen=True)
class InstanceExtensions:
    """Extensions of Su et al. 2020.

    Attributes:
        hint_attention: See `HintUNet`.
        scene_blocks: See `HintUNet`.
        trunk: Registered Local Hints model that the networks stand on, with `keep_trunk`.
        keep_trunk: Leave the full-image network and the encoders of the other two as the trunk has them: they
            are neither trained nor saved, so that a weight file is small.
        random_boxes: Boxes drawn at random for a training picture that has none; with 0 the whole picture is
            one.
        colorfulness: Weight the loss by 1 + c * chroma / 20 of the true color, so that an unsure network does
            not fall back to gray.
        hints: Share of the training pictures that get color points.
    """

    hint_attention: bool = False
    scene_blocks: int = 0
    trunk: str | None = None
    keep_trunk: bool = False
    random_boxes: int = 0
    colorfulness: float = 0.0
    hints: float = 0.0

    def __post_init__(self) -> None:
        """Refuse half of a pair.

        Raises:
            ColorzooError: A trunk is named but not kept, or the other way round.
        """
        if self.keep_trunk != (self.trunk is not None):
            raise ColorzooError(
                "trunk and keep_trunk go together; to begin with a model's weights and train them, use start."
            )


def keep_trunk(network: InstanceNetworks) -> None:
    """Neither train nor save what the networks have from their trunk."""
    borrow(network, [key for key in network.state_dict() if not _own(key)])


def _own(key: str) -> bool:
    """Say whether a weight is the networks' own: the instance decoder, and what is fused."""
    part, _, name = key.partition(".")
    own = {
        "full": False,
        "instance": not name.startswith((*_ENCODER, _HEAD)),
        "fusion": name.startswith(_FUSED_END),
        "layers": True,
    }
    return own[part]


def training_points(extensions: InstanceExtensions, ab: Tensor, batch: Batch) -> Points:
    """Draw the points of a training batch, each picture its own."""
    simulation = PointSimulation(none=1 - extensions.hints)
    return simulate_points(ab, picture_generators(batch["seed"], "points"), simulation)
