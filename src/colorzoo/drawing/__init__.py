"""Line art: its lines at full size, the regions between them, and their colors, without a network."""

from typing import TYPE_CHECKING

from colorzoo._lazy import attach_exports

if TYPE_CHECKING:
    from colorzoo.drawing._exports import *
else:
    __getattr__, __dir__, __all__ = attach_exports(__name__)
