"""Reading and writing of image files: formats, color profiles, metadata, frames and provenance."""

from colorzoo.lazy import attach_stub

__getattr__, __dir__, __all__ = attach_stub(__name__, __file__)
