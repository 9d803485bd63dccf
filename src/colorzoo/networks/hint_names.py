"""Names of the authors' checkpoints of the Zhang 2017 family, and those of `HintUNet`."""

from __future__ import annotations

import re

_RULES: tuple[tuple[str, str], ...] = (
    (r"model(\d+)up\.0", r"up\1"),
    (r"model(\d)short(?:8|9|10)\.0", r"skip\1"),
    (r"model(8|9|10)\.(\d+)", r"block\1.\2"),
    (r"model(\d)\.(\d+)", r"block\1.\2"),
    (r"model_class\.0", "class_head"),
    (r"model_out\.0", "ab_head.0"),
)


def rename_hint_unet_key(key: str) -> str | None:
    """Return the name in a `HintUNet` of one of the authors' keys, None for any other key."""
    for pattern, ours in _RULES:
        renamed, hits = re.subn(rf"^{pattern}(?=\.)", ours, key)
        if hits:
            return renamed
    return None
