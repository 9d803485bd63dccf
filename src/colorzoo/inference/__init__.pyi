from .border import find_border as find_border
from .colorizer import Colorizer as Colorizer
from .references import ReadReference as ReadReference
from .selection import find_parts as find_parts
from .selection import select_at as select_at
from .selection import select_outlined as select_outlined

__all__ = [
    "Colorizer",
    "ReadReference",
    "find_border",
    "find_parts",
    "select_at",
    "select_outlined",
]
