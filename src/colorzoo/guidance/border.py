"""The part of a scan inside its border, as a setting of recipes and of the command line."""

from __future__ import annotations

import math
from typing import Any, Literal, NamedTuple, get_args

from colorzoo.errors import GuidanceError


class Rectangle(NamedTuple):
    """A part of an image in pixels, optionally rotated.

    Attributes:
        x: Left edge before rotation.
        y: Top edge before rotation.
        width: Width, at least 1.
        height: Height, at least 1.
        tilt: Clockwise rotation about the center in degrees.
    """

    x: int
    y: int
    width: int
    height: int
    tilt: float = 0.0

    def __str__(self) -> str:
        """Format the rectangle as on the command line, without a tilt of 0."""
        return ",".join(
            f"{number:g}" if isinstance(number, float) else str(number) for number in self.numbers
        )

    @property
    def numbers(self) -> tuple[float, ...]:
        """The rectangle as numbers of a recipe, without a tilt of 0."""
        return tuple(self) if self.tilt else tuple(self[:4])

    def contains(self, place: tuple[float, float]) -> bool:
        """Return whether a point (x, y) of the image lies inside the rectangle."""
        x, y = self.unbounded(place)
        return bool(0 <= x < self.width and 0 <= y < self.height)

    def inner(self, place: tuple[float, float]) -> tuple[float, float]:
        """Convert image coordinates to rectangle coordinates, clamped to the rectangle."""
        x, y = self.unbounded(place)
        return min(max(x, 0.0), float(self.width)), min(max(y, 0.0), float(self.height))

    def unbounded(self, place: tuple[Any, Any]) -> tuple[Any, Any]:
        """Convert image coordinates to rectangle coordinates without clamping; x and y may be arrays."""
        if not self.tilt:
            return place[0] - self.x, place[1] - self.y
        x, y = place[0] - self.x - self.width / 2, place[1] - self.y - self.height / 2
        x, y = _turned(x, y, -self.tilt)
        return x + self.width / 2, y + self.height / 2

    def outer(self, place: tuple[Any, Any]) -> tuple[Any, Any]:
        """Convert rectangle coordinates to image coordinates; x and y may be arrays."""
        if not self.tilt:
            return place[0] + self.x, place[1] + self.y
        x, y = _turned(place[0] - self.width / 2, place[1] - self.height / 2, self.tilt)
        return x + self.x + self.width / 2, y + self.y + self.height / 2

    def scaled(self, size: tuple[int, int], columns: int, rows: int) -> Rectangle:
        """Return the same part of a copy of the image with ``columns`` x ``rows`` pixels."""
        across, down = columns / size[0], rows / size[1]
        left, right = min(round(self.x * across), columns - 1), round((self.x + self.width) * across)
        top, bottom = min(round(self.y * down), rows - 1), round((self.y + self.height) * down)
        return Rectangle(left, top, max(1, right - left), max(1, bottom - top), self.tilt)


def _turned(x: Any, y: Any, degrees: float) -> tuple[Any, Any]:
    """Rotate a point clockwise about the origin."""
    sine, cosine = math.sin(math.radians(degrees)), math.cos(math.radians(degrees))
    return x * cosine - y * sine, x * sine + y * cosine


BorderName = Literal["automatic", "none"]
BorderSetting = BorderName | Rectangle
"""Part of the image that the model receives and colorizes.

``"automatic"``: the inside of a detected border, or the whole image if none is detected. ``"none"``: the
whole image. A `Rectangle`: that part.
"""
BORDER_NAMES: tuple[BorderName, ...] = get_args(BorderName)
_LEAST_SIDE = 8  # pixels
_MOST_TILT = 45.0  # degrees


def read_border(value: object, name: str) -> BorderSetting:
    """Validate a parsed ``border`` setting.

    Args:
        value: A name, or four whole numbers x, y, width and height, optionally followed by a tilt in degrees;
            None means automatic.
        name: Name of the field for error messages.

    Raises:
        GuidanceError: ``value`` is invalid.
    """
    if value is None:
        return "automatic"
    for known in BORDER_NAMES:
        if value == known:
            return known
    numbers = value if isinstance(value, list | tuple) else ()
    if (
        len(numbers) in (4, 5)
        and all(isinstance(each, int) for each in numbers[:4])
        and all(map(_is_number, numbers))
    ):
        x, y, width, height = numbers[:4]
        tilt = float(numbers[4]) if len(numbers) == 5 else 0.0
        if min(x, y) >= 0 and min(width, height) >= _LEAST_SIDE and abs(tilt) <= _MOST_TILT:
            return Rectangle(x, y, width, height, tilt)
    raise GuidanceError(
        f"{name} must be 'automatic', 'none' or X,Y,WIDTH,HEIGHT[,TILT] of the image within its border: "
        f"whole pixels, WIDTH and HEIGHT at least {_LEAST_SIDE}, TILT from -{_MOST_TILT:g} to "
        f"{_MOST_TILT:g} degrees; got {value!r}."
    )


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def parse_border(text: str, name: str) -> BorderSetting:
    """Parse a ``border`` setting from text: ``automatic``, ``20,15,600,400`` or ``20,15,600,400,-2.5``."""
    parts = [part.strip() for part in text.split(",")]
    sides = [int(part) for part in parts[:4] if part.lstrip("-").isdecimal()]
    if len(sides) != 4 or len(parts) > 5:
        return read_border(text, name)
    try:
        tilts = [float(part) for part in parts[4:]]
    except ValueError:
        return read_border(text, name)
    return read_border([*sides, *tilts], name)
