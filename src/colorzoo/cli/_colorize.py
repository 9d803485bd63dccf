"""Implementation of ``colorzoo colorize``: find the images, colorize them, report each result."""

from __future__ import annotations

import io
import json
import os
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from colorzoo.batch.outputs import names_file, plan_outputs
from colorzoo.batch.runner import NOT_TRIED, BatchSummary, run_tasks
from colorzoo.batch.settings import ColorizeOptions
from colorzoo.batch.task import ALREADY_DONE, FileResult, FileTask, reference_files
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
from colorzoo.weights.choice import notice_once

if TYPE_CHECKING:
    from c2pa import Signer

    from colorzoo.batch.report import Entry

Report = Callable[[FileResult], None]

_EXISTS = {
    "changed": "exists already, made with other settings; --overwrite replaces it",
    "foreign": "exists already, made of another image; --overwrite replaces it, -o names another file",
    "unknown": "exists already and does not record its source image; --overwrite replaces it, "
    "-o names another file",
}
_IS_INPUT = "is an input of this run. Choose another output with -o."
_COUNTED = {"colored": "colored", "skipped": "left alone", "failed": "failed", "planned": "planned"}


def color(args: ColorizeOptions) -> int:
    """Colorize every image; an image that fails does not stop the run.

    Returns:
        0 if no image failed, 1 if some images failed, 2 if all images failed.
    """
    _check_options(args)
    signer = _load_signer(args, Path(args.sign)) if args.sign else None
    recipe = recipe_of(args)
    file = Path(args.recipe) if args.recipe else None
    _check_reference_options(args, recipe, file)
    shared = _task(args, recipe, file)
    assert shared.choice is not None

    with _standard_streams(args) as (images, output):
        report = partial(_print_result, args, shared.choice.named)
        names = [*images, *(read_list(args.from_list) if args.from_list else ())]
        if args.failed:
            _check_failed_list(args.failed, names)
        tasks, results = _plan(args, names, output, shared, report)
        if args.dry_run:
            planned = [task.result("planned", *task.notes) for task in tasks]
            results += planned
            for result in planned:
                report(result)
        elif tasks:
            results += _run(args, tasks, report)
            colored = any(result.status == "colored" for result in results)
            may_remark = colored and not (args.recipe_folder or args.json)
            if may_remark and (remark := notice_once(shared.choice)):
                print_line(f"colorzoo: {remark}", sys.stderr)
    summary = BatchSummary()
    for result in results:
        summary.add(result)
    _print_summary(args, results, summary)
    if args.failed:
        write_whole(Path(args.failed), join_names([name for name, _ in summary.failures]))
    if signer:
        _sign(signer, results)
    if args.report:
        from colorzoo.batch.report import read_entries

        with progress_bar("report", len(results)) as advance:
            entries = read_entries(results, advance)
        write_reports(args.report, entries)
    return summary.exit_code


def _print_summary(args: ColorizeOptions, results: Sequence[FileResult], summary: BatchSummary) -> None:
    if args.json:
        rows = [asdict(result) for result in results]
        for row in rows:
            row |= {"source": "-"} if args.images == ["-"] else {}
            if not args.explain:
                del row["stages"]
        print(json.dumps(rows, indent=1))
    if summary.counts.total() > 1:
        words = dict(_COUNTED)
        if pages := sum(r.status == "colored" and NOTHING_TO_COLOR in r.notes for r in results):
            words["colored"] += f" ({pages} with nothing to color)"
        counts = (f"{summary.counts[key]} {word}" for key, word in words.items() if summary.counts[key])
        print(f"colorzoo: {', '.join(counts)}", file=sys.stderr)


def _load_signer(args: ColorizeOptions, key: Path) -> Signer:
    """Load the key before any image is colorized, so that an unusable key is reported immediately."""
    if args.dry_run or "-" in (*args.images, args.output):
        raise ColorzooError("--sign cannot be combined with --dry-run or standard output (-)")
    try:
        from colorzoo.batch.sign import load_signer
    except ImportError as error:
        raise ColorzooError(
            f"--sign requires {error.name}: python -m pip install 'colorzoo[sign]'"
        ) from error
    return load_signer(key)


def _sign(signer: Signer, results: Sequence[FileResult]) -> None:
    from colorzoo.batch.sign import sign_results

    with progress_bar("signatures", len(results)) as advance:
        left = sign_results(results, signer, advance)
    for name in left:
        print_line(f"colorzoo: not signed: {name}, whose format or missing record allows none", sys.stderr)


def write_reports(paths: Sequence[str], entries: Sequence[Entry]) -> None:
    """Write the reports of a run and print their names.

    Raises:
        ImageError: A report cannot be written.
    """
    from colorzoo.batch.report import write_report  # only reports need this import of 20 ms

    for path in paths:
        written = write_report(Path(path), entries)
        print_line(f"colorzoo: report: {', '.join(map(str, written))}", sys.stderr)


def _check_options(args: ColorizeOptions) -> None:
    if args.format and args.output not in (None, "-"):
        kind = WRITABLE.get(Path(args.output).suffix.lower())
        if names_file(args.output) and kind != WRITABLE[f".{args.format}"]:
            raise ColorzooError(f"--format must match the extension of -o {args.output}, got {args.format}")
    if args.report:
        from colorzoo.batch.report import check_report

        if args.dry_run or "-" in (*args.images, args.output):
            raise ColorzooError("--report cannot be combined with --dry-run or standard output (-)")
        for path in args.report:
            check_report(Path(path))


def _check_failed_list(failed: str, names: Sequence[str]) -> None:
    """Raise an error if the file of ``--failed`` exists and is not a list of an earlier run."""
    path = Path(failed)
    data = path.read_bytes() if path.is_file() else b""
    endings = READABLE | OTHER_FORMATS.keys()
    listed = split_names(data)
    if listed is None or not all(
        name in names or Path(name).suffix.lower() in endings or os.path.lexists(name) for name in listed
    ):
        raise ColorzooError(f"--failed must be a new file or a list of names, got {failed}")


def _check_reference_options(args: ColorizeOptions, recipe: Recipe, file: Path | None) -> None:
    """Raise an error if an option needs a reference and there is no reference."""
    used = {
        "--alpha": args.alpha is not None,
        "--reference-weights": args.reference_weights is not None,
        "--reference-classes": bool(args.reference_classes),
        "--class": bool(args.reassigned),
    }
    named = [name for name, is_used in used.items() if is_used]
    if named and not reference_files(recipe, file and file.parent, tuple(args.reference)):
        raise GuidanceError(f"{named[0]} requires a reference. Add --reference IMAGE.")


def _task(args: ColorizeOptions, recipe: Recipe, file: Path | None) -> FileTask:
    """Return a task without source and target, with the model that is chosen for the recipe.

    Raises:
        ColorzooError: No model supports the recipe, or the references of the recipe are malformed.
    """
    folder, reference = file and file.parent, tuple(args.reference)
    references = reference_files(recipe, folder, reference)
    with printed_warnings():  # about weights that do not fit
        choice = choose_for_guidance(args.model, recipe, args.weights, references=references, fast=args.fast)
    return FileTask(
        choice=choice,
        guidance=recipe,
        folder=folder,
        reference=reference,
        settings=args,
        embed_provenance=args.provenance == "embed",
        overwrite=args.overwrite,
        max_pixels=int(args.max_pixels * 1e6),
    )


def _print_result(args: ColorizeOptions, names_model: bool, result: FileResult) -> None:
    """Print a result on standard output, or a failure on standard error.

    Args:
        args: Options.
        names_model: Whether the user named the model, so that results do not repeat its name.
        result: The result.
    """
    if NOT_TRIED in result.notes:
        return
    reason = ", the best model here for a reference" if args.reference else ""
    model = (result.model + reason,) if result.model and not names_model else ()
    notes = "; ".join((*model, *result.notes))
    if args.images == ["-"]:  # standard input was copied to a temporary file
        notes = notes.replace(result.source, "standard input")
    if result.failed:
        print_line(f"colorzoo: error: {' '.join(notes.split())}", sys.stderr)
        return
    is_piped = args.output == "-"
    name = "standard output" if is_piped else result.output or result.source
    line = f"{name} ({notes})" if notes else name
    stream = sys.stderr if args.json or is_piped else sys.stdout
    print_line(line, stream)
    for stage in result.stages if args.explain else ():
        about = f": {stage.about}" if stage.about else ""
        print_line(f"  {stage.seconds * 1e3:8.1f} ms  {stage.name}{about}", stream)


def _plan(
    args: ColorizeOptions, names: Sequence[str], output: str | None, shared: FileTask, report: Report
) -> tuple[list[FileTask], list[FileResult]]:
    """Find the images and their output files; report images that cannot be colorized.

    Raises:
        ImageError: The output cannot be used for these images.
    """
    search = find_existing(names, exclude=Path(output) if output else None)
    results = [FileResult(name, "", "failed", (str(error),)) for name, error in search.errors]
    tasks = [replace(shared, source=found.path, name=str(found.path)) for found in search.found]
    broken: dict[int, ColorzooError] = {}
    if args.recipe_folder:
        files = [recipe_file(image, Path(args.recipe_folder)) for image in search.found]
        for number, file in enumerate(files):
            try:
                if file is not None:
                    own = _task(args, recipe_of(args, file), file)
                    tasks[number] = replace(own, source=tasks[number].source, name=tasks[number].name)
            except ColorzooError as error:  # the other images are colorized nevertheless
                broken[number] = error
        for path in sorted({*Path(args.recipe_folder).rglob("*.json")} - {*files}):
            print_line(f"colorzoo: {path} belongs to no image", sys.stderr)
    inputs: list[str | Path] = [name for name in (args.recipe, args.from_list) if name]
    inputs += [image.path for image in search.found] + [path for _, path in shared.files]
    kept = {*map(file_identity, inputs)} - {None}
    extension = f".{args.format}" if args.format else None
    outputs = plan_outputs(search.found, tasks, output, overwrite=args.overwrite, extension=extension)
    planned = []
    for number, place in enumerate(outputs):
        task, target = replace(tasks[number], target=place.path), str(place.path)
        if number in broken:
            results.append(FileResult(task.name, "", "failed", (f"{task.name}: {broken[number]}",)))
        elif file_identity(place.path) in kept:
            results.append(task.result("failed", f"{target} {_IS_INPUT}"))
        elif place.state == "missing":
            notes = (f"{place.other.name} is of another image",) if place.other else ()
            planned.append(replace(task, notes=notes))
        elif place.state == "done":
            results.append(task.result("skipped", ALREADY_DONE))
        else:
            results.append(task.result("failed", f"{target} {_EXISTS[place.state]}"))
    for result in results:
        report(result)
    if search.skipped:
        print_line(f"colorzoo: {skipped_files_message(search.skipped)}", sys.stderr)
    results += [FileResult(str(path), "", "skipped", (reason,)) for path, reason in search.skipped]
    return planned, results


def _run(args: ColorizeOptions, tasks: Sequence[FileTask], report: Report) -> list[FileResult]:
    """Colorize the images under a progress bar and print each result."""
    if not args.recipe_folder:
        tasks[0].load()  # a model that cannot be loaded is one error instead of one error for each image
    work = run_tasks(tasks, threads=args.jobs, skip_colored=args.skip_colored)
    results = []
    interrupts = record_interrupts()
    with progress_bar("coloring", len(tasks)) as advance, closing(work):
        for result in work:
            results.append(result)
            report(result)
            if interrupts:
                raise KeyboardInterrupt
            advance()
    return results


@contextmanager
def _standard_streams(args: ColorizeOptions) -> Iterator[tuple[list[str], str | None]]:
    """Replace ``-`` with temporary files for standard input and output.

    Yields:
        The images and the output. The result is copied to standard output at the end.

    Raises:
        ImageError: ``-`` cannot be combined with other images, or the result has no output.
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
                raise ImageError("standard input must contain an image, got 0 bytes")
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
        raise ImageError("- (standard input) cannot be combined with other images")
    if args.images == ["-"] and args.output is None:
        raise ImageError("an image from standard input requires -o FILE or -o -")
    is_single = args.images == ["-"] or (len(args.images) == 1 and Path(args.images[0]).is_file())
    if args.output == "-" and (not is_single or args.from_list or args.json or args.dry_run):
        raise ImageError("-o - (standard output) requires one image without --from, --json and --dry-run")


def _extension(source: Path | io.BytesIO) -> str:
    """Return the file extension of an image from its content."""
    with suppress(OSError), open_image(source) as image:
        return next((extension for extension, kind in WRITABLE.items() if kind == image.format), ".jpg")
    return ".jpg"
