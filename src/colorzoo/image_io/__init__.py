"""Reading and writing of image files, including metadata and provenance."""

from colorzoo.lazy import attach_stub

__getattr__, __dir__, __all__ = attach_stub(__name__, __file__)
