"""``colorzoo info``: show the provenance of colorized images and videos."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from colorzoo.apps.cli._options import Command
from colorzoo.console import print_line
from colorzoo.errors import ImageError
from colorzoo.settings import argument, option

HELP = "show the source image, model and weights of colorized files"
EXAMPLE = """
colorzoo info old.color.jpg
colorzoo info colored/
colorzoo info old.color.mp4
colorzoo info colored/*.jpg --json
"""


@dataclass(frozen=True, kw_only=True)
class InfoOptions:
    """Options of ``colorzoo info``."""

    images: list[str] = argument("colorized files, or folders of colorized files", "FILE", nargs="+")
    json: bool = option(False, "print the records as a JSON list")


def run(args: InfoOptions) -> int:
    """Print the provenance record (source, model, weights and settings) of each file.

    Returns:
        1 if a file or folder has no record or a folder cannot be read, otherwise 0.

    Raises:
        ImageError: A file or folder does not exist.
    """
    from colorzoo.image_io import images_and_videos

    paths = [Path(name) for name in args.images]
    for path in paths:
        if not path.exists():
            raise ImageError(f"{path}: no such file or folder")
    rows, complete = [], True
    for path in paths:
        found = [_row(path)]
        if path.is_dir() and not found[0]["origin"]:  # else the folder contains the frames of a video
            files, errors = images_and_videos(path)
            found = [_row(file) for file in files]
            complete &= not errors
            for _, error in errors:
                print_line(f"colorzoo: error: {error}", sys.stderr)
        complete &= any(row["origin"] for row in found)
        for row in found if not args.json else ():
            _print_record(row)
        rows += found
    if args.json:
        print(json.dumps(rows, indent=1))
    return 0 if complete else 1


def _row(path: Path) -> dict[str, Any]:
    from colorzoo.image_io import read_provenance

    found = read_provenance(path)
    origin = None if found is None else asdict(found) | {"source_type": found.source_type}
    return {"file": str(path), "origin": origin}


def _print_record(row: dict[str, Any]) -> None:
    origin = row["origin"]
    print_line(f"{row['file']}:{'' if origin else ' no provenance record'}", sys.stdout)
    for title, value in (origin or {}).items():
        if value != "":
            print_line(f"  {title:<11} {' '.join(str(value).split())}", sys.stdout)


COMMANDS = {"": Command(HELP, EXAMPLE, InfoOptions, run)}
