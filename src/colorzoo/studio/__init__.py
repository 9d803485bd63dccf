"""The drawing pad, an editor for colorization in browsers and notebooks (`Pad`)."""

from colorzoo.lazy import attach_stub

__getattr__, __dir__, __all__ = attach_stub(__name__, __file__)
