"""The setting ``border``, which selects the part of a scan to colorize."""

from __future__ import annotations

from typing import Literal, get_args

from colorzoo.errors import GuidanceError
from colorzoo.guidance.objects import Rectangle

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
