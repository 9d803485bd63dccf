"""What a training of Su et al. 2020 begins with."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import nn

from colorzoo.errors import ColorzooError
from colorzoo.networks.hint_start import fitting_unet
from colorzoo.settings import flatten_arguments
from colorzoo.zoo.su2020.network import InstanceNetworks

if TYPE_CHECKING:
    from colorzoo.tasks import ColorizationModule


def copy_trunk(source: nn.Module, network: InstanceNetworks, purpose: str) -> None:
    """Copy a Local Hints network into all three networks.

    Raises:
        ColorzooError: It is of another family or shape, or reads another input.
    """
    state = fitting_unet(source, network.full, mask_center=network.mask_center, purpose=purpose)
    for unet in (network.full, network.instance, network.fusion):
        unet.load_state_dict(state)


def copy_everything(source: ColorizationModule, model: ColorizationModule) -> None:
    """Copy all weights of another model of the same class.

    Raises:
        ColorzooError: One of its settings that change what weights mean is another.
    """
    theirs, ours = (flatten_arguments(type(each), each.hparams) for each in (source, model))
    for name in model.recorded_hparams:
        if theirs[name] != ours[name]:
            raise ColorzooError(
                f"start does not fit: its {name} is {theirs[name]!r}, here it is {ours[name]!r}."
            )
    model.network.load_state_dict(source.network.state_dict())
