"""Extensions of Deep Exemplar-based Video Colorization that are not in the paper.

Simulated previous frames replace the videos on which the paper trains.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from colorzoo.factory import create_backbone
from colorzoo.networks.exemplar_extensions import ExemplarExtensions
from colorzoo.networks.shared_weights import borrow
from colorzoo.precision import in_float32
from colorzoo.randomness import draw_uniform, image_generators

_FIRST_WEIGHT = "conv1.0.weight"
_TRAINABLE = ("conv1.", "conv2.", "up10.", "skip1.", "conv10.", "ab.")  # trainable with a donor


@dataclass(frozen=True)
class Extensions(ExemplarExtensions):
    """Extensions that are not in the paper, in addition to `ExemplarExtensions`.

    Attributes:
        donor: Name of a chen2023 model that provides the weights of the correspondence and color networks.
            Only the color network's layers at full and 1/2 scale are then trained.
    """

    donor: str | None = None


def take_layers(donor: str, correspondence: nn.Module, network: nn.Module) -> None:
    """Copy and freeze the weights of a chen2023 model.

    The color network's layers at full and 1/2 scale are not frozen. The weights for the previous frame are
    set to 0, because chen2023 has no such input.

    Args:
        donor: Name of the chen2023 model.
        correspondence: Target correspondence network.
        network: Target color network.

    Raises:
        WeightsError: ``donor`` has no trained weights on this machine.
    """
    source: Any = create_backbone(donor, "donor", offline=True)
    correspondence.load_state_dict(source.correspondence.state_dict())
    borrow(correspondence, keys=list(correspondence.state_dict()))  # freezes the copied weights

    state_dict = source.network.state_dict()
    # three more input channels with the weight 0, for the Lab colors of the previous frame
    state_dict[_FIRST_WEIGHT] = F.pad(state_dict[_FIRST_WEIGHT], (0, 0, 0, 0, 0, 3))
    network.load_state_dict(state_dict)
    frozen = [key for key in state_dict if not key.startswith(_TRAINABLE)]
    borrow(network, keys=frozen)


def partly_colored(lab: Tensor, predict: Callable[[], Tensor], seeds: Tensor, share: float) -> Tensor:
    """Return Lab images, some with predicted instead of true colors.

    Args:
        lab: Lab images ``(B, 3, H, W)``.
        predict: Function that returns the predicted ab ``(B, 2, H, W)`` of these images.
        seeds: Per-image seeds ``(B,)``.
        share: Fraction of the images with predicted colors.
    """
    if not share:
        return lab
    draws = draw_uniform(image_generators(seeds, "colored"), len(lab), 1, lab.device)
    with torch.no_grad():
        own = torch.cat([lab[:, :1], predict()], dim=1)
    return torch.where(draws[:, :, None, None] < share, own, lab)


@in_float32
def previous_frames(lab: Tensor, seeds: Tensor, share: float) -> Tensor:
    """Simulate previous frames ``(B, 3, H, W)`` by shifting the images.

    The shift is at most 5 % of the image size. Images without a previous frame get a gray frame with L = 50.

    Args:
        lab: Lab images ``(B, 3, H, W)``.
        seeds: Per-image seeds ``(B,)``.
        share: Fraction of the images with a previous frame.
    """
    uniform = draw_uniform(image_generators(seeds, "before"), len(lab), 3, lab.device)
    theta = torch.eye(2, 3, device=lab.device).repeat(len(lab), 1, 1)
    theta[:, :, 2] = 0.2 * (uniform[:, :2] - 0.5)
    grid = F.affine_grid(theta, list(lab.shape), align_corners=False)
    before = F.grid_sample(lab, grid, padding_mode="reflection", align_corners=False)
    has_previous = (uniform[:, 2] < share)[:, None, None, None]
    return torch.where(has_previous, before, before.new_tensor([50.0, 0, 0]).view(3, 1, 1))
