"""Names of the authors' files and ours.

A file holds ``model_state_dict``, in which the attention of a scale stands once per pass, though the passes
share it, and the numbers of the offsets, which follow from its size.
"""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from colorzoo.networks.renaming import Pattern, rename_keys

_NAMES: tuple[Pattern, ...] = (
    (r"features\.\w+?\.(\d+)\.", r"features.\1."),
    (r"proj(\d)\.proj_tgt\.", lambda m: f"target_projections.{int(m[1]) - 1}."),
    (r"proj(\d)\.proj_ref\.", lambda m: f"reference_projections.{int(m[1]) - 3}."),
    (r"att(\d)\.module\.\d+\.bn_tgt\.", lambda m: f"attentions.{int(m[1]) - 3}.target_norm."),
    (r"att(\d)\.module\.\d+\.bn_ref\.", lambda m: f"attentions.{int(m[1]) - 3}.reference_norm."),
    (r"att(\d)\.module\.\d+\.att\.", lambda m: f"attentions.{int(m[1]) - 3}.attend.attention."),
    (r"att(\d)\.module\.\d+\.", lambda m: f"attentions.{int(m[1]) - 3}.attend."),
    (r"dec(\d)\.", lambda m: f"decoders.{4 - int(m[1])}."),
    (r"head(\d)\.conv1\.", lambda m: f"heads.{4 - int(m[1])}.0."),
    (r"head(\d)\.conv2\.", lambda m: f"heads.{4 - int(m[1])}.2."),
)


def convert_published(state_dict: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rename the weights; of a module that stands twice the later values count, as in torch."""
    suffix = ".flatten_index"
    bare = {k.removeprefix("model_state_dict."): v for k, v in state_dict.items() if not k.endswith(suffix)}
    return rename_keys(bare, _NAMES)
