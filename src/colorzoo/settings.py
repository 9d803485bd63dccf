"""Typed settings of a model: frozen dataclasses in a constructor, flat names for people.

A paper's constructor takes a few groups (``architecture``, ``objective``, ``simulation`` ...), each a frozen
dataclass. YAML and checkpoints hold them as nested mappings. Cards, weight files and `create_model` name
single settings, which are unique within a model: ``create_model(name, width=0.25)``.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from dataclasses import asdict, fields, is_dataclass
from inspect import Parameter, signature
from typing import Any, TypeVar, get_type_hints

from colorzoo.errors import ColorzooError

S = TypeVar("S")


def settings_of(kind: type[S], value: S | Mapping[str, Any] | None) -> S:
    """Return a group of settings, whether it comes typed, as a mapping (from a checkpoint), or not at all.

    Raises:
        ColorzooError: The mapping has a key that the group does not know.
    """
    if isinstance(value, kind):
        return value
    found: Mapping[str, Any] = value if isinstance(value, Mapping) else {}
    known = [each.name for each in fields(kind)]  # type: ignore[arg-type]  # kind is a dataclass
    if unknown := [key for key in found if key not in known]:
        near = difflib.get_close_matches(unknown[0], known, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(known)}."
        raise ColorzooError(f"{kind.__name__} has no setting {unknown[0]!r}; {hint}")
    return kind(**{key: _hashable(each) for key, each in found.items()})


def nest_arguments(constructor: Callable[..., Any], flat: Mapping[str, Any]) -> dict[str, Any]:
    """Sort settings named without their group into the groups of a constructor.

    Args:
        constructor: A model class.
        flat: Constructor arguments, single settings by name, or both.

    Returns:
        Constructor arguments: groups as mappings of what was given.

    Raises:
        ColorzooError: The constructor knows no such setting.
    """
    groups = setting_groups(constructor)
    owner = {each.name: group for group, kind in groups.items() for each in fields(kind)}
    plain = set(_parameters(constructor)) - {"return"}
    nested: dict[str, Any] = {}
    for key, value in flat.items():
        if key in plain:
            nested[key] = _merged(nested.get(key), value)
        elif key in owner:
            nested.setdefault(owner[key], {})[key] = value
        else:
            known = sorted({*plain, *owner})
            near = difflib.get_close_matches(key, known, n=1)
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
    return frozenset(single | set(_parameters(constructor)))


def setting_groups(constructor: Callable[..., Any]) -> dict[str, type[Any]]:
    """Return the parameters of a constructor that are groups of settings, with their dataclasses."""
    hints = _parameters(constructor).items()
    return {name: hint for name, hint in hints if isinstance(hint, type) and is_dataclass(hint)}


def complete_arguments(constructor: Callable[..., Any], arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return constructor arguments as a checkpoint holds them: plain, groups complete, without callables.

    What the constructor does not take (arguments of its bases) is left out; names of Lightning's own, which
    begin with an underscore, are kept.
    """
    groups = setting_groups(constructor)
    full = {key: settings_of(groups[key], arguments.get(key)) for key in groups}
    taken = signature(constructor).parameters
    anything = any(each.kind is Parameter.VAR_KEYWORD for each in taken.values())
    own = {key: arguments[key] for key in arguments if anything or key in taken or key.startswith("_")}
    return plain_arguments({**own, **full})


def plain_arguments(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return arguments as mappings, lists, numbers and text; callables are left out."""
    return {key: _plain(value) for key, value in arguments.items() if not callable(value)}


def _parameters(constructor: Callable[..., Any]) -> dict[str, Any]:
    hints = get_type_hints(constructor.__init__)
    return {name: hint for name, hint in hints.items() if name != "return"}


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
