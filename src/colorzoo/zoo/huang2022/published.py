"""Map parameter names of the authors' checkpoints to this implementation."""

from __future__ import annotations

import re
from collections.abc import Mapping

import torch
from torch import Tensor

from colorzoo.errors import WeightsError
from colorzoo.networks.renaming import rename_keys

_VQGAN, _TRANSFORMER = "chroma_vqgan.model.", "hybrid_tran."
_OLDER = [(r"hybrid_vqgan\.", "chroma_vqgan."), (r"coltran\.", _TRANSFORMER)]
NAMES = [(re.escape(_VQGAN), "vqgan."), (re.escape(_TRANSFORMER), "transformer.")]
_COPIES = re.compile(
    r"chroma_vqgan\.(?=(encoder|gray_encoder|quant_conv|quantize|post_quant_conv|decoder)\.)"
)


def without_copies(state_dict: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rename the keys of older checkpoints and drop the second copy of Chroma-VQGAN.

    Args:
        state_dict: The authors' tensors; unknown keys are kept so that strict loading reports them.

    Raises:
        WeightsError: A copy differs from its original, or a network is missing.
    """
    theirs = rename_keys(state_dict, _OLDER)
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
        ours[key] = value
    return ours
