"""``colorzoo info``: show how colored images and films were made, from the record of each file."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from colorzoo.cli._options import Command
from colorzoo.cli._output import print_line
from colorzoo.errors import ImageError
from colorzoo.settings import argument, option

HELP = "show from which image, and with which model and weights, a colored file was made"
EXAMPLE = """
colorzoo info old.color.jpg
colorzoo info colored/
colorzoo info film.color.mp4
colorzoo info colored/*.jpg --json
"""


@dataclass(frozen=True, kw_only=True)
class InfoOptions:
    """Options of ``colorzoo info``."""

    images: list[str] = argument("results of colorzoo, or folders of results", "FILE", nargs="+")
    json: bool = option(False, "print a JSON list")


def run(args: InfoOptions) -> int:
    """Print the record of each file.

    Returns:
        0, or 1 if a named file has no record, no file of a folder has one, or a folder cannot be searched.

    Raises:
        ImageError: There is no such file or folder.
    """
    for name in args.images:
        if not Path(name).exists():
            raise ImageError(f"{name}: no such file or folder")
    rows, complete = [], True
    for name in args.images:
        found, errors = _below(Path(name)) if Path(name).is_dir() else ([_row(Path(name))], [])
        complete &= any(row["origin"] for row in found) and not errors
        for _, error in errors:
            print_line(f"colorzoo: error: {error}", sys.stderr)
        if not args.json:
            _print_tree(Path(name), found) if Path(name).is_dir() else _print_file(found[0])
        rows += found
    if args.json:
        print(json.dumps(rows, indent=1))
    return 0 if complete else 1


def _below(folder: Path) -> tuple[list[dict[str, Any]], list[tuple[str, ImageError]]]:
    """Return the rows of the files in a folder, or of the folder itself if it holds the frames of a film.

    The folders in it that cannot be searched are returned with their errors.
    """
    from colorzoo.image_io.find import images_and_videos

    own = _row(folder)
    if own["origin"]:
        return [own], []
    files, errors = images_and_videos(folder)
    return [_row(path) for path in files], errors


def _row(path: Path) -> dict[str, Any]:
    from colorzoo.image_io.provenance import read_provenance

    found = read_provenance(path)
    origin = None if found is None else asdict(found) | {"source_type": found.source_type}
    film = _film_facts(path)
    return {"file": str(path), "origin": origin} | ({"film": film} if film else {})


def _film_facts(path: Path) -> dict[str, Any] | None:
    """Return size, rate, frames and codec of a film; None for other files, and without PyAV."""
    from colorzoo.image_io.find import VIDEO_EXTENSIONS
    from colorzoo.image_io.video_stream import import_av, main_video_stream

    if path.suffix.lower() not in VIDEO_EXTENSIONS or not path.is_file():
        return None
    try:
        with import_av().open(str(path)) as container:
            stream = main_video_stream(container)
            return {
                "width": stream.width,
                "height": stream.height,
                "frames": stream.frames or None,
                "rate": float(stream.average_rate) if stream.average_rate else None,
                "seconds": float(container.duration / 1_000_000) if container.duration else None,
                "codec": stream.codec_context.name,
                "sound": bool(container.streams.audio),
            }
    except Exception:  # PyAV is not installed, or the film is damaged
        return None


def _print_file(row: dict[str, Any]) -> None:
    origin = row["origin"]
    if origin is None:
        print_line(f"{row['file']}: no record of how it was made", sys.stdout)
    else:
        print_line(f"{row['file']}:", sys.stdout)
        for title, value in origin.items():
            if value != "":
                print_line(f"  {title:<11} {' '.join(str(value).split())}", sys.stdout)
    if film := row.get("film"):
        known = ", ".join(f"{title} {value}" for title, value in film.items() if value is not None)
        print_line(f"  {'film':<11} {known}", sys.stdout)


def _print_tree(folder: Path, rows: list[dict[str, Any]]) -> None:
    """Print one line for each file, below the names of its folders."""
    print_line(
        f"{folder}: {sum(bool(row['origin']) for row in rows)} of {len(rows)} files have a record", sys.stdout
    )
    shown: tuple[str, ...] = ()
    for row in rows:
        parts = Path(row["file"]).relative_to(folder).parts or (".",)
        for depth, part in enumerate(parts[:-1]):
            if shown[: depth + 1] != parts[: depth + 1]:
                print_line(f"{'  ' * (depth + 1)}{part}/", sys.stdout)
        shown = parts[:-1]
        print_line(f"{'  ' * len(parts)}{parts[-1]}  {_short(row['origin'])}", sys.stdout)


def _short(origin: dict[str, Any] | None) -> str:
    if origin is None:
        return "no record"
    return ", ".join(filter(None, (origin["model"], origin["date"], f"of {origin['source'][:12]}")))


COMMANDS = {"": Command(HELP, EXAMPLE, InfoOptions, run)}
