"""Implementation of ``colorzoo colorize``."""

from __future__ import annotations

import json
import os
import re
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

from PIL import ImageColor

from colorzoo.apps.cli._file_options import ColorizeOptions
from colorzoo.apps.cli._options import check_output, file_identity, input_identities, named_inputs
from colorzoo.batch import (
    NOT_TRIED,
    FileColorizer,
    FileResult,
    FileTask,
    plan_outputs,
    with_references,
    with_settings,
    write_sheet,
)
from colorzoo.console import print_line, progress_bar, record_interrupts
from colorzoo.errors import ColorzooError, GuidanceError
from colorzoo.files import write_atomic
from colorzoo.guidance import BoxHint, DrawingSettings, PointHint, Recipe
from colorzoo.guidance.border import parse_border
from colorzoo.guidance.edits import parse_crop_text, parse_finish_text
from colorzoo.guidance.fields import DEFAULT_REACH, Reach, format_hex, read_reach
from colorzoo.guidance.kinds import guidance_kind
from colorzoo.image_io import (
    NOT_SAVED,
    find_images,
    join_names,
    read_image,
    read_list,
    skipped_files_message,
)
from colorzoo.inference import (
    describe_statistics,
    main_colors,
    read_recipe,
    requested_model,
    require_color,
)

PrintResult = Callable[[FileResult], None]

_MANY = 1000  # images of a run that prints their number first, because a wrong path can include a whole disk
_IS_INPUT = "is an input of this run. Choose another --output."
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
        from colorzoo.batch import check_report

        for path in args.report:
            check_report(Path(path))
            check_output(Path(path))
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
    # plan and colorize
    files = _file_colorizer(args)
    uses_default_model = requested_model(args.model, files.guidance, args.weights) is None
    print_result = partial(_print_result, args, uses_default_model)
    results: list[FileResult] = []
    sheets: dict[str, dict[str, Path]] = {}  # samples by name, for each source
    for sample in range(1, args.samples + 1):
        if args.samples > 1:  # each sample has its own seed
            assert isinstance(files.guidance, Recipe)
            seed = files.guidance.more.get("seed", 0) + (sample > 1)
            recipe = replace(files.guidance, more={**files.guidance.more, "seed": seed})
            files = replace(files, guidance=recipe)
        tasks, planned = _plan(args, files, print_result, sample)
        earlier_count = len(results)
        results += planned
        if len(tasks) > _MANY:
            print_line(f"colorzoo: {len(tasks):,} images will be colorized", sys.stderr)
        if args.dry_run:
            for task in tasks:
                if not task.is_done:
                    results.append(task.result("planned"))
                    print_result(results[-1])
        elif tasks:
            results += _run(args, files, tasks, print_result)
        if args.sheet:
            assert isinstance(files.guidance, Recipe)
            for result in results[earlier_count:]:
                if result.status in ("colored", "skipped") and result.output:
                    name = f"seed {files.guidance.more['seed']}"
                    sheets.setdefault(result.source, {})[name] = Path(result.output)
    for samples in sheets.values():
        print_line(str(write_sheet(samples)), sys.stderr if args.json else sys.stdout)
    # print the outcome, and list the failed images
    if args.json:
        print(json.dumps([asdict(result) for result in results], indent=1))
    if len(results) > 1:
        counts: Counter[str] = Counter(result.status for result in results)
        listed = (f"{counts[status]} {word}" for status, word in _COUNTED.items() if counts[status])
        print(f"colorzoo: {', '.join(listed)}", file=sys.stderr)
    failures = [result.list_entry(args.output) for result in results if result.status == "failed"]
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
        from colorzoo.batch import read_entries, write_report  # takes 20 ms, and only reports need it

        with progress_bar("report", len(results)) as advance:
            entries = read_entries(results, advance, args.output)
        for path in args.report:
            written = write_report(Path(path), entries)
            print_line(f"colorzoo: report: {', '.join(map(str, written))}", sys.stderr)
    if not failures:
        return 0
    return 2 if len(failures) == len(results) else 1


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


def _plan(
    args: ColorizeOptions, files: FileColorizer, print_result: PrintResult, sample: int
) -> tuple[list[FileTask], list[FileResult]]:
    """Find images, choose their output files, and print images that cannot be colorized.

    Args:
        args: Options.
        files: Model, recipe and settings of the sample.
        print_result: Function that prints a result.
        sample: Number of the sample; see `plan_outputs`.

    Raises:
        ImageError: ``--output`` cannot be used for these images.
    """
    listed = read_list(args.from_list) if args.from_list else []
    search = find_images([*args.images, *listed], exclude=Path(args.output) if args.output else None)
    results = [FileResult(name, "", "failed", (str(error),)) for name, error in search.errors]
    outputs = plan_outputs(
        search.found,
        files.provenance,
        args.output,
        overwrite=args.overwrite,
        listed=listed,
        extension=f".{args.format}" if args.format else None,
        sample=sample,
    )
    inputs: set[tuple[int, int] | None] = set()
    if any(os.path.lexists(path) for path, _ in outputs):  # a missing output cannot be an input
        input_paths = [image.path for image in search.found]
        inputs = input_identities([*named_inputs(args), *input_paths, *files.input_files])
    tasks = []
    for image, (path, state) in zip(search.found, outputs, strict=True):
        task = FileTask(image.path, path, str(image.path))
        if inputs and file_identity(path) in inputs:
            results.append(task.result("failed", f"{path} {_IS_INPUT}"))
        elif state != "missing":
            results.append(task.existing_result(state))
            if state == "done" and args.same_characters:
                tasks.append(replace(task, is_done=True))
        else:
            tasks.append(task)
    while tasks and tasks[-1].is_done:  # no later image depends on its colors
        tasks.pop()
    for result in results:
        print_result(result)
    if search.omitted:
        print_line(f"colorzoo: {skipped_files_message(search.omitted)}", sys.stderr)
    results += [FileResult(str(path), "", "skipped", (reason,)) for path, reason in search.omitted]
    return tasks, results


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
        name: value for name in ("gap", "variant") if (value := getattr(args, name)) is not None
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
