"""``python -m benchmarks.claims [PAPER ...] [--data DATA] [--out docs/claims]``: measure, judge, write
pages.

What is recorded for the present weights is not measured again, so a run that was ended goes on where it was,
and ``--count 100`` adds to what is there. ``--compare`` holds the verdicts against those of another run.
"""

from __future__ import annotations

import argparse
import importlib
import pkgutil
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

import benchmarks.claims
from benchmarks._harness import single_thread
from benchmarks.claims._compare import compare
from benchmarks.claims._experiment import Setup, read_result, run
from benchmarks.claims._page import write_pages
from benchmarks.pages import DOCS
from colorzoo.errors import ColorzooError


def paper_names() -> list[str]:
    """Return the modules of the papers."""
    names = (module.name for module in pkgutil.iter_modules(benchmarks.claims.__path__))
    return sorted(name for name in names if not name.startswith("_"))


def load_papers(names: Sequence[str]) -> list[ModuleType]:
    """Import the modules of papers."""
    return [importlib.import_module(f"benchmarks.claims.{name}") for name in names]


def stale_experiments(out: Path) -> list[str]:
    """Return what is to be measured again: experiments without numbers, or with newer weights."""
    found = []
    for paper in load_papers(paper_names()):
        for experiment in paper.EXPERIMENTS:
            result = read_result(experiment, out)
            if result is None or result.stale:
                found.append(experiment.name)
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure what is not recorded yet and write all pages; with ``--check`` only say what is old."""
    known = paper_names()
    args = _parser(known).parse_args(arguments)
    if unknown := sorted(set(args.papers) - set(known)):
        print(f"no paper {', '.join(unknown)}; there are {', '.join(known)}", file=sys.stderr)
        return 2
    if args.check:
        for name in (old := stale_experiments(args.out)):
            print(f"{name}: no numbers for the present weights; run `python -m benchmarks.claims`")
        return int(bool(old))
    try:
        if args.compare:
            return compare(args.out, args.compare)
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


def _parser(known: Sequence[str]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.claims",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("papers", nargs="*", metavar="PAPER", help=f"{', '.join(known)}; all without a name")
    parser.add_argument("--data", type=Path, default=Path("data"), help="folder of the data sets")
    parser.add_argument("--out", type=Path, default=DOCS / "claims", help="folder of pages and records")
    parser.add_argument(
        "--count", type=_positive, help="pictures of each experiment, as many as are held out at most"
    )
    parser.add_argument("--quick", action="store_true", help="two small pictures each, to try it")
    parser.add_argument("--pages", action="store_true", help="measure nothing, write the pages anew")
    parser.add_argument("--check", action="store_true", help="measure nothing, say what has newer weights")
    parser.add_argument(
        "--compare",
        type=Path,
        metavar="OTHER",
        help="measure nothing, compare with the claims.json of another run",
    )
    return parser


def _positive(text: str) -> int:
    if (number := int(text)) < 1:
        raise ValueError(text)
    return number


if __name__ == "__main__":
    sys.exit(main())
