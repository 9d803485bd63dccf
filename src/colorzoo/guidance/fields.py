"""Typed access to the fields of parsed JSON, with error messages that name the field."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import MISSING, fields, is_dataclass
from functools import cache
from types import NoneType
from typing import Annotated, Any, Literal, TypeVar, cast, get_args, get_origin, get_type_hints

from colorzoo.errors import GuidanceError
from colorzoo.settings import Range

MAX_CORNERS = 10_000
"""Maximum number of corners in a path, checked before parsing."""

HexColor = Annotated[str, "#rrggbb"]
"""Color ``#rrggbb``; recipes store colors in lower case."""
Vertices = tuple[tuple[float, float], ...]
"""Vertices (x, y) of a polyline or polygon, in pixels of the original image."""
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
_ANYTHING = Range(-math.inf)
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

    Examples:
        >>> read_reach(None, "reach")
        'automatic'

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
    """Parse the `Reach` of a point (how far its color spreads); see `read_reach`.

    Examples:
        >>> parse_reach("0.5", "--reach")
        0.5
    """
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

    Examples:
        >>> fields = Fields({"x": 20, "new": 1}, "point")
        >>> fields.read("x", float), fields.rest()
        (20.0, {'new': 1})

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

    def read(self, key: str, kind: Any, default: Any = None) -> Any:
        """Remove a field and return its value, which must have the given type.

        Args:
            key: Name of the field.
            kind: ``bool``, ``str``, `HexColor`, `Reach`, `Vertices`, a `Literal`, a number type (optionally
                with a `Range`), or a tuple of numbers.
            default: Value for a missing or null field.
        """
        value = self.take(key, default)
        return value if value is default else _convert(value, kind, f"{self.name}.{key}")

    def parse(self, kind: type[T], **given: Any) -> T:
        """Read the fields of a dataclass by their type annotations; return an instance.

        Args:
            kind: Dataclass to instantiate.
            **given: Field values that are not read from the JSON object.
        """
        for name, annotation, default in _declared(kind):  # type: ignore[arg-type]  # classes are hashable
            if name not in given:
                given[name] = self.read(name, annotation, default)
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
            raise _wrong(f"{self.name}.{key}", "a list", value)
        _check_length(f"{self.name}.{key}", value, most)
        for index, item in enumerate(value):
            yield Fields(item, f"{self.name}.{key}[{index}]")

    def texts(self, key: str, most: int) -> list[str]:
        """Remove a field and return its list of at most ``most`` strings; a missing field counts as empty."""
        value = self.take(key, [])
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise _wrong(f"{self.name}.{key}", "a list of strings", value)
        _check_length(f"{self.name}.{key}", value, most)
        return value

    def numbers(self, key: str, default: Any = None, *, count: int, low: float, high: float) -> Any:
        """Remove a field and return its ``count`` numbers in [low, high]."""
        value = self.take(key, default)
        kinds = count * (Annotated[float, Range(low, high)],)
        return value if value is default else _numbers(value, kinds, f"{self.name}.{key}")


@cache
def _declared(kind: type[Any]) -> list[tuple[str, Any, Any]]:
    """Return the names, type annotations and default values of the fields that `Fields.parse` reads."""
    hints = get_type_hints(kind, include_extras=True)
    return [(each.name, hints[each.name], each.default) for each in fields(kind) if each.name != "extra"]


def _convert(value: Any, kind: Any, name: str) -> Any:
    """Validate a JSON value; return an instance of a type, for example a tuple for a list.

    Raises:
        GuidanceError: The value is invalid; the message starts with ``name``.
    """
    if kind == Reach:
        return read_reach(value, name)
    if NoneType in get_args(kind):
        kind = get_args(kind)[0]
    if kind == HexColor:
        return hex_color(_convert(value, str, name), name)
    if kind == Vertices:
        return _vertices(value, name)
    if get_origin(kind) is tuple:
        return _numbers(value, get_args(kind), name)
    if get_origin(kind) is Literal:
        if value not in get_args(kind):
            raise _wrong(name, f"one of {', '.join(get_args(kind))}", value)
        return value
    limits = _ANYTHING
    if get_origin(kind) is Annotated:
        kind, limits = get_args(kind)
    if kind is float:
        return _finite(value, limits, name)
    if kind is int:
        return _whole(value, limits, name)
    if not isinstance(value, kind):
        raise _wrong(name, "true or false" if kind is bool else "a string", value)
    return value


def _finite(value: Any, limits: Range, name: str) -> float:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if is_number and abs(value) >= _HUGE:
        raise _wrong(name, f"a number below {_HUGE:,.0f}", value)
    if not is_number or not limits.contains(value):
        bounds = "" if math.isinf(limits.low) else f" of at least {limits.low:g}"
        bounds = bounds if limits.high is None else f" from {limits.low:g} to {limits.high:g}"
        raise _wrong(name, f"a number{bounds}", value)
    return float(value)


def _whole(value: Any, limits: Range, name: str) -> int:
    if isinstance(value, float) and value.is_integer():  # JSON does not distinguish 640.0 from 640
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not limits.contains(value):
        bounds = "" if math.isinf(limits.low) else f" from {limits.low:g}"
        raise _wrong(name, f"a whole number{bounds}", value)
    return value


def _numbers(value: Any, kinds: tuple[Any, ...], name: str) -> tuple[float, ...]:
    if not isinstance(value, list) or len(value) != len(kinds):
        raise _wrong(name, f"a list of {len(kinds)} numbers", value)
    return tuple(_convert(item, kind, name) for item, kind in zip(value, kinds, strict=True))


def _vertices(value: Any, name: str) -> Vertices:
    if isinstance(value, list):
        _check_length(name, value, MAX_CORNERS)
    if not value or not isinstance(value, list) or not all(_is_pair(corner) for corner in value):
        raise _wrong(name, "a list of [x, y] pairs", value)
    return tuple((_finite(x, _ANYTHING, name), _finite(y, _ANYTHING, name)) for x, y in value)


def _is_pair(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 2


def _check_length(name: str, value: list[Any], most: int) -> None:
    if len(value) > most:
        raise too_many(name, len(value), most)


def _wrong(name: str, expected: str, value: object) -> GuidanceError:
    shown = repr(value)
    shown = shown if len(shown) <= 60 else f"{shown[:57]}..."
    return GuidanceError(f"{name} must be {expected}, got {shown}")
