"""Standard input and output as a picture, by files in a folder of their own that does not outlive the run."""

from __future__ import annotations

import argparse
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from colorzoo.errors import PictureError

_ENDINGS = ((b"\x89PNG", ".png"), (b"II*\0", ".tif"), (b"MM\0*", ".tif"), (b"GIF8", ".gif"), (b"BM", ".bmp"))


@contextmanager
def standard_streams(args: argparse.Namespace) -> Iterator[tuple[list[str], argparse.Namespace]]:
    """Put files in the places of ``-``: what is piped in is read first, what is piped out is sent at the end.

    Yields:
        The pictures, and the arguments to go on with. Where the result goes to standard output, what is told
        goes to standard error (as with ``--json``).

    Raises:
        PictureError: ``-`` stands among other pictures, or there is no way for the result.
    """
    pictures, out = list(args.pictures), args.output
    if "-" not in pictures and out != "-":
        yield pictures, args
        return
    _check(args)
    with TemporaryDirectory() as folder:
        if pictures == ["-"]:
            pictures = [str(_piped_in(Path(folder)))]
        if out != "-":
            yield pictures, args
            return
        result = Path(folder) / "out" / (Path(pictures[0]).stem + _ending_of(Path(pictures[0])))
        yield pictures, argparse.Namespace(**{**vars(args), "output": str(result), "piped": True})
        if result.is_file():
            with result.open("rb") as file:
                shutil.copyfileobj(file, sys.stdout.buffer)
            sys.stdout.buffer.flush()


def _check(args: argparse.Namespace) -> None:
    if "-" in args.pictures and (args.pictures != ["-"] or args.list):
        raise PictureError("- is one picture from standard input, and cannot stand among others")
    if args.pictures == ["-"] and args.output is None:
        raise PictureError(
            "a picture from standard input has no place for its result; name a file or - with -o"
        )
    single = (
        len(args.pictures) == 1
        and not args.list
        and (args.pictures == ["-"] or Path(args.pictures[0]).is_file())
    )
    if args.output == "-" and (not single or args.json or args.dry_run):
        raise PictureError("-o - sends one picture to standard output, and nothing else can go there")


def _piped_in(folder: Path) -> Path:
    data = sys.stdin.buffer.read()
    path = folder / f"stdin{_ending(data)}"
    path.write_bytes(data)
    return path


def _ending(data: bytes) -> str:
    if data[8:12] == b"WEBP":
        return ".webp"
    if data[4:12] == b"ftypavif":
        return ".avif"
    return next((ending for start, ending in _ENDINGS if data.startswith(start)), ".jpg")


def _ending_of(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return _ending(file.read(12))
    except OSError:
        return path.suffix
