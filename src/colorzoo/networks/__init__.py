"""Networks and building blocks that several models share."""

from typing import TYPE_CHECKING

from colorzoo._lazy import attach_exports

if TYPE_CHECKING:
    from colorzoo.networks._exports import *
else:
    __getattr__, __dir__, __all__ = attach_exports(__name__)
