"""Implementation of ``colorzoo video``."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from colorzoo.apps.cli._file_options import VideoOptions
from colorzoo.apps.cli._options import check_output
from colorzoo.apps.video.colorer import FrameColorer
from colorzoo.apps.video.encoding import Encoding, choose_encoding
from colorzoo.apps.video.file import VideoFile
from colorzoo.apps.video.folder import FrameFolder
from colorzoo.apps.video.frames import VideoError
from colorzoo.apps.video.run import PartsFolder, Source, color_video, gray_frame
from colorzoo.batch import UsedFile, model_provenance, with_source
from colorzoo.card import Use
from colorzoo.console import print_line, progress_bar, record_interrupts
from colorzoo.files import sha256_of
from colorzoo.guidance import Recipe, parse_border
from colorzoo.image_io import (
    ImageProvenance,
    read_image,
    read_provenance,
    write_image,
)
from colorzoo.inference import Colorizer, choose_for_image
from colorzoo.registry import model_card
from colorzoo.weights import ModelChoice, choose_model

_METHOD = 7  # version of colorization, stabilization and encoding; a change invalidates stored shots
_SETTINGS = ("steady", "strength", "temperature", "size", "border", "codec", "crf", "no_sound", "precision")


def colorize(args: VideoOptions, keys: Mapping[int, Path]) -> int:
    """Colorize a video, print a summary and return an exit code.

    Args:
        args: Options of the command line.
        keys: Color image of each key frame, by frame number.

    Returns:
        Exit code of `colorzoo.apps.cli.video.run`.
    """
    source = _open(args)
    out = Path(args.output)
    use: Use = "frames" if keys or args.reference else "automatic"
    choice = choose_model(args.model, use, args.weights)
    origin = _origin(args, keys, choice, source.digest())
    summary: dict[str, Any] = {
        "source": args.source,
        "output": args.output,
        "status": "planned",
        "model": choice.name,
        "description": source.describe(),
        "notes": [],
    }
    parts = PartsFolder(out, f"{origin.source} {origin.settings}", overwrite=args.overwrite)
    is_done = not args.overwrite and os.path.lexists(out)
    if not is_done:
        _check_line_art(source, choice)
    if is_done:
        stored = read_provenance(out)
        if stored is None or (stored.source, stored.settings) != (origin.source, origin.settings):
            raise VideoError(
                f"{out} already exists and has a different source or settings. Set --overwrite to replace "
                "OUT."
            )
        summary |= {"status": "skipped", "notes": ["already exists with the same source and settings"]}
    elif args.dry_run:
        plan = parts.plan()
        summary["notes"] = [*source.issues.notes, *([plan] if plan else [])]
    else:
        start = time.monotonic()
        colorer = _frame_colorer(args, keys, choice)
        border = parse_border(args.border, "--border")
        if keys and border == "automatic":
            border = "none"  # key frames are images of whole frames
        with _frame_progress(source) as tick:
            shots, resumed_count = color_video(
                source,
                colorer,
                parts,
                steady=args.steady,
                size=colorer.size,
                border=border,
                tick=tick,
                origin=origin if args.provenance == "embed" else None,
            )
        frame_count = shots[-1].last + 1
        missing = [number for number in sorted(keys) if number >= frame_count]
        summary |= {
            "status": "colored",
            "frames": frame_count,
            "shots": [shot.first for shot in shots],
            "broken": source.issues.broken,
            "notes": [
                *source.issues.lines(),
                *dict.fromkeys(note for shot in shots for note in shot.notes),
                *(f"--key {number}: the video has no frame {number}" for number in missing),
            ],
            "incomplete": bool(source.issues.incomplete),
            "resumed": resumed_count,
            "seconds": round(time.monotonic() - start, 1),
        }
    _print_summary(summary, args)
    if args.json:
        print(json.dumps(summary, indent=1))
    is_damaged = bool(source.issues.broken or source.issues.incomplete)
    return 1 if is_damaged else 0


def _check_line_art(source: Source, choice: ModelChoice) -> None:
    """Raise an error if the frames are line art; if the user chose the model, add a note instead."""
    photo_choice = choose_model(None, "automatic")
    if any(choose_for_image(photo_choice, image) is photo_choice for image in source.sample()):
        return
    problem = f"the frames of {source.path} are line art, which models for photographs leave gray"
    if not choice.is_replaceable:
        source.issues.notes.append(problem)
        return
    frames = source.path if source.path.is_dir() else "FOLDER_OF_FRAMES"
    raise VideoError(
        f"{problem}. To color the frames one by one, run `colorzoo colorize {frames} -o OUT --palette "
        "COLORS`, or with --reference IMG. To use a model for photographs, set --model."
    )


def write_frame(args: VideoOptions) -> None:
    """Write one video frame as a gray image.

    The user can colorize the image in the drawing pad and pass the result as a key frame (``--key``).

    Raises:
        ColorzooError: The frame does not exist, an option is invalid, or the image cannot be written.
    """
    assert args.frame is not None
    path, out = _existing_source(args), Path(args.output)
    source = FrameFolder(path) if path.is_dir() else VideoFile(path, Encoding("ffv1"))
    if os.path.lexists(out) and not args.overwrite:
        raise VideoError(f"{out} already exists. Set --overwrite to replace this file.")
    image = gray_frame(source, args.frame)
    rgb = np.repeat(image.levels[..., None], 3, axis=2)
    write_image(out, rgb, image, overwrite=args.overwrite)
    print(f"{out}: frame {args.frame}. Colorize this image, then pass it as --key {args.frame}=FILE.")


def _open(args: VideoOptions) -> Source:
    """Open the source; raise an error if the options do not match a video file or a folder of frames."""
    source, out = _existing_source(args), Path(args.output)
    if not source.is_dir():
        return VideoFile(source, choose_encoding(out, args.codec, args.crf, sound=not args.no_sound))
    if out.suffix or out.is_file():
        raise VideoError(f"OUT must be a folder because IN is a folder of frames, got {out}")
    if args.codec or args.crf is not None or args.no_sound:
        raise VideoError("--codec, --crf and --no-sound require a video file as IN, got a folder of frames")
    return FrameFolder(source)


def _existing_source(args: VideoOptions) -> Path:
    """Return the path of the source; raise an error if it is missing or is also the output."""
    source, out = Path(args.source), Path(args.output)
    if not source.exists():
        raise VideoError(f"{source}: no such file or folder")
    if os.path.realpath(source) == os.path.realpath(out):
        raise VideoError(f"{out} is also the source. Choose another OUT.")
    if not (source.is_dir() and out.is_dir()):  # a folder of frames is not replaced as a whole
        check_output(out, args.reference, *(text.partition("=")[2] for text in args.key))
    return source


def _origin(
    args: VideoOptions, keys: Mapping[int, Path], choice: ModelChoice, source: str
) -> ImageProvenance:
    """Return the provenance record of a video: source, model, weights and settings."""
    try:
        images = {number: sha256_of(path) for number, path in sorted(keys.items())}
        reference = sha256_of(Path(args.reference)) if args.reference else ""
    except OSError as error:
        raise VideoError(f"{error.filename}: {error.strerror}") from error
    settings = {name: getattr(args, name) for name in _SETTINGS}
    files = [UsedFile("reference", Path(args.reference).name, reference)] if args.reference else []
    decisive = [_METHOD, settings, images, reference, Path(args.output).suffix.lower()]
    return with_source(model_provenance(choice, decisive, options=settings, files=files), source)


@contextmanager
def _frame_progress(source: Source) -> Iterator[Callable[[], None]]:
    """Show a progress bar, and yield a function to call after each frame.

    The function raises `KeyboardInterrupt` if Ctrl+C was pressed; see `record_interrupts`.
    """
    interrupts = record_interrupts()
    with progress_bar("colorizing frames", source.describe().get("frames"), log_every=10.0) as advance:

        def tick() -> None:
            advance()
            if interrupts:
                raise KeyboardInterrupt

        yield tick


def _frame_colorer(args: VideoOptions, keys: Mapping[int, Path], choice: ModelChoice) -> FrameColorer:
    """Load the model, the key frames and the reference."""
    if (keys or args.reference) and "exemplar" not in model_card(choice.name).guidance:
        raise VideoError(
            f"--key and --reference require a model that supports references, got {choice.name}. Run "
            "`colorzoo models --guidance exemplar` to list these models."
        )
    colorizer = Colorizer(
        choice, device=args.device, precision=args.precision, size=args.size, temperature=args.temperature
    )
    reference = colorizer.exemplar_of(args.reference, Recipe(), None)
    images = {number: read_image(path) for number, path in keys.items()}
    strength = 1.0 if args.strength is None else args.strength
    return FrameColorer(colorizer, images, reference, strength)


def _print_summary(summary: Mapping[str, Any], args: VideoOptions) -> None:
    line, video = summary["output"], summary["description"]
    if summary["status"] == "planned":
        line += f": {video['width']}x{video['height']}, {video['from']} to {video['to']}, {summary['model']}"
    elif summary["status"] == "colored":
        line += f": {summary['frames']} frames in {len(summary['shots'])} shots by {summary['model']}"
        line += f", {summary['resumed']} from an earlier run" if summary["resumed"] else ""
    line += f" ({'; '.join(summary['notes'])})" if summary["notes"] else ""
    print_line(line, sys.stderr if args.json else sys.stdout)
    if summary.get("broken") or summary.get("incomplete"):
        print_line(f"colorzoo: error: {args.source} is damaged; only readable frames were used", sys.stderr)
