from .lines import LineArt as LineArt
from .lines import is_line_art as is_line_art
from .regions import find_regions as find_regions
from .regions import is_text as is_text

__all__ = ["LineArt", "find_regions", "is_line_art", "is_text"]
