"""``python -m benchmarks.claims [PAPER ...] [--data DATA] [--out FOLDER]``: measure the papers' claims and
write the page. Images recorded for the present weights are not measured again."""

from __future__ import annotations

import argparse
import importlib
import pkgutil
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

import benchmarks.claims
from benchmarks._common import DOCS, single_thread
from benchmarks.claims._experiment import Setup, run
from benchmarks.claims._page import write_pages
from colorzoo.errors import ColorzooError


def paper_names() -> list[str]:
    """Return the modules of the papers."""
    names = (module.name for module in pkgutil.iter_modules(benchmarks.claims.__path__))
    return sorted(name for name in names if not name.startswith("_"))


def load_papers(names: Sequence[str]) -> list[ModuleType]:
    """Import the modules of papers."""
    return [importlib.import_module(f"benchmarks.claims.{name}") for name in names]


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure missing images and write the page."""
    known = paper_names()
    args = make_parser(known).parse_args(arguments)
    if unknown := sorted(set(args.papers) - set(known)):
        print(f"no paper {', '.join(unknown)}; there are {', '.join(known)}", file=sys.stderr)
        return 2
    try:
        single_thread()
        setup = Setup(args.data, args.out, args.count, args.quick)
        for paper in [] if args.pages else load_papers(args.papers or known):
            for experiment in paper.EXPERIMENTS:
                run(experiment, setup)
        write_pages(load_papers(known), args.out)
    except (ColorzooError, OSError) as error:
        print(error, file=sys.stderr)
        return 2
    return 0


def make_parser(known: Sequence[str]) -> argparse.ArgumentParser:
    """Return the parser of the command line."""

    def positive(text: str) -> int:
        if (number := int(text)) < 1:
            raise ValueError(text)
        return number

    parser = argparse.ArgumentParser(prog="python -m benchmarks.claims", description=__doc__)
    add = parser.add_argument
    add("papers", nargs="*", metavar="PAPER", help=f"{', '.join(known)} (default: all)")
    add("--data", type=Path, default=Path("data"), help="folder of the data sets")
    add("--out", type=Path, default=DOCS / "claims", help="folder of the page and the records")
    add("--count", type=positive, help="number of images of each experiment")
    add("--quick", action="store_true", help="dry run on two small images each")
    add("--pages", action="store_true", help="write the page from the records")
    return parser


if __name__ == "__main__":
    sys.exit(main())
