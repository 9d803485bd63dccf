"""Image files with their metadata: reading, writing, pages, layers and provenance."""

from typing import TYPE_CHECKING

from colorzoo._lazy import attach_exports

if TYPE_CHECKING:
    from colorzoo.image_io._exports import *
else:
    __getattr__, __dir__, __all__ = attach_exports(__name__)
