"""The colorization sub-net is the network of Zhang et al. 2017: its trained weights serve as they are."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

import torch
from torch import Tensor

from colorzoo.errors import WeightsError
from colorzoo.registry import model_card
from colorzoo.weights import load_state_dict_file, resolve_weights

EMBEDDED = "zhang2017_local_small"
_OURS = "network.color."


@lru_cache(maxsize=1)
def backbone_weights(name: str) -> Mapping[str, Tensor]:
    """Return the weights of a registered Local Hints model under the names of `ColorNetwork`.

    They are read without making that model: inside another module's constructor Lightning would take its
    arguments for those of the one being made.

    Raises:
        WeightsError: The model has no weights of its own on this machine.
    """
    found = resolve_weights(model_card(name), "default", offline=True)
    if found is None or found.published:
        raise WeightsError(f"backbone={name!r} has no weights inside the package; {EMBEDDED} has.")
    state_dict = load_state_dict_file(found.path, sha256=found.sha256)
    return {key.removeprefix("network."): _widened(value) for key, value in state_dict.items()}


def drop_backbone(state_dict: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Leave out the weights of a colorization sub-net that are those of the embedded model in half precision.

    Averaging over training steps moves even weights that stand still, by a ten millionth.
    """
    known = {f"{_OURS}{key}": value for key, value in backbone_weights(EMBEDDED).items()}
    return {
        key: value
        for key, value in state_dict.items()
        if key not in known or not torch.equal(_stored(value), _stored(known[key]))
    }


def _stored(value: Tensor) -> Tensor:
    return value.detach().cpu().half() if value.is_floating_point() else value.detach().cpu()


def _widened(value: Tensor) -> Tensor:
    return value.float() if value.is_floating_point() else value
