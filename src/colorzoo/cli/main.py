"""Entry point of ``colorzoo``: find the verb, run it, and turn errors into one line and an exit code.

Exit codes: 0 success, 1 some of the work failed, 2 bad usage or bad input, 130 interrupted, 141 the reader of
a pipe has closed it. With ``COLORZOO_DEBUG=1`` errors keep their traceback.
"""

from __future__ import annotations

import argparse
import difflib
import importlib
import os
import pkgutil
import re
import sys
import textwrap
import warnings
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import NoReturn, Protocol, cast

import colorzoo.cli
from colorzoo.cli._output import printed_warnings
from colorzoo.environment import is_on
from colorzoo.errors import ColorzooError

LIGHTNING_VERBS = {  # their arguments are parsed by Lightning's command line
    "fit": "train a model on your data",
    "validate": "measure a checkpoint on the validation pictures",
    "test": "measure a checkpoint on the test pictures",
    "predict": "color the pictures of a data set at full size, with any number of processes",
}

_OPTION, _NEGATIVE = re.compile(r"--[a-z][a-z-]*"), re.compile(r"-\.?\d")


class Verb(Protocol):
    """Interface of a module of `colorzoo.cli` that is a verb.

    Attributes:
        NAME: The word on the command line.
        HELP: One line for the list of verbs.
        EXAMPLE: Command lines shown below ``--help``.
    """

    NAME: str
    HELP: str
    EXAMPLE: str

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare the arguments of the verb."""

    def run(self, args: argparse.Namespace) -> int:
        """Run the verb and return the exit code."""
        ...


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        argv: Words after ``colorzoo``; those of the process by default.

    Returns:
        The exit code of the process.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    try:
        with warnings.catch_warnings():
            # colorzoo itself says what it cannot read of a picture
            warnings.filterwarnings("ignore", module=r"PIL\.")
            # this warns whoever passes a tensor of another range; a scan may be that dark
            warnings.filterwarnings("ignore", ".*nearly black")
            code = _dispatch(words)
        sys.stdout.flush()  # here, so that a closed pipe raises inside this `try`
    except ColorzooError as error:
        if is_on("COLORZOO_DEBUG"):
            raise
        print(f"colorzoo: error: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("colorzoo: interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # Python flushes stdout again at exit, which would print another error
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except SystemExit as stop:
        if stop.code is None or isinstance(stop.code, int):
            return stop.code or 0
        print(stop.code, file=sys.stderr)
        return 1
    return code


def _dispatch(words: list[str]) -> int:
    if not words or words[0] in ("-h", "--help"):
        # a script that lost its verb must not seem to succeed
        print(_overview(all_verbs()), end="", file=sys.stdout if words else sys.stderr)
        return 0 if words else 2
    if words[0] == "--version":
        try:
            print(f"colorzoo {version('colorzoo')}")
        except PackageNotFoundError:
            print("colorzoo (not installed as a package)")
        return 0
    if words[0].startswith("-"):
        raise ColorzooError(f"unknown option {words[0]!r} before a verb; see `colorzoo --help`")
    verb = find_verb(words[0])
    if verb is not None:
        args = verb_parser(verb).parse_args(joined_values(words[1:]))
        _refuse_empty(args, words)
        _find_models()
        return _run_verb(verb, args)
    if words[0] in LIGHTNING_VERBS:
        _find_models()
        return run_lightning(words)
    near = difflib.get_close_matches(words[0], all_verbs(), n=3, cutoff=0.5)
    hint = f"did you mean {' or '.join(near)}?" if near else "`colorzoo --help` lists all verbs."
    raise ColorzooError(f"unknown verb {words[0]!r}; {hint}")


def _find_models() -> None:
    """Scan for models of installed packages, and print a line for each package that is skipped."""
    from colorzoo.registry import all_cards, plugins

    if plugins():
        with printed_warnings():
            all_cards()


def _refuse_empty(args: argparse.Namespace, words: Sequence[str]) -> None:
    """Refuse empty words, which as paths would mean the current folder; a script leaves them by mistake."""
    if not any(word == "" or (word.startswith("--") and word.endswith("=")) for word in words):
        return
    for name, value in vars(args).items():
        if "" in (value if isinstance(value, list) else [value]):
            option = f"--{name.replace('_', '-')}"
            given = option if any(word.startswith(option) for word in words) else name
            raise ColorzooError(f"an empty value was given for {given}; leave it out, or name something")


def _run_verb(verb: Verb, args: argparse.Namespace) -> int:
    try:
        return verb.run(args)
    except (ColorzooError, BrokenPipeError):
        raise
    except Exception as error:
        if is_on("COLORZOO_DEBUG"):
            raise
        raise ColorzooError(
            f"unexpected {type(error).__name__}: {error} (COLORZOO_DEBUG=1 shows where; please report it "
            "with the output of `colorzoo doctor`)"
        ) from error


def run_lightning(words: list[str]) -> int:
    """Run ``fit``, ``validate``, ``test`` or ``predict``; see `colorzoo.training.command.run`."""
    from colorzoo.training.arguments import read_arguments
    from colorzoo.training.requeue import listen_early
    from colorzoo.training.resuming import resolve_checkpoint

    verb, *rest = words
    if verb == "fit":
        listen_early()
    arguments = resolve_checkpoint(verb, read_arguments(rest))  # before the slow imports
    from colorzoo.training import command

    return command.run(verb, arguments)


def joined_values(words: list[str]) -> list[str]:
    """Join options with values that begin with a minus and a digit, which argparse takes for options."""
    joined: list[str] = []
    for word in words:
        if joined and _NEGATIVE.match(word) and _OPTION.fullmatch(joined[-1]):
            joined[-1] += f"={word}"
        else:
            joined.append(word)
    return joined


def find_verb(name: str) -> Verb | None:
    """Import and return the module of one verb, or None when there is no such verb."""
    module_name = name.replace("-", "_")
    if module_name not in _verb_modules():
        return None
    verb = cast(Verb, importlib.import_module(f"colorzoo.cli.{module_name}"))
    return verb if name == verb.NAME else None


def all_verbs() -> dict[str, str]:
    """Return the line of help of every verb, sorted by name."""
    verbs = [importlib.import_module(f"colorzoo.cli.{name}") for name in _verb_modules()]
    return dict(sorted((LIGHTNING_VERBS | {verb.NAME: verb.HELP for verb in verbs}).items()))


def _verb_modules() -> set[str]:
    found = {module.name for module in pkgutil.iter_modules(colorzoo.cli.__path__)}
    return {name for name in found if not name.startswith("_")} - {"main"}


class _Parser(argparse.ArgumentParser):
    """`argparse.ArgumentParser` whose errors are one line, like all errors of the command line."""

    def error(self, message: str) -> NoReturn:
        raise ColorzooError(f"{message}; see `{self.prog} --help`")


def verb_parser(verb: Verb) -> _Parser:
    """Build the parser of one verb, with its examples below the help."""
    parser = _Parser(
        prog=f"colorzoo {verb.NAME}",
        description=verb.HELP,
        epilog="examples:\n" + textwrap.indent(verb.EXAMPLE.strip(), "  "),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,  # an abbreviation would break once a second option begins alike
    )
    verb.add_arguments(parser)
    return parser


def _overview(verbs: dict[str, str]) -> str:
    """Return the help of ``colorzoo`` itself: the list of verbs."""
    parser = _Parser(
        prog="colorzoo",
        description="A zoo of image colorization papers: train, colorize, measure, draw.",
        epilog="`colorzoo VERB --help` shows the arguments of a verb, with examples.",
    )
    parser.add_argument("--version", action="store_true", help="show the version and exit")
    choices = parser.add_subparsers(title="verbs", metavar="VERB")
    for name, line in verbs.items():
        choices.add_parser(name, help=line.replace("%", "%%"))
    return parser.format_help()
