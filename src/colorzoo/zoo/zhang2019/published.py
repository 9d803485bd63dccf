"""Names of the authors' checkpoints and ours: VGG-19, the correspondence network, the color network."""

from __future__ import annotations

import re
from collections.abc import Mapping

from torch import Tensor

from colorzoo.networks.exemplar_names import convert_color_net, convert_vgg19, convert_warp_net

_ORDER = (1, 2, 3, 0, 4, 5, 6)  # ours: a, b, similarity, L and the previous frame; theirs has L first


def convert_published(state_dict: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rename all networks in one file: ``vggnet.``, ``nonlocal_net.`` and ``colornet.``.

    Args:
        state_dict: The authors' tensors; unknown keys stay, so that a strict load names them.
    """
    parts = {
        "vggnet.": ("features.vgg.", convert_vgg19),
        "nonlocal_net.": ("correspondence.", convert_warp_net),
        "colornet.": ("network.", convert_color_net),
    }
    ours: dict[str, Tensor] = {}
    left = dict(state_dict)
    for theirs, (prefix, convert) in parts.items():
        part = {re.sub(f"^{theirs}", "", k): left.pop(k) for k in list(left) if k.startswith(theirs)}
        ours |= {prefix + key: value for key, value in convert(part).items()}
    first = "network.conv1.0.weight"
    if first in ours:
        ours[first] = ours[first][:, list(_ORDER)]
    return ours | left
