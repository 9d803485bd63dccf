"""Options made of the fields of a dataclass, with its types, defaults and documentation."""

from __future__ import annotations

import argparse
import inspect
import re
from collections.abc import Mapping
from dataclasses import MISSING, Field, dataclass, field, fields
from types import NoneType
from typing import Any, Literal, get_args, get_origin, get_type_hints

from colorzoo.errors import ColorzooError
from colorzoo.settings import out_of_range

_ATTRIBUTE = re.compile(r"^    (\w+): (.+(?:\n {5,}.+)*)", re.MULTILINE)


@dataclass(frozen=True)
class SharedOptions:
    """Options of all verbs that color.

    Attributes:
        weights: Default, published, or the path of a file.
        overwrite: Replace existing results.
    """

    weights: str = field(default="default", metadata={"group": "model and engine"})
    overwrite: bool = field(default=False, metadata={"group": "files"})


def add_options(parser: argparse.ArgumentParser, *kinds: type) -> None:
    """Add an option for each field of dataclasses.

    The help of an option is the sentence on its field in the docstring of the class or a base of it. An
    option that is a list of texts may be repeated; a list of numbers has commas between them. The metadata of
    a field may hold the ``group`` of its option in the help, a ``metavar``, and an ``option``, if that is not
    the field's name.

    Args:
        parser: Parser of the verb.
        kinds: Dataclasses; their ``Attributes`` are documented.
    """
    groups: dict[str, argparse._ActionsContainer] = {"": parser}
    for kind in kinds:
        hints, documented = get_type_hints(kind), _documentation(kind)
        for each in fields(kind):
            title = each.metadata.get("group", "")
            if title not in groups:
                groups[title] = parser.add_argument_group(title)
            _add_option(groups[title], each, hints[each.name], documented.get(each.name, ""))


def check_ranges(kind: type, args: argparse.Namespace) -> None:
    """Check the options of a dataclass whose types declare a `Range`.

    Raises:
        ColorzooError: A number is out of its range.
    """
    for name, limits, value in out_of_range(get_type_hints(kind, include_extras=True), vars(args)):
        bounds = f"{limits.low:g} to {limits.high:g} {limits.unit}".rstrip()
        raise ColorzooError(f"--{name.replace('_', '-')} must be from {bounds}, got {value:g}")


def _add_option(parser: argparse._ActionsContainer, each: Field[Any], hint: Any, text: str) -> None:
    option = each.metadata.get("option", f"--{each.name.replace('_', '-')}")
    default = each.default if each.default_factory is MISSING else each.default_factory()
    kind = next(part for part in (*get_args(hint), hint) if part is not NoneType) if default is None else hint
    how: dict[str, Any] = {name: each.metadata[name] for name in ("metavar",) if name in each.metadata}
    if kind is bool:
        how["action"] = "store_true"
    elif get_origin(kind) is Literal:
        how["choices"] = get_args(kind)
    elif kind == list[str]:
        how["action"] = "append"
    else:
        how["type"] = numbers if kind == list[float] else kind
    help_text = text[:1].lower() + text[1:].rstrip(".")
    parser.add_argument(option, dest=each.name, default=default, help=help_text, **how)


def _documentation(kind: type) -> Mapping[str, str]:
    """Return the documentation of the attributes of a class and its bases by name, as one line each."""
    texts = [inspect.cleandoc(base.__doc__ or "") for base in reversed(kind.__mro__)]
    found = _ATTRIBUTE.findall("\n".join(texts))
    return {name: " ".join(text.split()) for name, text in found}


def numbers(text: str) -> list[float]:
    """Parse numbers with commas between them."""
    try:
        return [float(word) for word in text.split(",")]
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a list of numbers such as 2,1") from None
