"""The drawing pad: color an image by hand, in the browser (`colorzoo studio`) and in a notebook (`Pad`)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from colorzoo.lazy import lazy_names

if TYPE_CHECKING:
    from colorzoo.studio.widget import Pad

__all__ = ["Pad"]


# lazily: the widget needs the extra `notebook`, the server another one
__getattr__ = lazy_names("colorzoo.studio", {"Pad": "widget"})
