"""Names of the authors' files and ours: generator, critic, and Illustration2Vec."""

from __future__ import annotations

import re
from collections.abc import Mapping

from torch import Tensor

_LAST_FEATURE = 14  # later layers of their Illustration2Vec serve its tags


def convert_published(state_dict: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rename ``state_dictG`` and ``state_dictD`` of a checkpoint, and ``i2v.pth`` below ``i2v.``.

    Args:
        state_dict: Any of them, merged; ``module.`` before names is left out. Unknown names stay.
    """
    ours = {}
    for key, value in state_dict.items():
        if layer := re.match(r"i2v\.(\d+)\.", key):
            if int(layer[1]) <= _LAST_FEATURE:
                ours[key.replace("i2v.", "network.features.layers.", 1)] = value
            continue
        name = key.removeprefix("module.")
        if name.startswith(("to", "tunnel", "exit.")):
            name = f"network.{name}"
        elif name.startswith(("feed.", "feed2.", "out.")):
            name = f"discriminator.{name}"
        ours[name] = value
    return ours
