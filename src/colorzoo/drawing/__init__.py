"""Line art: its lines at full size, the regions between them, and their colors, without a network."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
