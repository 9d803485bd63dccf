"""Typed settings: groups of model settings, value ranges, and options of the command line.

Settings are declared in one way: as dataclass fields or constructor parameters with a default and a type
annotation, which may contain a `Range`. `option` adds the help text of a command-line option.

Model constructors have parameters for groups of settings (``architecture``, ``objective``, ``simulation``).
Each group is a frozen dataclass; YAML files and checkpoints store each group as a mapping. Cards, weight
files and `create_model` use flat setting names, which are unique within a model:
``create_model(name, width=0.25)``.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import MISSING, asdict, dataclass, field, is_dataclass
from numbers import Integral, Real
from pathlib import PurePath
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, Unpack, get_args, get_origin, get_type_hints

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
]

Writes = Literal["", "file", ".txt", "path", "results"]  # kind of output of an option; see `option`
Precision = Literal["auto", "float32", "bfloat16"]  # numeric precision of a model
Engine = Literal["torch", "onnxruntime"]  # inference library


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
    writes: Writes = "",
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
        writes: ``"file"`` if the command writes this file, which must not exist unless ``--overwrite`` is
            set. ``".txt"`` also requires this extension. ``"path"`` if the command itself checks an existing
            file or folder. ``"results"`` if the command also checks that no output is an input.
    """
    metadata = {"help": text, "group": group, "flags": flags, "metavar": metavar, "nargs": nargs}
    metadata |= {"writes": writes}
    if isinstance(default, list):
        return field(default_factory=default.copy, metadata=metadata)
    return field(default=default, metadata=metadata)


def argument(
    text: str,
    metavar: str,
    default: Any = MISSING,
    nargs: str | None = None,
    writes: Writes = "",
) -> Any:
    """Return a dataclass field that defines a positional command-line argument; see `option`."""
    # as in argparse, the flag has no hyphen
    return option(default, text, "", metavar, nargs=nargs, writes=writes)


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
NonNegativeInt = Annotated[int, Range(0)]
"""Integer that is at least 0."""
PositiveInt = Annotated[int, Range(1)]
"""Integer that is at least 1."""


def check_arguments(kind: type[Any], arguments: Mapping[str, Any]) -> None:
    """Raise `ColorzooError` if a constructor argument, or a setting in a group, has an invalid value.

    A number must be inside its `Range`, and a value of a `Literal` type must be one of the listed values.

    Args:
        kind: Class whose constructor declares the arguments, such as a dataclass.
        arguments: Constructor arguments by name. An argument can be a number, a list or mapping of numbers,
            a listed value, or a group of settings. Other values, such as None, are not checked.
    """
    for name, parameter in constructor_parameters(kind).items():
        value = arguments.get(name)
        hint = parameter.annotation
        group = group_of(hint)
        if group is not None:
            settings = vars(value) if isinstance(value, group) else value
            if isinstance(settings, Mapping):
                check_arguments(group, settings)
            continue
        if value is not None:
            check_choice(name, value, hint)
        items = [value]
        if isinstance(value, Mapping):
            items = list(value.values())
        elif isinstance(value, list | tuple):
            items = list(value)
        for limits in _ranges_of(hint):
            for item in map(_plain, items):
                if isinstance(item, int | float) and not limits.contains(item):
                    raise ColorzooError(f"{name} must be {limits}, got {item}")


def check_choice(name: str, value: Any, hint: Any) -> None:
    """Raise `ColorzooError` if a value is not one of the listed values of a `Literal` type.

    Examples:
        >>> check_choice("engine", "torch", Engine)

    Args:
        name: Name of the argument in the error message.
        value: The value.
        hint: Type annotation; other types than ``Literal[...]`` and ``Literal[...] | None`` are not checked.
    """
    choices = _choices_of(hint)
    if choices and value not in choices:
        raise ColorzooError(f"{name} must be one of {', '.join(map(repr, choices))}, got {value!r}")


def group_of(hint: Any) -> type[Any] | None:
    """Return the dataclass in a type annotation ``Group`` or ``Group | None``; None for other types."""
    members = get_args(hint) if isinstance(hint, UnionType) else (hint,)
    return next((each for each in members if isinstance(each, type) and is_dataclass(each)), None)


def constructor_parameters(kind: type[Any]) -> Mapping[str, inspect.Parameter]:
    """Return the parameters of a constructor by name, with evaluated type annotations.

    If the constructor has ``**kwargs``, the parameters of the next constructor in the method resolution order
    are added. If the annotation is ``**kwargs: Unpack[...]``, the keys of the `TypedDict` are added instead.
    ``self`` and ``*args`` are omitted. The annotation of a parameter without a type annotation is `Any`.
    """
    found: dict[str, inspect.Parameter] = {}
    constructors = [vars(base)["__init__"] for base in kind.__mro__ if "__init__" in vars(base)]
    for constructor in constructors:
        # hints of a dataclass must be read from the class, because its bases may be in other modules
        hints = get_type_hints(kind if is_dataclass(kind) else constructor, include_extras=True)
        _, *parameters = inspect.signature(constructor).parameters.values()  # without self
        kwargs_name = None
        for parameter in parameters:
            if parameter.kind == parameter.VAR_KEYWORD:
                kwargs_name = parameter.name
            elif parameter.kind != parameter.VAR_POSITIONAL:
                hint = hints.get(parameter.name, Any)
                # a parameter of a subclass takes precedence
                found.setdefault(parameter.name, parameter.replace(annotation=hint))
        if kwargs_name is None:  # the next constructor gets no arguments of the caller
            return found
        kwargs_hint = hints.get(kwargs_name)
        if get_origin(kwargs_hint) is Unpack:
            (typed_dict,) = get_args(kwargs_hint)
            for key, key_hint in get_type_hints(typed_dict, include_extras=True).items():
                parameter = inspect.Parameter(key, inspect.Parameter.KEYWORD_ONLY, annotation=key_hint)
                found.setdefault(key, parameter)
            return found
    return found


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
    arguments = nest_arguments(kind, settings)
    for name, value in arguments.items():
        group = group_of(constructor_parameters(kind)[name].annotation)
        if group is None or not isinstance(value, Mapping):
            continue
        known = constructor_parameters(group)
        if unknown := [key for key in value if key not in known]:
            raise ColorzooError(
                f"{group.__name__} has no setting {unknown[0]!r}; known settings: {', '.join(known)}"
            )
        arguments[name] = group(**{key: _hashable(each) for key, each in value.items()})
    check_arguments(kind, arguments)
    return arguments


def nest_arguments(constructor: type[Any], flat: Mapping[str, Any]) -> dict[str, Any]:
    """Convert flat settings to constructor arguments, with each group of settings as a mapping.

    For example, ``{"width": 0.5}`` becomes ``{"architecture": {"width": 0.5}}``. A key can also be a whole
    group. Entries for the same group are merged, and later entries take precedence.

    Raises:
        ColorzooError: A setting is unknown.
    """
    group_of_setting = _group_names(constructor)
    parameters = constructor_parameters(constructor)
    nested: dict[str, Any] = {}
    for key, value in flat.items():
        if key in parameters:
            earlier_group = nested.get(key)
            if isinstance(earlier_group, Mapping) and value is not None:
                nested[key] = {**earlier_group, **_group_settings(key, value)}
            else:
                nested[key] = value
        elif key in group_of_setting:
            group = group_of_setting[key]
            nested[group] = {**_plain(nested.get(group, {})), key: value}
        else:
            known = ", ".join(sorted(known_settings(constructor)))
            raise ColorzooError(f"{constructor.__name__} has no argument {key!r}; known arguments: {known}")
    return nested


def flatten_arguments(constructor: type[Any], nested: Mapping[str, Any]) -> dict[str, Any]:
    """Replace the groups in constructor arguments with their settings; the inverse of `nest_arguments`."""
    groups = setting_groups(constructor)
    flat: dict[str, Any] = {}
    for key, value in nested.items():
        flat |= _group_settings(key, value or {}) if key in groups else {key: value}
    return flat


def merge_settings(constructor: type[Any], *layers: Mapping[str, Any]) -> dict[str, Any]:
    """Return flat settings; a later layer replaces settings of earlier layers, grouped or not."""
    return {key: value for each in layers for key, value in flatten_arguments(constructor, each).items()}


def known_settings(constructor: type[Any]) -> frozenset[str]:
    """Return the names of all constructor arguments and of all settings in their groups."""
    return frozenset({*constructor_parameters(constructor), *_group_names(constructor)})


def setting_groups(constructor: type[Any]) -> dict[str, type[Any]]:
    """Return a dict that maps the parameters for groups of settings to their dataclasses."""
    hints = {name: each.annotation for name, each in constructor_parameters(constructor).items()}
    return {name: hint for name, hint in hints.items() if isinstance(hint, type) and is_dataclass(hint)}


def plain_arguments(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Convert argument values to mappings, lists, strings and numbers of Python; exclude callables."""
    return {key: _plain(value) for key, value in arguments.items() if not callable(value)}


def _group_names(constructor: type[Any]) -> dict[str, str]:
    """Return a dict that maps each setting in a group to the name of the group."""
    groups = setting_groups(constructor)
    return {setting: group for group, kind in groups.items() for setting in constructor_parameters(kind)}


def _ranges_of(hint: Any) -> list[Range]:
    """Return the `Range` annotations of a type or of the members of a union."""
    if get_origin(hint) is Annotated:
        return [each for each in hint.__metadata__ if isinstance(each, Range)]
    return [found for each in get_args(hint) for found in _ranges_of(each)]


def _choices_of(hint: Any) -> tuple[Any, ...]:
    """Return the values of a type ``Literal[...]`` or ``Literal[...] | None``; empty for other types."""
    if get_origin(hint) is Union:
        members = [each for each in get_args(hint) if each is not NoneType]
        hint = members[0] if len(members) == 1 else Any
    return get_args(hint) if get_origin(hint) is Literal else ()


def _group_settings(name: str, value: Any) -> dict[str, Any]:
    """Return the settings of a group as a dictionary; raise an error for other values."""
    if not isinstance(value, Mapping) and not is_dataclass(value):
        raise ColorzooError(f"{name} must be a mapping of settings, got {value!r}")
    return dict(_plain(value))


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
