"""The part of a scan within its frame, as a setting of recipes and of the command line."""

from __future__ import annotations

from typing import Literal, NamedTuple, get_args

from colorzoo.errors import GuidanceError


class Rectangle(NamedTuple):
    """A part of a picture in pixels.

    Attributes:
        x: Left edge.
        y: Top edge.
        width: Width, at least 1.
        height: Height, at least 1.
    """

    x: int
    y: int
    width: int
    height: int

    def contains(self, place: tuple[float, float]) -> bool:
        """Return whether x and y in the picture lie in the part."""
        return self.x <= place[0] < self.x + self.width and self.y <= place[1] < self.y + self.height

    def inner(self, place: tuple[float, float]) -> tuple[float, float]:
        """Convert a place in the picture to the part; one outside is moved to its nearest border."""
        x, y = place[0] - self.x, place[1] - self.y
        return min(max(x, 0.0), float(self.width)), min(max(y, 0.0), float(self.height))

    def outer(self, place: tuple[float, float]) -> tuple[float, float]:
        """Convert a place in the part to the picture."""
        return place[0] + self.x, place[1] + self.y

    def scaled(self, size: tuple[int, int], columns: int, rows: int) -> Rectangle:
        """Return the part in a copy of the picture with another size."""
        across, down = columns / size[0], rows / size[1]
        left, right = min(round(self.x * across), columns - 1), round((self.x + self.width) * across)
        top, bottom = min(round(self.y * down), rows - 1), round((self.y + self.height) * down)
        return Rectangle(left, top, max(1, right - left), max(1, bottom - top))


FrameName = Literal["automatic", "none"]
FrameSetting = FrameName | Rectangle
"""Part of the picture that a model sees and colors.

``"automatic"``: the inside of the frame that is found, or the whole picture. ``"none"``: the whole picture. A
`Rectangle`: that part.
"""
FRAME_NAMES: tuple[FrameName, ...] = get_args(FrameName)
_LEAST_SIDE = 8  # pixels


def read_frame(value: object, name: str) -> FrameSetting:
    """Check a parsed frame.

    Args:
        value: A name, or four whole numbers x, y, width and height; None means automatic.
        name: Name of the field in errors.

    Raises:
        GuidanceError: It is neither.
    """
    if value is None:
        return "automatic"
    for known in FRAME_NAMES:
        if value == known:
            return known
    numbers = value if isinstance(value, list | tuple) else ()
    if len(numbers) == 4 and all(isinstance(each, int) and not isinstance(each, bool) for each in numbers):
        x, y, width, height = numbers
        if min(x, y) >= 0 and min(width, height) >= _LEAST_SIDE:
            return Rectangle(x, y, width, height)
    raise GuidanceError(
        f"{name} must be 'automatic', 'none' or x, y, width and height of the picture within its frame in "
        f"whole pixels, at least {_LEAST_SIDE} wide and high; got {value!r}."
    )


def parse_frame(text: str, name: str) -> FrameSetting:
    """Parse a frame from text such as ``automatic`` or ``20,15,600,400``, as `read_frame`."""
    parts = text.split(",")
    if len(parts) == 4 and all(part.strip().lstrip("-").isdecimal() for part in parts):
        return read_frame([int(part) for part in parts], name)
    return read_frame(text, name)
