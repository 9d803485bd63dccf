"""``colorzoo data``: verify data sets, pack them into shards, measure color frequencies."""

from __future__ import annotations

import io
import json
import sys
import warnings
from dataclasses import MISSING, dataclass
from pathlib import Path
from typing import Annotated

from colorzoo.apps.cli._options import Command
from colorzoo.console import align, print_line, print_table, progress_bar
from colorzoo.environment import core_count
from colorzoo.errors import ColorzooError
from colorzoo.files import write_atomic
from colorzoo.options import argument, option
from colorzoo.settings import PositiveInt, Probability, Range

HELP = "verify data sets, pack them into shards and measure color priors"
_MOST_ROWS = 200  # findings of `verify` that are printed
_THREADS = "decoding threads (default: one per core)"


@dataclass(frozen=True, kw_only=True)
class PriorOptions:
    """Options of ``colorzoo data prior``."""

    root: Path = argument("folder of images or tar shards", "DIR")
    output: Path = option(MISSING, ".npy file to write", "", "-o", "--output", metavar="FILE", writes="file")
    threads: PositiveInt = option(core_count(), _THREADS, metavar="N")
    overwrite: bool = option(False, "replace an existing file")


def _run_prior(args: PriorOptions) -> int:
    """Measure the frequencies of the color bins and write them; return 1 if images cannot be read.

    Raises:
        ColorzooError: The folder contains no images, or the output folder does not exist.
        OSError: The output file cannot be written.
    """
    if args.output.suffix != ".npy":
        raise ColorzooError(f"--output must end in .npy, got {args.output}")
    if not args.output.parent.is_dir():
        raise ColorzooError(f"--output: the folder {args.output.parent} does not exist. Create it first.")
    import numpy as np

    from colorzoo.data import find_sources
    from colorzoo.data.prior import measure_prior

    sources = find_sources(args.root)
    with progress_bar("counting colors", len(sources)) as advance:
        prior = measure_prior(sources, threads=args.threads, tick=advance)
    stream = io.BytesIO()
    np.save(stream, prior.frequencies.numpy(), allow_pickle=False)
    write_atomic(args.output, stream.getvalue())
    print_line(f"{args.output} ({prior.images:,} images)", sys.stdout)
    for name in prior.broken:
        print_line(f"skipped {name}: the file cannot be read", sys.stderr)
    return 1 if prior.broken else 0


@dataclass(frozen=True, kw_only=True)
class ShardCommandOptions:
    """Options of ``colorzoo data shard``."""

    source: Path = argument("folder of images, or of .tar files of images", "IN")
    out: Path = argument("output folder", "OUT", writes="path")
    short_side: PositiveInt = option(
        256, "resize larger images to a shorter side of N pixels (default: 256)", metavar="N"
    )
    quality: Annotated[int, Range(1, 100)] = option(92, "JPEG quality, 1 to 100 (default: 92)", metavar="N")
    chunk: PositiveInt = option(1024, "images per chunk file (default: 1024)", metavar="N")
    val_fraction: Probability = option(
        0.05,
        "fraction of images used for validation if IN has no train and val folders (default: 0.05)",
        metavar="X",
    )
    hints: list[str] = option(
        [],
        "kind of guidance to store with the images, such as text for captions; may be repeated",
        metavar="KIND",
    )
    keep_gray: bool = option(False, "keep gray training images (default: skip them)")
    workers: PositiveInt | None = option(None, "worker processes (default: one per core)", metavar="N")


def _run_shard(args: ShardCommandOptions) -> int:
    """Pack the images into shards; return 1 if some images could not be decoded.

    Raises:
        DataError: The input is missing or empty, or the output folder contains other files.
    """
    from colorzoo.data.shards import ShardOptions, shard_folder

    options = ShardOptions(
        args.short_side, args.quality, args.chunk, args.val_fraction, not args.keep_gray, tuple(args.hints)
    )
    report = shard_folder(args.source, args.out, options, workers=args.workers)
    for name, reason in report.broken:
        print_line(f"skipped {name}: {reason}", sys.stderr)
    parts = ", ".join(
        f"{report.images[name]} {name} in {report.chunks[name]} chunk(s)" for name in report.images
    )
    skipped = f"{report.gray} gray and {len(report.broken)} broken image(s) skipped"
    about = f"{parts}; {len(report.classes)} class(es), {report.size / 1e6:.1f} MB; {skipped}"
    print_line(f"{args.out}: {about}", sys.stdout)
    return 1 if report.broken else 0


@dataclass(frozen=True, kw_only=True)
class VerifyOptions:
    """Options of ``colorzoo data verify``."""

    root: Path = argument("folder of images or tar shards", "DIR")
    layout: str = option(
        "folder",
        "layout of the data set: folder, imagenet, places205, places365 or coco_stuff (default: folder)",
        metavar="NAME",
    )
    json: bool = option(False, "print the report as JSON")
    threads: PositiveInt | None = option(None, _THREADS, metavar="N")


def _run_verify(args: VerifyOptions) -> int:
    """Verify a data set and print the report; return 1 if problems were found.

    Raises:
        ColorzooError: The folder does not exist, or the layout is unknown.
    """
    from colorzoo.data.verify import verify_images

    warnings.filterwarnings("ignore", module="PIL")  # warnings of Pillow do not contain the file name
    with progress_bar("checking images", None) as advance:
        report = verify_images(args.root, layout=args.layout, threads=args.threads, tick=advance)
    if args.json:
        print(json.dumps(report.to_dict(), indent=1))
        return 1 if report.broken else 0
    splits = ", ".join(f"{split} {count:,}" for split, count in report.splits.items())
    counts = ", ".join(f"{kind} {count:,}" for kind, count in report.counts().items())
    rows = [
        ("images", splits or "none"),
        ("findings", counts or "none"),
        *(("ERROR", line) for line in report.mistakes),
        *(("identical", "  ".join(group)) for group in report.duplicates[:_MOST_ROWS]),
    ]
    for line in align(rows):
        print_line(line, sys.stdout)
    findings = sorted(report.findings, key=lambda finding: finding.kind != "broken")[:_MOST_ROWS]
    if findings:
        print()
        print_table(("KIND", "IMAGE", "DETAIL"), [(f.kind, f.path, f.detail) for f in findings])
    if len(report.findings) > _MOST_ROWS or len(report.duplicates) > _MOST_ROWS:
        print(f"only the first {_MOST_ROWS} findings are listed; use --json to list all")
    return 1 if report.broken else 0


COMMANDS = {
    "prior": Command(
        "measure the frequencies of the 313 color bins in a data set, for class rebalancing (zhang2016)",
        "colorzoo data prior photos/train -o prior.npy  # then fit --model.prior prior.npy",
        PriorOptions,
        _run_prior,
    ),
    "shard": Command(
        "pack images into shards for streaming",
        "colorzoo data shard imagenet shards --short-side 256",
        ShardCommandOptions,
        _run_shard,
    ),
    "verify": Command(
        "find broken, gray, tiny or duplicate images and layout errors; exit code 1 if any are found",
        "colorzoo data verify /datasets/imagenet --layout imagenet --json > report.json",
        VerifyOptions,
        _run_verify,
    ),
}
