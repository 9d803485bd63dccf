"""colorzoo: a library of image colorization models for PyTorch Lightning.

>>> import colorzoo
>>> colorzoo.colorize("old.jpg").save("old.color.jpg")  # doctest: +SKIP
"""

import lazy_loader

__version__ = "1.0.0"

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
__all__ += ["__version__"]
