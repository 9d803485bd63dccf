"""Processing stages of one image that do not run the network."""

from typing import TYPE_CHECKING

from colorzoo._lazy import attach_exports

if TYPE_CHECKING:
    from colorzoo.inference.steps._exports import *
else:
    __getattr__, __dir__, __all__ = attach_exports(__name__)
