"""Inference: colorize images of any size and format at full resolution."""

from typing import TYPE_CHECKING

from colorzoo._lazy import attach_exports

if TYPE_CHECKING:
    from colorzoo.inference._exports import *
else:
    __getattr__, __dir__, __all__ = attach_exports(__name__)
