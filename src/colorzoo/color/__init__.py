"""Color conversion, gamut mapping, ab quantization, edge detection and sketch extraction."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
