"""Implementation of ``colorzoo video``: open the source, color it under a progress bar, print a summary."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path
from typing import Any, Literal

import numpy as np

from colorzoo.batch.origin import UsedFile, origin_of_choice, origin_of_result
from colorzoo.batch.report import check_report
from colorzoo.batch.settings import VideoOptions
from colorzoo.card import Use
from colorzoo.cli._colorize import write_reports
from colorzoo.cli._options import check_output
from colorzoo.cli._output import print_line, printed_warnings
from colorzoo.errors import ColorzooError, GuidanceError
from colorzoo.guidance import Recipe
from colorzoo.guidance.border import parse_border
from colorzoo.image_io.metadata import Metadata
from colorzoo.image_io.provenance import ImageProvenance, read_provenance, write_sidecar
from colorzoo.image_io.raster_image import RasterImage
from colorzoo.image_io.read import read_image
from colorzoo.image_io.write import write_image
from colorzoo.inference.colorizer import Colorizer
from colorzoo.inference.models import choose_for_guidance
from colorzoo.inference.references import named_references, recipe_reference_files
from colorzoo.progress import progress_bar, record_interrupts
from colorzoo.registry import model_card
from colorzoo.video.colorer import FrameColorer
from colorzoo.video.encoding import Encoding, choose_encoding, require_sound
from colorzoo.video.file import VideoFile
from colorzoo.video.folder import FrameFolder
from colorzoo.video.frames import FrameSource, VideoError, pick_frames
from colorzoo.video.report import shot_entries
from colorzoo.video.run import PartsFolder, Shot, color_video, find_shots, parts_path
from colorzoo.weights.choice import ModelChoice, choose_model
from colorzoo.weights.files import sha256_of

_METHOD = 4  # version of the coloring, stabilization and encoding; a change outdates earlier parts
_SETTINGS = ("steady", "strength", "temperature", "size", "border", "codec", "crf", "precision")
_NOT_WITH_FRAME = (
    *("key", "reference", "model", "strength", "temperature", "codec", "crf", "dry_run", "json", "report"),
)


@dataclass(frozen=True)
class VideoSummary:
    """Summary of a video run.

    Attributes:
        source: Path of the source.
        output: Path of the result.
        status: ``"colored"``, ``"skipped"`` if the result already exists, ``"planned"`` for a dry run.
        model: Name of the model.
        description: Size, rate and formats.
        frames: Number of frames.
        shots: Number of the first frame of each shot.
        resumed: Number of frames that an earlier run had finished.
        broken: Times or names of frames that could not be decoded correctly.
        seconds: Duration of the run.
        notes: Remarks for the user.
        incomplete: The source is cut short, or cannot be read to its end.
    """

    source: str
    output: str
    status: Literal["colored", "skipped", "planned"]
    model: str
    description: Mapping[str, Any]
    frames: int = 0
    shots: tuple[int, ...] = ()
    resumed: int = 0
    broken: tuple[str, ...] = ()
    seconds: float = 0.0
    notes: tuple[str, ...] = ()
    incomplete: bool = False


def color(args: VideoOptions, keys: Mapping[int, Path]) -> VideoSummary:
    """Color the source of the command line and print a summary.

    Raises:
        ColorzooError: See `colorzoo.cli.video.run`.
    """
    _check_reports(args)
    source, out = _open(args), Path(args.output)
    use: Use = "frames" if keys or args.reference else "automatic"
    with printed_warnings():  # of weights that do not fit
        choice = choose_model(args.model, use, args.weights)
    origin = _origin(args, keys, choice, source.digest())
    summary = VideoSummary(args.source, args.output, "planned", choice.name, source.describe())
    if not args.overwrite and os.path.lexists(out):
        _require_same_origin(out, origin)
        summary = replace(summary, status="skipped", notes=("is already there, made so",))
        if args.report:
            with _progress("finding shots", summary.description.get("frames")) as tick:
                shots = find_shots(source, tick)
    elif args.dry_run:
        parts = parts_path(out)
        notes = (f"goes on from {parts.name}",) if parts.exists() else ()
        summary = replace(
            summary, notes=(*source.issues.lines(), *notes), incomplete=bool(source.issues.incomplete)
        )
    else:
        summary, shots = _color(args, keys, source, choice, origin, summary)
    _print_summary(summary, args)
    if args.report:
        with progress_bar("report", len(shots)) as advance:
            entries = shot_entries(source, out, shots, origin, advance)
        write_reports(args.report, entries)
    return summary


def write_frame(args: VideoOptions) -> None:
    """Write one frame as a gray image, to be colored in the pad.

    Raises:
        ColorzooError: The frame does not exist, an option does not fit, or the image cannot be written.
    """
    assert args.frame is not None
    path, out = _existing_source(args), Path(args.output)
    source = FrameFolder(path) if path.is_dir() else VideoFile(path, Encoding("ffv1"))
    for name in _NOT_WITH_FRAME:
        if getattr(args, name):
            option = name.replace("_", "-")
            raise ColorzooError(f"--frame writes a frame and colors nothing; leave out --{option}")
    if os.path.lexists(out) and not args.overwrite:
        raise VideoError(f"{out} exists already; --overwrite replaces it")
    image = pick_frames(source, {args.frame})[args.frame]
    write_image(out, np.repeat(image.levels[..., None], 3, axis=2), image, overwrite=True)
    print(f"{out}: frame {args.frame}; once colored, its image or recipe goes into --key {args.frame}=FILE")


def _check_reports(args: VideoOptions) -> None:
    if args.report and args.dry_run:
        raise ColorzooError("--report is of a colored video; leave out --dry-run")
    for path in args.report:
        check_report(Path(path))


def _open(args: VideoOptions) -> VideoFile | FrameFolder:
    source, out = _existing_source(args), Path(args.output)
    if not source.is_dir():
        encoding = choose_encoding(out, args.codec, args.crf)
        opened = VideoFile(source, encoding)
        require_sound(source, out)
        return opened
    if out.suffix or out.is_file():
        raise VideoError(f"{source} is a folder of frames, so is the result; {out} names a file")
    if args.codec or args.crf is not None:
        raise VideoError("--codec and --crf are for video files, the result is a folder of frames")
    return FrameFolder(source)


def _existing_source(args: VideoOptions) -> Path:
    source, out = Path(args.source), Path(args.output)
    if not source.exists():
        raise VideoError(f"{source}: no such file or folder")
    if os.path.realpath(source) == os.path.realpath(out):
        raise VideoError(f"{out} is the source itself, name another place for the result")
    check_output(out, args.reference, *(text.partition("=")[2] for text in args.key))
    return source


def _origin(
    args: VideoOptions, keys: Mapping[int, Path], choice: ModelChoice, source: str
) -> ImageProvenance:
    """Return everything that determines the result, as a provenance record."""
    try:
        images = {
            number: [sha256_of(path), *_recipe_dependencies(path)] if _is_recipe(path) else sha256_of(path)
            for number, path in sorted(keys.items())
        }
        reference = sha256_of(Path(args.reference)) if args.reference else ""
    except OSError as error:
        raise VideoError(f"{error.filename}: {error.strerror}") from error
    given = {name: getattr(args, name) for name in _SETTINGS}
    files = [UsedFile("reference", Path(args.reference).name, reference)] if args.reference else []
    name, suffix = model_card(choice.name).name, Path(args.output).suffix.lower()
    decisive = [_METHOD, name, choice.sha256, given, images, reference, suffix]
    return origin_of_result(origin_of_choice(choice, decisive, options=given, files=files), source)


def _require_same_origin(out: Path, origin: ImageProvenance) -> None:
    found = read_provenance(out)
    if found is None:
        raise VideoError(f"{out} exists already; --overwrite replaces it")
    if found.source != origin.source:
        raise VideoError(f"{out} exists already, made of another video; --overwrite replaces it")
    if found.settings != origin.settings:
        raise VideoError(f"{out} exists already, made with other settings; --overwrite replaces it")


def _color(
    args: VideoOptions,
    keys: Mapping[int, Path],
    source: VideoFile | FrameFolder,
    choice: ModelChoice,
    origin: ImageProvenance,
    summary: VideoSummary,
) -> tuple[VideoSummary, tuple[Shot, ...]]:
    out, started = Path(args.output), time.monotonic()
    colorer = _frame_colorer(args, keys, choice)
    border = parse_border(args.border, "--border")
    if keys and border == "automatic":
        border = "none"  # key frames are images of whole frames
    parts = PartsFolder(out, f"{origin.source} {origin.settings}")
    with _progress("coloring frames", summary.description.get("frames")) as tick:
        done = color_video(
            source,
            colorer,
            parts,
            out,
            steady=args.steady,
            size=colorer.size,
            border=border,
            tick=tick,
            origin=origin if args.provenance == "embed" else None,
        )
    if args.provenance == "embed":
        write_sidecar(out, Metadata(), origin)
    notes = ["an unfinished result of another run was dropped"] if parts.outdated else []
    notes += [*source.issues.lines(), *dict.fromkeys(note for shot in done.shots for note in shot.notes)]
    notes += [
        f"there is no frame {number}; the last one is {done.frames - 1}"
        for number in sorted(keys)
        if number >= done.frames
    ]
    summary = replace(
        summary,
        status="colored",
        frames=done.frames,
        shots=tuple(shot.first for shot in done.shots),
        resumed=done.resumed,
        broken=tuple(source.issues.broken),
        incomplete=bool(source.issues.incomplete),
        seconds=round(time.monotonic() - started, 1),
        notes=tuple(notes),
    )
    return summary, done.shots


def _frame_colorer(args: VideoOptions, keys: Mapping[int, Path], choice: ModelChoice) -> FrameColorer:
    card = model_card(choice.name)
    if (keys or args.reference) and "exemplar" not in card.guidance:
        raise VideoError(
            f"{card.name} takes no reference; see `colorzoo models` for those that take an exemplar"
        )
    colorizer = Colorizer(
        choice,
        device=args.device,
        precision=args.precision,
        size=args.size,
        temperature=args.temperature,
    )
    references = named_references([args.reference], None) if args.reference else []
    reference = colorizer.exemplar(references) if references else None
    images = _read_keys(_open(args), keys, args.device)
    strength = 1.0 if args.strength is None else args.strength
    return FrameColorer(colorizer, images, reference, strength, predicts_uncertainty=bool(args.report))


def _read_keys(source: FrameSource, keys: Mapping[int, Path], device: str) -> dict[int, RasterImage]:
    """Return the key frames by number; recipes are applied to the frames of the source."""
    frames = pick_frames(source, {number for number, path in keys.items() if _is_recipe(path)})
    load = cache(partial(Colorizer, device=device))  # each model is loaded once
    images = {}
    for number, path in keys.items():
        if not _is_recipe(path):
            images[number] = read_image(path)
            continue
        recipe, choice = _recipe_and_model(path)
        colorizer = load(choice.name)
        try:
            reference = colorizer.exemplar_of(None, recipe, path.parent)
            colored = colorizer.colorize(frames[number], recipe, reference=reference)
        except GuidanceError as error:
            raise GuidanceError(f"{path}: {error}") from error
        images[number] = RasterImage(colored.levels())
    return images


def _is_recipe(path: Path) -> bool:
    return path.suffix.lower() == ".json"


def _recipe_and_model(path: Path) -> tuple[Recipe, ModelChoice]:
    recipe = Recipe.from_json(path).check_known()
    if recipe.crop is not None:
        raise GuidanceError(f"{path}: a frame of a film cannot be cropped; take 'crop' out of the recipe.")
    references = [file for file, _ in recipe_reference_files(recipe, path.parent)]
    return recipe, choose_for_guidance(None, recipe, references=references)


def _recipe_dependencies(path: Path) -> list[str]:
    """Return the model of a recipe, and hashes of its weights and reference files."""
    recipe, choice = _recipe_and_model(path)
    references = [sha256_of(file) for file, _ in recipe_reference_files(recipe, path.parent)]
    return [choice.name, choice.sha256, *references]


@contextmanager
def _progress(title: str, total: int | None) -> Iterator[Callable[[], None]]:
    """Show a progress bar, and pass on a Ctrl+C that Python has dropped."""
    interrupts = record_interrupts()
    with progress_bar(title, total, log_every=10.0) as advance:

        def tick() -> None:
            advance()
            if interrupts:
                raise KeyboardInterrupt

        yield tick


def _print_summary(summary: VideoSummary, args: VideoOptions) -> None:
    line = summary.output
    about = summary.description
    if summary.status == "planned":
        line += f": {about['width']}x{about['height']}, {about['from']} to {about['to']}, {summary.model}"
    elif summary.status == "colored":
        shots = "one shot" if len(summary.shots) == 1 else f"{len(summary.shots)} shots"
        line += f": {summary.frames} frames in {shots} by {summary.model}"
        line += f", {summary.resumed} of an earlier run" if summary.resumed else ""
    line += f" ({'; '.join(summary.notes)})" if summary.notes else ""
    print_line(line, sys.stderr if args.json else sys.stdout)
    if summary.incomplete:
        print_line(
            f"colorzoo: error: {summary.source} is not whole; its frames up to there were kept", sys.stderr
        )
    if summary.broken:
        broken = len(summary.broken)
        print_line(f"colorzoo: error: {summary.source}: {broken} broken frames", sys.stderr)
