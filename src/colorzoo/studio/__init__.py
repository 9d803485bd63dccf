"""The drawing pad: color an image by hand, in the browser (`colorzoo studio`) and in a notebook (`Pad`)."""

from colorzoo.lazy import attach_stub

__getattr__, __dir__, __all__ = attach_stub(__name__, __file__)
