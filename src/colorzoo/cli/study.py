"""``colorzoo study``: let people choose between the results of two methods."""

from __future__ import annotations

import argparse
import json
import math
from pathlib import Path

from colorzoo.errors import ColorzooError

NAME = "study"
HELP = "let people choose between the results of two methods"
EXAMPLE = """
colorzoo study make ours=RESULTS theirs=OTHERS -o STUDY
colorzoo study count STUDY answers-*.json
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the actions and their options."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="{make,count}")
    text = "write a folder with a page that shows pairs in random order on random sides"
    make = actions.add_parser(
        "make",
        help=text,
        description=f"{text.capitalize()}. Give viewers everything in it but key.json.",
        epilog="example: colorzoo study make ours=RESULTS theirs=OTHERS -o STUDY",
    )
    make.add_argument(
        "methods", nargs=2, metavar="NAME=FOLDER", help="results of a method, named as those of the other"
    )
    make.add_argument("-o", "--output", metavar="STUDY", type=Path, required=True, help="new folder")
    make.add_argument("--question", metavar="TEXT", help="what viewers are asked")
    make.add_argument("--limit", metavar="N", type=int, help="take only N pairs, at random")
    make.add_argument(
        "--seed", metavar="N", type=int, default=0, help="of that choice (default: %(default)s)"
    )
    text = "count the answers of viewers"
    count = actions.add_parser(
        "count",
        help=text,
        description=f"{text.capitalize()}: the share of choices with a 95 %% interval, and their agreement.",
        epilog="example: colorzoo study count STUDY answers-*.json",
    )
    count.add_argument("study", metavar="STUDY", type=Path, help="folder of the study")
    count.add_argument("answers", nargs="+", metavar="FILE", type=Path, help="what a viewer saved")
    count.add_argument("--json", action="store_true", help="print a JSON object")


def run(args: argparse.Namespace) -> int:
    """Run the chosen action.

    Raises:
        ColorzooError: Folders or answers do not fit.
    """
    return _make(args) if args.action == "make" else _count(args)


def _make(args: argparse.Namespace) -> int:
    from colorzoo.evaluation.study import QUESTION, make_study

    results = {}
    for text in args.methods:
        name, sign, folder = text.partition("=")
        if not (name and sign and folder):
            raise ColorzooError(f"a method must be NAME=FOLDER, got {text!r}")
        results[name] = Path(folder)
    if args.limit is not None and args.limit < 1:
        raise ColorzooError(f"--limit must be at least 1, got {args.limit}")
    pairs = make_study(
        results, args.output, question=args.question or QUESTION, limit=args.limit, seed=args.seed
    )
    print(f"{args.output / 'index.html'}: {pairs} pairs; keep {args.output / 'key.json'} to yourself")
    return 0


def _count(args: argparse.Namespace) -> int:
    from colorzoo.evaluation.study import count_study, describe
    from colorzoo.evaluation.tables import plain

    found = count_study(args.study, args.answers)
    if args.json:
        print(json.dumps(plain(describe(found)), indent=2))
        return 0
    share, (one, other) = found.share, found.methods
    print(
        f"{one} was chosen over {other} in {100 * share.value:.1f} % ({100 * share.low:.1f} to "
        f"{100 * share.high:.1f} %) of {found.viewers} x {found.pairs} choices"
    )
    if not math.isnan(found.kappa):
        print(f"two viewers agreed in {100 * found.agreement:.1f} %; Fleiss' kappa {found.kappa:.2f}")
    return 0
