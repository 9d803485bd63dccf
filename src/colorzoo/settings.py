"""Typed settings: groups of model settings, value ranges, and options of the command line.

Model constructors have parameters for groups of settings (``architecture``, ``objective``, ``simulation``).
Each group is a frozen dataclass; YAML files and checkpoints store each group as a mapping. Cards, weight
files and `create_model` use flat setting names, which are unique within a model:
``create_model(name, width=0.25)``.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import MISSING, asdict, dataclass, field, fields, is_dataclass
from numbers import Integral, Real
from pathlib import PurePath
from typing import Annotated, Any, Literal, TypeVar, Unpack, get_args, get_origin, get_type_hints

from colorzoo.errors import ColorzooError

__all__ = [
    "COLORS",
    "FILES",
    "MODEL",
    "REFERENCES",
    "RUN",
    "Fraction",
    "NonNegativeFloat",
    "NonNegativeInt",
    "Positive",
    "PositiveInt",
    "Probability",
    "Range",
    "Width",
    "argument",
    "option",
    "out_of_range",
    "settings_of",
]

Precision = Literal["auto", "float32", "bfloat16"]
"""Numeric precision of a model."""
Engine = Literal["torch", "onnxruntime"]
"""Inference library."""
S = TypeVar("S")


@dataclass(frozen=True)
class Range:
    """Range of a number, for type annotations such as ``Annotated[int, Range(1)]``.

    Attributes:
        low: Minimum.
        high: Maximum; None if there is no maximum.
        open: Whether the minimum itself is excluded.
        unit: Unit for error messages.
        step: Values must be multiples of this number; 0 allows all values.
    """

    low: float
    high: float | None = None
    open: bool = False
    unit: str = ""
    step: int = 0

    def contains(self, value: float) -> bool:
        """Return whether a value is in the range."""
        above = value > self.low if self.open else value >= self.low
        divides = not self.step or value % self.step == 0
        return above and divides and (self.high is None or value <= self.high)

    def __str__(self) -> str:
        low = f"above {self.low:g}" if self.open else f"at least {self.low:g}"
        limits = low if self.high is None else f"{low} and at most {self.high:g}"
        step = f" and a multiple of {self.step}" if self.step else ""
        return f"{limits} {self.unit}".rstrip() + step


# titles of option groups in help texts
COLORS, REFERENCES, MODEL = "colors", "references and classes", "model and engine"
FILES, RUN = "files", "many images and reports"


def option(
    default: Any,
    text: str,
    group: str = "",
    *flags: str,
    metavar: str | tuple[str, ...] | None = None,
    nargs: int | str | None = None,
) -> Any:
    """Return a dataclass field that defines a command-line option.

    Users can repeat an option of type ``list[str]``. The value of an option of type ``list[float]`` is a
    comma-separated list.

    Args:
        default: Default value; `dataclasses.MISSING` for a required option.
        text: Help text without a final period.
        group: Title of the option group in the help.
        *flags: Option strings such as ``-o``. If omitted, the option is ``--`` followed by the field name,
            with ``-`` instead of ``_``.
        metavar: Placeholder for the value in the help.
        nargs: Number of values, as in `argparse`.
    """
    metadata = {"help": text, "group": group, "flags": flags, "metavar": metavar, "nargs": nargs}
    return _field(default, metadata | {"positional": False})


def argument(text: str, metavar: str, default: Any = MISSING, nargs: str | None = None) -> Any:
    """Return a dataclass field that defines a positional command-line argument; see `option`."""
    metadata = {"help": text, "group": "", "flags": (), "metavar": metavar, "nargs": nargs}
    return _field(default, metadata | {"positional": True})


def _field(default: Any, metadata: dict[str, Any]) -> Any:
    if isinstance(default, list):
        return field(default_factory=default.copy, metadata=metadata)
    return field(default=default, metadata=metadata)


Fraction = Annotated[float, Range(0, 1)]
"""Number from 0 to 1."""
Probability = Annotated[float, Range(0, 1, open=True)]
"""Probability above 0 and at most 1."""
NonNegativeFloat = Annotated[float, Range(0)]
"""Number that is at least 0."""
Positive = Annotated[float, Range(0, open=True)]
"""Number above 0."""
Width = Annotated[float, Range(0, 4, open=True, unit="times the published channels")]
"""Multiplier of the published number of channels."""
Ratio = Annotated[float, Range(1)]
"""Number that is at least 1."""
NonNegativeInt = Annotated[int, Range(0)]
"""Integer that is at least 0."""
PositiveInt = Annotated[int, Range(1)]
"""Integer that is at least 1."""


def settings_of(kind: type[S], settings: Mapping[str, Any]) -> S:
    """Build a dataclass from a mapping, in which lists replace tuples as in YAML and JSON.

    Args:
        kind: Dataclass of a group of settings.
        settings: Settings by name.

    Raises:
        ColorzooError: A setting is unknown, or a number is out of range.
    """
    known = [each.name for each in fields(kind)]  # type: ignore[arg-type]  # kind is a dataclass
    if unknown := [key for key in settings if key not in known]:
        raise ColorzooError(
            f"{kind.__name__} has no setting {unknown[0]!r}; known settings: {', '.join(known)}"
        )
    found = kind(**{key: _hashable(value) for key, value in settings.items()})
    check_arguments(kind, vars(found))
    return found


def check_arguments(kind: type[Any], arguments: Mapping[str, Any]) -> None:
    """Raise an error if a constructor argument, or a setting in a group, is outside its `Range`.

    Args:
        kind: Class whose constructor has the arguments.
        arguments: Constructor arguments by name.

    Raises:
        ColorzooError: A number is out of range.
    """
    for name, limits, number in out_of_range(argument_types(kind), arguments):
        raise ColorzooError(f"{name} must be {limits}, got {number}")


def out_of_range(hints: Mapping[str, Any], values: Mapping[str, Any]) -> list[tuple[str, Range, float]]:
    """Return the name, range and value of each number outside the `Range` of its type hint.

    Args:
        hints: Dict that maps names to type annotations, such as ``Annotated[int, Range(1)]`` or a dataclass
            with such annotations.
        values: Dict that maps the same names to a number, a list of numbers, a mapping of numbers or a group
            of settings. Values of other types, such as None, are not checked.
    """
    found: list[tuple[str, Range, float]] = []
    for name, hint in hints.items():
        value = values.get(name)
        if is_group(hint):
            group = value if isinstance(value, Mapping) else vars(value) if isinstance(value, hint) else {}
            found += out_of_range(argument_types(hint), group)
            continue
        if isinstance(value, Mapping):
            value = list(value.values())
        items = value if isinstance(value, list | tuple) else [value]
        numbers = [item for item in items if isinstance(item, int | float)]
        for limits in _ranges_of(hint):
            found += [(name, limits, number) for number in numbers if not limits.contains(number)]
    return found


def is_group(hint: Any) -> bool:
    """Return whether a type annotation is a dataclass, and not a union that contains a dataclass."""
    return isinstance(hint, type) and is_dataclass(hint)


def constructor_parameters(kind: type[Any]) -> dict[str, inspect.Parameter]:
    """Return the parameters of a constructor by name, with evaluated type annotations.

    If the constructor has ``**kwargs``, the parameters of the next base class are included; for
    ``**kwargs: Unpack[...]``, the keys of the `TypedDict`.
    """
    found: dict[str, inspect.Parameter] = {}
    for construct in (vars(base)["__init__"] for base in kind.__mro__ if "__init__" in vars(base)):
        # hints of a dataclass must be read from the class, because its bases may be in other modules
        hints = get_type_hints(kind if is_dataclass(kind) else construct, include_extras=True)
        _, *parameters = inspect.signature(construct).parameters.values()
        for each in parameters:
            if each.kind not in (each.VAR_POSITIONAL, each.VAR_KEYWORD):
                found.setdefault(each.name, each.replace(annotation=hints.get(each.name, Any)))
        if not parameters or parameters[-1].kind != inspect.Parameter.VAR_KEYWORD:
            break
        hint = hints.get(parameters[-1].name)
        if get_origin(hint) is Unpack:
            more = get_type_hints(get_args(hint)[0], include_extras=True)
            keyword = inspect.Parameter.KEYWORD_ONLY
            found |= {name: inspect.Parameter(name, keyword, annotation=each) for name, each in more.items()}
            break
    return found


def argument_types(kind: type[Any]) -> dict[str, Any]:
    """Return a dict that maps the names in `constructor_parameters` to their type annotations."""
    return {name: each.annotation for name, each in constructor_parameters(kind).items()}


def constructor_arguments(kind: type[Any], settings: Mapping[str, Any]) -> dict[str, Any]:
    """Convert settings from a card, a weight file or a user to the arguments of a constructor.

    Args:
        kind: Class of a model or task.
        settings: Single settings by name, groups as mappings or dataclasses, or both.

    Returns:
        Constructor arguments by name, with each group as its dataclass.

    Raises:
        ColorzooError: A setting is unknown, or a number is out of range.
    """
    arguments, types = nest_arguments(kind, settings), argument_types(kind)
    for name, value in arguments.items():
        groups = [each for each in (types[name], *get_args(types[name])) if is_group(each)]
        if groups and isinstance(value, Mapping):
            arguments[name] = settings_of(groups[0], value)
    return arguments


def nest_arguments(constructor: type[Any], flat: Mapping[str, Any]) -> dict[str, Any]:
    """Convert flat settings to constructor arguments with groups of settings.

    For example, ``{"width": 0.5}`` becomes ``{"architecture": {"width": 0.5}}``.

    Args:
        constructor: Class whose constructor has a parameter for each group, such as ``architecture``.
        flat: Dict that maps names of settings and of constructor parameters to values.

    Returns:
        Constructor arguments by name, with each group as a mapping.

    Raises:
        ColorzooError: A setting is unknown.
    """
    groups = setting_groups(constructor)
    owner = {each.name: group for group, kind in groups.items() for each in fields(kind)}
    plain = argument_types(constructor).keys()
    nested: dict[str, Any] = {}
    for key, value in flat.items():
        if key in plain:
            nested[key] = _merged(nested.get(key), value)
        elif key in owner:
            nested.setdefault(owner[key], {})[key] = value
        else:
            known = sorted({*plain, *owner})
            raise ColorzooError(
                f"{constructor.__name__} has no argument {key!r}; known arguments: {', '.join(known)}"
            )
    return nested


def flatten_arguments(constructor: type[Any], nested: Mapping[str, Any]) -> dict[str, Any]:
    """Replace the groups in constructor arguments with the settings that they contain.

    This function is the inverse of `nest_arguments`.

    Args:
        constructor: Class whose constructor has a parameter for each group, such as ``architecture``.
        nested: Constructor arguments by name, with groups as dataclasses or mappings.
    """
    groups = setting_groups(constructor)
    flat: dict[str, Any] = {}
    for key, value in nested.items():
        if key in groups:
            flat |= (
                asdict(value) if is_dataclass(value) and not isinstance(value, type) else dict(value or {})
            )
        else:
            flat[key] = value
    return flat


def known_settings(constructor: type[Any]) -> frozenset[str]:
    """Return the names of all constructor arguments and of all settings in their groups."""
    groups = setting_groups(constructor)
    single = {each.name for kind in groups.values() for each in fields(kind)}
    return frozenset(single | argument_types(constructor).keys())


def setting_groups(constructor: type[Any]) -> dict[str, type[Any]]:
    """Return a dict that maps the parameters for groups of settings to their dataclasses."""
    return {name: hint for name, hint in argument_types(constructor).items() if is_group(hint)}


def plain_arguments(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Convert argument values to mappings, lists, numbers and strings; exclude callables.

    Paths become strings, and NumPy numbers become numbers of Python.
    """
    return {key: _plain(value) for key, value in arguments.items() if not callable(value)}


def _ranges_of(hint: Any) -> list[Range]:
    """Return the `Range` annotations of a type or of the members of a union."""
    if get_origin(hint) is Annotated:
        return [each for each in hint.__metadata__ if isinstance(each, Range)]
    return [found for each in get_args(hint) for found in _ranges_of(each)]


def _merged(old: Any, new: Any) -> Any:
    return {**old, **_plain(new)} if isinstance(old, Mapping) and new is not None else new


def _plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return _plain(asdict(value))
    if isinstance(value, Mapping):
        return {key: _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    if isinstance(value, PurePath):
        return str(value)
    if isinstance(value, bool):
        return value
    if isinstance(value, Real):
        return int(value) if isinstance(value, Integral) else float(value)
    return value


def _hashable(value: Any) -> Any:
    """Convert lists to tuples, recursively."""
    return tuple(_hashable(each) for each in value) if isinstance(value, list | tuple) else value
