"""Options that several verbs share, and those made of the fields of a dataclass: types, defaults and help."""

from __future__ import annotations

import argparse
import inspect
import re
from collections.abc import Mapping
from dataclasses import MISSING, Field, dataclass, field, fields
from pathlib import Path
from types import NoneType
from typing import TYPE_CHECKING, Any, Literal, get_args, get_origin, get_type_hints

from colorzoo.batch.settings import FILES, MODEL
from colorzoo.card import Use
from colorzoo.errors import ColorzooError
from colorzoo.settings import out_of_range

if TYPE_CHECKING:
    from colorzoo.weights.choice import ModelChoice

_ATTRIBUTE = re.compile(r"^    (\w+): (.+(?:\n {5,}.+)*)", re.MULTILINE)


@dataclass(frozen=True)
class SharedOptions:
    """Options of all verbs that color.

    Attributes:
        weights: Default, published, or the path of a file.
        overwrite: Replace existing results.
    """

    weights: str = field(default="default", metadata=MODEL)
    overwrite: bool = field(default=False, metadata=FILES)


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


def check_ranges(args: argparse.Namespace, *kinds: type) -> None:
    """Check the options of dataclasses whose types declare a `Range`.

    Raises:
        ColorzooError: A number is out of its range.
    """
    hints = {name: hint for kind in kinds for name, hint in get_type_hints(kind, include_extras=True).items()}
    for name, limits, value in out_of_range(hints, vars(args)):
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


def add_model_group(
    parser: argparse.ArgumentParser, default: str = "the best one on this machine"
) -> argparse._ArgumentGroup:
    """Declare ``--model``, ``--fast`` and ``--weights`` in a group of their own, and return the group.

    Args:
        parser: Parser of the verb.
        default: Default model, in words.
    """
    group = parser.add_argument_group("model")
    group.add_argument("--model", help=f"registered name (default: {default})")
    add_fast_argument(group)
    group.add_argument("--weights", default="default", help="default, published, or the path of a file")
    return group


def choose_from_options(args: argparse.Namespace, use: Use, able: type | None) -> ModelChoice:
    """Choose the model of `add_model_group`, printing warnings about files that do not fit.

    Args:
        args: The command line.
        use: Use of the model.
        able: Protocol that a default model must implement.

    Raises:
        ColorzooError: No model can be chosen.
    """
    from colorzoo.cli._output import printed_warnings
    from colorzoo.weights.choice import choose_model

    with printed_warnings():
        return choose_model(args.model, use, args.weights, fast=args.fast, able=able)


def add_device_argument(parser: argparse._ActionsContainer, default: str = "auto") -> None:
    """Declare ``--device``.

    Args:
        parser: Parser of the verb, or a group of it.
        default: Default device.
    """
    parser.add_argument("--device", default=default, help="auto, cpu, cuda or mps (default: %(default)s)")


def add_fast_argument(parser: argparse._ActionsContainer) -> None:
    """Declare ``--fast``."""
    parser.add_argument(
        "--fast",
        action="store_true",
        help="without --model: use a small model that ships with colorzoo, even if a better one is here",
    )


def add_reference_weights_argument(parser: argparse._ActionsContainer) -> None:
    """Declare the weights of several references."""
    parser.add_argument(
        "--reference-weights",
        type=numbers,
        metavar="W,W",
        help="weights of the references in the mix (default: equal)",
    )


def check_alpha(alpha: float) -> None:
    """Raise if ``--alpha`` is out of range.

    Raises:
        ColorzooError: It is not from 0 to 1.
    """
    if not 0 <= alpha <= 1:
        raise ColorzooError(f"--alpha must be from 0 to 1, got {alpha:g}")


def file_identity(path: str | Path) -> tuple[int, int] | None:
    """Return what is the same for all names of a file; None if there is none."""
    try:
        status = Path(path).stat()
    except (OSError, ValueError):
        return None
    return status.st_dev, status.st_ino


def keep_inputs(out: Path, *inputs: str | Path | None) -> None:
    """Refuse to write to a file that is read, even if the user asks to overwrite.

    Args:
        out: The file to write.
        inputs: Files that are read; None for one that is not given.

    Raises:
        ColorzooError: They are the same file.
    """
    found = file_identity(out)
    if found is not None and found in {file_identity(path) for path in inputs if path is not None}:
        raise ColorzooError(f"{out} is one of the inputs, name another file for the result")


def add_overwrite_argument(parser: argparse.ArgumentParser) -> None:
    """Declare ``--overwrite``, without which `require_new` refuses files that exist."""
    parser.add_argument("--overwrite", action="store_true", help="replace an existing file")


def require_new(path: Path, *, overwrite: bool) -> None:
    """Refuse to replace a file, unless the user asks for it.

    Raises:
        ColorzooError: It exists.
    """
    if path.exists() and not overwrite:
        raise ColorzooError(f"{path} exists already; --overwrite replaces it, or name another file")
