"""Extensions of `su2020_small` that are not in the paper."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from colorzoo.data.dataset import Batch
from colorzoo.errors import ColorzooError
from colorzoo.factory import create_backbone
from colorzoo.guidance import Points
from colorzoo.losses import smooth_l1_map, weighted_by_chroma
from colorzoo.networks.hint_extensions import ExtendedHintUNet
from colorzoo.networks.shared_weights import borrow
from colorzoo.randomness import image_generators
from colorzoo.settings import Fraction, NonNegativeFloat, NonNegativeInt
from colorzoo.simulation.points import PointSimulation, simulate_points
from colorzoo.zoo.su2020.network import InstanceArchitecture, InstanceNetworks, copy_trunk

_SIDES = (0.25, 0.7)  # range of random box sides, as fractions of the image sides
_ENCODER = (*(f"block{index}." for index in range(1, 8)), "scene.")
_HEAD = "class_head."
_FUSED_END = ("block10.", "ab_head.")  # trained in the third stage together with the fusion layers


@dataclass(frozen=True)
class InstanceExtensions:
    """Extensions of `su2020_small` that are not in the paper.

    Attributes:
        hint_attention: Whether to add an attention layer for hint colors; see `ExtendedHintUNet`.
        scene_blocks: Number of ConvNeXt blocks at stride 16; see `ExtendedHintUNet`.
        trunk: Name of a Local Hints model (Zhang et al. 2017) that provides the weights of all three
            networks; requires `keep_trunk`.
        keep_trunk: Whether to freeze the weights from ``trunk`` and omit them from weight files. The decoder
            of the instance network and the last layers of the fusion network remain trainable. Requires
            `trunk`.
        random_boxes: Number of random boxes for training images without boxes; 0 uses the whole image as the
            only box.
        colorfulness: Factor c in the loss weight 1 + c * chroma / 20, with chroma in CIE units. Larger
            factors counteract desaturated predictions.
        hints: Fraction of the training images with simulated color points.
    """

    hint_attention: bool = False
    scene_blocks: NonNegativeInt = 0
    trunk: str | None = None
    keep_trunk: bool = False
    random_boxes: NonNegativeInt = 0
    colorfulness: NonNegativeFloat = 0.0
    hints: Fraction = 0.0

    def __post_init__(self) -> None:
        """Check that `trunk` and `keep_trunk` are set together.

        Raises:
            ColorzooError: Only one of `trunk` and `keep_trunk` is set.
        """
        if self.keep_trunk and self.trunk is None:
            raise ColorzooError(
                "--model.extensions.keep_trunk requires --model.extensions.trunk. Set "
                "--model.extensions.trunk to a Local Hints model, or remove --model.extensions.keep_trunk."
            )
        if self.trunk is not None and not self.keep_trunk:
            raise ColorzooError(
                "--model.extensions.trunk requires --model.extensions.keep_trunk. Set "
                "--model.extensions.keep_trunk true. To train all layers, replace --model.extensions.trunk "
                "with --model.start."
            )


def build_unet(architecture: InstanceArchitecture, extensions: InstanceExtensions) -> ExtendedHintUNet:
    """Return a U-Net with the layers that ``extensions`` adds to the paper's network."""
    return ExtendedHintUNet(
        architecture.width,
        mask_center=architecture.mask_center,
        hint_attention=extensions.hint_attention,
        scene_blocks=extensions.scene_blocks,
    )


def take_trunk(name: str, network: InstanceNetworks) -> None:
    """Copy the weights of a Local Hints model, and exclude them from training and weight files.

    The decoder of the instance network, the last layers of the fusion network and the fusion layers remain
    trainable.

    Args:
        name: Name of the Local Hints model.
        network: Networks that get the weights.
    """
    copy_trunk(create_backbone(name, "trunk").network, network, f"trunk={name!r}")
    borrow(network, [key for key in network.state_dict() if not _own(key)])


def _own(key: str) -> bool:
    """Return whether a weight belongs to the instance decoder or the fusion layers."""
    part, _, name = key.partition(".")
    own = {
        "full": False,
        "instance": not name.startswith((*_ENCODER, _HEAD)),
        "fusion": name.startswith(_FUSED_END),
        "layers": True,
    }
    return own[part]


def random_points(ab: Tensor, batch: Batch, share: float) -> Points:
    """Sample points with the true colors for a training batch.

    Args:
        ab: Ground truth ab ``(B, 2, H, W)`` in CIE units.
        batch: Training batch, which contains a random seed for each image.
        share: Fraction of the images with points.
    """
    return simulate_points(ab, image_generators(batch["seed"], "points"), PointSimulation(none=1 - share))


def chroma_weighted_errors(predicted: Tensor, ab: Tensor, delta: float, colorfulness: float) -> Tensor:
    """Return smooth L1 distances ``(B, 1, H, W)``, weighted by the chroma of the ground truth.

    Args:
        predicted: Predicted ab ``(B, 2, H, W)`` in CIE units.
        ab: Ground truth ab ``(B, 2, H, W)`` in CIE units.
        delta: Error in CIE units at which the distance changes from quadratic to linear.
        colorfulness: Increase of the weight at a chroma of 20 CIE units.
    """
    return weighted_by_chroma(smooth_l1_map(predicted, ab, delta=delta), ab, colorfulness)


def random_boxes(count: int, generator: torch.Generator) -> Tensor:
    """Return random boxes ``(count, 4)`` as fractions of the image size.

    The box sides are 0.25 to 0.7 of the image sides.
    """
    draws = torch.rand(count, 4, generator=generator)
    side = _SIDES[0] + (_SIDES[1] - _SIDES[0]) * draws[:, :2]
    start = draws[:, 2:] * (1 - side)
    return torch.cat([start, start + side], dim=1)
