"""The setting ``border``, which selects the part of a scan to colorize."""

from __future__ import annotations

from typing import Literal, NamedTuple, get_args

from colorzoo.errors import GuidanceError


class Rectangle(NamedTuple):
    """A rectangular part of an image, in pixels.

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

    def __str__(self) -> str:
        """Return ``X,Y,WIDTH,HEIGHT``, the format of the option ``--border``."""
        return ",".join(map(str, self))

    @property
    def slices(self) -> tuple[slice, slice]:
        """Row and column slices of the rectangle."""
        return slice(self.y, self.y + self.height), slice(self.x, self.x + self.width)

    def contains(self, place: tuple[float, float], size: tuple[int, int]) -> bool:
        """Return whether the pixel of an image point (x, y) lies in the rectangle.

        Args:
            place: Point; points on the right and bottom edges of the image belong to its last pixels.
            size: Width and height of the image.
        """
        x, y = min(place[0], size[0] - 1), min(place[1], size[1] - 1)
        return 0 <= x - self.x < self.width and 0 <= y - self.y < self.height

    def shifted(self, place: tuple[float, float]) -> tuple[float, float]:
        """Convert an image point (x, y) to rectangle coordinates; the point can lie outside."""
        return place[0] - self.x, place[1] - self.y

    def inner(self, place: tuple[float, float]) -> tuple[float, float]:
        """Convert an image point (x, y) to rectangle coordinates, clamped to the rectangle."""
        x, y = self.shifted(place)
        return min(max(x, 0.0), float(self.width)), min(max(y, 0.0), float(self.height))

    def outer(self, place: tuple[float, float]) -> tuple[float, float]:
        """Convert a point (x, y) in rectangle coordinates to image coordinates."""
        return place[0] + self.x, place[1] + self.y

    def scaled(self, size: tuple[int, int], columns: int, rows: int) -> Rectangle:
        """Return the rectangle for a resized copy of the image.

        Args:
            size: Width and height of the image.
            columns: Width of the copy.
            rows: Height of the copy.
        """
        across, down = columns / size[0], rows / size[1]
        left, right = min(round(self.x * across), columns - 1), round((self.x + self.width) * across)
        top, bottom = min(round(self.y * down), rows - 1), round((self.y + self.height) * down)
        return Rectangle(left, top, max(1, right - left), max(1, bottom - top))


BorderName = Literal["automatic", "none"]
BorderSetting = BorderName | Rectangle
"""Part of the image that the model colorizes.

``"automatic"`` selects the image inside a detected border, or the whole image if no border is detected.
``"none"`` selects the whole image. A `Rectangle` selects its pixels.
"""
BORDER_NAMES: tuple[BorderName, ...] = get_args(BorderName)
_LEAST_SIDE = 8  # minimum side of a rectangle in pixels


def read_border(value: object, name: str) -> BorderSetting:
    """Validate the ``border`` setting of a recipe and return a `BorderSetting`.

    The setting selects the part of a scan to colorize.

    Args:
        value: ``"automatic"``, ``"none"``, or a list of x, y, width and height in whole pixels. None selects
            ``"automatic"``. A fifth number, the tilt in older recipes, is ignored.
        name: Field name for error messages.

    Raises:
        GuidanceError: ``value`` is invalid.
    """
    if value is None:
        return "automatic"
    for known in BORDER_NAMES:
        if value == known:
            return known
    numbers = value[:4] if isinstance(value, list | tuple) and len(value) in (4, 5) else ()
    if numbers and all(type(number) is int for number in numbers):  # a bool is also an int
        x, y, width, height = numbers
        if min(x, y) >= 0 and min(width, height) >= _LEAST_SIDE:
            return Rectangle(x, y, width, height)
    raise GuidanceError(
        f"{name} must be 'automatic', 'none', or the area inside the border as X,Y,WIDTH,HEIGHT "
        f"(whole pixels; WIDTH and HEIGHT at least {_LEAST_SIDE}), got {value!r}"
    )


def parse_border(text: str, name: str) -> BorderSetting:
    """Parse a `BorderSetting` from text such as ``automatic`` or ``20,15,600,400``.

    Args:
        text: ``automatic``, ``none`` or ``X,Y,WIDTH,HEIGHT`` in whole pixels.
        name: Name of the option for error messages.

    Raises:
        GuidanceError: The text is invalid.
    """
    try:
        return read_border([int(part) for part in text.split(",")], name)
    except ValueError:
        return read_border(text, name)
