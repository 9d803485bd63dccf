"""Options that say how files are read, and what is refused before torch is imported."""

from __future__ import annotations

import argparse
import glob
from pathlib import Path

from colorzoo.errors import ColorzooError, PictureError


def add_reading_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare how files of several pictures, of damaged and of very large ones are read."""
    parser.add_argument(
        "--frames",
        choices=("all", "first"),
        default="all",
        help="of animations and files of several pages: color all (default), or the first alone",
    )
    parser.add_argument(
        "--salvage", action="store_true", help="color what is left of files that were cut short"
    )
    parser.add_argument(
        "--max-pixels",
        type=float,
        default=200,
        metavar="MILLIONS",
        help="refuse larger pictures; memory grows with them (default 200)",
    )


def pixel_limit(args: argparse.Namespace) -> int:
    """Return the most pixels that a picture may have.

    Raises:
        ColorzooError: There must be some.
    """
    if not 0 < args.max_pixels < float("inf"):
        raise ColorzooError(f"--max-pixels must be a number of millions above 0, got {args.max_pixels:g}")
    return int(args.max_pixels * 1e6)


def refuse_early(args: argparse.Namespace) -> None:
    """Refuse a picture that is named alone before torch is imported, which takes seconds and memory.

    Raises:
        PictureError: It is no picture that can be read.
    """
    limit = pixel_limit(args)
    if len(args.pictures) != 1 or args.list or args.json or args.failed or args.dry_run:
        return  # among others it becomes a line of their report
    path = Path(args.pictures[0])
    if not path.exists() and str(path) != "-" and not glob.has_magic(str(path)):
        raise PictureError(f"{path}: no such file or folder")
    if path.is_file():
        from colorzoo.inference.read import examine_picture

        examine_picture(path, max_pixels=limit, salvage=args.salvage)
