"""What every tool of this folder that is run by ``python -m`` does with an error."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterable

from benchmarks._harness import SkippedError
from colorzoo.errors import ColorzooError


def run_command(main: Callable[[], object]) -> None:
    """Run a tool; where a file is missing or cannot be read, say so in a line and exit with 2."""
    try:
        main()
    except (ColorzooError, SkippedError, OSError) as error:
        print(f"{type(error).__name__}: {error}" if isinstance(error, OSError) else error, file=sys.stderr)
        sys.exit(2)


def named(known: Iterable[str], description: str | None) -> list[str]:
    """Return the names on the command line, or all that are known; others end the tool with a line."""
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=description, formatter_class=raw)
    names = list(known)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"{', '.join(names)}; all without a name")
    args = parser.parse_args()
    if unknown := sorted(set(args.names) - set(names)):
        parser.error(f"nothing is named {', '.join(unknown)}; there are {', '.join(names)}")
    return args.names or names
