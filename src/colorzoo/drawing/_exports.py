"""Public names of `colorzoo.drawing`, which the package imports when they are used."""

from colorzoo.drawing.lines import LineArt as LineArt
from colorzoo.drawing.lines import is_line_art as is_line_art
from colorzoo.drawing.regions import find_regions as find_regions
from colorzoo.drawing.regions import is_text as is_text
