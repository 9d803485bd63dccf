"""``colorzoo colorize``: color pictures, folders and globs."""

from __future__ import annotations

import argparse
import json
import os
from dataclasses import asdict, replace
from typing import TYPE_CHECKING

from colorzoo.cli._classes import add_class_arguments
from colorzoo.cli._reading import add_reading_arguments, refuse_early
from colorzoo.cli._recipes import recipe_of, require_folder
from colorzoo.cli._references import add_fast_argument, add_reference_arguments
from colorzoo.errors import ColorzooError, GuidanceError
from colorzoo.registry import model_card

if TYPE_CHECKING:
    from colorzoo.guidance import Recipe

NAME = "colorize"
HELP = "color pictures; the results lie beside them as NAME.color.EXT"
EXAMPLE = """
colorzoo colorize old.jpg
colorzoo colorize old.jpg --point 120,80=#c04020 --point 300,200=#3060a0
colorzoo colorize old.jpg --recipe hints.json -o new.png
colorzoo colorize old.jpg --histogram-of sunset.jpg
colorzoo colorize old.jpg --reference sunset.jpg --alpha 0.8
colorzoo colorize album/ -o colored/
colorzoo colorize album/ --fast -o colored/
"""

_FAILED, _SOME_FAILED = 2, 1


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the verb."""
    parser.add_argument(
        "pictures",
        nargs="*",
        metavar="PHOTO",
        help="files, folders (searched through) or globs; - reads one from standard input",
    )
    parser.add_argument("--from", dest="list", metavar="LIST", help="a file that names pictures, one a line")
    parser.add_argument(
        "-o", "--output", metavar="OUT", help="a file for one picture, a folder, or - for standard output"
    )
    parser.set_defaults(piped=False)
    parser.add_argument("--failed", metavar="LIST", help="write the names of the pictures that failed there")
    parser.add_argument(
        "--model", help="registered name (default: the recipe's, or the best one on this machine)"
    )
    add_fast_argument(parser)
    parser.add_argument("--weights", default="default", help="default, published, or the path of a file")
    parser.add_argument("--recipe", metavar="R.json", help="color points and settings as JSON")
    parser.add_argument(
        "--recipe-folder",
        metavar="DIR",
        help="recipes by the names of the pictures, in the same tree: a/b.json is for a/b.jpg",
    )
    add_reference_arguments(parser)
    add_class_arguments(parser)
    parser.add_argument(
        "--histogram-of", metavar="IMG", help="give the picture the color histogram of another one"
    )
    parser.add_argument(
        "--saturation", type=float, metavar="S", help="mean saturation the picture shall have, 0 to 1"
    )
    parser.add_argument(
        "--temperature",
        type=float,
        metavar="T",
        help="of models that answer a distribution: 1 safe and pale, towards 0 vivid and blotchy",
    )
    parser.add_argument(
        "--render-factor",
        type=int,
        metavar="N",
        help="of DeOldify: the network sees 16 N pixels; lower is more vivid, higher has more detail",
    )
    _add_hint_arguments(parser)
    parser.add_argument(
        "--strength", type=float, metavar="S", help="factor on the chroma, 0 to 1.5 (default 1)"
    )
    _add_engine_arguments(parser)
    _add_run_arguments(parser)


def _add_run_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare how files are read and written, and what is told."""
    parser.add_argument(
        "--quality", type=int, default=95, help="of JPEG, WebP and AVIF, 1 to 100 (default 95)"
    )
    parser.add_argument(
        "--jobs",
        type=int,
        default=default_jobs(),
        metavar="N",
        help="threads that read and write beside the network (default: one for each core, at most 8); with 1 "
        "one picture comes after the other",
    )
    parser.add_argument("--overwrite", action="store_true", help="replace results that are already there")
    parser.add_argument(
        "--provenance",
        choices=("embed", "none"),
        default="embed",
        help="what results say of how they were made: picture, model, weights, recipe (default), or nothing",
    )
    add_reading_arguments(parser)
    parser.add_argument("--skip-colored", action="store_true", help="leave pictures that have colors alone")
    parser.add_argument("--dry-run", action="store_true", help="only say what would be written where")
    parser.add_argument("--json", action="store_true", help="print a report as JSON on standard output")


def _add_hint_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the points and boxes."""
    parser.add_argument(
        "--point",
        action="append",
        default=[],
        metavar="X,Y[,R]=COLOR[@REACH]",
        help="a color (#rrggbb, #rgb or a name) at a pixel of the picture, with radius R; may be repeated",
    )
    parser.add_argument(
        "--reach",
        default="automatic",
        metavar="REACH",
        help="how far the colors of --point go: automatic (over what belongs to the place), everywhere "
        "(wherever the network takes them), or so many times the automatic reach, from 0 to 10",
    )
    parser.add_argument(
        "--box",
        action="append",
        default=[],
        metavar="X,Y,WIDTH,HEIGHT",
        help="where a thing is, for models that color each by itself; may be repeated; none: there is none",
    )


def _add_engine_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the network sees, and what it runs on."""
    parser.add_argument(
        "--size", type=int, help="shorter side that the network sees (default: the model's, mostly 256)"
    )
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or mps")
    parser.add_argument(
        "--precision",
        choices=("auto", "float32", "bfloat16", "int8"),
        default="auto",
        help="int8: a fifth faster on CPUs with --engine onnxruntime and no guidance, colors differ a little",
    )
    parser.add_argument(
        "--engine",
        choices=("torch", "onnxruntime"),
        default="torch",
        help="what runs the model; onnxruntime makes a graph of it once, for the CPU (default torch)",
    )


def run(args: argparse.Namespace) -> int:
    """Color every picture; one that fails does not stop the others.

    Returns:
        0 if all went well, 1 if some pictures failed, 2 if all did.
    """
    _check_numbers(args)
    refuse_early(args)
    if not args.pictures and args.list is None:
        raise ColorzooError("name a photo, a folder or a glob; see `colorzoo colorize --help`")
    if args.recipe_folder:
        require_folder(args.recipe_folder)
    recipe = recipe_of(args)
    _check_references(args, recipe)
    if wanted := args.model or recipe.model:
        model_card(wanted)  # a wrong name is said at once, even if there is nothing to do
    from colorzoo.cli._album import color_all
    from colorzoo.cli._coloring import Coloring, find_jobs
    from colorzoo.cli._lists import named_in, tell_end
    from colorzoo.cli._streams import standard_streams

    with standard_streams(args) as (pictures, told):
        how = Coloring(recipe, told)
        jobs, reports = find_jobs([*pictures, *named_in(args.list)], how)
        if args.dry_run:
            reports += [replace(job.report, status="planned") for job in jobs]
        else:
            reports += color_all(jobs, how)
    for report in reports if args.dry_run else ():
        how.say(report)
    if args.json:
        print(json.dumps([asdict(report) for report in reports], indent=1))
    tell_end(reports, args.failed)
    return _exit_code([report.status for report in reports])


def _check_numbers(args: argparse.Namespace) -> None:
    if args.strength is not None and not 0 <= args.strength <= 1.5:
        raise ColorzooError(f"--strength must be from 0 to 1.5, got {args.strength:g}")
    if args.saturation is not None and not 0 <= args.saturation <= 1:
        raise ColorzooError(f"--saturation must be from 0 to 1, got {args.saturation:g}")
    if args.temperature is not None and not 0.01 <= args.temperature <= 10:
        raise ColorzooError(f"--temperature must be from 0.01 to 10, got {args.temperature:g}")
    if args.size is not None and not 16 <= args.size <= 4096:
        raise ColorzooError(f"--size must be from 16 to 4096 pixels, got {args.size}")
    if not 1 <= args.jobs <= 64:
        raise ColorzooError(f"--jobs must be from 1 to 64, got {args.jobs}")
    if args.recipe and args.recipe_folder:
        raise ColorzooError(
            "--recipe is for all pictures, --recipe-folder for each its own; give one of them"
        )
    if not 1 <= args.quality <= 100:
        raise ColorzooError(f"--quality must be from 1 to 100, got {args.quality}")


def default_jobs() -> int:
    """Return how many threads read and write where the user names no number."""
    return min(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1, 8)


def _check_references(args: argparse.Namespace, recipe: Recipe) -> None:
    """Refuse options that say how to use a reference where there is none; they would do nothing."""
    from colorzoo.cli._results import reference_files

    if reference_files(args, recipe):
        return
    given = {
        "--alpha": args.alpha is not None,
        "--reference-weights": args.reference_weights is not None,
        "--reference-classes": bool(args.reference_classes),
        "--class": bool(args.reassigned),
    }
    for name in (name for name, is_given in given.items() if is_given):
        raise GuidanceError(f"{name} says how to use a reference; name one with --reference")


def _exit_code(statuses: list[str]) -> int:
    failed = statuses.count("failed") + statuses.count("full")
    if failed == 0:
        return 0
    return _FAILED if failed == len(statuses) else _SOME_FAILED
