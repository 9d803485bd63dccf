"""Map parameter names of the authors' checkpoints to this implementation."""

from __future__ import annotations

import re
from collections.abc import Mapping

import torch
from torch import Tensor

from colorzoo.errors import WeightsError

_VQGAN, _TRANSFORMER = "chroma_vqgan.model.", "hybrid_tran."
_OLDER = {"hybrid_vqgan.": "chroma_vqgan.", "coltran.": _TRANSFORMER}
_COPIES = re.compile(
    r"chroma_vqgan\.(?=(encoder|gray_encoder|quant_conv|quantize|post_quant_conv|decoder)\.)"
)


def convert_published(state_dict: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rename the keys of a checkpoint and drop its second copy of Chroma-VQGAN.

    Args:
        state_dict: The authors' tensors; unknown keys are kept so that strict loading reports them.

    Raises:
        WeightsError: A copy differs from its original, or a network is missing.
    """
    theirs = {_current(key): value for key, value in state_dict.items()}
    for name, prefix in (("Chroma-VQGAN", _VQGAN), ("the transformer", _TRANSFORMER)):
        if not any(key.startswith(prefix) for key in theirs):
            raise WeightsError(
                f"the file must be a UniColor checkpoint, but {name} (prefix {prefix}) is missing; its keys "
                f"start with {', '.join(sorted({key.partition('.')[0] for key in theirs})[:3])}."
            )
    ours = {}
    for key, value in theirs.items():
        original = _COPIES.sub(_VQGAN, key)
        if original != key and original in theirs:
            if not torch.equal(theirs[original], value):
                raise WeightsError(f"{key} must be a copy of {original}, but the tensors differ.")
            continue
        ours[_renamed(key)] = value
    return ours


def _current(key: str) -> str:
    for older, newer in _OLDER.items():
        if key.startswith(older):
            return newer + key.removeprefix(older)
    return key


def _renamed(key: str) -> str:
    for theirs, ours in ((_VQGAN, "network.vqgan."), (_TRANSFORMER, "network.transformer.")):
        if key.startswith(theirs):
            return ours + key.removeprefix(theirs)
    return key
