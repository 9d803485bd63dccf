"""Guidance: user hints as tensors, and recipe files that store hints."""

from typing import TYPE_CHECKING

from colorzoo._lazy import attach_exports

if TYPE_CHECKING:
    from colorzoo.guidance._exports import *
else:
    __getattr__, __dir__, __all__ = attach_exports(__name__)
