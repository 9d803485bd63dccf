"""Patterns that rename the parameters in the authors' files for `XCNet`.

The files repeat the shared attention weights for each pass of an attention layer. They also contain relative
position indices, which this library computes from the input size.
"""

from __future__ import annotations

from colorzoo.networks.renaming import Pattern

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
NAMES = tuple((rf"(?:model_state_dict\.)?{theirs}", ours) for theirs, ours in _NAMES)
