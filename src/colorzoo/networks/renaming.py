"""Translation of the authors' names of weights."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence

from torch import Tensor

Pattern = tuple[str, str | Callable[[re.Match[str]], str]]
"""A regular expression at the beginning of a name, and its replacement."""


def rename_keys(state_dict: Mapping[str, Tensor], patterns: Sequence[Pattern]) -> dict[str, Tensor]:
    """Rename weights, each by the first pattern that fits; others stay, so that a strict load reports them.

    Examples:
        >>> list(rename_keys({"model.bias": torch.zeros(1), "x": torch.zeros(1)}, [("model", "layer")]))
        ['layer.bias', 'x']
    """
    return {_renamed(key, patterns): value for key, value in state_dict.items()}


def _renamed(key: str, patterns: Sequence[Pattern]) -> str:
    for pattern, replacement in patterns:
        if found := re.match(pattern, key):
            new = found.expand(replacement) if isinstance(replacement, str) else replacement(found)
            return new + key[found.end() :]
    return key
