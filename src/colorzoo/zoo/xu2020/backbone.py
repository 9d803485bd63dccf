"""The colorization sub-net is the network of Zhang et al. 2017: its trained weights serve as they are."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

import torch
from torch import Tensor

from colorzoo.networks.hint_start import fitting_unet
from colorzoo.tasks import ColoringModel, Start
from colorzoo.tasks.stages import trained_lender
from colorzoo.zoo.xu2020.color import ColorNetwork

EMBEDDED = "zhang2017_local_small"
MASK_CENTER = 0.0  # of the colorization sub-net
_OURS = "network.color.unet."


def stand_on(name: str, network: ColorNetwork) -> None:
    """Put the trained weights of a registered Local Hints model into the colorization sub-net.

    Raises:
        WeightsError: It has no trained weights on this machine.
        ColorzooError: It is of another family or shape, or reads another input.
    """
    source = _trained(name).network
    purpose = f"backbone={name!r}"
    network.unet.load_state_dict(fitting_unet(source, network.unet, mask_center=MASK_CENTER, purpose=purpose))


def backbone_weights(name: str) -> Mapping[str, Tensor]:
    """Return the weights of a registered Local Hints model under the names of `Xu2020`.

    Raises:
        WeightsError: It has no trained weights on this machine.
    """
    state = _trained(name).network.state_dict()
    return {_OURS + key.removeprefix("unet."): value for key, value in state.items()}


def drop_backbone(state_dict: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Leave out the weights of a colorization sub-net that are those of the embedded model in half precision.

    Averaging over training steps moves even weights that stand still, by a ten millionth.
    """
    known = backbone_weights(EMBEDDED)
    return {
        key: value
        for key, value in state_dict.items()
        if key not in known or not torch.equal(_stored(value), _stored(known[key]))
    }


@lru_cache(maxsize=1)
def _trained(name: str) -> ColoringModel:
    with torch.inference_mode(
        False
    ):  # kept for later: inference tensors could not be copied from in training
        return trained_lender(Start(name), "backbone")


def _stored(value: Tensor) -> Tensor:
    return value.detach().cpu().half() if value.is_floating_point() else value.detach().cpu()
