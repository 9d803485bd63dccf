from colorzoo.apps.studio.widget import Pad as Pad

__all__ = ["Pad"]
