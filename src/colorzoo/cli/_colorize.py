"""Implementation of ``colorzoo colorize``: find the images, color them under a progress bar, report each."""

from __future__ import annotations

import io
import json
import os
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import asdict, fields
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from colorzoo.batch.file import FileOptions
from colorzoo.batch.outputs import names_file, plan_outputs
from colorzoo.batch.report import Entry, check_report, read_entries, write_report
from colorzoo.batch.request import LoadedModels, Request, reference_files
from colorzoo.batch.runner import (
    ALREADY_DONE,
    NOT_TRIED,
    BatchResult,
    BatchSummary,
    ImageJob,
    color_images,
)
from colorzoo.batch.settings import ColorizeOptions, ColorSettings
from colorzoo.cli._options import file_identity
from colorzoo.cli._output import print_line, printed_warnings
from colorzoo.cli._recipes import recipe_file, recipe_of
from colorzoo.errors import ColorzooError, GuidanceError, ImageError
from colorzoo.guidance import Recipe
from colorzoo.image_io.find import find_existing, join_names, read_list, skipped_files_message, split_names
from colorzoo.image_io.formats import OTHER_FORMATS, READABLE, WRITABLE, open_image
from colorzoo.image_io.write import write_whole
from colorzoo.inference.models import choose_for_guidance
from colorzoo.inference.steps.pages import NOTHING_TO_COLOR
from colorzoo.progress import progress_bar, record_interrupts
from colorzoo.weights.choice import remark_once

if TYPE_CHECKING:
    from c2pa import Signer

Report = Callable[[BatchResult], None]

_EXISTS = {
    "changed": "exists already, made with other settings; --overwrite replaces it",
    "foreign": "exists already, made of another image; --overwrite replaces it, -o names another file",
    "unknown": "exists already and does not say of which image it was made; --overwrite replaces it, "
    "-o names another place",
}
_IS_INPUT = "is one of the files that this run reads; -o names another place"
_COUNTED = {"colored": "colored", "skipped": "left alone", "failed": "failed", "planned": "planned"}


def color(args: ColorizeOptions) -> int:
    """Color every image; one that fails does not stop the others.

    Returns:
        0 if all went well, 1 if some images failed, 2 if all did.
    """
    _check_options(args)
    signer = _signer(args, Path(args.sign)) if args.sign else None
    recipe = recipe_of(args)
    file = Path(args.recipe) if args.recipe else None
    _check_reference_options(args, recipe, file)
    request = _request(args, recipe, file)

    with _standard_streams(args) as (images, output):
        report = partial(_print_result, args, request.choice.named)
        names = [*images, *(read_list(args.from_list) if args.from_list else ())]
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
        rows = [asdict(result) for result in results]
        for row in rows:
            row |= {"source": "-"} if args.images == ["-"] else {}
            if not args.explain:
                del row["steps"]
        print(json.dumps(rows, indent=1))
    if args.failed:
        write_whole(Path(args.failed), join_names([name for name, _ in summary.failures]))
    if summary.counts.total() > 1:
        words = dict(_COUNTED)
        if pages := sum(r.status == "colored" and NOTHING_TO_COLOR in r.notes for r in results):
            words["colored"] += f" ({pages} with nothing to color)"
        counts = (f"{summary.counts[key]} {word}" for key, word in words.items() if summary.counts[key])
        print(f"colorzoo: {', '.join(counts)}", file=sys.stderr)
    if signer:
        _sign(signer, results)
    if args.report:
        with progress_bar("report", len(results)) as advance:
            entries = read_entries(results, advance)
        write_reports(args.report, entries)
    return summary.exit_code


def _signer(args: ColorizeOptions, key: Path) -> Signer:
    """Return what signs the results, before the work: a key that cannot be used is refused here."""
    if args.dry_run or "-" in (*args.images, args.output):
        raise ColorzooError("--sign is of colored files; leave out --dry-run and -")
    try:
        from colorzoo.batch.sign import load_signer
    except ImportError as error:
        raise ColorzooError(f"--sign needs {error.name}: python -m pip install 'colorzoo[sign]'") from error
    return load_signer(key)


def _sign(signer: Signer, results: Sequence[BatchResult]) -> None:
    from colorzoo.batch.sign import sign_results

    with progress_bar("signatures", len(results)) as advance:
        left = sign_results(results, signer, advance)
    for name in left:
        print_line(f"colorzoo: not signed: {name}, whose format or missing record allows none", sys.stderr)


def write_reports(paths: Sequence[str], entries: Sequence[Entry]) -> None:
    """Write the reports of a run, and print their names.

    Raises:
        ImageError: One cannot be written.
    """
    for path in paths:
        written = write_report(Path(path), entries)
        print_line(f"colorzoo: report: {', '.join(map(str, written))}", sys.stderr)


def _check_options(args: ColorizeOptions) -> None:
    if args.format and args.output not in (None, "-"):
        kind = WRITABLE.get(Path(args.output).suffix.lower())
        if names_file(args.output) and kind != WRITABLE[f".{args.format}"]:
            raise ColorzooError(
                f"-o {args.output} and --format {args.format} name two formats; leave one out"
            )
    if args.report:
        if args.dry_run or "-" in (*args.images, args.output):
            raise ColorzooError("--report is of colored files; leave out --dry-run and -")
        for path in args.report:
            check_report(Path(path))


def _check_failed_list(failed: str, names: Sequence[str]) -> None:
    """Refuse to replace a file that is no list of images of an earlier run."""
    path = Path(failed)
    data = path.read_bytes() if path.is_file() else b""
    endings = READABLE | OTHER_FORMATS.keys()
    listed = split_names(data)
    if listed is None or not all(
        name in names or Path(name).suffix.lower() in endings or os.path.lexists(name) for name in listed
    ):
        raise ColorzooError(f"--failed {failed} exists and is no list of names; name another file")


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

    if not reference_files(recipe, file and file.parent, tuple(args.reference)):
        raise GuidanceError(f"{named[0]} says how to use a reference; name one with --reference")


def _request(args: ColorizeOptions, recipe: Recipe, file: Path | None) -> Request:
    """Return what decides the colors, with the model chosen for it.

    Raises:
        ColorzooError: No model can be chosen, or the recipe names its references wrongly.
    """
    folder = file and file.parent
    reference = tuple(args.reference)
    references = reference_files(recipe, folder, reference)
    with printed_warnings():  # of weights that do not fit
        choice = choose_for_guidance(args.model, recipe, args.weights, references=references, fast=args.fast)
    settings = ColorSettings(**{each.name: getattr(args, each.name) for each in fields(ColorSettings)})
    return Request(choice, recipe, folder, reference, settings)


def _print_result(args: ColorizeOptions, names_model: bool, result: BatchResult) -> None:
    """Print the line of an image: results on standard output, failures on standard error.

    A result names its model unless the user named one.
    """
    if NOT_TRIED in result.notes:
        return
    reason = ", the best model here for a reference" if args.reference else ""
    model = (result.model + reason,) if result.model and not names_model else ()
    notes = "; ".join((*model, *result.notes))
    if args.images == ["-"]:  # which was copied to a temporary file
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


def _plan(
    args: ColorizeOptions,
    names: Sequence[str],
    output: str | None,
    request: Request,
    report: Report,
) -> tuple[list[ImageJob], list[BatchResult]]:
    """Find the images to color; print and return the results of those that are left out.

    Raises:
        ImageError: The output cannot serve for these images.
    """
    search = find_existing(names, exclude=Path(output) if output else None)
    found = search.found
    results = [BatchResult(name, "", "failed", (str(error),)) for name, error in search.errors]
    requests, broken = [request] * len(found), {}
    if args.recipe_folder:
        files = [recipe_file(image, Path(args.recipe_folder)) for image in found]
        for number, file in enumerate(files):
            try:
                if file is not None:
                    requests[number] = _request(args, recipe_of(args, file), file)
            except ColorzooError as error:  # the other images are colored nevertheless
                broken[number] = error
        _print_unused(Path(args.recipe_folder), files)
    inputs: list[str | Path] = [name for name in (args.recipe, args.from_list) if name]
    inputs += [image.path for image in found] + [path for _, path in request.files]
    kept = {*map(file_identity, inputs)} - {None}
    models = LoadedModels(embed_origin=args.provenance == "embed")
    jobs = []
    extension = f".{args.format}" if args.format else None
    planned = plan_outputs(found, requests, output, overwrite=args.overwrite, extension=extension)
    for number, (image, place) in enumerate(zip(found, planned, strict=True)):
        source, target = str(image.path), str(place.path)
        if number in broken:
            results.append(BatchResult(source, "", "failed", (f"{source}: {broken[number]}",)))
        elif file_identity(place.path) in kept:
            results.append(BatchResult(source, target, "failed", (f"{target} {_IS_INPUT}",)))
        elif place.state == "missing":
            notes = (f"{place.other.name} is of another image",) if place.other else ()
            prepare = partial(models.prepare, requests[number])
            jobs.append(ImageJob(source, image.path, place.path, prepare, notes))
        elif place.state == "done":
            results.append(BatchResult(source, target, "skipped", (ALREADY_DONE,)))
        else:
            results.append(BatchResult(source, target, "failed", (f"{target} {_EXISTS[place.state]}",)))
    for result in results:
        report(result)
    if search.skipped:
        print_line(f"colorzoo: {skipped_files_message(search.skipped)}", sys.stderr)
    results += [BatchResult(str(path), "", "skipped", (reason,)) for path, reason in search.skipped]
    return jobs, results


def _print_unused(folder: Path, used: Sequence[Path | None]) -> None:
    for path in sorted({*folder.rglob("*.json")} - {*used}):
        print_line(f"colorzoo: {path} belongs to no image", sys.stderr)


def _color(args: ColorizeOptions, jobs: Sequence[ImageJob], report: Report) -> list[BatchResult]:
    """Color the images under a progress bar, and print the line of each."""
    if not args.recipe_folder:
        jobs[0].prepare()  # what is wrong with the model is one error, not one for each image
    options = FileOptions(
        frames=args.frames,
        quality=args.quality,
        overwrite=args.overwrite,
        max_pixels=int(args.max_pixels * 1e6),
    )
    work = color_images(jobs, options, threads=args.jobs, skip_colored=args.skip_colored)
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


@contextmanager
def _standard_streams(args: ColorizeOptions) -> Iterator[tuple[list[str], str | None]]:
    """Put temporary files in the place of standard input and output, which ``-`` stands for.

    Yields:
        The images and the output to go on with. The result is sent to standard output at the end.

    Raises:
        ImageError: ``-`` stands among other images, or its result has no place.
    """
    images, output = list(args.images), args.output
    if "-" not in images and output != "-":
        yield images, output
        return
    _check_streams(args)
    with TemporaryDirectory() as folder:
        if images == ["-"]:
            data = sys.stdin.buffer.read()
            if not data:
                raise ImageError("standard input is empty (0 bytes), an image was expected")
            path = Path(folder) / f"stdin{_extension(io.BytesIO(data))}"
            path.write_bytes(data)
            images = [str(path)]
        if output != "-":
            yield images, output
            return
        source = Path(images[0])
        result = Path(folder) / "out" / (source.stem + _extension(source))
        yield images, str(result)
        if result.is_file():
            with result.open("rb") as file:
                shutil.copyfileobj(file, sys.stdout.buffer)
            sys.stdout.buffer.flush()


def _check_streams(args: ColorizeOptions) -> None:
    if "-" in args.images and (args.images != ["-"] or args.from_list):
        raise ImageError("- is one image from standard input, and cannot stand among others")
    if args.images == ["-"] and args.output is None:
        raise ImageError("an image from standard input has no place for its result; name a file or - with -o")
    is_single = args.images == ["-"] or (len(args.images) == 1 and Path(args.images[0]).is_file())
    if args.output == "-" and (not is_single or args.from_list or args.json or args.dry_run):
        raise ImageError("-o - sends one image to standard output, and nothing else can go there")


def _extension(source: Path | io.BytesIO) -> str:
    """Return the file extension for an image by its content."""
    with suppress(OSError), open_image(source) as image:
        return next((extension for extension, kind in WRITABLE.items() if kind == image.format), ".jpg")
    return ".jpg"
