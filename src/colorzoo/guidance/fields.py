"""Typed access to parsed JSON; errors name the field."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import MISSING, fields
from typing import Any, Literal, cast, get_args, overload

from colorzoo.errors import GuidanceError

MAX_CORNERS = 10_000
"""Largest number of corners of a path; it is checked before the corners are parsed."""

ReachName = Literal["automatic", "everywhere"]
Reach = ReachName | float
"""How far the color of a point spreads.

``"automatic"``: over the pixels that belong to the point according to the image structure; the color fades
where this is uncertain. ``"everywhere"``: as far as the network propagates the color. A number multiplies the
automatic reach; 0 limits the color to the square of the point.
"""
REACH_NAMES: tuple[ReachName, ...] = get_args(ReachName)
DEFAULT_REACH: ReachName = "automatic"
MAX_REACH = 10.0

_HUGE = 1e9  # larger than any image side; the comparison is also false for NaN
_HEX = re.compile(r"#[0-9a-fA-F]{6}")


def hex_color(value: str, name: str) -> str:
    """Return a ``#rrggbb`` color in lower case.

    Raises:
        GuidanceError: ``value`` is not a ``#rrggbb`` color; the message starts with ``name``.
    """
    if not _HEX.fullmatch(value):
        raise GuidanceError(f"{name} must be a color '#rrggbb', got {value!r}.")
    return value.lower()


def read_reach(value: object, name: str, default: ReachName = DEFAULT_REACH) -> Reach:
    """Validate a parsed reach.

    Args:
        value: A name, a number from 0 to 10, or None for the default.
        name: Name of the field for error messages.
        default: Default reach; recipes of version 1 use ``"everywhere"``.

    Raises:
        GuidanceError: ``value`` is invalid.
    """
    if value is None:
        return default
    if value in REACH_NAMES:
        return value
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or not 0 <= cast(float, value) <= MAX_REACH:  # false for NaN, too
        names = ", ".join(map(repr, REACH_NAMES))
        raise GuidanceError(f"{name} must be {names} or a number from 0 to {MAX_REACH:g}, got {value!r}.")
    return float(cast(float, value))


def parse_reach(text: str, name: str) -> Reach:
    """Parse a reach from text; see `read_reach`."""
    try:
        return read_reach(float(text), name)
    except ValueError:
        return read_reach(text, name)


def too_many(name: str, count: int, most: int) -> GuidanceError:
    """Return the error for a list with too many entries."""
    return GuidanceError(f"{name} has {count:,} entries; at most {most:,} are allowed.")


def plain_fields(item: Any) -> dict[str, Any]:
    """Convert a recipe item to a dictionary of JSON types, omitting fields with default values."""
    found = dict(item.extra)
    for each in fields(item):
        default = each.default if each.default_factory is MISSING else each.default_factory()
        value = getattr(item, each.name)
        if each.name != "extra" and value != default:
            found[each.name] = _plain(value)
    return found


def _plain(value: object) -> object:
    """Convert tuples to lists, as in JSON."""
    return [_plain(each) for each in value] if isinstance(value, tuple) else value


class Fields:
    """A JSON object whose known fields are removed one by one, so that unknown fields remain.

    Args:
        values: The parsed object.
        name: Name of the object for error messages, such as ``recipe.points[2]``.
    """

    def __init__(self, values: object, name: str) -> None:
        if not isinstance(values, dict):
            raise GuidanceError(f"{name} must be an object, got {type(values).__name__}.")
        self.name = name
        self._values: dict[str, Any] = dict(values)

    def take(self, key: str) -> Any:
        """Remove a field and return its value, or None if it is missing."""
        return self._values.pop(key, None)

    def rest(self) -> dict[str, Any]:
        """Return the remaining fields."""
        return dict(self._values)

    def child(self, key: str) -> Fields:
        """Take a JSON object; a missing object is empty."""
        found = self.optional_child(key)
        return Fields({}, f"{self.name}.{key}") if found is None else found

    def optional_child(self, key: str) -> Fields | None:
        """Take a JSON object; return None if it is missing or null."""
        value = self.take(key)
        return None if value is None else Fields(value, f"{self.name}.{key}")

    def children(self, key: str, most: int) -> Iterator[Fields]:
        """Take a list of at most ``most`` JSON objects; a missing list is empty."""
        value = self.take(key)
        value = [] if value is None else value
        if not isinstance(value, list):
            raise self._wrong(key, "a list", value)
        self._check_length(key, value, most)
        for index, item in enumerate(value):
            yield Fields(item, f"{self.name}.{key}[{index}]")

    @overload
    def text(self, key: str, default: str) -> str: ...
    @overload
    def text(self, key: str, default: None) -> str | None: ...
    @overload
    def text(self, key: str, default: str | None) -> str | None: ...
    def text(self, key: str, default: str | None) -> str | None:
        """Take a string."""
        value = self.take(key)
        if value is None:
            return default
        if not isinstance(value, str):
            raise self._wrong(key, "a text", value)
        return value

    def choice(self, key: str, default: str | None, names: tuple[str, ...]) -> str:
        """Take a string that must be one of ``names``."""
        value = self.text(key, default)
        if value not in names:
            raise GuidanceError(f"{self.name}.{key} must be one of {', '.join(names)}, got {value!r}.")
        return value

    def number(self, key: str, default: float, *, low: float = -math.inf, high: float = math.inf) -> float:
        """Take a finite number in [low, high]."""
        value = self.take(key)
        return default if value is None else self._finite(key, value, low, high)

    def required_number(self, key: str) -> float:
        """Take a finite number that must be present."""
        value = self.take(key)
        if value is None:
            raise GuidanceError(f"{self.name}.{key} is missing; expected a number.")
        return self._finite(key, value, -math.inf, math.inf)

    def flag(self, key: str) -> bool:
        """Take a boolean; False if it is missing."""
        value = self.take(key)
        if value is not None and not isinstance(value, bool):
            raise self._wrong(key, "true or false", value)
        return bool(value)

    def integer(self, key: str, default: int | None, *, low: int) -> int | None:
        """Take an integer of at least ``low``."""
        value = self.take(key)
        if value is None:
            return default
        if isinstance(value, float) and value.is_integer():  # JSON does not distinguish 640.0 from 640
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int) or value < low:
            raise self._wrong(key, f"a whole number from {low}", value)
        return value

    def numbers(self, key: str, count: int, *, low: float, high: float) -> tuple[float, ...] | None:
        """Take a list of exactly ``count`` numbers in [low, high]; None if it is missing."""
        value = self.take(key)
        if value is None:
            return None
        if not isinstance(value, list) or len(value) != count:
            raise self._wrong(key, f"a list of {count} numbers", value)
        return tuple(self._finite(key, item, low, high) for item in value)

    def path(self, key: str) -> tuple[tuple[float, float], ...]:
        """Take a list of one or more ``[x, y]`` pairs."""
        value = self.take(key)
        if not isinstance(value, list) or not value:
            raise self._wrong(key, "a list of [x, y] pairs", value)
        self._check_length(key, value, MAX_CORNERS)
        corners = []
        for corner in value:
            if not isinstance(corner, list) or len(corner) != 2:
                raise self._wrong(key, "a list of [x, y] pairs", corner)
            x, y = (self._finite(key, item, -math.inf, math.inf) for item in corner)
            corners.append((x, y))
        return tuple(corners)

    def _check_length(self, key: str, value: list[Any], most: int) -> None:
        if len(value) > most:
            raise too_many(f"{self.name}.{key}", len(value), most)

    def _finite(self, key: str, value: Any, low: float, high: float) -> float:
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if is_number and abs(value) >= _HUGE:
            raise self._wrong(key, f"a number below {_HUGE:,.0f}", value)
        if not is_number or not low <= value <= high:
            bounds = "" if math.isinf(low) else f" of at least {low:g}"
            bounds = bounds if math.isinf(high) else f" from {low:g} to {high:g}"
            raise self._wrong(key, f"a number{bounds}", value)
        return float(value)

    def _wrong(self, key: str, expected: str, value: object) -> GuidanceError:
        shown = repr(value)
        shown = shown if len(shown) <= 60 else f"{shown[:57]}..."
        return GuidanceError(f"{self.name}.{key} must be {expected}, got {shown}.")
