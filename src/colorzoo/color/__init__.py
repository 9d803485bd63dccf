"""Color conversion, gamut mapping, ab quantization, edge detection and sketch extraction."""

from colorzoo.lazy import attach_stub

__getattr__, __dir__, __all__ = attach_stub(__name__, __file__)
