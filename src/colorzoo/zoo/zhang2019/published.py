"""Names of the authors' checkpoints and ours: VGG-19, the correspondence network, the color network."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from colorzoo.networks.exemplar import convert_networks

_ORDER = (1, 2, 3, 0, 4, 5, 6)  # ours: a, b, similarity, L and the previous frame; theirs has L first


def convert_published(state_dict: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rename all networks in one file: ``vggnet.``, ``nonlocal_net.`` and ``colornet.``.

    Args:
        state_dict: The authors' tensors; unknown keys stay, so that a strict load reports them.
    """
    ours, left = convert_networks(state_dict)
    first = "network.conv1.0.weight"
    if first in ours:
        ours[first] = ours[first][:, list(_ORDER)]
    return ours | left
