"""Drawing pad: an editor for colorizing images in a browser or a notebook (`Pad`)."""

from colorzoo.lazy import attach_stub

__getattr__, __dir__, __all__ = attach_stub(__name__, __file__)
