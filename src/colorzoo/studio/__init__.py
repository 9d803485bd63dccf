"""The drawing pad: color a picture by hand, in the browser (`colorzoo studio`) and in a notebook (`Pad`)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from colorzoo.studio.widget import Pad

__all__ = ["Pad"]


def __getattr__(name: str) -> Any:
    if name == "Pad":  # lazily: the widget needs the extra `notebook`, the server another one
        from colorzoo.studio.widget import Pad

        return Pad
    raise AttributeError(f"module 'colorzoo.studio' has no attribute {name!r}")
