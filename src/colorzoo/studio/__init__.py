"""Drawing pad, an editor that colorizes images in a browser or a notebook (`Pad`)."""

from colorzoo.lazy import attach_stub

__getattr__, __dir__, __all__ = attach_stub(__name__, __file__)
