"""Run benchmarks: ``python -m benchmarks [NAME ...] [--json FILE]`` prints a row for each claim.

The exit code is 1 if a goal is missed.
"""

from __future__ import annotations

import argparse
import importlib
import json
import pkgutil
import sys
from collections.abc import Sequence
from dataclasses import asdict, fields
from pathlib import Path
from types import ModuleType

import benchmarks
from benchmarks._common import Options, Row, SkippedError, single_thread


def find_benchmarks(package: ModuleType) -> list[str]:
    """Return the benchmarks of a package: its modules without a leading underscore."""
    modules = pkgutil.iter_modules(package.__path__)
    return sorted(each.name for each in modules if not each.ispkg and not each.name.startswith("_"))


def main(arguments: Sequence[str] | None = None, package: ModuleType = benchmarks) -> int:
    """Run the named benchmarks, or all; return 1 if a row misses its goal."""
    known = find_benchmarks(package)
    parser = make_parser(known)
    args = parser.parse_args(arguments)
    if unknown := sorted(set(args.names) - set(known)):
        parser.error(f"unknown benchmark {', '.join(unknown)}; choose from {', '.join(known)}")
    single_thread()
    options = Options(**{field.name: getattr(args, field.name) for field in fields(Options)})
    rows: list[Row] = []
    for name in args.names or known:
        module = f"{package.__name__}.{name}"
        try:
            found = importlib.import_module(module).run(options)
        except SkippedError as reason:
            print(f"skipped {module}: {reason}", file=sys.stderr, flush=True)
            continue
        for row in found:
            print(row, flush=True)
        rows += found
    if args.json:
        args.json.write_text(json.dumps([asdict(row) for row in rows], indent=1) + "\n", encoding="utf-8")
    return int(not all(row.reached for row in rows))


def make_parser(known: Sequence[str]) -> argparse.ArgumentParser:
    """Return the parser of the command line."""

    def names(text: str) -> tuple[str, ...]:
        return tuple(text.split(","))

    def sizes(text: str) -> tuple[int, ...]:
        return tuple(map(int, text.split(",")))

    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    add = parser.add_argument
    add("names", nargs="*", metavar="NAME", help=f"{', '.join(known)} (default: all)")
    add("--json", type=Path, help="write the rows as JSON")
    add(
        "--data",
        type=Path,
        help="folder of photos; of `video`: of clips, of `reach`: COCO images, of `published`: data sets",
    )
    add("--weights", type=Path, help="weights instead of the embedded weights")
    add("--images", type=int, help="number of images")
    add(
        "--model",
        help="model of `appearance`, `equal_colorfulness`, `reach`, `seams`, `video` (default: its own)",
    )
    add("--strength", type=float, default=1.0, help="`appearance`: factor on the colors (default: 1)")
    add("--aged", action="store_true", help="`appearance`: colorize a simulated old print of each photo")
    add(
        "--models",
        type=names,
        default=(),
        help="`direct`, `gpu`, `published`, `startup`, `references`: A,B,...",
    )
    add("--sizes", type=sizes, default=(), help="`direct`, `gpu`: sides in pixels, 256,512,...")
    add("--repeats", type=int, help="`direct`, `startup`: timed rounds; `studio`: edits")
    add(
        "--device",
        default="",
        help="`gpu`: cuda (default), or cpu for a dry run; `published`: cpu (default) or cuda",
    )
    add("--download", action="store_true", help="`published`: download the weights of the authors")
    add("--quick", action="store_true", help="`gpu`: dry run on tiny crops")
    return parser


if __name__ == "__main__":
    sys.exit(main())
