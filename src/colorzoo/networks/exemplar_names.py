"""Names of the networks that SPColor shares with Zhang et al. 2019, in the authors' checkpoints and here."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from torch import Tensor

Renaming = Sequence[tuple[str, str]]

_WARP_NET: Renaming = (
    (r"^layer([2-4])_1\.1\.", r"branches.\1.conv1."),
    (r"^layer([2-4])_1\.3\.", r"branches.\1.prelu1."),
    (r"^layer([2-4])_1\.5\.", r"branches.\1.conv2."),
    (r"^layer([2-4])_1\.7\.", r"branches.\1.prelu2."),
    (r"^layer5_1\.1\.", "branches.5.conv1."),
    (r"^layer5_1\.3\.", "branches.5.prelu1."),
    (r"^layer5_1\.6\.", "branches.5.conv2."),
    (r"^layer5_1\.8\.", "branches.5.prelu2."),
    (r"^layer\.(\d)\.", r"residual.\1."),
    (r"^(theta|phi)(_class)?\.", r"\1."),
)
_COLOR_NET: Renaming = (
    (r"^conv1_1_new\.0\.", "conv1.0."),
    (r"^conv1_1_new\.2\.", "conv1.1."),
    (r"^conv1_1\.0\.", "conv1.0."),
    (r"^conv1_1\.2\.", "conv1.1."),
    (r"^conv1_2\.", "conv1.2."),
    (r"^conv1_2norm_ss\.", "down.0."),
    (r"^conv2_2norm_ss\.", "down.1."),
    (r"^conv3_3norm_ss\.", "down.2."),
    (r"^conv(8|9|10)_1\.1\.", r"up\1."),
    (r"^conv3_3_short\.", "skip3."),
    (r"^conv2_2_short\.", "skip2."),
    (r"^conv1_2_short\.", "skip1."),
    (r"^conv10_ab\.", "ab."),
    (r"^conv10_2\.", "conv10."),
)


def convert_vgg19(state_dict: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rename VGG-19, ``conv1_1.weight`` and so on, to the blocks of `CaffeVGG19`."""
    return {
        re.sub(r"^conv(\d)_(\d)\.", lambda m: f"blocks.{int(m[1]) - 1}.{int(m[2]) - 1}.", key): value
        for key, value in state_dict.items()
    }


def convert_warp_net(state_dict: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rename WarpNet; the ancestor's 1 x 1 convolutions theta and phi become linear maps."""
    renamed = rename(state_dict, _WARP_NET)
    lowered = {
        re.sub(r"^branches\.(\d)", lambda m: f"branches.{int(m[1]) - 2}", key): value
        for key, value in renamed.items()
    }
    return {
        key: value.flatten(1) if re.match(r"(theta|phi)\.weight", key) else value
        for key, value in lowered.items()
    }


def convert_color_net(state_dict: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rename ColorVidNet (of either paper; the order of the input channels is not touched)."""
    return {
        re.sub(r"^conv(\d)_(\d)\.", _numbered, key): value
        for key, value in rename(state_dict, _COLOR_NET).items()
    }


def convert_networks(state_dict: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Rename ``vggnet.``, ``nonlocal_net.``, ``colornet.`` of a file; return these, and the rest as it is."""
    ours: dict[str, Tensor] = {}
    left = dict(state_dict)
    for theirs, prefix, convert in (
        ("vggnet.", "features.vgg.", convert_vgg19),
        ("nonlocal_net.", "correspondence.", convert_warp_net),
        ("colornet.", "network.", convert_color_net),
    ):
        part = {key.removeprefix(theirs): left.pop(key) for key in list(left) if key.startswith(theirs)}
        ours |= {prefix + key: value for key, value in convert(part).items()}
    return ours, left


def rename(state_dict: Mapping[str, Tensor], renaming: Renaming) -> dict[str, Tensor]:
    """Rename each key by the first pattern that it fits; others stay."""
    ours = {}
    for key, value in state_dict.items():
        for pattern, replacement in renaming:
            name, count = re.subn(pattern, replacement, key)
            if count:
                break
        ours[name] = value
    return ours


def _numbered(match: re.Match[str]) -> str:
    """Return the place of a layer in its block; blocks 8 and 9 begin with an ``up`` of their own."""
    block, layer = int(match[1]), int(match[2])
    return f"conv{block}.{layer - (2 if block in (8, 9) else 1)}."
