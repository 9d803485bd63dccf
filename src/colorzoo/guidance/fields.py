"""Read the fields of parsed JSON by their types, with error messages that name the field."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import MISSING, fields, is_dataclass
from functools import cache
from inspect import Parameter
from types import NoneType
from typing import Annotated, Any, Literal, TypeVar, cast, get_args, get_origin

from colorzoo.errors import GuidanceError
from colorzoo.options import constructor_parameters
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
_parameters = cache(constructor_parameters)
_HUGE = 1e9  # larger than any image side; the comparison is also false for NaN
_ANYTHING = Range(-math.inf)
_NUMBERS: Mapping[type, Any] = {int: int, float: int | float}  # JSON types of a number
_HEX = re.compile(r"#[0-9a-fA-F]{6}")


def hex_color(value: str, name: str) -> str:
    """Validate a ``#rrggbb`` color and return the color in lower case.

    Raises:
        GuidanceError: ``value`` is not a ``#rrggbb`` color; the message starts with ``name``.
    """
    if not _HEX.fullmatch(value):
        raise GuidanceError(f"{name} must be a color '#rrggbb', got {value!r}")
    return value.lower()


def format_hex(levels: Iterable[int]) -> str:
    """Return the ``#rrggbb`` color of red, green and blue levels from 0 to 255.

    Examples:
        >>> format_hex([192, 64, 32])
        '#c04020'
    """
    return "#" + "".join(f"{level:02x}" for level in levels)


def read_reach(value: object, name: str) -> Reach:
    """Validate and return the `Reach` of a point: how far its color spreads.

    Args:
        value: ``"automatic"``, ``"everywhere"`` or a number from 0 to 10.
        name: Field name for error messages.

    Raises:
        GuidanceError: ``value`` is invalid.
    """
    if value in REACH_NAMES:
        return value
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= MAX_REACH:
        return float(value)
    names = ", ".join(map(repr, REACH_NAMES))
    raise GuidanceError(f"{name} must be {names} or a number from 0 to {MAX_REACH:g}, got {value!r}")


def check_count(name: str, count: int, most: int) -> None:
    """Raise `GuidanceError` if the field ``name`` has more than ``most`` entries."""
    if count > most:
        raise GuidanceError(f"{name} must have at most {most:,} entries, got {count:,}")


def plain_fields(item: Any) -> dict[str, Any]:
    """Convert a dataclass to a dictionary of JSON types, omitting fields with default values."""
    found = dict(getattr(item, "extra", {}))
    for each in fields(item):
        default = each.default if each.default_factory is MISSING else each.default_factory()
        value = getattr(item, each.name)
        if each.name != "extra" and value != default:
            found[each.name] = _plain(value)
    return found


def _plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_plain(each) for each in value]
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
        """Remove a field and return its value; return the default for a missing or null field."""
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
                with a `Range`), a tuple of such types, or a dataclass with such fields.
            default: Value for a missing or null field.
        """
        value = self.take(key, default)
        return value if value is default else _convert(value, kind, f"{self.name}.{key}")

    def read_list(self, key: str, kind: Any, most: int) -> tuple[Any, ...]:
        """Remove a field and return its list of at most ``most`` values; a missing field gives no values.

        Args:
            key: Name of the field.
            kind: Type of the values, as in `read`; `Fields` returns JSON objects.
            most: Maximum number of values.
        """
        return read_items(self.take(key, []), kind, most, f"{self.name}.{key}")

    def parse(self, kind: type[T], **given: Any) -> T:
        """Read the fields of a dataclass by their type annotations; return an instance.

        Args:
            kind: Dataclass to instantiate. Its field ``extra``, if any, receives the unknown fields.
            **given: Field values that are not read from the JSON object.
        """
        parameters = _parameters(kind)  # type: ignore[arg-type]  # classes are hashable
        for name, each in parameters.items():
            if name not in given and name != "extra":
                default = MISSING if each.default is Parameter.empty else each.default
                given[name] = self.read(name, each.annotation, default)
        if "extra" in parameters:
            given["extra"] = self.rest()
        return kind(**given)

    def rest(self) -> dict[str, Any]:
        """Return a dictionary of the fields that have not been read."""
        return dict(self._values)

    def child(self, key: str) -> Fields:
        """Remove a field and return its JSON object; a missing field gives an empty object."""
        return Fields(self.take(key, {}), f"{self.name}.{key}")


def read_items(values: object, kind: Any, most: int, name: str) -> tuple[Any, ...]:
    """Validate a JSON list and return its values.

    Args:
        values: Parsed JSON.
        kind: Type of the values, as in `Fields.read`; `Fields` returns JSON objects.
        most: Maximum number of values.
        name: Name of the list for error messages.
    """
    if not isinstance(values, list):
        raise _wrong(name, "a list", values)
    check_count(name, len(values), most)
    return tuple(_convert(each, kind, f"{name}[{index}]") for index, each in enumerate(values))


def _convert(value: Any, annotation: Any, name: str) -> Any:
    """Validate a JSON value; return an instance of a type, for example a tuple for a list.

    Raises:
        GuidanceError: The value is invalid; the message starts with ``name``.
    """
    if annotation is Fields:
        return Fields(value, name)
    if annotation == Reach:
        return read_reach(value, name)
    if NoneType in get_args(annotation):
        annotation = get_args(annotation)[0]
    if is_dataclass(annotation):
        return Fields(value, name).parse(cast(Any, annotation))
    if annotation == HexColor:
        return hex_color(_convert(value, str, name), name)
    if annotation == Vertices:
        pairs = value if isinstance(value, list) else []
        check_count(name, len(pairs), MAX_CORNERS)
        if not pairs or any(not isinstance(each, list) or len(each) != 2 for each in pairs):
            raise _wrong(name, "a list of [x, y] pairs", value)
        return tuple(
            (_number(x, float, _ANYTHING, name), _number(y, float, _ANYTHING, name)) for x, y in pairs
        )
    if get_origin(annotation) is tuple:
        item_types = get_args(annotation)
        if not isinstance(value, list) or len(value) != len(item_types):
            raise _wrong(name, f"a list of {len(item_types)} numbers", value)
        return tuple(_convert(item, kind, name) for item, kind in zip(value, item_types, strict=True))
    if get_origin(annotation) is Literal:
        if value not in get_args(annotation):
            raise _wrong(name, f"one of {', '.join(get_args(annotation))}", value)
        return value
    if get_origin(annotation) is Annotated:
        number_type, limits = get_args(annotation)
        return _number(value, number_type, limits, name)
    if annotation in (int, float):
        return _number(value, annotation, _ANYTHING, name)
    if not isinstance(value, annotation):
        raise _wrong(name, "true or false" if annotation is bool else "a string", value)
    return value


def _number(value: Any, kind: type[int] | type[float], limits: Range, name: str) -> float:
    """Validate a number; integers may be written as 640.0, because JSON has a single type of numbers."""
    if kind is int and isinstance(value, float) and value.is_integer():
        value = int(value)
    is_number = isinstance(value, _NUMBERS[kind]) and not isinstance(value, bool)
    if is_number and kind is float and abs(value) >= _HUGE:
        raise _wrong(name, f"a number below {_HUGE:,.0f}", value)
    if not is_number or not limits.contains(value):
        noun = "a whole number" if kind is int else "a number"
        bounds = "" if math.isinf(limits.low) else f" of at least {limits.low:g}"
        bounds = bounds if limits.high is None else f" from {limits.low:g} to {limits.high:g}"
        raise _wrong(name, noun + bounds, value)
    return kind(value)


def _wrong(name: str, expected: str, value: object) -> GuidanceError:
    shown = repr(value)
    shown = shown if len(shown) <= 60 else f"{shown[:57]}..."
    return GuidanceError(f"{name} must be {expected}, got {shown}")
