"""``colorzoo info``: show the provenance of colorized images and videos."""

from __future__ import annotations

import json
import sys
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from colorzoo.apps.cli._options import Command
from colorzoo.console import print_line
from colorzoo.errors import ImageError
from colorzoo.options import argument, option

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
    paths = [Path(name) for name in args.images]
    for path in paths:
        if not path.exists():
            raise ImageError(f"{path}: no such file or folder")
    from colorzoo.pixels.find import images_and_videos

    all_records = []
    failed = False
    for path in paths:
        records = [_read_record(path)]
        errors: list[tuple[str, ImageError]] = []
        # a folder of video frames has one record, which is stored in the folder
        if not records[0]["origin"] and path.is_dir():
            files, errors = images_and_videos(path)
            records = [_read_record(file) for file in files]
        for _, error in errors:
            print_line(f"colorzoo: error: {error}", sys.stderr)
        if not args.json:
            for record in records:
                origin = record["origin"]
                print_line(f"{record['file']}:{'' if origin else ' no provenance record'}", sys.stdout)
                for title, value in (origin or {}).items():
                    if title == "frames" and value:
                        with suppress(ValueError, TypeError):  # a damaged record
                            value = len(json.loads(value))
                    if value != "":
                        print_line(f"  {title:<11} {' '.join(str(value).split())}", sys.stdout)
        all_records += records
        has_provenance = any(record["origin"] for record in records)
        if errors or not has_provenance:
            failed = True
    if args.json:
        print(json.dumps(all_records, indent=1))
    return int(failed)


def _read_record(path: Path) -> dict[str, Any]:
    """Return the path and the provenance of a file; the provenance is None if it is not recorded."""
    from colorzoo.image_io import read_provenance

    provenance = read_provenance(path)
    if provenance is None:
        return {"file": str(path), "origin": None}
    return {"file": str(path), "origin": asdict(provenance) | {"source_type": provenance.source_type}}


COMMANDS = {"": Command(HELP, EXAMPLE, InfoOptions, run)}
