"""``colorzoo colorize``: color pictures, folders and globs."""

from __future__ import annotations

import glob
import io
import json
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import asdict, dataclass, fields
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated, Any, Literal

from colorzoo.batch.settings import ColorSettings
from colorzoo.cli._options import Command, ModelOptions, file_identity
from colorzoo.cli._output import print_line, printed_warnings
from colorzoo.cli._recipes import GuidanceOptions, recipe_file, recipe_of
from colorzoo.environment import core_count, reuse_memory
from colorzoo.errors import ColorzooError, GuidanceError, PictureError
from colorzoo.settings import FILES, RUN, Range, argument, option

if TYPE_CHECKING:
    from c2pa import Signer

    from colorzoo.batch.report import Entry
    from colorzoo.batch.request import Request
    from colorzoo.batch.runner import BatchResult, BatchSummary, PictureJob
    from colorzoo.guidance import Recipe

    Report = Callable[[BatchResult], None]

HELP = "color images; results are written beside them as NAME.color.EXT"
EXAMPLE = """
colorzoo colorize old.jpg
colorzoo colorize old.jpg --point 120,80=#c04020 --point 300,200=#3060a0
colorzoo colorize old.jpg --recipe hints.json -o new.png
colorzoo colorize old.jpg --histogram-of sunset.jpg
colorzoo colorize old.jpg --reference sunset.jpg --alpha 0.8
colorzoo colorize album/ -o colored/
colorzoo colorize album/ --fast -o colored/
colorzoo colorize album/ -o colored/ --report report.html
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


@dataclass(frozen=True, kw_only=True)
class ColorizeOptions(ModelOptions, GuidanceOptions):
    """Options of ``colorzoo colorize``."""

    pictures: list[str] = argument(
        "files, folders (searched recursively) or globs; - reads one image from standard input",
        "IMAGE",
        default=[],
        nargs="*",
    )
    output: str | None = option(
        None, "a file for one image, a folder, or - for standard output", "", "-o", "--output", metavar="OUT"
    )
    overwrite: bool = option(False, "replace existing results", FILES)
    format: Literal["png", "tif", "jpg", "webp", "avif"] | None = option(
        None, "format of results (default: that of the image, or of -o); png and tif are lossless", FILES
    )
    max_pixels: float = option(
        200,
        "refuse images with more million pixels, because memory grows with them (default: 200)",
        FILES,
        metavar="MILLIONS",
    )
    skip_colored: bool = option(False, "skip images that have colors", FILES)
    provenance: Literal["embed", "none"] = option(
        "embed", "record image, model, weights and recipe in results (default: embed), or nothing", FILES
    )
    from_list: str | None = option(
        None,
        "file with one image name per line, or separated by zero bytes; - is standard input",
        RUN,
        "--from",
        metavar="LIST",
    )
    failed: str | None = option(
        None, "write the names of images that failed to a file that --from reads", RUN, metavar="LIST"
    )
    report: list[str] = option(
        [],
        "write a page (.html) or table (.csv) of the results, the most uncertain first; may be repeated",
        RUN,
        metavar="FILE",
    )
    sign: str | None = option(
        None, "sign results (C2PA) with the certificates and key of a PEM file", RUN, metavar="PEM"
    )
    recipe_folder: str | None = option(
        None,
        "folder of recipes in the same tree as the images: a/b.json belongs to a/b.jpg",
        RUN,
        metavar="DIR",
    )
    jobs: Annotated[int, Range(1, 64)] = option(
        min(core_count(), 8),
        "threads that read and write files beside the network (default: one per core, at most 8)",
        RUN,
        metavar="N",
    )
    explain: bool = option(False, "print the stages that colored each image, with their times", RUN)
    dry_run: bool = option(False, "only print what would be written where", RUN)
    json: bool = option(False, "print a report as JSON on standard output", RUN)


def share_cores() -> None:
    """Let idle threads of torch sleep soon, unless the user has decided that; to be called before its import.

    They spin while they wait, and so take the cores from the threads that read and write, and from other
    programs: on two busy cores that doubled the time of a folder and more.
    """
    if not {"OMP_WAIT_POLICY", "GOMP_SPINCOUNT"} & os.environ.keys():
        os.environ["GOMP_SPINCOUNT"] = _SPINS


def run(args: ColorizeOptions) -> int:
    """Color every picture; one that fails does not stop the others.

    Returns:
        0 if all went well, 1 if some pictures failed, 2 if all did.
    """
    share_cores()
    reuse_memory()
    _check_options(args)
    signer = _signer(args, Path(args.sign)) if args.sign else None
    _check_single_picture(args)
    recipe = recipe_of(args)
    file = Path(args.recipe) if args.recipe else None
    _check_reference_options(args, recipe, file)
    request = _request(args, recipe, file)

    from colorzoo.batch.runner import BatchResult, BatchSummary
    from colorzoo.inference.steps.pages import NOTHING_TO_COLOR
    from colorzoo.pictures.find import read_list
    from colorzoo.weights.choice import remark_once

    with _standard_streams(args) as (pictures, output):
        report = partial(_print_result, args, request.choice.named)
        names = [*pictures, *(read_list(args.from_list) if args.from_list else ())]
        if args.failed:
            _check_failed_list(args.failed, names)
        jobs, results = _plan(args, names, output, request, report)
        if args.dry_run:
            planned = [BatchResult(job.name, str(job.target), "planned", job.notes) for job in jobs]
            results += planned
            for result in planned:
                report(result)
        elif jobs:
            results += _color(args, jobs, report)
            colored = any(result.status == "colored" for result in results)
            may_remark = colored and not (args.recipe_folder or args.json)
            if may_remark and (remark := remark_once(request.choice)):
                print_line(f"colorzoo: {remark}", sys.stderr)
    summary = BatchSummary()
    for result in results:
        summary.add(result)
    if args.json:
        named = {"source": "-"} if args.pictures == ["-"] else {}
        print(json.dumps([_fields(args, result) | named for result in results], indent=1))
    if args.failed:
        _write_failed(args.failed, summary)
    if summary.counts.total() > 1:
        words = dict(_COUNTED)
        if pages := sum(r.status == "colored" and NOTHING_TO_COLOR in r.notes for r in results):
            words["colored"] += f" ({pages} with nothing to color)"
        counts = (f"{summary.counts[key]} {word}" for key, word in words.items() if summary.counts[key])
        print(f"colorzoo: {', '.join(counts)}", file=sys.stderr)
    if signer:
        _sign(signer, results)
    if args.report:
        _report(args.report, results)
    return summary.exit_code


def _signer(args: ColorizeOptions, key: Path) -> Signer:
    """Return what signs the results, before the work: a key that cannot be used is refused here."""
    from colorzoo.batch.sign import load_signer

    if args.dry_run or "-" in (*args.pictures, args.output):
        raise ColorzooError("--sign is of colored files; leave out --dry-run and -")
    return load_signer(key)


def _sign(signer: Signer, results: Sequence[BatchResult]) -> None:
    from colorzoo.batch.sign import sign_results
    from colorzoo.progress import progress_bar

    with progress_bar("signatures", len(results)) as advance:
        left = sign_results(results, signer, advance)
    for name in left:
        print_line(f"colorzoo: not signed: {name}, whose format or missing record allows none", sys.stderr)


def _report(paths: Sequence[str], results: Sequence[BatchResult]) -> None:
    from colorzoo.batch.report import read_entries
    from colorzoo.progress import progress_bar

    with progress_bar("report", len(results)) as advance:
        entries = read_entries(results, advance)
    write_reports(paths, entries)


def write_reports(paths: Sequence[str], entries: Sequence[Entry]) -> None:
    """Write the reports of a run, and print their names.

    Raises:
        PictureError: One cannot be written.
    """
    from colorzoo.batch.report import write_report

    for path in paths:
        written = write_report(Path(path), entries)
        print_line(f"colorzoo: report: {', '.join(map(str, written))}", sys.stderr)


def _check_options(args: ColorizeOptions) -> None:
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
    if args.report:
        from colorzoo.batch.report import check_report

        if args.dry_run or "-" in (*args.pictures, args.output):
            raise ColorzooError("--report is of colored files; leave out --dry-run and -")
        for path in args.report:
            check_report(Path(path))
    if not args.pictures and args.from_list is None:
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


def _check_single_picture(args: ColorizeOptions) -> None:
    """Refuse a single unreadable picture before torch is imported, which takes seconds and memory."""
    if len(args.pictures) != 1 or args.from_list or args.json or args.failed or args.dry_run:
        return  # in a run over many it becomes a line of the report
    path = Path(args.pictures[0])
    if not path.exists() and str(path) != "-" and not glob.has_magic(str(path)):
        raise PictureError(f"{path}: no such file or folder")
    if path.is_file():
        from colorzoo.pictures.read import examine_picture

        examine_picture(path, max_pixels=int(args.max_pixels * 1e6))


def _check_reference_options(args: ColorizeOptions, recipe: Recipe, file: Path | None) -> None:
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
    from colorzoo.batch.request import reference_files

    if not reference_files(recipe, file and file.parent, tuple(args.reference)):
        raise GuidanceError(f"{named[0]} says how to use a reference; name one with --reference")


def _request(args: ColorizeOptions, recipe: Recipe, file: Path | None) -> Request:
    """Return what decides the colors, with the model chosen for it.

    Raises:
        ColorzooError: No model can be chosen, or the recipe names its references wrongly.
    """
    from colorzoo.batch.request import Request, reference_files
    from colorzoo.inference.models import choose_for_guidance

    folder = file and file.parent
    reference = tuple(args.reference)
    references = reference_files(recipe, folder, reference)
    with printed_warnings():  # of weights that do not fit
        choice = choose_for_guidance(args.model, recipe, args.weights, references=references, fast=args.fast)
    settings = ColorSettings(**{each.name: getattr(args, each.name) for each in fields(ColorSettings)})
    return Request(choice, recipe, folder, reference, settings)


def _print_result(args: ColorizeOptions, names_model: bool, result: BatchResult) -> None:
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
        about = f": {step.about}" if step.about else ""
        print_line(f"  {step.seconds * 1e3:8.1f} ms  {step.name}{about}", stream)


def _fields(args: ColorizeOptions, result: BatchResult) -> dict[str, Any]:
    """Return the entry of a result in the JSON report."""
    found = asdict(result)
    if not args.explain:
        del found["steps"]
    return found


def _plan(
    args: ColorizeOptions,
    names: Sequence[str],
    output: str | None,
    request: Request,
    report: Report,
) -> tuple[list[PictureJob], list[BatchResult]]:
    """Find the pictures to color; print and return the results of those that are left out.

    Raises:
        PictureError: The output cannot serve for these pictures.
    """
    from colorzoo.batch.outputs import plan_outputs
    from colorzoo.batch.request import LoadedModels
    from colorzoo.batch.runner import ALREADY_DONE, BatchResult, PictureJob
    from colorzoo.pictures.find import find_existing, passed_over_line

    search = find_existing(names, exclude=Path(output) if output else None)
    found = search.found
    results = [BatchResult(name, "", "failed", (str(error),)) for name, error in search.errors]
    requests, broken = [request] * len(found), {}
    if args.recipe_folder:
        files = [recipe_file(picture, Path(args.recipe_folder)) for picture in found]
        for number, file in enumerate(files):
            try:
                if file is not None:
                    requests[number] = _request(args, recipe_of(args, file), file)
            except ColorzooError as error:  # the other pictures are colored nevertheless
                broken[number] = error
        _print_unused(Path(args.recipe_folder), files)
    inputs: list[str | Path] = [name for name in (args.recipe, args.from_list) if name]
    inputs += [picture.path for picture in found] + [path for _, path in request.files]
    kept = {*map(file_identity, inputs)} - {None}
    models = LoadedModels(embed_origin=args.provenance == "embed")
    jobs = []
    extension = f".{args.format}" if args.format else None
    planned = plan_outputs(found, requests, output, overwrite=args.overwrite, extension=extension)
    for number, (picture, place) in enumerate(zip(found, planned, strict=True)):
        source, target = str(picture.path), str(place.path)
        if number in broken:
            results.append(BatchResult(source, "", "failed", (f"{source}: {broken[number]}",)))
        elif file_identity(place.path) in kept:
            results.append(BatchResult(source, target, "failed", (f"{target} {_IS_INPUT}",)))
        elif place.state == "missing":
            notes = (f"{place.other.name} is of another picture",) if place.other else ()
            prepare = partial(models.prepare, requests[number])
            jobs.append(PictureJob(source, picture.path, place.path, prepare, notes))
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


def _color(args: ColorizeOptions, jobs: Sequence[PictureJob], report: Report) -> list[BatchResult]:
    """Color the pictures under a progress bar, and print the line of each."""
    from colorzoo.batch.file import FileOptions
    from colorzoo.batch.runner import color_pictures
    from colorzoo.progress import progress_bar, record_interrupts

    if not args.recipe_folder:
        jobs[0].prepare()  # what is wrong with the model is one error, not one for each picture
    options = FileOptions(
        frames=args.frames,
        quality=args.quality,
        overwrite=args.overwrite,
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


def _write_failed(path: str, summary: BatchSummary) -> None:
    """Write the list of the pictures that failed.

    Raises:
        PictureError: It cannot be written.
    """
    from colorzoo.pictures.find import join_names
    from colorzoo.pictures.write import write_whole

    write_whole(Path(path), join_names([name for name, _ in summary.failures]))


@contextmanager
def _standard_streams(args: ColorizeOptions) -> Iterator[tuple[list[str], str | None]]:
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
            path = Path(folder) / f"stdin{_extension(io.BytesIO(data))}"
            path.write_bytes(data)
            pictures = [str(path)]
        if output != "-":
            yield pictures, output
            return
        source = Path(pictures[0])
        result = Path(folder) / "out" / (source.stem + _extension(source))
        yield pictures, str(result)
        if result.is_file():
            with result.open("rb") as file:
                shutil.copyfileobj(file, sys.stdout.buffer)
            sys.stdout.buffer.flush()


def _check_streams(args: ColorizeOptions) -> None:
    if "-" in args.pictures and (args.pictures != ["-"] or args.from_list):
        raise PictureError("- is one picture from standard input, and cannot stand among others")
    if args.pictures == ["-"] and args.output is None:
        raise PictureError(
            "a picture from standard input has no place for its result; name a file or - with -o"
        )
    is_single = args.pictures == ["-"] or (len(args.pictures) == 1 and Path(args.pictures[0]).is_file())
    if args.output == "-" and (not is_single or args.from_list or args.json or args.dry_run):
        raise PictureError("-o - sends one picture to standard output, and nothing else can go there")


def _extension(source: Path | io.BytesIO) -> str:
    """Return the file extension for an image by its content."""
    from colorzoo.pictures.formats import WRITABLE, open_picture

    with suppress(OSError), open_picture(source) as image:
        return next((extension for extension, kind in WRITABLE.items() if kind == image.format), ".jpg")
    return ".jpg"


COMMANDS = {"": Command(HELP, EXAMPLE, ColorizeOptions, run)}
