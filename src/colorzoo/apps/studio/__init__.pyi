from .widget import Pad as Pad

__all__ = ["Pad"]
