"""Names of the authors' checkpoint (eccv16, 82 keys) and ours.

The released weights include the temperature in the last layer and have the bin centers, over 110, in a layer
of their own. Ours have logits at temperature 1 and the centers as a buffer.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from torch import Tensor

AB_SCALE = 110.0


def convert_published(state_dict: Mapping[str, Tensor], temperature: float) -> dict[str, Tensor]:
    """Rename every key of the authors' state dict and take the temperature out of the last layer.

    Args:
        state_dict: The authors' 82 tensors; unknown keys stay, so that a strict load reports them.
        temperature: The model's temperature, with which its colors equal the published ones.
    """
    ours = {}
    for key, value in state_dict.items():
        if re.match(r"model8\.6\.", key):
            ours[f"network.class_head.{key.rpartition('.')[2]}"] = value * temperature
        elif key == "model_out.weight":
            ours["network.centers"] = value[:, :, 0, 0].T * AB_SCALE
        else:
            ours[re.sub(r"^model(\d)\.", r"network.block\1.", key)] = value
    return ours
