"""``colorzoo colorize``: color pictures, folders and globs."""

from __future__ import annotations

import argparse
import json
import re
import sys
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from colorzoo.errors import ColorzooError, GuidanceError
from colorzoo.guidance.recipe import PointHint, Recipe

if TYPE_CHECKING:
    from colorzoo.inference.colorizer import Colorizer
    from colorzoo.inference.pictures import FoundPicture

NAME = "colorize"
HELP = "color pictures; the results lie beside them as NAME.color.EXT"
EXAMPLE = """
colorzoo colorize old.jpg
colorzoo colorize old.jpg --point 120,80=#c04020 --point 300,200=#3060a0
colorzoo colorize old.jpg --recipe hints.json -o new.png
colorzoo colorize album/ -o colored/
"""

_POINT = re.compile(r"(?P<x>[\d.]+),(?P<y>[\d.]+)(?:,(?P<radius>[\d.]+))?=(?P<color>#[0-9a-fA-F]{6})")
_FAILED, _SOME_FAILED = 2, 1


@dataclass
class Report:
    """What became of one picture.

    Attributes:
        source: The picture.
        output: Where the result is, or would be.
        status: ``"colored"``, ``"skipped"``, ``"failed"`` or ``"planned"``.
        notes: What the user should know.
    """

    source: str
    output: str
    status: str
    notes: tuple[str, ...] = ()


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the verb."""
    parser.add_argument(
        "pictures", nargs="+", metavar="PHOTO", help="files, folders (searched through) or globs"
    )
    parser.add_argument("-o", "--output", metavar="OUT", help="a file for one picture, or a folder")
    parser.add_argument("--model", help="registered name (default: the recipe's, or the embedded model)")
    parser.add_argument("--weights", default="default", help="default, published, or the path of a file")
    parser.add_argument("--recipe", metavar="R.json", help="color points and settings as JSON")
    parser.add_argument(
        "--point",
        action="append",
        default=[],
        metavar="X,Y[,R]=#rrggbb",
        help="a color at a pixel of the picture, with radius R; may be repeated",
    )
    parser.add_argument(
        "--strength", type=float, metavar="S", help="factor on the chroma, 0 to 1.5 (default 1)"
    )
    parser.add_argument(
        "--size", type=int, default=256, help="shorter side that the network sees (default 256)"
    )
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or mps")
    parser.add_argument("--precision", choices=("auto", "float32", "bfloat16"), default="auto")
    parser.add_argument(
        "--quality", type=int, default=95, help="of JPEG, WebP and AVIF, 1 to 100 (default 95)"
    )
    parser.add_argument("--overwrite", action="store_true", help="replace results that are already there")
    parser.add_argument("--skip-colored", action="store_true", help="leave pictures that have colors alone")
    parser.add_argument("--dry-run", action="store_true", help="only say what would be written where")
    parser.add_argument("--json", action="store_true", help="print a report as JSON on standard output")


def run(args: argparse.Namespace) -> int:
    """Color every picture; one that fails does not stop the others.

    Returns:
        0 if all went well, 1 if some pictures failed, 2 if all did.
    """
    recipe = _recipe(args)
    _check_numbers(args)
    from colorzoo.inference.pictures import find_pictures, output_paths

    out = Path(args.output) if args.output else None
    found = find_pictures(args.pictures, exclude=out)
    targets = output_paths(found, args.output)
    if args.dry_run:
        reports = [Report(str(f.path), str(t), "planned") for f, t in zip(found, targets, strict=True)]
    else:
        reports = _color_all(list(zip(found, targets, strict=True)), recipe, args)
    if args.json:
        print(json.dumps([asdict(report) for report in reports], indent=1))
    return _exit_code(reports)


def _recipe(args: argparse.Namespace) -> Recipe:
    """Join the recipe file and the points of the command line."""
    recipe = Recipe.from_json(Path(args.recipe)) if args.recipe else Recipe()
    points = tuple(_parse_point(text) for text in args.point)
    return replace(recipe, points=recipe.points + points)


def _parse_point(text: str) -> PointHint:
    match = _POINT.fullmatch(text)
    try:
        if match is None:
            raise ValueError
        radius = float(match["radius"]) if match["radius"] else 3.0
        return PointHint(float(match["x"]), float(match["y"]), radius, match["color"].lower())
    except ValueError:
        raise GuidanceError(
            f"--point {text!r} is not X,Y=#rrggbb or X,Y,RADIUS=#rrggbb, for example 120,80=#c04020"
        ) from None


def _check_numbers(args: argparse.Namespace) -> None:
    if args.strength is not None and not 0 <= args.strength <= 1.5:
        raise ColorzooError(f"--strength must be from 0 to 1.5, got {args.strength:g}")
    if not 16 <= args.size <= 4096:
        raise ColorzooError(f"--size must be from 16 to 4096 pixels, got {args.size}")
    if not 1 <= args.quality <= 100:
        raise ColorzooError(f"--quality must be from 1 to 100, got {args.quality}")


def _color_all(
    jobs: list[tuple[FoundPicture, Path]], recipe: Recipe, args: argparse.Namespace
) -> list[Report]:
    """Color the pictures one after the other under a progress bar on standard error."""
    from rich.console import Console
    from rich.progress import track

    from colorzoo.registry import default_model

    use = "points" if recipe.points else "automatic"
    colorizer = _colorizer(args.model or recipe.model or default_model(use), args)
    console = Console(stderr=True)
    quiet = len(jobs) == 1 or not console.is_terminal
    reports = []
    for found, target in track(jobs, "coloring", console=console, disable=quiet):
        report = _color_one(colorizer, found, target, recipe, args)
        reports.append(report)
        _say(report, to_stderr=args.json or report.status == "failed")
    return reports


def _colorizer(model: str, args: argparse.Namespace) -> Colorizer:
    from colorzoo.inference.colorizer import Colorizer

    return Colorizer(
        model, weights=args.weights, device=args.device, precision=args.precision, size=args.size
    )


def _color_one(
    colorizer: Colorizer, found: FoundPicture, target: Path, recipe: Recipe, args: argparse.Namespace
) -> Report:
    from colorzoo.inference.pictures import chroma_note, read_picture, write_notes, write_picture

    report = Report(str(found.path), str(target), "colored")
    if target.exists() and not args.overwrite:
        return replace(report, status="skipped", notes=("is already there; --overwrite replaces it",))
    try:
        picture = read_picture(found.path)
        tint = chroma_note(picture)
        if args.skip_colored and tint == "already in color":
            return replace(report, status="skipped", notes=(tint,))
        colored = colorizer.colorize(picture, recipe, strength=args.strength)
        write_picture(target, colored.rgb, picture, quality=args.quality, overwrite=args.overwrite)
        notes: list[Any] = [*picture.notes, *([tint] if tint else []), *colored.notes]
        return replace(report, notes=(*notes, *write_notes(target, picture)))
    except ColorzooError as error:
        return replace(report, status="failed", notes=(str(error),))


def _say(report: Report, *, to_stderr: bool) -> None:
    notes = f" ({'; '.join(report.notes)})" if report.notes else ""
    line = f"{report.output}{notes}"
    if report.status == "failed":
        line = f"colorzoo: error: {'; '.join(report.notes)}"
    print(line, file=sys.stderr if to_stderr else sys.stdout, flush=True)


def _exit_code(reports: list[Report]) -> int:
    failed = sum(report.status == "failed" for report in reports)
    if failed == 0:
        return 0
    return _FAILED if failed == len(reports) else _SOME_FAILED
