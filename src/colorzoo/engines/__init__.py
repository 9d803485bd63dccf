"""Device and precision selection, ONNX Runtime, and export of models."""

from typing import TYPE_CHECKING

from colorzoo._lazy import attach_exports

if TYPE_CHECKING:
    from colorzoo.engines._exports import *
else:
    __getattr__, __dir__, __all__ = attach_exports(__name__)
