from colorzoo.inference.border import find_border as find_border
from colorzoo.inference.colorizer import Colorizer as Colorizer
from colorzoo.inference.references import ReadReference as ReadReference
from colorzoo.inference.selection import find_parts as find_parts
from colorzoo.inference.selection import select_at as select_at
from colorzoo.inference.selection import select_outlined as select_outlined

__all__ = [
    "Colorizer",
    "ReadReference",
    "find_border",
    "find_parts",
    "select_at",
    "select_outlined",
]
