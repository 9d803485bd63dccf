"""``colorzoo data prior``: how often each color occurs in a data set."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from colorzoo.errors import ColorzooError


def add_prior(actions: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the action ``prior`` and its options."""
    text = "count the colors of a data set, for the class rebalancing of zhang2016"
    parser = actions.add_parser(
        "prior",
        help=text,
        description=f"{text.capitalize()}. Writes the shares of the 313 bins, smoothed, as .npy.",
        epilog="example: colorzoo data prior photos/train -o prior.npy, then fit --model.prior prior.npy",
    )
    parser.add_argument("root", metavar="DIR", type=Path, help="folder of pictures or tar shards")
    parser.add_argument("-o", "--output", metavar="FILE", type=Path, required=True, help="the .npy to write")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1, help="threads that decode")


def run_prior(args: argparse.Namespace) -> int:
    """Count and write; return 1 if some pictures could not be read.

    Raises:
        ColorzooError: There are no pictures, or the file cannot be written.
    """
    if args.output.suffix != ".npy":
        raise ColorzooError(f"{args.output} must end in .npy")
    if not args.output.parent.is_dir():
        raise ColorzooError(f"{args.output.parent} is no folder; make it first")
    from rich.console import Console
    from rich.progress import Progress

    from colorzoo.data.prior import measure_prior
    from colorzoo.data.sources import find_sources

    sources = find_sources(args.root)
    console = Console(stderr=True)
    with Progress(console=console, disable=not console.is_terminal) as progress:
        task = progress.add_task("counting colors", total=len(sources))
        prior = measure_prior(sources, threads=max(1, args.threads), tick=lambda: progress.advance(task))
    _write(args.output, prior.shares.numpy())
    print(f"{args.output} ({prior.pictures:,} pictures)")
    for name in prior.broken:
        console.print(f"left out, cannot be read: {name}", highlight=False)
    return 1 if prior.broken else 0


def _write(path: Path, shares: object) -> None:
    import numpy as np

    part = path.with_name(f".{path.name}.part")
    try:
        with part.open("wb") as stream:
            np.save(stream, np.asarray(shares), allow_pickle=False)
        part.replace(path)
    except OSError as error:
        raise ColorzooError(f"{path} cannot be written: {error.strerror or error}") from error
    finally:
        part.unlink(missing_ok=True)
