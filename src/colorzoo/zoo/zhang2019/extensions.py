"""Additions to Zhang et al. 2019 in `zhang2019_small`; all off in the paper's model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import nn
from torch.nn import functional as F

from colorzoo.factory import create_backbone
from colorzoo.networks.exemplar import ExemplarExtensions
from colorzoo.networks.shared_weights import borrow

_FIRST = "conv1.0.weight"
_OWN = ("conv1.", "conv2.", "up10.", "skip1.", "conv10.", "ab.")  # trained in a network with a donor


@dataclass(frozen=True)
class Extensions(ExemplarExtensions):
    """Additions to Zhang et al. 2019, besides those of `ExemplarExtensions`.

    Attributes:
        donor: A registered model of the chen2023 family whose correspondence network and inner color layers
            are used; only the color network's layers at full and half size are then trained.
    """

    donor: str | None = None


def take_layers(donor: str, correspondence: nn.Module, network: nn.Module) -> None:
    """Copy a donor's weights, which have no input for a previous frame, and freeze its inner layers.

    Args:
        donor: Name of the registered model.
        correspondence: Correspondence network; gets all of the donor's weights.
        network: Color network; its outer layers start from the donor's and are trained.

    Raises:
        WeightsError: The donor has no trained weights on this machine.
    """
    source: Any = create_backbone(donor, "donor", offline=True)
    correspondence.load_state_dict(source.correspondence.state_dict())
    borrow(correspondence, correspondence.state_dict())
    state = source.network.state_dict()
    state[_FIRST] = F.pad(state[_FIRST], (0, 0, 0, 0, 0, 3))
    network.load_state_dict(state)
    borrow(network, [key for key in state if not key.startswith(_OWN)])
