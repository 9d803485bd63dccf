"""``colorzoo info``: how colored pictures were made, as they say themselves."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from pathlib import Path

from colorzoo.errors import PictureError

NAME = "info"
HELP = "show of which picture, by which model and weights a colored file was made"
EXAMPLE = """
colorzoo info old.color.jpg
colorzoo info colored/*.jpg --json
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the verb."""
    parser.add_argument("pictures", nargs="+", metavar="FILE", help="results of colorzoo")
    parser.add_argument("--json", action="store_true", help="print a JSON list")


def run(args: argparse.Namespace) -> int:
    """Print what each file says.

    Returns:
        0, or 1 if a file does not say how it was made.

    Raises:
        PictureError: There is no such file.
    """
    from colorzoo.inference.origin import read_origin

    found = []
    for name in args.pictures:
        if not Path(name).is_file():
            raise PictureError(f"{name}: no such file")
        found.append((name, read_origin(Path(name))))
    if args.json:
        rows = [{"file": name, "origin": origin and asdict(origin)} for name, origin in found]
        print(json.dumps(rows, indent=1))
    else:
        for name, origin in found:
            print(_lines(name, asdict(origin)) if origin else f"{name}: does not say how it was made")
    return 0 if all(origin for _, origin in found) else 1


def _lines(name: str, origin: dict[str, object]) -> str:
    origin["recipe"] = " ".join(str(origin["recipe"]).split())
    given = {title: value for title, value in origin.items() if value != ""}
    return "\n".join([f"{name}:", *(f"  {title:<9} {value}" for title, value in given.items())])
