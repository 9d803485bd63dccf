"""Typed access to the fields of parsed JSON, with error messages that name the field."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import MISSING, field, fields, is_dataclass
from typing import Any, Literal, TypeVar, cast, get_args

from colorzoo.errors import GuidanceError

MAX_CORNERS = 10_000
"""Maximum number of corners in a path, checked before parsing."""

ReachName = Literal["automatic", "everywhere"]
Reach = ReachName | float
"""Distance over which the color of a point spreads.

``"automatic"`` estimates from the image structure which pixels belong to the point; the color fades where the
estimate is uncertain. ``"everywhere"`` sets no limit. A number multiplies the automatic reach; 0 limits the
color to the square of the point.
"""
REACH_NAMES: tuple[ReachName, ...] = get_args(ReachName)
DEFAULT_REACH: ReachName = "automatic"
MAX_REACH = 10.0

T = TypeVar("T")
_HUGE = 1e9  # larger than any image side; the comparison is also false for NaN
_HEX = re.compile(r"#[0-9a-fA-F]{6}")


def hex_color(value: str, name: str) -> str:
    """Validate a ``#rrggbb`` color and return the color in lower case.

    Raises:
        GuidanceError: ``value`` is not a ``#rrggbb`` color; the message starts with ``name``.
    """
    if not _HEX.fullmatch(value):
        raise GuidanceError(f"{name} must be a color '#rrggbb', got {value!r}")
    return value.lower()


def read_reach(value: object, name: str, default: ReachName = DEFAULT_REACH) -> Reach:
    """Validate and return the `Reach` of a point: how far its color spreads.

    Args:
        value: ``"automatic"``, ``"everywhere"`` or a number from 0 to 10. None selects the default.
        name: Field name for error messages.
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
        raise GuidanceError(f"{name} must be {names} or a number from 0 to {MAX_REACH:g}, got {value!r}")
    return float(cast(float, value))


def parse_reach(text: str, name: str) -> Reach:
    """Parse the `Reach` of a point (how far its color spreads); see `read_reach`."""
    try:
        return read_reach(float(text), name)
    except ValueError:
        return read_reach(text, name)


def too_many(name: str, count: int, most: int) -> GuidanceError:
    """Return a `GuidanceError` for a list with too many entries.

    Args:
        name: Field name for the message.
        count: Number of entries.
        most: Maximum number of entries.
    """
    return GuidanceError(f"{name} must have at most {most:,} entries, got {count:,}")


def entry(kind: str, default: Any = MISSING, **limits: Any) -> Any:
    """Declare a dataclass field that `Fields.parse` reads from JSON.

    Args:
        kind: Name of the `Fields` method that reads the field, such as ``"number"``.
        default: Default value; `dataclasses.MISSING` for a required field.
        **limits: Keyword arguments of this method, such as ``low`` and ``high``.
    """
    return field(default=default, metadata={"kind": kind, "limits": limits})


def plain_fields(item: Any) -> dict[str, Any]:
    """Convert a dataclass to a dictionary of JSON types, omitting fields with default values."""
    found = dict(getattr(item, "extra", {}))
    for each in fields(item):
        default = each.default if each.default_factory is MISSING else each.default_factory()
        value = getattr(item, each.name)
        if each.name != "extra" and value != default:
            found[each.name] = plain(value)
    return found


def plain(value: Any) -> Any:
    """Convert dataclasses to dictionaries and tuples to lists, recursively, for JSON."""
    if isinstance(value, tuple):
        return [plain(each) for each in value]
    if hasattr(value, "to_dict"):
        return value.to_dict()
    return plain_fields(value) if is_dataclass(value) else value


class Fields:
    """A JSON object whose fields are removed when they are read; unknown fields remain.

    If a field is missing or null, a method with the parameter ``default`` returns the default. The default
    `dataclasses.MISSING` makes the field required. An invalid value raises `GuidanceError`.

    Args:
        values: Parsed JSON object.
        name: Name of the object for error messages, such as ``recipe.points[2]``.
    """

    def __init__(self, values: object, name: str) -> None:
        if not isinstance(values, dict):
            raise GuidanceError(f"{name} must be a JSON object, got {type(values).__name__}")
        self.name = name
        self._values: dict[str, Any] = dict(values)

    def take(self, key: str, default: Any = None) -> Any:
        """Remove a field and return its value; return the default for a missing or null field.

        Raises:
            GuidanceError: The field is missing and the default is `dataclasses.MISSING`.
        """
        value = self._values.pop(key, None)
        if value is None and default is MISSING:
            raise GuidanceError(f"{self.name}.{key} is missing.")
        return default if value is None else value

    def get(self, key: str) -> Any:
        """Return the value of a field, or None, without removing the field."""
        return self._values.get(key)

    def parse(self, kind: type[T], **given: Any) -> T:
        """Read the fields that a dataclass declares with `entry`; return an instance.

        Args:
            kind: Dataclass to instantiate.
            **given: Field values that are not read from the JSON object.
        """
        for each in fields(kind):  # type: ignore[arg-type]  # kind is a dataclass
            if each.metadata and each.name not in given:
                read = getattr(self, each.metadata["kind"])
                given[each.name] = read(each.name, each.default, **each.metadata["limits"])
        return cast(T, cast(Any, kind)(**given, extra=self.rest()))

    def rest(self) -> dict[str, Any]:
        """Return a dictionary of the fields that have not been read."""
        return dict(self._values)

    def child(self, key: str) -> Fields:
        """Remove a field and return its JSON object; a missing field gives an empty object."""
        found = self.optional_child(key)
        return Fields({}, f"{self.name}.{key}") if found is None else found

    def optional_child(self, key: str) -> Fields | None:
        """Remove a field and return its JSON object; return None if the field is missing or null."""
        value = self.take(key)
        return None if value is None else Fields(value, f"{self.name}.{key}")

    def children(self, key: str, most: int) -> Iterator[Fields]:
        """Remove a field and yield the JSON objects of its list.

        A missing field counts as an empty list. More than ``most`` objects raise `GuidanceError`.
        """
        value = self.take(key)
        value = [] if value is None else value
        if not isinstance(value, list):
            raise self._wrong(key, "a list", value)
        self._check_length(key, value, most)
        for index, item in enumerate(value):
            yield Fields(item, f"{self.name}.{key}[{index}]")

    def text(self, key: str, default: Any = None) -> Any:
        """Remove a field and return its string value."""
        value = self.take(key, default)
        if value is not default and not isinstance(value, str):
            raise self._wrong(key, "a string", value)
        return value

    def texts(self, key: str, most: int) -> list[str]:
        """Remove a field and return its list of at most ``most`` strings; a missing field counts as empty."""
        value = self.take(key, [])
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise self._wrong(key, "a list of strings", value)
        self._check_length(key, value, most)
        return value

    def choice(self, key: str, default: Any, *, names: tuple[str, ...]) -> Any:
        """Remove a field and return its string value, which must be one of ``names``."""
        value = self.take(key, default)
        if value not in names:
            raise self._wrong(key, f"one of {', '.join(names)}", value)
        return value

    def color(self, key: str, default: Any = MISSING) -> Any:
        """Remove a field and return its ``#rrggbb`` color."""
        value = self.text(key, default)
        return value if value is default else hex_color(value, f"{self.name}.{key}")

    def reach(self, key: str, default: Any) -> Reach:
        """Remove a field and return its value, the `Reach` of a point."""
        return read_reach(self.take(key), f"{self.name}.{key}", default)

    def number(self, key: str, default: Any, *, low: float = -math.inf, high: float = math.inf) -> Any:
        """Remove a field and return its finite number in [low, high]."""
        value = self.take(key, default)
        return value if value is default else self._finite(key, value, low, high)

    def required_number(self, key: str) -> float:
        """Remove a required field and return its finite number."""
        return float(self.number(key, MISSING))

    def flag(self, key: str, default: bool = False) -> bool:
        """Remove a field and return its boolean value."""
        value = self.take(key, default)
        if not isinstance(value, bool):
            raise self._wrong(key, "true or false", value)
        return value

    def integer(self, key: str, default: Any, *, low: float = -math.inf) -> Any:
        """Remove a field and return its integer, which must be at least ``low``."""
        value = self.take(key, default)
        if value is default:
            return value
        if isinstance(value, float) and value.is_integer():  # JSON does not distinguish 640.0 from 640
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int) or value < low:
            raise self._wrong(key, "a whole number" + ("" if math.isinf(low) else f" from {low:g}"), value)
        return value

    def numbers(self, key: str, default: Any = None, *, count: int, low: float, high: float) -> Any:
        """Remove a field and return its ``count`` numbers in [low, high]."""
        value = self.take(key, default)
        if value is default:
            return value
        if not isinstance(value, list) or len(value) != count:
            raise self._wrong(key, f"a list of {count} numbers", value)
        return tuple(self._finite(key, item, low, high) for item in value)

    def path(self, key: str, default: Any = MISSING) -> tuple[tuple[float, float], ...]:
        """Remove a field and return its list of one or more ``[x, y]`` pairs."""
        value = self.take(key, default)
        if isinstance(value, list):
            self._check_length(key, value, MAX_CORNERS)
        else:
            value = []
        if not value or not all(isinstance(corner, list) and len(corner) == 2 for corner in value):
            raise self._wrong(key, "a list of [x, y] pairs", value)
        return tuple(
            (self._finite(key, x, -math.inf, math.inf), self._finite(key, y, -math.inf, math.inf))
            for x, y in value
        )

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
        return GuidanceError(f"{self.name}.{key} must be {expected}, got {shown}")
