"""Extensions of `su2020_small` that are not in the paper."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass

import torch
from torch import Tensor

from colorzoo.data.dataset import Batch
from colorzoo.factory import create_backbone
from colorzoo.guidance import Points
from colorzoo.losses import smooth_l1_map, weighted_by_chroma
from colorzoo.networks.hint_unet import initialize, point_network
from colorzoo.networks.shared_weights import borrow
from colorzoo.randomness import image_generators
from colorzoo.settings import Fraction, NonNegativeFloat, NonNegativeInt
from colorzoo.simulation.points import PointSimulation, simulate_points
from colorzoo.zoo.su2020.network import InstanceNetworks

_SIDES = (0.25, 0.7)  # range of random box sides, as fractions of the image sides
_ENCODER = (*(f"block{index}." for index in range(1, 8)), "scene.")
_HEAD = "class_head."
_FUSED_END = ("block10.", "ab_head.")  # trained in the third stage together with the fusion layers


@dataclass(frozen=True)
class InstanceExtensions:
    """Extensions of `su2020_small` that are not in the paper.

    Attributes:
        trunk: Name of a Local Hints model (Zhang et al. 2017) that provides all three networks and determines
            ``width``, ``mask_center`` and the scale of the output; see `networks_from`.
        random_boxes: Number of random boxes for training images without boxes; 0 uses the whole image as the
            only box.
        colorfulness: Factor c in the loss weight 1 + c * chroma / 20, with chroma in CIE units. Larger
            factors counteract desaturated predictions.
        hints: Fraction of the training images with simulated color points.
    """

    trunk: str | None = None
    random_boxes: NonNegativeInt = 0
    colorfulness: NonNegativeFloat = 0.0
    hints: Fraction = 0.0


def networks_from(trunk: str) -> InstanceNetworks:
    """Return three copies of a Local Hints network and new fusion layers.

    The decoder of the instance network, the last layers of the fusion network and the fusion layers are
    trainable. The other weights are frozen and not stored in weight files.

    Args:
        trunk: Name of the Local Hints model.
    """
    local_hints = point_network(create_backbone(trunk, "trunk"), "--model.extensions.trunk")
    unets = [deepcopy(local_hints.unet) for _ in range(3)]
    network = InstanceNetworks(unets, local_hints.mask_center, local_hints.ab_scale)
    initialize(network.layers, None)
    borrow(network, [key for key in network.state_dict() if not _is_trained(key)])
    return network


def _is_trained(key: str) -> bool:
    """Return whether a weight belongs to the instance decoder or the fusion layers."""
    part, _, name = key.partition(".")
    if part == "instance":
        return not name.startswith((*_ENCODER, _HEAD))
    return part == "layers" or (part == "fusion" and name.startswith(_FUSED_END))


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


def random_boxes(generator: torch.Generator, count: int) -> Tensor:
    """Return random boxes ``(count, 4)`` as fractions of the image size.

    The box sides are 0.25 to 0.7 of the image sides.
    """
    draws = torch.rand(count, 4, generator=generator)
    side = _SIDES[0] + (_SIDES[1] - _SIDES[0]) * draws[:, :2]
    start = draws[:, 2:] * (1 - side)
    return torch.cat([start, start + side], dim=1)
