"""``python -m benchmarks [NAME ...] [--json FILE]``: print one line a claim, fail below a goal."""

from __future__ import annotations

import argparse
import importlib
import json
import pkgutil
import sys
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from types import ModuleType

import benchmarks
from benchmarks._harness import Options, Row, SkippedError, single_thread


def find_benchmarks(package: ModuleType) -> list[str]:
    """Return the names of the benchmarks of a package: its modules without a leading underscore."""
    modules = pkgutil.iter_modules(package.__path__)
    names = (module.name for module in modules if not module.ispkg)
    return sorted(name for name in names if not name.startswith("_"))


def main(arguments: Sequence[str] | None = None, package: ModuleType = benchmarks) -> int:
    """Run the named benchmarks, or all; return 1 if a claim is below its goal."""
    known = find_benchmarks(package)
    parser = _parser(known)
    args = parser.parse_args(arguments)
    if unknown := sorted(set(args.names) - set(known)):
        parser.error(f"no benchmark {', '.join(unknown)}; there are {', '.join(known)}")
    single_thread()
    options = Options(**{field.name: getattr(args, field.name) for field in fields(Options)})
    rows: list[Row] = []
    for name in args.names or known:
        rows += _run(f"{package.__name__}.{name}", options)
    if args.json:
        args.json.write_text(json.dumps([row.to_dict() for row in rows], indent=1) + "\n", encoding="utf-8")
    return int(not all(row.reached for row in rows))


def _run(module: str, options: Options) -> list[Row]:
    try:
        rows: list[Row] = importlib.import_module(module).run(options)
    except SkippedError as reason:
        print(f"skipped {module}: {reason}", file=sys.stderr, flush=True)
        return []
    for row in rows:
        print(row, flush=True)
    return rows


def _parser(known: Sequence[str]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"{', '.join(known)}; all without a name")
    parser.add_argument("--json", type=Path, help="write the rows as JSON")
    parser.add_argument(
        "--data", type=Path, help="folder of color photos, for what is measured on predictions"
    )
    parser.add_argument("--weights", type=Path, help="weights of the small model, if not those that ship")
    parser.add_argument("--pictures", type=int, help="how many pictures to evaluate (default: 400)")
    parser.add_argument("--model", help="model whose look is measured (default: the automatic one)")
    parser.add_argument("--strength", type=float, default=1.0, help="factor on its colors (default: 1)")
    parser.add_argument("--aged", action="store_true", help="of `look`: show it each photo as an old print")
    parser.add_argument(
        "--models", type=_words, default=(), help="of `published` and `gpu`, with commas (default: all)"
    )
    parser.add_argument(
        "--sizes", type=_numbers, default=(), help="of `published` and `gpu`, with commas (default: theirs)"
    )
    parser.add_argument("--repeats", type=int, help="of `published`: rounds to time (default: 3)")
    parser.add_argument("--device", default="", help="of `gpu`: cuda (default), or cpu to rehearse")
    parser.add_argument("--quick", action="store_true", help="of `gpu`: only rehearse, on tiny crops")
    return parser


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split(","))


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(map(int, text.split(",")))


if __name__ == "__main__":
    sys.exit(main())
