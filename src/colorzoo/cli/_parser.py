"""An argument parser whose errors are one line, as all errors of the command line are."""

from __future__ import annotations

import argparse
import textwrap
from typing import NoReturn

from colorzoo.cli._verbs import Verb
from colorzoo.errors import ColorzooError


class Parser(argparse.ArgumentParser):
    """`argparse.ArgumentParser` that raises instead of printing a page of usage."""

    def error(self, message: str) -> NoReturn:
        """Raise what is wrong with the arguments.

        Raises:
            ColorzooError: Always.
        """
        raise ColorzooError(f"{message}; see `{self.prog} --help`")


def verb_parser(verb: Verb) -> Parser:
    """Build the parser of one verb, with its examples below the help."""
    parser = Parser(
        prog=f"colorzoo {verb.NAME}",
        description=verb.HELP,
        epilog="examples:\n" + textwrap.indent(verb.EXAMPLE.strip(), "  "),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,  # an abbreviation would break as soon as a second option begins alike
    )
    verb.add_arguments(parser)
    return parser


def overview(verbs: dict[str, str]) -> str:
    """Return the help of ``colorzoo`` itself: the list of verbs."""
    parser = Parser(
        prog="colorzoo",
        description="A zoo of image colorization papers: train, colorize, measure, draw.",
        epilog="`colorzoo VERB --help` shows the arguments of a verb, with examples.",
    )
    parser.add_argument("--version", action="store_true", help="show the version and exit")
    choices = parser.add_subparsers(title="verbs", metavar="VERB")
    for name, line in verbs.items():
        choices.add_parser(name, help=line.replace("%", "%%"))
    return parser.format_help()
