"""Line art: lines at full size, and regions between the lines. These functions run no network."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
