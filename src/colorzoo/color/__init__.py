"""Color conversion, gamut mapping, ab quantization, edge detection and sketch extraction."""

from typing import TYPE_CHECKING

from colorzoo._lazy import attach_exports

if TYPE_CHECKING:
    from colorzoo.color._exports import *
else:
    __getattr__, __dir__, __all__ = attach_exports(__name__)
