"""Drawing pad: an editor for colorizing images in a browser or a notebook (`Pad`)."""

from typing import TYPE_CHECKING

from colorzoo._lazy import attach_exports

if TYPE_CHECKING:
    from colorzoo.apps.studio._exports import *
else:
    __getattr__, __dir__, __all__ = attach_exports(__name__)
