"""Drawing pad: an editor for colorizing images in a browser or a notebook (`Pad`)."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
