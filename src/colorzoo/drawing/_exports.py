"""Public names of `colorzoo.drawing`, which the package imports when they are used."""

from colorzoo.drawing.lines import LineArt, is_line_art
from colorzoo.drawing.regions import find_regions, is_text

__all__ = ["LineArt", "find_regions", "is_line_art", "is_text"]
