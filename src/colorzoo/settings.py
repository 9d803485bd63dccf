"""Typed settings of a model: frozen dataclasses in a constructor, flat names for people.

A paper's constructor takes a few groups (``architecture``, ``objective``, ``simulation`` ...), each a frozen
dataclass. YAML and checkpoints hold them as nested mappings. Cards, weight files and `create_model` name
single settings, which are unique within a model: ``create_model(name, width=0.25)``.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from dataclasses import MISSING, asdict, dataclass, field, fields, is_dataclass
from typing import Annotated, Any, Literal, TypeVar, Unpack, get_args, get_origin, get_type_hints

from colorzoo.errors import ColorzooError

__all__ = [
    "Fraction",
    "NonNegativeFloat",
    "NonNegativeInt",
    "Positive",
    "PositiveInt",
    "Probability",
    "Range",
    "Width",
    "settings_of",
]

Precision = Literal["auto", "float32", "bfloat16"]
"""Precision of a model."""
Engine = Literal["torch", "onnxruntime"]
"""Library that runs a model."""
S = TypeVar("S")


@dataclass(frozen=True)
class Range:
    """Range of a number, beside its type: ``Annotated[int, Range(1)]``.

    Attributes:
        low: Smallest value.
        high: Largest value; None if there is none.
        open: Whether the smallest value itself is excluded.
        unit: What the number counts, for messages.
    """

    low: float
    high: float | None = None
    open: bool = False
    unit: str = ""

    def holds(self, value: float) -> bool:
        """Return whether a value is in the range."""
        above = value > self.low if self.open else value >= self.low
        return above and (self.high is None or value <= self.high)

    def __str__(self) -> str:
        low = f"above {self.low:g}" if self.open else f"at least {self.low:g}"
        limits = low if self.high is None else f"{low} and at most {self.high:g}"
        return f"{limits} {self.unit}".rstrip()


# groups of options in the help of the command line
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
    """Return a dataclass field that is an option of the command line.

    A list of texts is an option that may be repeated; a list of numbers is written with commas.

    Args:
        default: Default value; `dataclasses.MISSING` for a required option.
        text: Text of ``--help``, without a full stop.
        group: Title of its group in ``--help``.
        *flags: Flags in place of ``--NAME``.
        metavar: Placeholder of the value in ``--help``.
        nargs: Number of values, as in `argparse`.
    """
    metadata = {"help": text, "group": group, "flags": flags, "metavar": metavar, "nargs": nargs}
    return _field(default, metadata | {"positional": False})


def argument(text: str, metavar: str, default: Any = MISSING, nargs: str | None = None) -> Any:
    """Return a dataclass field that is a positional argument of the command line; see `option`."""
    metadata = {"help": text, "group": "", "flags": (), "metavar": metavar, "nargs": nargs}
    return _field(default, metadata | {"positional": True})


def _field(default: Any, metadata: dict[str, Any]) -> Any:
    if isinstance(default, list):
        return field(default_factory=default.copy, metadata=metadata)
    return field(default=default, metadata=metadata)


Fraction = Annotated[float, Range(0, 1)]
"""A share, 0 to 1."""
Probability = Annotated[float, Range(0, 1, open=True)]
"""A probability that is not 0."""
NonNegativeFloat = Annotated[float, Range(0)]
"""A number that is not negative."""
Positive = Annotated[float, Range(0, open=True)]
"""A number above 0."""
Width = Annotated[float, Range(0, 4, open=True, unit="times the published channels")]
"""A width of a network as a factor, not in channels."""
Ratio = Annotated[float, Range(1)]
"""A number of at least 1."""
NonNegativeInt = Annotated[int, Range(0)]
"""A whole number, 0 or more."""
PositiveInt = Annotated[int, Range(1)]
"""A whole number, 1 or more."""


def settings_of(kind: type[S], value: S | Mapping[str, Any] | None) -> S:
    """Return a group of settings that is given as such, as a mapping (from a checkpoint), or not at all.

    Raises:
        ColorzooError: The mapping has a key that the group does not have, or a number is out of its range.
    """
    if isinstance(value, kind):
        check_ranges(get_type_hints(kind, include_extras=True), vars(value))
        return value
    found: Mapping[str, Any] = value if isinstance(value, Mapping) else {}
    known = [each.name for each in fields(kind)]  # type: ignore[arg-type]  # kind is a dataclass
    if unknown := [key for key in found if key not in known]:
        near = difflib.get_close_matches(unknown[0], known)
        hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(known)}."
        raise ColorzooError(f"{kind.__name__} has no setting {unknown[0]!r}; {hint}")
    return settings_of(kind, kind(**{key: _hashable(each) for key, each in found.items()}))


def check_ranges(hints: Mapping[str, Any], values: Mapping[str, Any]) -> None:
    """Check the numbers whose types declare a `Range`.

    Args:
        hints: Types by name, with their annotations.
        values: Values by name, or lists and mappings of such; None is not checked.

    Raises:
        ColorzooError: A number is out of its range.
    """
    for name, limits, value in out_of_range(hints, values):
        raise ColorzooError(f"{name} must be {limits}, not {value}.")


def out_of_range(hints: Mapping[str, Any], values: Mapping[str, Any]) -> list[tuple[str, Range, float]]:
    """Return the numbers that `check_ranges` refuses, with their names and ranges."""
    return [
        (name, limits, value)
        for name, hint in hints.items()
        for limits in _ranges_of(hint)
        for value in _each(values.get(name))
        if isinstance(value, int | float) and not limits.holds(value)
    ]


def check_arguments(constructor: type[Any], values: Mapping[str, Any]) -> None:
    """Check the arguments of a class and its bases whose types declare a `Range`; see `check_ranges`."""
    for kind in constructor.__mro__:
        if "__init__" in vars(kind):
            hints = get_type_hints(vars(kind)["__init__"], include_extras=True)
            for hint in list(hints.values()):
                if get_origin(hint) is Unpack:
                    hints |= get_type_hints(get_args(hint)[0], include_extras=True)
            check_ranges(hints, values)


def nest_arguments(constructor: Callable[..., Any], flat: Mapping[str, Any]) -> dict[str, Any]:
    """Sort settings named without their group into the groups of a constructor.

    Args:
        constructor: A class with groups of settings.
        flat: Constructor arguments, single settings by name, or both.

    Returns:
        Constructor arguments; groups are mappings of the given settings.

    Raises:
        ColorzooError: There is no such setting.
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
            near = difflib.get_close_matches(key, known)
            hint = f"did you mean {near[0]!r}?" if near else f"it has {', '.join(known)}."
            name = getattr(constructor, "__name__", str(constructor))
            raise ColorzooError(f"{name} has no argument {key!r}; {hint}")
    return nested


def flatten_arguments(constructor: Callable[..., Any], nested: Mapping[str, Any]) -> dict[str, Any]:
    """Return constructor arguments as single settings: the inverse of `nest_arguments`."""
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


def known_settings(constructor: Callable[..., Any]) -> frozenset[str]:
    """Return the names that `nest_arguments` takes."""
    groups = setting_groups(constructor)
    single = {each.name for kind in groups.values() for each in fields(kind)}
    return frozenset(single | argument_types(constructor).keys())


def setting_groups(constructor: Callable[..., Any]) -> dict[str, type[Any]]:
    """Return the parameters of a constructor that are groups of settings, with their dataclasses."""
    hints = argument_types(constructor).items()
    return {name: hint for name, hint in hints if isinstance(hint, type) and is_dataclass(hint)}


def given_groups(constructor: Callable[..., Any], arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return the groups of settings of a constructor by name, from its arguments or their defaults.

    Raises:
        ColorzooError: See `settings_of`.
    """
    return {
        name: settings_of(kind, arguments.get(name)) for name, kind in setting_groups(constructor).items()
    }


def argument_types(constructor: Callable[..., Any]) -> dict[str, Any]:
    """Return the types of a constructor's arguments by name, also of those in ``**kwargs: Unpack[...]``."""
    found: dict[str, Any] = {}
    # of a dataclass from its class: its bases may be in other modules
    typed = constructor if is_dataclass(constructor) else constructor.__init__
    for name, hint in get_type_hints(typed).items():
        if get_origin(hint) is Unpack:
            found |= get_type_hints(get_args(hint)[0])
        elif name != "return":
            found[name] = hint
    return found


def recorded_arguments(constructor: Callable[..., Any], arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return constructor arguments as a checkpoint holds them: plain, groups complete, without callables.

    Arguments of base classes are left out; Lightning's own, which begin with an underscore, are kept.
    """
    taken = argument_types(constructor)
    own = {key: value for key, value in arguments.items() if key in taken or key.startswith("_")}
    return plain_arguments({**own, **given_groups(constructor, own)})


def plain_arguments(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return arguments as mappings, lists, numbers and text; callables are left out."""
    return {key: _plain(value) for key, value in arguments.items() if not callable(value)}


def _ranges_of(hint: Any) -> list[Range]:
    """Return the ranges in a type, also in ``Annotated[...] | None``."""
    if get_origin(hint) is Annotated:
        return [each for each in hint.__metadata__ if isinstance(each, Range)]
    return [found for each in get_args(hint) for found in _ranges_of(each)]


def _each(value: Any) -> list[Any]:
    """Return the items of a list, the values of a mapping, or the value alone."""
    if isinstance(value, Mapping):
        return list(value.values())
    return list(value) if isinstance(value, list | tuple) else [value]


def _merged(old: Any, new: Any) -> Any:
    return {**old, **_plain(new)} if isinstance(old, Mapping) and new is not None else new


def _plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return _plain(asdict(value))
    if isinstance(value, Mapping):
        return {key: _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return value


def _hashable(value: Any) -> Any:
    """Return lists, as YAML and checkpoints hold them, as the tuples that frozen settings hold."""
    return tuple(_hashable(each) for each in value) if isinstance(value, list | tuple) else value
