"""What `zhang2019_small` adds to the paper; all off in the paper's model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import nn
from torch.nn import functional as F

from colorzoo.networks.borrowed import borrow
from colorzoo.networks.trunk import BorrowedTrunk, VGGTrunk
from colorzoo.tasks.exemplar_settings import ExemplarExtensions
from colorzoo.tasks.stages import Start, trained_lender

_FIRST = "conv1.0.weight"
_OWN = ("conv1.", "conv2.", "up10.", "skip1.", "conv10.", "ab.")  # what a network with a donor trains itself


@dataclass(frozen=True)
class Extensions(ExemplarExtensions):
    """Extensions of Zhang et al. 2019, besides those of `ExemplarExtensions`.

    Attributes:
        donor: A registered model of the chen2023 family whose correspondence and inner color layers to use;
            only the color network's layers at full and half size are then trained.
    """

    donor: str | None = None


def build_trunk(features: str, width: float) -> VGGTrunk | BorrowedTrunk:
    """Return VGG-19, or the layers of the registered model that ``features`` names.

    Raises:
        WeightsError: That model has no trained weights on this machine.
    """
    if features == "vgg19":
        return VGGTrunk(width)
    return BorrowedTrunk(trained_lender(Start(features), "features", offline=True).network)


def take_layers(donor: str, correspondence: nn.Module, network: nn.Module) -> None:
    """Put a donor's weights, which know no previous frame, into both networks; its inner layers stay its own.

    Args:
        donor: Name of the registered model.
        correspondence: Takes all of the donor's.
        network: Color network; its outer layers begin with the donor's and are trained.

    Raises:
        WeightsError: The donor has no trained weights on this machine.
    """
    source: Any = trained_lender(Start(donor), "donor", offline=True)
    correspondence.load_state_dict(source.correspondence.state_dict())
    borrow(correspondence, correspondence.state_dict())
    state = source.network.state_dict()
    state[_FIRST] = F.pad(state[_FIRST], (0, 0, 0, 0, 0, 3))
    network.load_state_dict(state)
    borrow(network, [key for key in state if not key.startswith(_OWN)])
