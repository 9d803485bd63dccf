"""colorzoo: a library of image colorization models for PyTorch Lightning.

>>> import colorzoo
>>> colorzoo.colorize("old.jpg").save("old.color.jpg")  # doctest: +SKIP
"""

from typing import TYPE_CHECKING

from colorzoo._lazy import attach_exports

__version__ = "1.0.0"

if TYPE_CHECKING:
    from colorzoo._exports import *
else:
    __getattr__, __dir__, __all__ = attach_exports(__name__)
    __all__ += ["__version__"]
