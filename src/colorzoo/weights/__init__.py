"""Weight files: catalog, download, safe loading, and selection of a model."""

from typing import TYPE_CHECKING

from colorzoo._lazy import attach_exports

if TYPE_CHECKING:
    from colorzoo.weights._exports import *
else:
    __getattr__, __dir__, __all__ = attach_exports(__name__)
