"""``colorzoo data``: verify data sets, pack them into shards, count their colors."""

from __future__ import annotations

import io
import json
import sys
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from colorzoo.cli._options import Command, check_output
from colorzoo.cli._output import align, print_table
from colorzoo.environment import core_count
from colorzoo.errors import ColorzooError
from colorzoo.progress import progress_bar
from colorzoo.settings import PositiveInt, Probability, Range, argument, option

if TYPE_CHECKING:
    from colorzoo.data.verify import VerifyReport

HELP = "verify data sets, pack them into shards, count their colors"
_SHOWN = 200  # findings of `verify`
_THREADS = "threads that decode (default: one per core)"


@dataclass(frozen=True, kw_only=True)
class PriorOptions:
    """Options of ``colorzoo data prior``."""

    root: Path = argument("folder of images or tar shards", "DIR")
    output: Path = option(MISSING, "the .npy to write", "", "-o", "--output", metavar="FILE")
    threads: PositiveInt = option(core_count(), _THREADS, metavar="N")
    overwrite: bool = option(False, "replace an existing file")


def _run_prior(args: PriorOptions) -> int:
    """Count the colors and write their shares; return 1 if some images could not be read.

    Raises:
        ColorzooError: There are no images, or the file cannot be written.
    """
    if args.output.suffix != ".npy":
        raise ColorzooError(f"{args.output} must end in .npy")
    if not args.output.parent.is_dir():
        raise ColorzooError(f"{args.output.parent} is no folder; make it first")
    check_output(args.output, overwrite=args.overwrite)
    import numpy as np

    from colorzoo.data.prior import measure_prior
    from colorzoo.data.sources import find_sources
    from colorzoo.image_io.write import write_whole

    sources = find_sources(args.root)
    with progress_bar("counting colors", len(sources)) as advance:
        prior = measure_prior(sources, threads=args.threads, tick=advance)
    stream = io.BytesIO()
    np.save(stream, prior.shares.numpy(), allow_pickle=False)
    write_whole(args.output, stream.getvalue())
    print(f"{args.output} ({prior.images:,} images)")
    for name in prior.broken:
        print(f"left out, cannot be read: {name}", file=sys.stderr)
    return 1 if prior.broken else 0


@dataclass(frozen=True, kw_only=True)
class ShardCommandOptions:
    """Options of ``colorzoo data shard``."""

    source: Path = argument("folder of images, or of .tar files of images", "IN")
    out: Path = argument("folder to write; made if it does not exist", "OUT")
    short_side: PositiveInt = option(
        256, "reduce larger images to this shorter side in pixels (default: 256)", metavar="N"
    )
    quality: Annotated[int, Range(1, 100)] = option(92, "JPEG quality, 1 to 100 (default: 92)", metavar="N")
    chunk: PositiveInt = option(1024, "images per chunk file (default: 1024)", metavar="N")
    val_share: Probability = option(
        0.05, "fraction of validation images if IN has no train and val (default: 0.05)", metavar="X"
    )
    keep_gray: bool = option(False, "keep training images without color")
    workers: PositiveInt | None = option(None, "processes (default: one per core)", metavar="N")


def _run_shard(args: ShardCommandOptions) -> int:
    """Pack the images; return 1 if some did not decode and were left out.

    Raises:
        DataError: The input is missing or empty, or the output folder holds something else.
    """
    from colorzoo.data.shards import ShardOptions, shard_folder

    options = ShardOptions(args.short_side, args.quality, args.chunk, args.val_share, not args.keep_gray)
    report = shard_folder(args.source, args.out, options, workers=args.workers)
    for name, reason in report.broken:
        print(f"left out {name}: {reason}", file=sys.stderr)
    parts = ", ".join(
        f"{report.images[name]} {name} in {report.chunks[name]} chunk(s)" for name in report.images
    )
    left_out = f"{report.gray} gray and {len(report.broken)} broken left out"
    print(f"{args.out}: {parts}; {len(report.classes)} class(es), {report.size / 1e6:.1f} MB; {left_out}")
    return 1 if report.broken else 0


@dataclass(frozen=True, kw_only=True)
class VerifyOptions:
    """Options of ``colorzoo data verify``."""

    root: Path = argument("folder of images or tar shards", "DIR")
    layout: str | None = option(
        None, "folder, imagenet, places205, places365, ... (default: guess)", metavar="NAME"
    )
    near: bool = option(False, "also find near duplicates")
    json: bool = option(False, "print the whole report as JSON")
    threads: PositiveInt | None = option(None, _THREADS, metavar="N")


def _run_verify(args: VerifyOptions) -> int:
    """Verify a data set and print the report; return 1 if something is broken.

    Raises:
        ColorzooError: The folder does not exist, or the layout is unknown.
    """
    from colorzoo.data.verify import verify

    warnings.filterwarnings("ignore", module="PIL")  # the report names the same faults with their files
    with progress_bar("checking images", None) as advance:
        report = verify(args.root, layout=args.layout, near=args.near, threads=args.threads, tick=advance)
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
        ("images", f"{report.images:,} ({report.bytes / 1e6:,.1f} MB)"),
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
        print_table(("KIND", "IMAGE", "WHAT"), [(f.kind, f.path, f.detail) for f in ordered[:_SHOWN]])
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


COMMANDS = {
    "prior": Command(
        "count the colors of a data set, for the class rebalancing of zhang2016, and write the shares of the "
        "313 bins as .npy",
        "colorzoo data prior photos/train -o prior.npy  # then fit --model.prior prior.npy",
        PriorOptions,
        _run_prior,
    ),
    "shard": Command(
        "pack images into shards that a cluster can stream",
        "colorzoo data shard imagenet shards --short-side 256",
        ShardCommandOptions,
        _run_shard,
    ),
    "verify": Command(
        "find broken, unusual, gray or duplicate images and a wrong layout; exit code 1 if it finds some",
        "colorzoo data verify /datasets/imagenet --layout imagenet --json > report.json",
        VerifyOptions,
        _run_verify,
    ),
}
