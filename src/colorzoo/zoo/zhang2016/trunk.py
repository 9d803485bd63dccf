"""Start from the trunk of a network of the Zhang 2017 family.

Its blocks 1 to 7 are the same function as ours: a convolution followed by slicing every second pixel is a
convolution of stride 2. The paper starts from a data-dependent k-means initialization instead.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from colorzoo.color import hull_mask
from colorzoo.errors import ColorzooError

_SAME = tuple(f"block{index}." for index in range(1, 8))
_RENAMED = {"up8.": "block8.0.", "block8.1.": "block8.2.", "block8.3.": "block8.4."}
_PREFIX = "network.unet."
_BATCH_NORM_EPS = 1e-5


def copy_trunk(model: nn.Module, network: nn.Module) -> None:
    """Copy the trained layers that ``network`` shares with a model of the Zhang 2017 family.

    Args:
        model: Its ``network.unet`` is a `colorzoo.networks.hint_unet.HintUNet`.
        network: A `DistributionNetwork` of the same width.

    Raises:
        ColorzooError: The model has no such trunk, or another width.
    """
    state = model.state_dict()
    source = {key.removeprefix(_PREFIX): value for key, value in state.items() if key.startswith(_PREFIX)}
    target = network.state_dict()
    if "class_head.weight" in source and "up8.weight" in source:
        copied = {**_trunk(source), **_class_head(source)}
        if all(value.shape == target[key].shape for key, value in copied.items()):
            network.load_state_dict({**target, **copied})
            return
    raise ColorzooError("start does not fit: it must be of the zhang2017 family and of the same width.")


def _trunk(source: Mapping[str, Tensor]) -> dict[str, Tensor]:
    copied = {key: value for key, value in source.items() if key.startswith(_SAME)}
    copied["block1.0.weight"] = copied["block1.0.weight"][:, :1]  # lightness; the other inputs are hints
    for theirs, ours in _RENAMED.items():
        for part in ("weight", "bias"):
            copied[ours + part] = source[theirs + part]
    return copied


def _class_head(source: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the head over 529 bins cut to the 313 of the hull, with the BatchNorm before it folded in."""
    scale = source["block8.5.weight"] / torch.sqrt(source["block8.5.running_var"] + _BATCH_NORM_EPS)
    shift = source["block8.5.bias"] - source["block8.5.running_mean"] * scale
    weight = source["class_head.weight"][hull_mask()]
    bias = source["class_head.bias"][hull_mask()] + weight[:, :, 0, 0] @ shift
    return {"class_head.weight": weight * scale[None, :, None, None], "class_head.bias": bias}
