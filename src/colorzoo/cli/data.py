"""``colorzoo data``: verify data sets, pack them into shards, count their colors."""

from __future__ import annotations

import argparse
import io
import json
import sys
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from colorzoo.cli._options import add_overwrite_argument, require_new
from colorzoo.cli._output import align, print_table
from colorzoo.environment import core_count
from colorzoo.errors import ColorzooError

if TYPE_CHECKING:
    from colorzoo.data.verify import VerifyReport

NAME = "data"
HELP = "verify data sets, pack them into shards, count their colors"
EXAMPLE = """
colorzoo data shard imagenet shards --short-side 256
colorzoo data verify photos
colorzoo data prior photos -o prior.npy
colorzoo data verify /datasets/imagenet --layout imagenet --json > report.json
"""

_SHOWN = 200  # findings of `verify`
_THREADS = "threads that decode (default: one per core)"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the actions and their options."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="{" + ",".join(_RUN) + "}")
    _add_prior(actions)
    _add_shard(actions)
    _add_verify(actions)


def run(args: argparse.Namespace) -> int:
    """Run the chosen action and return the exit code."""
    return _RUN[args.action](args)


def _add_prior(actions: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    text = "count the colors of a data set, for the class rebalancing of zhang2016"
    parser = actions.add_parser(
        "prior",
        help=text,
        description=f"{text.capitalize()}. Writes the shares of the 313 bins, smoothed, as .npy.",
        epilog="example: colorzoo data prior photos/train -o prior.npy, then fit --model.prior prior.npy",
    )
    parser.add_argument("root", metavar="DIR", type=Path, help="folder of pictures or tar shards")
    parser.add_argument("-o", "--output", metavar="FILE", type=Path, required=True, help="the .npy to write")
    parser.add_argument("--threads", type=_positive, default=core_count(), help=_THREADS)
    add_overwrite_argument(parser)


def _run_prior(args: argparse.Namespace) -> int:
    """Count the colors and write their shares; return 1 if some pictures could not be read.

    Raises:
        ColorzooError: There are no pictures, or the file cannot be written.
    """
    if args.output.suffix != ".npy":
        raise ColorzooError(f"{args.output} must end in .npy")
    if not args.output.parent.is_dir():
        raise ColorzooError(f"{args.output.parent} is no folder; make it first")
    require_new(args.output, overwrite=args.overwrite)
    import numpy as np

    from colorzoo.data.prior import measure_prior
    from colorzoo.data.sources import find_sources
    from colorzoo.pictures.write import write_whole
    from colorzoo.progress import progress_bar

    sources = find_sources(args.root)
    with progress_bar("counting colors", len(sources)) as advance:
        prior = measure_prior(sources, threads=args.threads, tick=advance)
    stream = io.BytesIO()
    np.save(stream, prior.shares.numpy(), allow_pickle=False)
    write_whole(args.output, stream.getvalue())
    print(f"{args.output} ({prior.pictures:,} pictures)")
    for name in prior.broken:
        print(f"left out, cannot be read: {name}", file=sys.stderr)
    return 1 if prior.broken else 0


def _add_shard(actions: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    text = "pack pictures into shards that a cluster can stream"
    parser = actions.add_parser(
        "shard",
        help=text,
        description=f"{text.capitalize()}.",
        epilog="example: colorzoo data shard imagenet shards --short-side 256",
    )
    parser.add_argument(
        "source", metavar="IN", type=Path, help="folder of pictures, or of .tar files of them"
    )
    parser.add_argument("out", metavar="OUT", type=Path, help="folder to write; made if it does not exist")
    size = "reduce larger pictures to this shorter side in pixels (default: %(default)s)"
    parser.add_argument("--short-side", type=_positive, default=256, metavar="N", help=size)
    parser.add_argument("--quality", type=_quality, default=92, help="JPEG quality (default: %(default)s)")
    chunk = "pictures per chunk file (default: %(default)s)"
    parser.add_argument("--chunk", type=_positive, default=1024, metavar="N", help=chunk)
    share = "share of validation pictures if IN has no train and val (default: %(default)s)"
    parser.add_argument("--val-share", type=_share, default=0.05, metavar="X", help=share)
    parser.add_argument("--keep-gray", action="store_true", help="keep training pictures without color")
    parser.add_argument("--workers", type=_positive, metavar="N", help="processes (default: one per core)")


def _run_shard(args: argparse.Namespace) -> int:
    """Pack the pictures; return 1 if some did not decode and were left out.

    Raises:
        DataError: The input is missing or empty, or the output folder holds something else.
    """
    from colorzoo.data.shards import ShardOptions, shard_folder

    options = ShardOptions(args.short_side, args.quality, args.chunk, args.val_share, not args.keep_gray)
    report = shard_folder(args.source, args.out, options, workers=args.workers)
    for name, reason in report.broken:
        print(f"left out {name}: {reason}", file=sys.stderr)
    parts = ", ".join(
        f"{report.pictures[name]} {name} in {report.chunks[name]} chunk(s)" for name in report.pictures
    )
    left_out = f"{report.gray} gray and {len(report.broken)} broken left out"
    print(f"{args.out}: {parts}; {len(report.classes)} class(es), {report.size / 1e6:.1f} MB; {left_out}")
    return 1 if report.broken else 0


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number of at least 1, not {text!r}")
    return int(text)


def _quality(text: str) -> int:
    if _positive(text) > 100:
        raise argparse.ArgumentTypeError(f"expected a quality from 1 to 100, not {text!r}")
    return int(text)


def _share(text: str) -> float:
    try:
        share = float(text)
    except ValueError:
        share = -1.0
    if not 0 < share < 1:
        raise argparse.ArgumentTypeError(f"expected a share between 0 and 1, not {text!r}")
    return share


def _add_verify(actions: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    text = "check every picture: broken, unusual, gray or duplicate files, and the layout of the folder"
    parser = actions.add_parser(
        "verify",
        help=text,
        description=f"{text.capitalize()}. Exit code 1 if a picture is broken or the layout is wrong.",
        epilog="example: colorzoo data verify /datasets/imagenet --layout imagenet --json > report.json",
    )
    parser.add_argument("root", metavar="DIR", type=Path, help="folder of pictures or tar shards")
    parser.add_argument(
        "--layout", metavar="NAME", help="folder, imagenet, places205, places365, ... (default: guess)"
    )
    parser.add_argument("--near", action="store_true", help="also find near duplicates")
    parser.add_argument("--json", action="store_true", help="print the whole report as JSON")
    parser.add_argument("--threads", type=_positive, help=_THREADS)


def _run_verify(args: argparse.Namespace) -> int:
    """Verify a data set and print the report; return 1 if something is broken.

    Raises:
        ColorzooError: The folder does not exist, or the layout is unknown.
    """
    from colorzoo.data.verify import verify
    from colorzoo.progress import progress_bar

    warnings.filterwarnings("ignore", module="PIL")  # the report names the same faults with their files
    options = {"layout": args.layout, "near": args.near, "threads": args.threads}
    with progress_bar("checking pictures", None) as advance:
        report = verify(args.root, **options, tick=advance)
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
    return align(rows)


def _print_findings(report: VerifyReport) -> None:
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


_RUN = {"prior": _run_prior, "shard": _run_shard, "verify": _run_verify}
