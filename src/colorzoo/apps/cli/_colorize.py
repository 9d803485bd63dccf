"""Implementation of ``colorzoo colorize``."""

from __future__ import annotations

import json
import os
import re
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from dataclasses import asdict, replace
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

from PIL import ImageColor

from colorzoo.apps.cli._file_options import ColorizeOptions
from colorzoo.apps.cli._options import named_inputs
from colorzoo.batch import (
    NOT_TRIED,
    FileColorizer,
    FileResult,
    FileTask,
    plan_outputs,
    sheet_provenance,
    with_references,
    with_settings,
    write_sheet,
)
from colorzoo.console import print_line, progress_bar, record_interrupts
from colorzoo.errors import ColorzooError, GuidanceError
from colorzoo.files import check_outputs, write_atomic
from colorzoo.guidance import BoxHint, DrawingSettings, PointHint, Recipe
from colorzoo.guidance.border import parse_border
from colorzoo.guidance.edits import parse_crop_text, parse_finish_text
from colorzoo.guidance.fields import DEFAULT_REACH, Reach, format_hex, read_reach
from colorzoo.guidance.kinds import guidance_kind
from colorzoo.image_io import NOT_SAVED, read_image
from colorzoo.inference import (
    describe_statistics,
    main_colors,
    read_recipe,
    requested_model,
    require_color,
)
from colorzoo.pixels.find import find_images, join_names, read_list, skipped_files_message
from colorzoo.pixels.results import sidecar_path

PrintResult = Callable[[FileResult], None]

_MANY = 1000  # images of a run that prints their number first, because a wrong path can include a whole disk
_COUNTED = {"colored": "colorized", "skipped": "skipped", "failed": "failed", "planned": "planned"}
_POINT = re.compile(
    r"(?P<x>-?[\d.]+),(?P<y>-?[\d.]+)(?:,(?P<radius>[\d.]+))?=(?P<color>#\w+|\w+)(?:@(?P<reach>[\w.]+))?"
)


def colorize_images(args: ColorizeOptions) -> int:
    """Colorize the images of the command line, write reports and return an exit code.

    `colorzoo.apps.cli.colorize.run` documents the exit codes.
    """
    # check reports and the signing key first, so that invalid ones are reported without delay
    if args.report:
        from colorzoo.batch import check_report, report_pages  # takes 20 ms, and only reports need it

        for name in args.report:
            check_report(Path(name))
    signer = None
    if args.sign:
        try:
            from colorzoo.batch import load_signer
        except ImportError as error:
            raise ColorzooError(
                f"--sign requires the package {error.name}. Run `python -m pip install 'colorzoo[sign]'`."
            ) from error
        signer = load_signer(Path(args.sign))
    if args.sheet and args.samples == 1:
        raise ColorzooError("--sheet requires --samples K with K above 1")
    # plan the outputs of all samples, which have their own seeds, and the contact sheets
    files = _file_colorizer(args)
    assert isinstance(files.guidance, Recipe)
    more, samples = files.guidance.more, [files]
    seeds = [more.get("seed", 0) + number for number in range(args.samples)]
    if args.samples > 1:
        recipes = [replace(files.guidance, more={**more, "seed": seed}) for seed in seeds]
        samples = [replace(files, guidance=recipe) for recipe in recipes]
    names = read_list(args.from_list) if args.from_list else []
    search = find_images([*args.images, *names], exclude=Path(args.output) if args.output else None)
    plan = partial(plan_outputs, search.found, out=args.output, overwrite=args.overwrite, listed=names)
    outputs: list[tuple[Path, Any]] = []  # of all images for the first sample, for the second sample, ...
    for number, sample in enumerate(samples, 1):
        outputs += plan(
            sample.provenance,
            extension=f".{args.format}" if args.format else None,
            ending=f"-{number}" if number > 1 else "",
            others=[path for path, _ in outputs],
        )
    if args.sheet:
        outputs += plan(
            lambda: sheet_provenance(samples[0].provenance()),
            extension=".jpg",
            ending="-sheet.jpg",
            others=[path for path, _ in outputs],
        )
    # compare the outputs with all inputs; earlier results are kept or signed, earlier sheets written again
    count = len(search.found)
    sheet_outputs = outputs[count * len(samples) :]
    replaced = [path for path, state in outputs if state == "missing"]
    replaced += [path for path, state in (outputs if signer else sheet_outputs) if state == "done"]
    inputs = read_files(args, files, [image.path for image in search.found])
    check_outputs(written_files(args, replaced), inputs)
    for name in args.report:
        for page in report_pages(Path(name), len(outputs)):
            check_report(page)
    # report images and sheets whose output exists
    uses_default_model = requested_model(args.model, files.guidance, args.weights) is None
    print_result = partial(_print_result, args, uses_default_model)
    results = [FileResult(name, "", "failed", (str(error),)) for name, error in search.errors]
    tasks: list[list[FileTask]] = [[] for _ in samples]
    sheets: dict[int, FileTask] = {}  # by the position of the image
    for index, (path, state) in enumerate(outputs):
        number, position = divmod(index, count)
        image = search.found[position]
        task = FileTask(image.path, path, str(image.path))
        is_sheet = number == len(samples)
        if state != "missing" and not (is_sheet and state == "done"):
            results.append(task.existing_result(state))
            if state == "done" and args.same_characters and not is_sheet:
                tasks[number].append(replace(task, is_done=True))
        elif is_sheet:
            sheets[position] = task
        else:
            tasks[number].append(task)
    for sample_tasks in tasks:
        while sample_tasks and sample_tasks[-1].is_done:  # no later image depends on its colors
            sample_tasks.pop()
    for result in results:
        print_result(result)
    if search.omitted:
        print_line(f"colorzoo: {skipped_files_message(search.omitted)}", sys.stderr)
    results += [FileResult(str(path), "", "skipped", (reason,)) for path, reason in search.omitted]
    # colorize
    for sample, sample_tasks in zip(samples, tasks, strict=True):
        if len(sample_tasks) > _MANY:
            print_line(f"colorzoo: {len(sample_tasks):,} images will be colorized", sys.stderr)
        if not args.dry_run and sample_tasks:
            results += _run(args, sample, sample_tasks, print_result)
    if args.dry_run:
        for task in (*chain.from_iterable(tasks), *sheets.values()):
            if not task.is_done:
                results.append(task.result("planned"))
                print_result(results[-1])
    else:
        finished = {each.output for each in results if each.status != "failed"}
        for position, task in sheets.items():
            paths = [path for path, _ in outputs[position : count * len(samples) : count]]
            named = zip(seeds, paths, strict=True)
            shown = {f"seed {seed}": path for seed, path in named if str(path) in finished}
            if not shown:
                continue
            try:
                is_earlier = sheet_outputs[position][1] == "done"
                write_sheet(task.target, shown, overwrite=args.overwrite or is_earlier)
            except ColorzooError as error:
                results.append(task.result("failed", str(error)))
                print_result(results[-1])
            else:
                print_line(str(task.target), sys.stderr if args.json else sys.stdout)
    # print the outcome, and list the failed images
    if args.json:
        print(json.dumps([asdict(result) for result in results], indent=1))
    if len(results) > 1:
        counts: Counter[str] = Counter(result.status for result in results)
        listed = (f"{counts[status]} {word}" for status, word in _COUNTED.items() if counts[status])
        print(f"colorzoo: {', '.join(listed)}", file=sys.stderr)
    failed = [result for result in results if result.status == "failed"]
    failures = [*dict.fromkeys(result.list_entry(args.output) for result in failed)]
    if args.failed:
        write_atomic(Path(args.failed), join_names(failures), overwrite=args.overwrite)
        if any("\n" in name for name in failures):
            print_line(
                f"colorzoo: the paths in {args.failed} are separated by zero bytes, because a path contains "
                "a line break",
                sys.stderr,
            )
    # sign the results, then report them, because a report contains the hashes of the results
    if signer:
        from colorzoo.batch import sign_results

        with progress_bar("signatures", len(results)) as advance:
            unsigned = sign_results(results, signer, advance)
        for name in unsigned:
            print_line(
                f"colorzoo: not signed: {name} has no provenance record or cannot store a signature",
                sys.stderr,
            )
    if args.report:
        from colorzoo.batch import read_entries, write_report

        with progress_bar("report", len(results)) as advance:
            entries = read_entries(results, advance, args.output)
        for name in args.report:
            written = write_report(Path(name), entries)
            print_line(f"colorzoo: report: {', '.join(map(str, written))}", sys.stderr)
    if not failures:
        return 0
    return 2 if len(failed) == len(results) else 1


def _file_colorizer(args: ColorizeOptions) -> FileColorizer:
    """Return the model, the recipe and the settings of a run.

    Raises:
        ColorzooError: No model supports the recipe, the references of the recipe are malformed, or an option
            requires a reference but no reference is specified.
    """
    folder = Path(args.recipe).parent if args.recipe else None
    recipe = _recipe(args)
    if args.alpha is not None or args.reference_weights or args.reassigned:
        recipe = with_settings(recipe, args, folder=folder, references=args.reference)
    if args.reference:
        recipe = with_references(recipe, args.reference, args.reference_weights)
        folder = Path()  # paths of --reference are relative to the working directory
    return FileColorizer(
        model=args.model,
        weights=args.weights,
        guidance=recipe,
        folder=folder,
        settings=args,
        embed_provenance=args.provenance == "embed",
        overwrite=args.overwrite,
        max_pixels=int(args.max_pixels * 1e6),
        skip_colored=args.skip_colored,
        same_characters=args.same_characters,
    )


def _print_result(args: ColorizeOptions, is_default: bool, result: FileResult) -> None:
    """Print a result on standard output, or a failure on standard error.

    Args:
        args: Options.
        is_default: Whether the default model was selected. If True, its name is printed with each result.
        result: Result to print.
    """
    if NOT_TRIED in result.notes:
        return
    notes = "; ".join(result.notes)
    if is_default and result.model:
        notes = "; ".join((result.model, *result.notes))
    if result.status == "failed":
        print_line(f"colorzoo: error: {' '.join(notes.split())}", sys.stderr)
        return
    name = result.output or result.source
    stream = sys.stderr if args.json else sys.stdout
    print_line(f"{name} ({notes})" if notes else name, stream)
    if not args.explain:
        return
    for stage in result.stages:
        about = f": {stage.about}" if stage.about else ""
        spent = "cached" if stage.cached else f"{stage.seconds * 1e3:.1f} ms"
        print_line(f"  {spent:>11}  {stage.name}{about}", stream)


def read_files(args: ColorizeOptions, files: FileColorizer, images: Iterable[Path]) -> list[str | Path]:
    """Return all files that a run reads.

    Args:
        args: Options, of which some name files.
        files: Recipe, which can name references and label images.
        images: Images that the search has found.
    """
    return [*named_inputs(args), *images, *files.input_files]


def written_files(args: ColorizeOptions, results: Sequence[Path]) -> list[Path]:
    """Return all files that a run can write.

    Args:
        args: Options, of which some name files.
        results: Results and contact sheets.
    """
    lists: list[Path] = [] if args.failed is None else [Path(args.failed)]
    if args.report:
        from colorzoo.batch import report_pages

        lists += [page for path in args.report for page in report_pages(Path(path), len(results))]
    return [*results, *map(sidecar_path, results), *lists]


def _run(
    args: ColorizeOptions, files: FileColorizer, tasks: Sequence[FileTask], print_result: PrintResult
) -> list[FileResult]:
    """Colorize the images with a progress bar and print each result.

    Metadata that the output format does not support is printed in the line of a single image. For several
    images, it is counted and printed after the run, because it would hide notes on the images.
    """
    files.load()  # if the model cannot be loaded, raise one error instead of one per image
    work = files.run(tasks, threads=args.jobs)
    results = []
    unsaved: Counter[str] = Counter()
    interrupts = record_interrupts()
    with progress_bar("coloring", len(tasks)) as advance, closing(work):
        for task, result in zip(tasks, work, strict=True):
            advance()
            if task.is_done:
                continue
            results.append(result)
            if len(tasks) > 1 and result.status == "colored":
                unsaved.update(note for note in result.notes if NOT_SAVED in note)
                result = replace(result, notes=tuple(note for note in result.notes if NOT_SAVED not in note))
            print_result(result)
            if interrupts:
                raise KeyboardInterrupt
    for note, count in unsaved.items():
        print_line(f"colorzoo: {count} of {len(tasks)} images: {note}", sys.stderr)
    return results


def _recipe(args: ColorizeOptions) -> Recipe:
    """Return the recipe in the file ``--recipe``, updated with the guidance options.

    Points and boxes are added to the hints of the recipe. Other options replace values of the recipe. Without
    ``--recipe``, the result contains only the values of the options.

    Raises:
        GuidanceError: The file is not a recipe, or an option value is malformed.
        ColorzooError: The image of ``--histogram-of`` or ``--palette`` cannot be read or is gray.
    """
    recipe = read_recipe(Path(args.recipe)) if args.recipe else Recipe()
    label_images = {"file": args.classes, "reference_file": args.reference_classes}
    given_images: dict[str, Any] = {name: path for name, path in label_images.items() if path}
    if given_images:
        recipe = replace(recipe, classes=replace(recipe.classes, **given_images))
    statistics: dict[str, Any] = {}
    if args.histogram_of:
        image = read_image(Path(args.histogram_of))
        require_color(image, args.histogram_of)
        statistics["histogram"] = tuple(describe_statistics(image)["histogram"])
    if args.saturation is not None:
        statistics["saturation"] = args.saturation
    if statistics:
        recipe = replace(recipe, statistics=replace(recipe.statistics, **statistics))
    hints = {kind: guidance_kind(kind).parse(text, f"--{kind}") for kind, text in args.hints.items()}
    # without other boxes, `--box none` gives an empty tuple, which disables object detection
    boxes = recipe.boxes
    if args.box:
        boxes = (boxes or ()) + tuple(_parse_box(text) for text in args.box if text != "none")
    drawing: dict[str, Any] = {
        name: value for name in ("gap", "specks", "variant") if (value := getattr(args, name)) is not None
    }
    # a palette is a list of colors, or the main colors of an image
    if args.palette is not None:
        if os.path.isfile(args.palette):  # noqa: PTH113 - Path raises an error for a long list of colors
            image = read_image(Path(args.palette))
            require_color(image, args.palette)
            drawing["palette"] = main_colors(image)
        else:
            try:
                colors = [ImageColor.getrgb(color.strip())[:3] for color in args.palette.split(",")]
            except ValueError:
                raise GuidanceError(
                    "--palette must be colors such as #c04020,#f0e0d0 or the path of an image, got "
                    f"{args.palette!r}"
                ) from None
            drawing["palette"] = tuple(map(format_hex, colors))
    drawing |= {name: True for name in ("shading", "flats") if getattr(args, name)}
    return replace(
        recipe,
        points=recipe.points + tuple(parse_point(text, args.reach) for text in args.point),
        boxes=boxes,
        border=recipe.border if args.border is None else parse_border(args.border, "--border"),
        crop=recipe.crop if args.crop is None else parse_crop_text(args.crop, "--crop"),
        finish=recipe.finish if args.finish is None else parse_finish_text(args.finish, "--finish"),
        label=recipe.label if args.label is None else args.label,
        more={**recipe.more, **hints},
        drawing=replace(recipe.drawing or DrawingSettings(), **drawing) if drawing else recipe.drawing,
    )


def parse_point(text: str, reach: str | None = None) -> PointHint:
    """Convert the value of ``--point`` to a point hint.

    Args:
        text: Value such as ``120,80=#c04020@0.5``, in the format ``X,Y[,RADIUS]=COLOR[@REACH]``. The default
            radius is 3 pixels. An alpha value in the color is ignored.
        reach: Value of ``--reach``: how far the color spreads if ``text`` contains no ``@REACH``. None
            selects the default reach of recipes.

    Raises:
        GuidanceError: The value is malformed.
    """
    match = _POINT.fullmatch(text)
    if match is None:
        raise _point_error(text)
    point_reach: Reach = DEFAULT_REACH
    if match["reach"]:
        point_reach = _parse_reach(match["reach"], f"--point {text!r}: the reach")
    elif reach is not None:
        point_reach = _parse_reach(reach, "--reach")
    try:
        x, y, radius = float(match["x"]), float(match["y"]), float(match["radius"] or 3.0)
        red, green, blue = ImageColor.getrgb(match["color"])[:3]
        return PointHint(x, y, radius, format_hex((red, green, blue)), reach=point_reach)
    except ValueError:  # a malformed number or an unknown color
        raise _point_error(text) from None


def _parse_reach(text: str, name: str) -> Reach:
    """Parse a number, ``automatic`` or ``everywhere``; ``name`` names the value in error messages."""
    try:
        return read_reach(float(text), name)
    except ValueError:
        return read_reach(text, name)


def _point_error(text: str) -> GuidanceError:
    return GuidanceError(
        f"--point must be X,Y[,RADIUS]=COLOR[@REACH], for example 120,80=#c04020@0.5, got {text!r}. "
        "COLOR is #rrggbb, #rgb or an HTML name such as teal. RADIUS is in pixels. REACH is how far the "
        "color spreads."
    )


def _parse_box(text: str) -> BoxHint:
    try:
        x, y, width, height = (float(part) for part in text.split(","))
        if not (width > 0 and height > 0):
            raise ValueError
        return BoxHint(x, y, width, height)
    except ValueError:
        raise GuidanceError(
            f"--box must be none or X,Y,WIDTH,HEIGHT in image pixels, for example 40,30,200,120; got {text!r}"
        ) from None
