from colorzoo.studio.widget import Pad as Pad

__all__ = ["Pad"]
