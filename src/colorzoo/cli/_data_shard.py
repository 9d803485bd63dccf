"""``colorzoo data shard``: pack a folder of pictures into shards that a cluster can stream."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path


def add_shard(actions: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the action ``shard`` and its options."""
    parser = actions.add_parser(
        "shard",
        help="pack pictures into shards that a cluster can stream",
        description="Pack a folder of pictures into shards. A killed run goes on when started again.",
        epilog="example: colorzoo data shard imagenet shards --short-side 256",
    )
    parser.add_argument(
        "source", metavar="IN", type=Path, help="folder of pictures, or of .tar files of them"
    )
    parser.add_argument(
        "out", metavar="OUT", type=Path, help="folder to write; it is made if it does not exist"
    )
    size = "reduce larger pictures to this shorter side in pixels (default: %(default)s)"
    parser.add_argument("--short-side", type=_positive, default=256, metavar="N", help=size)
    parser.add_argument("--quality", type=_quality, default=92, help="JPEG quality (default: %(default)s)")
    chunk = "pictures per chunk file (default: %(default)s)"
    parser.add_argument("--chunk", type=_positive, default=1024, metavar="N", help=chunk)
    share = "share of validation pictures if IN has no train and val (default: %(default)s)"
    parser.add_argument("--val-share", type=_share, default=0.05, metavar="X", help=share)
    parser.add_argument("--keep-gray", action="store_true", help="keep training pictures without color")
    parser.add_argument(
        "--workers", type=_positive, metavar="N", help="processes (default: one for each core)"
    )


def run_shard(args: argparse.Namespace) -> int:
    """Pack the pictures.

    Returns:
        Exit code: 0, or 1 when some pictures did not decode and were left out.

    Raises:
        DataError: The input is missing or empty, or the output folder holds something else.
    """
    from colorzoo.data.shard import ShardOptions, shard_folder

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
