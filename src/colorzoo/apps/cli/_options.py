"""Command-line parsers built from dataclasses of options, and the files that options name."""

from __future__ import annotations

import argparse
import re
import textwrap
from collections.abc import Callable, Iterable, Sequence
from dataclasses import MISSING, Field, dataclass, fields
from functools import partial
from pathlib import Path
from types import NoneType
from typing import Annotated, Any, Literal, NoReturn, get_args, get_origin, get_type_hints

from colorzoo.errors import ColorzooError
from colorzoo.files import check_outputs
from colorzoo.guidance.kinds import guidance_kinds
from colorzoo.settings import Range

_NEGATIVE = re.compile(r"-\.?\d")


def _texts(options: Any, field: Field[Any]) -> list[str]:
    """Return the values of an option that are paths or text."""
    value = getattr(options, field.name)
    values = value if isinstance(value, list | tuple) else [value]
    if isinstance(value, dict):
        values = list(value.values())
    values = [part for each in values for part in (each if isinstance(each, list) else [each])]
    return [str(each) for each in values if isinstance(each, str | Path)]


def named_inputs(options: Any) -> list[str]:
    """Return the values of all options that can name an input file.

    These are all values except outputs, because a new option must not be forgotten. The parts of values such
    as ``--key 3=a.png`` and ``--models a=a.safetensors,b=b.ckpt`` are included.
    """
    names = []
    for field in fields(options):
        if not field.metadata["writes"]:
            for text in _texts(options, field):
                parts = text.split(",")
                names += [text, *parts, *(part.partition("=")[2] for part in (text, *parts))]
    return names


def named_outputs(options: Any) -> list[Path]:
    """Return the values of all options that name a file to write."""
    named = [field for field in fields(options) if field.metadata["writes"] == "file"]
    return [Path(text) for field in named for text in _texts(options, field)]


@dataclass(frozen=True)
class Command:
    """A command such as ``colorize``, or a subcommand such as ``weights list``.

    Attributes:
        help: One-line description of the command, for the list of commands.
        example: Example command lines for ``--help``.
        options: Dataclass with one field per option. `colorzoo.options.option` and
            `colorzoo.options.argument` create the fields.
        run: Function that receives the parsed options and returns the exit code.
        reads: Function that lists the files that the command reads, before it opens a file.
        writes: Function that lists the files that the command writes. Commands whose files depend on the
            content of other files also check their complete lists; see `colorzoo.files.check_outputs`.
    """

    help: str
    example: str
    options: type[Any]
    run: Callable[[Any], int]
    reads: Callable[[Any], Iterable[str | Path]] = named_inputs
    writes: Callable[[Any], Iterable[Path]] = named_outputs

    def parse(self, name: str, words: Sequence[str]) -> Any:
        """Parse command-line arguments into an instance of the dataclass of options.

        Args:
            name: Full name of the command for help and error messages, such as ``colorzoo weights list``.
            words: Command-line arguments after the name of the command.

        Raises:
            ColorzooError: An option is unknown, a value is empty, has the wrong type or is out of range, or
                an output file is also an input or must not be replaced.
        """
        parser = _Parser(
            prog=name,
            description=f"{self.help[:1].upper()}{self.help[1:]}.",
            epilog="examples:\n" + textwrap.indent(self.example.strip(), "  "),
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,  # a new option could make existing abbreviations ambiguous
        )
        hints = get_type_hints(self.options, include_extras=True)
        groups: dict[str, Any] = {"": parser}  # options with an empty title belong to no group
        for field in fields(self.options):
            title = field.metadata["group"]
            if title not in groups:
                groups[title] = parser.add_argument_group(title)
            _add_option(groups[title], field, hints[field.name])
        parsed = vars(parser.parse_args(_prepare_words(words)))
        # collect the options of kinds of guidance, which have names such as `hints.text`
        for name in [name for name in parsed if "." in name]:
            option, _, kind = name.partition(".")
            value = parsed.pop(name)
            if value is not None:
                parsed[option] = {**(parsed.get(option) or {}), kind: value}
        options = self.options(**{option: value for option, value in parsed.items() if value is not None})
        overwrite = getattr(options, "overwrite", True)
        check_outputs(self.writes(options), self.reads(options), overwrite=overwrite)
        return options


class _Parser(argparse.ArgumentParser):
    """Parser that reports an error in one line."""

    def error(self, message: str) -> NoReturn:
        """Raise a `ColorzooError`, which `colorzoo.apps.cli.main.main` prints."""
        text = re.sub(r"^argument (\S+): must", r"\1 must", message)
        raise ColorzooError(f"{text}. See `{self.prog} --help`.")


def _prepare_words(words: Sequence[str]) -> list[str]:
    """Join each option and its negative value to one word, such as ``--point=-5,10``.

    Otherwise, argparse would parse the value as an option.

    Raises:
        ColorzooError: An argument is empty, or an option has an empty value.
    """
    prepared: list[str] = []
    for word in words:
        previous = prepared[-1] if prepared else ""
        if not word:
            raise _empty_error(previous if previous.startswith("-") else "an argument")
        option, equals_sign, value = word.partition("=")
        if option.startswith("--") and equals_sign and not value:
            raise _empty_error(option)
        follows_option = re.fullmatch("--[a-z][a-z-]*", previous) is not None
        if follows_option and _NEGATIVE.match(word):
            prepared[-1] += f"={word}"
        else:
            prepared.append(word)
    return prepared


def _empty_error(name: str) -> ColorzooError:
    return ColorzooError(f"{name} must not be empty. Pass a value, or omit this argument.")


def _add_option(parser: Any, field: Field[Any], hint: Any) -> None:
    """Add an option without its default, which the dataclass sets if the option is omitted.

    Args:
        parser: Parser of the command.
        field: Field of the dataclass of options.
        hint: Type of the field, ``T`` or ``T | None``, where ``T`` may be annotated with a `Range`. Values of
            types that are not listed below stay text.
    """
    if hint == dict[str, str]:
        for kind in guidance_kinds():
            if kind.help:
                parser.add_argument(
                    f"--{kind.name.replace('_', '-')}",
                    dest=f"{field.name}.{kind.name}",
                    help=kind.help,
                    choices=kind.choices or None,
                    metavar=None if kind.choices else kind.name.upper(),
                )
        return
    metadata = {name: field.metadata[name] for name in ("help", "metavar", "nargs")}
    settings = {name: value for name, value in metadata.items() if value is not None}
    value_type = hint
    if NoneType in get_args(hint):
        value_type = next(member for member in get_args(hint) if member is not NoneType)
    limits = None
    if get_origin(value_type) is Annotated:
        value_type, limits = get_args(value_type)
    if get_origin(value_type) is Literal:
        settings["choices"] = get_args(value_type)
    elif value_type == list[float]:
        settings["type"] = _numbers
    elif value_type in (Path, list[Path]):
        settings["type"] = Path
    elif value_type in (int, float):
        settings["type"] = partial(_number, value_type, limits)
    elif value_type is bool:
        settings["action"] = "store_true"
    elif value_type == list[list[str]] or (value_type == list[str] and "nargs" not in settings):
        settings["action"] = "append"
    names = field.metadata["flags"] or (f"--{field.name.replace('_', '-')}",)
    is_required = field.default is MISSING and field.default_factory is MISSING
    if names[0].startswith("-"):
        parser.add_argument(*names, dest=field.name, required=is_required, **settings)
        return
    if not is_required:
        settings.setdefault("nargs", "?")
    parser.add_argument(field.name, metavar=names[0], **settings)


def _number(kind: type[int | float], limits: Range | None, text: str) -> float:
    """Convert text to a number of a type, inside the limits."""
    try:
        number = kind(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"must be of type {kind.__name__}, got {text!r}") from None
    if limits is not None and not limits.contains(number):
        raise argparse.ArgumentTypeError(f"must be {limits}, got {number:g}")
    return number


def _numbers(text: str) -> list[float]:
    """Convert text with comma-separated numbers to a list."""
    try:
        return [float(word) for word in text.split(",")]
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"must be a list of numbers (for example 2,1), got {text!r}"
        ) from None
