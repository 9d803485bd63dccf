"""``colorzoo data verify``: what is in a data set, and what is wrong with it."""

from __future__ import annotations

import argparse
import json
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from colorzoo.cli._tables import aligned, print_table

if TYPE_CHECKING:
    from colorzoo.data.verify import VerifyReport

_SHOWN = 200


def add_verify(actions: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the action ``verify`` and its options."""
    text = "look at every picture: broken, odd, gray, twice there, laid out wrongly"
    parser = actions.add_parser(
        "verify",
        help=text,
        description=f"{text.capitalize()}. Exit code 1 if a picture is broken or the layout mistaken.",
        epilog="example: colorzoo data verify /datasets/imagenet --layout imagenet --json > report.json",
    )
    parser.add_argument("root", metavar="DIR", type=Path, help="folder of pictures or tar shards")
    parser.add_argument(
        "--layout", metavar="NAME", help="folder, imagenet, places205, places365, ... (default: guess)"
    )
    parser.add_argument("--near", action="store_true", help="also look for near duplicates")
    parser.add_argument("--json", action="store_true", help="print everything as JSON")
    parser.add_argument("--threads", type=int, help="threads that decode (default: one per core)")


def run_verify(args: argparse.Namespace) -> int:
    """Verify and print; return 1 if something is broken.

    Raises:
        ColorzooError: The folder does not exist or the layout is unknown.
    """
    from rich.console import Console
    from rich.progress import MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    from colorzoo.data.verify import verify

    warnings.filterwarnings("ignore", module="PIL")  # the report says the same, with the name of the file
    console = Console(stderr=True)
    columns = (TextColumn("looking at pictures"), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        task = progress.add_task("", total=None)
        report = verify(
            args.root,
            layout=args.layout,
            near=args.near,
            threads=args.threads,
            tick=lambda: progress.advance(task),
        )
    if args.json:
        print(json.dumps(report.to_dict(), indent=1))
    else:
        print("\n".join(_summary(report)))
        _print_findings(report)
        print("\n".join(_groups(report)))
    return 1 if report.broken else 0


def _summary(report: VerifyReport) -> list[str]:
    layout = report.layout
    splits = ", ".join(f"{split} {count:,}" for split, count in layout.splits.items())
    rows = [
        ("pictures", f"{report.pictures:,} ({report.bytes / 1e6:,.1f} MB)"),
        ("layout", f"{layout.name}: {splits or 'unreadable'}"),
        ("width", "min {} median {} max {}".format(*report.width)),
        ("height", "min {} median {} max {}".format(*report.height)),
        ("formats", _listed(report.formats)),
        ("other files", _listed(report.other_files) or "none"),
        ("remarkable", _listed(report.counts()) or "nothing"),
        *(("MISTAKE", line) for line in layout.mistakes),
        *(("note", line) for line in layout.notes),
    ]
    return aligned(rows)


def _print_findings(report: VerifyReport) -> None:
    # Broken ones first: they are what has to be mended.
    ordered = sorted(report.findings, key=lambda finding: finding.kind != "broken")
    if ordered:
        print()
        print_table(("KIND", "PICTURE", "WHAT"), [(f.kind, f.path, f.detail) for f in ordered[:_SHOWN]])
    if len(ordered) > _SHOWN:
        print(f"... and {len(ordered) - _SHOWN:,} more; --json lists them all")


def _groups(report: VerifyReport) -> Iterator[str]:
    for title, groups in (("same bytes", report.duplicates), ("look alike", report.near_duplicates)):
        if groups:
            yield f"\n{title}: {len(groups):,} groups"
            yield from ("  " + "  ".join(group) for group in groups[: _SHOWN // 10])
            if len(groups) > _SHOWN // 10:
                yield f"  ... and {len(groups) - _SHOWN // 10:,} more; --json lists them all"


def _listed(counts: Mapping[Any, int]) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in sorted(counts.items(), key=lambda item: -item[1]))
