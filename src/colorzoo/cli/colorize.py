"""``colorzoo colorize``: color pictures, folders and globs."""

from __future__ import annotations

import argparse
import glob
import json
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import asdict, fields
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from colorzoo.cli._options import (
    add_device_argument,
    add_fast_argument,
    add_reference_weights_argument,
    file_identity,
)
from colorzoo.cli._output import print_line, printed_warnings
from colorzoo.cli._recipes import recipe_file, recipe_of
from colorzoo.environment import core_count
from colorzoo.errors import ColorzooError, GuidanceError, PictureError
from colorzoo.registry import model_card

if TYPE_CHECKING:
    from colorzoo.batch.options import ColorOptions
    from colorzoo.batch.runner import BatchResult, BatchSummary, PictureJob
    from colorzoo.guidance import Recipe

    Report = Callable[[BatchResult], None]

NAME = "colorize"
HELP = "color pictures; results are written beside them as NAME.color.EXT"
EXAMPLE = """
colorzoo colorize old.jpg
colorzoo colorize old.jpg --point 120,80=#c04020 --point 300,200=#3060a0
colorzoo colorize old.jpg --recipe hints.json -o new.png
colorzoo colorize old.jpg --histogram-of sunset.jpg
colorzoo colorize old.jpg --reference sunset.jpg --alpha 0.8
colorzoo colorize album/ -o colored/
colorzoo colorize album/ --fast -o colored/
"""

_EXISTS = {
    "changed": "exists already, made with other settings; --overwrite replaces it",
    "foreign": "exists already, made of another picture; --overwrite replaces it, -o names another file",
    "unknown": "exists already and does not say of which picture it was made; --overwrite replaces it, "
    "-o names another place",
}
_IS_INPUT = "is one of the files that this run reads; -o names another place"
_COUNTED = {"colored": "colored", "skipped": "left alone", "failed": "failed", "planned": "planned"}
_SPINS = "2000"  # rounds of waiting, some microseconds
FRAME_SECONDS = 10.0  # between lines about a file of many frames
_SIGNATURES = (
    (b"\x89PNG", ".png"),
    (b"II*\0", ".tif"),
    (b"MM\0*", ".tif"),
    (b"GIF8", ".gif"),
    (b"BM", ".bmp"),
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the verb."""
    parser.add_argument(
        "pictures",
        nargs="*",
        metavar="PHOTO",
        help="files, folders (searched recursively) or globs; - reads one picture from standard input",
    )
    parser.add_argument(
        "-o", "--output", metavar="OUT", help="a file for one picture, a folder, or - for standard output"
    )
    parser.add_argument(
        "--point",
        action="append",
        default=[],
        metavar="X,Y[,R]=COLOR[@REACH]",
        help="a color (#rrggbb, #rgb or a name) at a pixel of the picture, with radius R; may be repeated",
    )
    parser.add_argument("--recipe", metavar="R.json", help="color points and settings as JSON")
    parser.add_argument(
        "--reference",
        action="append",
        metavar="IMG",
        help="picture, or look of `colorzoo look`, whose colors to use; may be repeated to mix several "
        "(default: that of the recipe, beside it)",
    )
    parser.add_argument(
        "--model", help="registered name (default: the recipe's, or the best one on this machine)"
    )
    _add_color_arguments(parser.add_argument_group("colors"))
    _add_reference_arguments(parser.add_argument_group("references and classes"))
    _add_model_arguments(parser.add_argument_group("model and engine"))
    _add_file_arguments(parser.add_argument_group("files"))
    _add_run_arguments(parser.add_argument_group("many pictures and reports"))


def _add_color_arguments(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--reach",
        metavar="REACH",
        help="how far the colors of --point spread: automatic (over the object at that place; default), "
        "everywhere (wherever the network takes them), or a factor on the automatic reach, 0 to 10",
    )
    group.add_argument(
        "--box",
        action="append",
        default=[],
        metavar="X,Y,WIDTH,HEIGHT",
        help="bounding box of an object, for models that color each one separately; may be repeated; none: "
        "there is no object",
    )
    group.add_argument(
        "--histogram-of", metavar="IMG", help="picture whose color histogram the result is to have"
    )
    group.add_argument("--saturation", type=float, metavar="S", help="target mean saturation, 0 to 1")
    group.add_argument(
        "--strength", type=float, metavar="S", help="factor on the chroma, 0 to 1.5 (default 1)"
    )
    group.add_argument(
        "--frame",
        metavar="FRAME",
        help="part of the picture to color: automatic (default; film rebates, print margins and mounts of "
        "scans are found and stay gray), none (all of it), or X,Y,WIDTH,HEIGHT",
    )
    group.add_argument(
        "--temperature",
        type=float,
        metavar="T",
        help="for models that predict a distribution: 1 is safe and pale, towards 0 vivid and blotchy",
    )
    group.add_argument(
        "--render-factor",
        type=int,
        metavar="N",
        help="for DeOldify: the network sees 16 N pixels; lower is more vivid, higher has more detail",
    )


def _add_reference_arguments(group: argparse._ArgumentGroup) -> None:
    add_reference_weights_argument(group)
    group.add_argument(
        "--alpha", type=float, metavar="A", help="how far to go towards the reference, 0 to 1 (default 1)"
    )
    group.add_argument(
        "--classes",
        metavar="LABELS",
        help="image with the class number of each pixel, for models that transfer colors within classes",
    )
    group.add_argument("--reference-classes", metavar="LABELS", help="the same for the reference")
    group.add_argument(
        "--class",
        dest="reassigned",
        action="append",
        default=[],
        metavar="OLD=NEW",
        help="treat one class of the picture as another (`colorzoo segment` shows them); may be repeated",
    )


def _add_model_arguments(group: argparse._ArgumentGroup) -> None:
    add_fast_argument(group)
    group.add_argument("--weights", default="default", help="default, published, or the path of a file")
    group.add_argument(
        "--allow-untrained", action="store_true", help="color with random weights, to try a model"
    )
    group.add_argument("--size", type=int, help="shorter side that the network sees (default: the model's)")
    add_device_argument(group)
    group.add_argument(
        "--precision",
        choices=("auto", "float32", "bfloat16", "int8"),
        default="auto",
        help="int8: a fifth faster on CPUs with --engine onnxruntime and no guidance, colors differ a little",
    )
    group.add_argument(
        "--engine",
        choices=("torch", "onnxruntime"),
        default="torch",
        help="library that runs the model; onnxruntime exports a graph of it once, for the CPU "
        "(default torch)",
    )


def _add_file_arguments(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--format",
        choices=("png", "tif", "jpg", "webp", "avif"),
        help="format of results that -o does not name (default: the picture's own); png and tif lose nothing",
    )
    group.add_argument("--overwrite", action="store_true", help="replace existing results")
    group.add_argument(
        "--quality", type=int, default=95, help="of JPEG, WebP and AVIF, 1 to 100 (default 95)"
    )
    group.add_argument(
        "--frames",
        choices=("all", "first"),
        default="all",
        help="of animations and files of several pages: color all (default), or the first alone",
    )
    group.add_argument("--salvage", action="store_true", help="color what is left of truncated files")
    group.add_argument(
        "--max-pixels",
        type=float,
        default=200,
        metavar="MILLIONS",
        help="refuse larger pictures; memory grows with them (default 200)",
    )
    group.add_argument("--skip-colored", action="store_true", help="leave pictures alone that have colors")
    group.add_argument(
        "--provenance",
        choices=("embed", "none"),
        default="embed",
        help="what results record of how they were made: picture, model, weights, recipe (default), or "
        "nothing",
    )


def _add_run_arguments(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--from",
        dest="list",
        metavar="LIST",
        help="file with the names of pictures, one a line or each with a zero byte behind it; - is standard "
        "input",
    )
    group.add_argument(
        "--failed",
        metavar="LIST",
        help="write the names of the pictures that failed to a file, one a line; a zero byte behind each "
        "if one has a line break",
    )
    group.add_argument(
        "--recipe-folder",
        metavar="DIR",
        help="recipes by the names of the pictures, in the same tree: a/b.json is for a/b.jpg",
    )
    group.add_argument(
        "--jobs",
        type=int,
        default=default_jobs(),
        metavar="N",
        help="threads that read and write beside the network (default: one per core, at most 8); 1 works on "
        "one picture at a time",
    )
    group.add_argument(
        "--explain", action="store_true", help="print the steps that colored each picture, with their times"
    )
    group.add_argument("--dry-run", action="store_true", help="only print what would be written where")
    group.add_argument("--json", action="store_true", help="print a report as JSON on standard output")


def share_cores() -> None:
    """Let idle threads of torch sleep soon, unless the user has decided that; to be called before its import.

    They spin while they wait, and so take the cores from the threads that read and write, and from other
    programs: on two busy cores that doubled the time of a folder and more.
    """
    if not {"OMP_WAIT_POLICY", "GOMP_SPINCOUNT"} & os.environ.keys():
        os.environ["GOMP_SPINCOUNT"] = _SPINS


def default_jobs() -> int:
    """Return the default number of threads that read and write."""
    return min(core_count(), 8)


def run(args: argparse.Namespace) -> int:
    """Color every picture; one that fails does not stop the others.

    Returns:
        0 if all went well, 1 if some pictures failed, 2 if all did.
    """
    share_cores()
    _check_options(args)
    _check_single_picture(args)
    recipe = recipe_of(args)
    file = Path(args.recipe) if args.recipe else None
    _check_reference_options(args, recipe, file)
    if named := args.model or recipe.model:
        model_card(named)  # an unknown name is an error even if there is nothing to color
    color_options = _color_options(args, recipe, file)

    from colorzoo.batch.runner import BatchResult, BatchSummary
    from colorzoo.pictures.find import read_list
    from colorzoo.weights.choice import remark_once

    with _standard_streams(args) as (pictures, output):
        report = partial(_print_result, args, color_options.choice.named)
        names = [*pictures, *(read_list(args.list) if args.list else ())]
        if args.failed:
            _check_failed_list(args.failed, names)
        jobs, results = _plan(args, names, output, color_options, report)
        if args.dry_run:
            planned = [BatchResult(job.name, str(job.target), "planned", job.notes) for job in jobs]
            results += planned
            for result in planned:
                report(result)
        elif jobs:
            results += _color(args, jobs, report)
            colored = any(result.status == "colored" for result in results)
            may_remark = colored and not (args.recipe_folder or args.json)
            if may_remark and (remark := remark_once(color_options.choice)):
                print_line(f"colorzoo: {remark}", sys.stderr)
    summary = BatchSummary()
    for result in results:
        summary.add(result)
    if args.json:
        named = {"source": "-"} if args.pictures == ["-"] else {}
        print(json.dumps([_fields(args, result) | named for result in results], indent=1))
    _print_summary(summary, args.failed)
    return summary.exit_code


def _check_options(args: argparse.Namespace) -> None:
    ranges = (
        ("strength", 0, 1.5, ""),
        ("saturation", 0, 1, ""),
        ("temperature", 0.01, 10, ""),
        ("size", 16, 4096, " pixels"),
        ("jobs", 1, 64, ""),
        ("quality", 1, 100, ""),
    )
    for name, low, high, unit in ranges:
        value = getattr(args, name)
        if value is not None and not low <= value <= high:
            raise ColorzooError(f"--{name} must be from {low:g} to {high:g}{unit}, got {value:g}")
    if not 0 < args.max_pixels < float("inf"):
        raise ColorzooError(f"--max-pixels must be a number of millions above 0, got {args.max_pixels:g}")
    if args.recipe and args.recipe_folder:
        raise ColorzooError(
            "--recipe is for all pictures, --recipe-folder for each its own; give one of them"
        )
    if args.recipe_folder and not Path(args.recipe_folder).is_dir():
        raise GuidanceError(f"--recipe-folder {args.recipe_folder}: no such folder")
    if args.format and args.output not in (None, "-"):
        from colorzoo.batch.outputs import names_file
        from colorzoo.pictures.formats import WRITABLE

        kind = WRITABLE.get(Path(args.output).suffix.lower())
        if names_file(args.output) and kind != WRITABLE[f".{args.format}"]:
            raise ColorzooError(
                f"-o {args.output} and --format {args.format} name two formats; leave one out"
            )
    if not args.pictures and args.list is None:
        raise ColorzooError("name a photo, a folder or a glob; see `colorzoo colorize --help`")


def _check_failed_list(failed: str, names: Sequence[str]) -> None:
    """Refuse to replace a file that is no list of pictures of an earlier run."""
    from colorzoo.pictures.find import split_names
    from colorzoo.pictures.formats import FOREIGN, READABLE

    path = Path(failed)
    data = path.read_bytes() if path.is_file() else b""
    endings = READABLE | FOREIGN.keys()
    listed = split_names(data)
    if listed is None or not all(
        name in names or Path(name).suffix.lower() in endings or os.path.lexists(name) for name in listed
    ):
        raise ColorzooError(f"--failed {failed} exists and is no list of names; name another file")


def _check_single_picture(args: argparse.Namespace) -> None:
    """Refuse a single unreadable picture before torch is imported, which takes seconds and memory."""
    if len(args.pictures) != 1 or args.list or args.json or args.failed or args.dry_run:
        return  # in a run over many it becomes a line of the report
    path = Path(args.pictures[0])
    if not path.exists() and str(path) != "-" and not glob.has_magic(str(path)):
        raise PictureError(f"{path}: no such file or folder")
    if path.is_file():
        from colorzoo.pictures.read import examine_picture

        examine_picture(path, max_pixels=int(args.max_pixels * 1e6), salvage=args.salvage)


def _check_reference_options(args: argparse.Namespace, recipe: Recipe, file: Path | None) -> None:
    """Refuse options on a reference where there is none; they would have no effect."""
    given = {
        "--alpha": args.alpha is not None,
        "--reference-weights": args.reference_weights is not None,
        "--reference-classes": bool(args.reference_classes),
        "--class": bool(args.reassigned),
    }
    named = [name for name, is_given in given.items() if is_given]
    if not named:
        return
    from colorzoo.batch.options import reference_files

    if not reference_files(recipe, file and file.parent, tuple(args.reference or ())):
        raise GuidanceError(f"{named[0]} says how to use a reference; name one with --reference")


def _color_options(args: argparse.Namespace, recipe: Recipe, file: Path | None) -> ColorOptions:
    """Return the options that decide the colors, with the model chosen for them.

    Raises:
        ColorzooError: No model can be chosen, or the recipe names its references wrongly.
    """
    from colorzoo.batch.options import ColorOptions, reference_files
    from colorzoo.inference.models import choose_for_guidance

    folder = file and file.parent
    reference = tuple(args.reference or ())
    references = reference_files(recipe, folder, reference)
    with printed_warnings():  # of weights that do not fit
        choice = choose_for_guidance(args.model, recipe, args.weights, references=references, fast=args.fast)
    names = {field.name for field in fields(ColorOptions)} - {
        "choice",
        "recipe",
        "folder",
        "reference",
        "uploaded",
    }
    options: dict[str, Any] = {name: getattr(args, name) for name in names}
    return ColorOptions(choice=choice, recipe=recipe, folder=folder, reference=reference, **options)


def _print_result(args: argparse.Namespace, names_model: bool, result: BatchResult) -> None:
    """Print the line of a picture: results on standard output, failures on standard error.

    A result names its model unless the user named one.
    """
    from colorzoo.batch.runner import NOT_TRIED

    if NOT_TRIED in result.notes:
        return
    reason = ", the best model here for a reference" if args.reference else ""
    model = (result.model + reason,) if result.model and not names_model else ()
    notes = "; ".join((*model, *result.notes))
    if args.pictures == ["-"]:  # which was copied to a temporary file
        notes = notes.replace(result.source, "standard input")
    if result.failed:
        print_line(f"colorzoo: error: {' '.join(notes.split())}", sys.stderr)
        return
    is_piped = args.output == "-"
    name = "standard output" if is_piped else result.output or result.source
    line = f"{name} ({notes})" if notes else name
    stream = sys.stderr if args.json or is_piped else sys.stdout
    print_line(line, stream)
    for step in result.steps if args.explain else ():
        print_line(f"  {step.seconds * 1e3:8.1f} ms  {step.name}: {step.about}", stream)


def _fields(args: argparse.Namespace, result: BatchResult) -> dict[str, Any]:
    """Return the entry of a result in the JSON report."""
    found = asdict(result)
    if not args.explain:
        del found["steps"]
    return found


def _plan(
    args: argparse.Namespace,
    names: Sequence[str],
    output: str | None,
    color_options: ColorOptions,
    report: Report,
) -> tuple[list[PictureJob], list[BatchResult]]:
    """Find the pictures to color; print and return the results of those that are left out.

    Raises:
        PictureError: The output cannot serve for these pictures.
    """
    from colorzoo.batch.options import LoadedModels
    from colorzoo.batch.outputs import plan_outputs
    from colorzoo.batch.runner import ALREADY_DONE, BatchResult, PictureJob
    from colorzoo.pictures.find import find_existing, passed_over_line

    search = find_existing(names, exclude=Path(output) if output else None)
    found = search.found
    results = [BatchResult(name, "", "failed", (str(error),)) for name, error in search.errors]
    all_options, broken = [color_options] * len(found), {}
    if args.recipe_folder:
        files = [recipe_file(picture, Path(args.recipe_folder)) for picture in found]
        for number, file in enumerate(files):
            try:
                if file is not None:
                    all_options[number] = _color_options(args, recipe_of(args, file), file)
            except ColorzooError as error:  # the other pictures are colored nevertheless
                broken[number] = error
        _print_unused(Path(args.recipe_folder), files)
    inputs = [name for name in (args.recipe, args.list) if name]
    inputs += [picture.path for picture in found] + color_options.files()
    kept = {*map(file_identity, inputs)} - {None}
    models = LoadedModels(embed_origin=args.provenance == "embed")
    jobs = []
    extension = f".{args.format}" if args.format else None
    planned = plan_outputs(found, all_options, output, overwrite=args.overwrite, extension=extension)
    for number, (picture, place) in enumerate(zip(found, planned, strict=True)):
        source, target = str(picture.path), str(place.path)
        if number in broken:
            results.append(BatchResult(source, "", "failed", (f"{source}: {broken[number]}",)))
        elif file_identity(place.path) in kept:
            results.append(BatchResult(source, target, "failed", (f"{target} {_IS_INPUT}",)))
        elif place.state == "missing":
            notes = (f"{place.other.name} is of another picture",) if place.other else ()
            coloring = partial(models.load, all_options[number])
            jobs.append(PictureJob(source, picture.path, place.path, coloring, notes))
        elif place.state == "done":
            results.append(BatchResult(source, target, "skipped", (ALREADY_DONE,)))
        else:
            results.append(BatchResult(source, target, "failed", (f"{target} {_EXISTS[place.state]}",)))
    for result in results:
        report(result)
    if search.passed_over:
        print_line(f"colorzoo: {passed_over_line(search.passed_over)}", sys.stderr)
    results += [BatchResult(str(path), "", "skipped", (reason,)) for path, reason in search.passed_over]
    return jobs, results


def _print_unused(folder: Path, used: Sequence[Path | None]) -> None:
    for path in sorted({*folder.rglob("*.json")} - {*used}):
        print_line(f"colorzoo: {path} belongs to no picture", sys.stderr)


def _color(args: argparse.Namespace, jobs: Sequence[PictureJob], report: Report) -> list[BatchResult]:
    """Color the pictures under a progress bar, and print the line of each."""
    from colorzoo.batch.file import FileOptions
    from colorzoo.batch.runner import color_pictures
    from colorzoo.progress import progress_bar, record_interrupts

    if not args.recipe_folder:
        jobs[0].ready()  # what is wrong with the model is one error, not one for each picture
    options = FileOptions(
        frames=args.frames,
        quality=args.quality,
        overwrite=args.overwrite,
        salvage=args.salvage,
        max_pixels=int(args.max_pixels * 1e6),
        on_frame=_frame_lines(),
    )
    work = color_pictures(jobs, options, threads=args.jobs, skip_colored=args.skip_colored)
    results = []
    interrupts = record_interrupts()
    with progress_bar("coloring", len(jobs)) as advance, closing(work):
        for result in work:
            results.append(result)
            report(result)
            if interrupts:
                raise KeyboardInterrupt
            advance()
    return results


def _frame_lines() -> Callable[[Path, int, int], None]:
    """Return a function that prints how far a file of many frames is, every ten seconds, also into a pipe."""
    last = time.monotonic()

    def on_frame(path: Path, done: int, count: int) -> None:
        nonlocal last
        if time.monotonic() - last >= FRAME_SECONDS:
            last = time.monotonic()
            print_line(f"colorzoo: {path}: frame {done} of {count}", sys.stderr)

    return on_frame


def _print_summary(summary: BatchSummary, failed: str | None) -> None:
    """Print a line about several pictures, and write the list of those that failed.

    Raises:
        PictureError: The list cannot be written.
    """
    if failed is not None:
        from colorzoo.pictures.find import join_names
        from colorzoo.pictures.write import write_whole

        write_whole(Path(failed), join_names([name for name, _ in summary.failures]))
    if summary.counts.total() > 1:
        counts = (f"{summary.counts[key]} {word}" for key, word in _COUNTED.items() if summary.counts[key])
        print(f"colorzoo: {', '.join(counts)}", file=sys.stderr)


@contextmanager
def _standard_streams(args: argparse.Namespace) -> Iterator[tuple[list[str], str | None]]:
    """Put temporary files in the place of standard input and output, which ``-`` stands for.

    Yields:
        The pictures and the output to go on with. The result is sent to standard output at the end.

    Raises:
        PictureError: ``-`` stands among other pictures, or its result has no place.
    """
    pictures, output = list(args.pictures), args.output
    if "-" not in pictures and output != "-":
        yield pictures, output
        return
    _check_streams(args)
    with TemporaryDirectory() as folder:
        if pictures == ["-"]:
            data = sys.stdin.buffer.read()
            if not data:
                raise PictureError("standard input is empty (0 bytes), a picture was expected")
            path = Path(folder) / f"stdin{_extension(data)}"
            path.write_bytes(data)
            pictures = [str(path)]
        if output != "-":
            yield pictures, output
            return
        source = Path(pictures[0])
        extension = source.suffix
        with suppress(OSError), source.open("rb") as file:
            extension = _extension(file.read(12))
        result = Path(folder) / "out" / (source.stem + extension)
        yield pictures, str(result)
        if result.is_file():
            with result.open("rb") as file:
                shutil.copyfileobj(file, sys.stdout.buffer)
            sys.stdout.buffer.flush()


def _check_streams(args: argparse.Namespace) -> None:
    if "-" in args.pictures and (args.pictures != ["-"] or args.list):
        raise PictureError("- is one picture from standard input, and cannot stand among others")
    if args.pictures == ["-"] and args.output is None:
        raise PictureError(
            "a picture from standard input has no place for its result; name a file or - with -o"
        )
    is_single = args.pictures == ["-"] or (len(args.pictures) == 1 and Path(args.pictures[0]).is_file())
    if args.output == "-" and (not is_single or args.list or args.json or args.dry_run):
        raise PictureError("-o - sends one picture to standard output, and nothing else can go there")


def _extension(data: bytes) -> str:
    """Return the file extension for the beginning of a picture file."""
    if data[8:12] == b"WEBP":
        return ".webp"
    if data[4:12] == b"ftypavif":
        return ".avif"
    return next((extension for start, extension in _SIGNATURES if data.startswith(start)), ".jpg")
