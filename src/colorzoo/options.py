"""Options of the command line, and arguments of constructors.

`option` adds the help text of a command-line option to a dataclass field. The types of the fields are in
`colorzoo.settings`.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, asdict, field, fields, is_dataclass
from numbers import Integral, Real
from pathlib import PurePath
from typing import Annotated, Any, Literal, Unpack, get_args, get_origin, get_type_hints

from colorzoo.errors import ColorzooError
from colorzoo.settings import Range, check_choice

__all__ = [
    "COLORS",
    "FILES",
    "MODEL",
    "REFERENCES",
    "RUN",
    "argument",
    "check_arguments",
    "constructor_arguments",
    "constructor_parameters",
    "full_repr",
    "option",
    "plain_arguments",
]

_Writes = Literal["", "file", "path"]  # kind of output of an option; see `option`

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
    writes: _Writes = "",
) -> Any:
    """Return a dataclass field that defines a command-line option.

    Users can repeat an option of type ``list[str]``, and an option of type ``list[list[str]]`` with several
    values. The value of an option of type ``list[float]`` is a
    comma-separated list. The type ``dict[str, str]`` defines one option for each registered kind of guidance
    that has a help text, and collects their values by name.

    Args:
        default: Default value; `dataclasses.MISSING` for a required option.
        text: Help text without a final period.
        group: Title of the option group in the help.
        *flags: Option strings such as ``-o``. If omitted, the option is ``--`` followed by the field name,
            with ``-`` instead of ``_``.
        metavar: Placeholder for the value in the help.
        nargs: Number of values, as in `argparse`.
        writes: ``"file"`` if the command writes this file, which must not exist unless ``--overwrite`` is
            set. ``"path"`` if the command itself checks an existing file or folder.
    """
    metadata = {"help": text, "group": group, "flags": flags, "metavar": metavar, "nargs": nargs}
    metadata |= {"writes": writes}
    if isinstance(default, list | dict):
        return field(default_factory=default.copy, metadata=metadata)
    return field(default=default, metadata=metadata)


def argument(
    text: str,
    metavar: str,
    default: Any = MISSING,
    nargs: str | None = None,
    writes: _Writes = "",
) -> Any:
    """Return a dataclass field that defines a positional command-line argument; see `option`."""
    # as in argparse, the flag has no hyphen
    return option(default, text, "", metavar, nargs=nargs, writes=writes)


def check_arguments(kind: type[Any], arguments: Mapping[str, Any]) -> None:
    """Raise `ColorzooError` if a constructor argument has an invalid value.

    A number must be inside its `Range`, and a value of a `Literal` type must be one of the listed values.

    Args:
        kind: Class whose constructor declares the arguments, such as a dataclass.
        arguments: Constructor arguments by name. An argument can be a number, a list or mapping of numbers,
            or a listed value. Other values, such as None, are not checked.
    """
    for name, parameter in constructor_parameters(kind).items():
        value, hint = arguments.get(name), parameter.annotation
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
    """Check settings from a card, a weight file or a user, and return them with lists as tuples.

    Args:
        kind: Class of a model or task.
        settings: Constructor arguments by name.

    Raises:
        ColorzooError: A setting is unknown, or a value is out of range.
    """
    known = constructor_parameters(kind)
    if unknown := [name for name in settings if name not in known]:
        raise ColorzooError(
            f"{kind.__name__} has no argument {unknown[0]!r}; known arguments: {', '.join(sorted(known))}"
        )
    arguments = {name: _hashable(value) for name, value in settings.items()}
    check_arguments(kind, arguments)
    return arguments


def plain_arguments(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Convert argument values to mappings, lists, strings and numbers of Python; exclude callables."""
    return {key: _plain(value) for key, value in arguments.items() if not callable(value)}


def _ranges_of(hint: Any) -> list[Range]:
    """Return the `Range` annotations of a type or of the members of a union."""
    if get_origin(hint) is Annotated:
        return [each for each in hint.__metadata__ if isinstance(each, Range)]
    return [found for each in get_args(hint) for found in _ranges_of(each)]


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


def full_repr(value: object) -> str:
    """Return the ``repr`` of a setting, followed by all elements of the arrays and tensors in the setting.

    The ``repr`` of a large array contains only its first and last elements, and the ``repr`` of a tensor
    rounds its elements, so neither identifies the setting.
    """
    return repr(value) + "".join(repr(array.tolist()) for array in _arrays_in(value))


def _arrays_in(value: Any) -> Iterator[Any]:
    """Yield the arrays and tensors in containers and dataclasses, in order."""
    if isinstance(value, type):
        return
    if hasattr(value, "tolist"):
        yield value
    elif is_dataclass(value):
        for each in fields(value):
            yield from _arrays_in(getattr(value, each.name))
    elif isinstance(value, Mapping):
        for each in value.values():
            yield from _arrays_in(each)
    elif isinstance(value, list | tuple):
        for each in value:
            yield from _arrays_in(each)
