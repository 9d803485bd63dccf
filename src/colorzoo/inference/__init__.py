"""Inference: colorize images of any size and format at full resolution."""

from colorzoo.lazy import attach_stub

__getattr__, __dir__, __all__ = attach_stub(__name__, __file__)
