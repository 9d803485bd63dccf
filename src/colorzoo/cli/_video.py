"""The work of ``colorzoo video``: open the source, build the painter, run it under a progress bar, report."""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from colorzoo import __version__
from colorzoo.cli._coloring import remember_interrupts
from colorzoo.cli._progress import progress_bar
from colorzoo.cli._results import weights_of
from colorzoo.cli._video_keys import marks_of, read_keys, write_frame
from colorzoo.inference.colorizer import Colorizer
from colorzoo.inference.metadata import Metadata
from colorzoo.inference.origin import Origin, read_origin, sidecar, with_origin
from colorzoo.inference.references import named_references
from colorzoo.inference.write import write_whole
from colorzoo.registry import model_card
from colorzoo.tiers import default_model
from colorzoo.video.file import VideoFile
from colorzoo.video.folder import FrameFolder
from colorzoo.video.library import VideoError
from colorzoo.video.painter import Painter
from colorzoo.video.parts import PartsFolder, parts_path
from colorzoo.video.plan import Encoding, choose_encoding
from colorzoo.video.run import Result, color_video
from colorzoo.weights import model_of_file
from colorzoo.weights._files import sha256_of

_METHOD = 1  # of coloring, steadying and encoding; a change makes parts of earlier releases outdated
_SETTINGS = ("steady", "strength", "temperature", "size", "codec", "crf", "precision")
_EVERY = 10.0  # seconds between lines where there is no terminal


@dataclass(frozen=True)
class Report:
    """What became of the video.

    Attributes:
        source: What was read.
        output: What was written, or would be.
        status: Whether it was colored, left alone, or only planned.
        model: Name of the model.
        description: Size, rate and formats.
        frames: How many were written.
        shots: Number of the first frame of each shot.
        resumed: Frames that an earlier run had finished.
        broken: Places of frames that could not be decoded well.
        seconds: It took.
        notes: What the user should know.
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


def color_one(args: argparse.Namespace, keys: Mapping[int, Path]) -> Report:
    """Do what the command line asks for and say it.

    Raises:
        ColorzooError: See `colorzoo.cli.video.run`.
    """
    source, out = _open(args), Path(args.output)
    model = args.model or model_of_file(args.weights)
    model = model or default_model("frames" if keys or args.reference else "automatic")
    origin = asked_of(args, keys, model, source.digest())
    report = Report(args.source, args.output, "planned", model, source.describe())
    if not args.overwrite and (os.path.lexists(out)):
        _require_own(out, origin)
        report = replace(report, status="skipped", notes=("is already there, made so",))
    elif args.dry_run:
        kept = parts_path(out)
        notes = (f"goes on from {kept.name}",) if kept.exists() else ()
        report = replace(report, notes=(*source.findings.lines(), *notes))
    else:
        report = _colored(args, keys, source, origin, report)
    _say(report, args)
    return report


def take_frame(args: argparse.Namespace) -> None:
    """Write one frame to be colored in the pad, as `colorzoo video --frame` asks for.

    Raises:
        ColorzooError: See `write_frame`; or the source cannot be read.
    """
    source = _existing(args)
    write_frame(args, FrameFolder(source) if source.is_dir() else VideoFile(source, Encoding("ffv1")))


def asked_of(args: argparse.Namespace, keys: Mapping[int, Path], model: str, source: str) -> Origin:
    """Describe what decides the result.

    Raises:
        ColorzooError: There is no such model, its weights cannot be had, or a picture is not there.
    """
    card = model_card(model)
    sha256 = weights_of(card, args.weights)
    try:
        pictures = marks_of(keys)
        reference = sha256_of(Path(args.reference)) if args.reference else ""
    except OSError as error:
        raise VideoError(f"{error.filename}: {error.strerror}") from error
    given = {name: getattr(args, name) for name in _SETTINGS}
    made = [_METHOD, card.name, sha256, given, pictures, reference, Path(args.output).suffix.lower()]
    digest = hashlib.sha256(json.dumps(made, sort_keys=True).encode()).hexdigest()
    return Origin(source, digest, card.name, sha256, __version__, trained=card.trainable)


def _open(args: argparse.Namespace) -> VideoFile | FrameFolder:
    source, out = _existing(args), Path(args.output)
    if not source.is_dir():
        return VideoFile(source, choose_encoding(out, args.codec, args.crf))
    if out.suffix or out.is_file():
        raise VideoError(f"{source} is a folder of frames, so is the result; {out} names a file")
    if args.codec or args.crf is not None:
        raise VideoError("--codec and --crf are for video files, the result is a folder of frames")
    return FrameFolder(source)


def _existing(args: argparse.Namespace) -> Path:
    """Return the source, which must be there and not the result."""
    source, out = Path(args.source), Path(args.output)
    if not source.exists():
        raise VideoError(f"{source}: no such file or folder")
    if os.path.realpath(source) == os.path.realpath(out):
        raise VideoError(f"{out} is the source itself, name another place for the result")
    return source


def _require_own(out: Path, asked: Origin) -> None:
    found = read_origin(out)
    if found is None:
        raise VideoError(f"{out} exists already; --overwrite replaces it")
    if found.source != asked.source:
        raise VideoError(f"{out} exists already, made of another video; --overwrite replaces it")
    if found.settings != asked.settings:
        raise VideoError(f"{out} exists already, made with other settings; --overwrite replaces it")


def _colored(
    args: argparse.Namespace,
    keys: Mapping[int, Path],
    source: VideoFile | FrameFolder,
    origin: Origin,
    report: Report,
) -> Report:
    out, begun = Path(args.output), time.monotonic()
    painter = _painter(args, keys, origin.model)
    parts = PartsFolder(out, f"{origin.source} {origin.settings}")
    with _progress(report.description.get("frames")) as tick:
        done = color_video(source, painter, parts, out, steady=args.steady, size=args.size, tick=tick)
    if args.provenance == "embed":
        write_whole(sidecar(out), with_origin(Metadata(), origin).xmp or b"")
    seconds = time.monotonic() - begun
    outdated = ("an unfinished result of another run was dropped",) if parts.outdated else ()
    notes = (*outdated, *source.findings.lines(), *painter.notes, *_unused(keys, done))
    return replace(
        report,
        status="colored",
        frames=done.frames,
        shots=tuple(shot.first for shot in done.shots),
        resumed=done.resumed,
        broken=tuple(source.findings.broken),
        seconds=round(seconds, 1),
        notes=notes,
    )


def _painter(args: argparse.Namespace, keys: Mapping[int, Path], model: str) -> Painter:
    if (keys or args.reference) and "exemplar" not in model_card(model).guidance:
        raise VideoError(f"{model} takes no reference; see `colorzoo models` for those that take an exemplar")
    colorizer = Colorizer(
        model,
        weights=args.weights,
        device=args.device,
        precision=args.precision,
        size=args.size,
        temperature=args.temperature,
    )
    named = named_references([args.reference], None) if args.reference else []
    reference = colorizer.exemplar(named) if named else None
    pictures = read_keys(_open(args), keys, args.device)
    strength = 1.0 if args.strength is None else args.strength
    return Painter(colorizer, pictures, reference, strength)


def _unused(keys: Mapping[int, Path], done: Result) -> Iterator[str]:
    for number in sorted(keys):
        if number >= done.frames:
            yield f"there is no frame {number}; the last one is {done.frames - 1}"


@contextmanager
def _progress(total: int | None) -> Iterator[Callable[[], None]]:
    """Show a bar on standard error; a line now and then where that is no terminal."""
    interrupts = remember_interrupts()
    lines = None if sys.stderr.isatty() else _Lines(total)
    with progress_bar(total, "coloring frames") as advance:

        def tick() -> None:
            advance()
            if lines is not None:
                lines.tick()
            if interrupts:
                raise KeyboardInterrupt

        yield tick


class _Lines:
    """Progress as plain lines, for logs.

    Args:
        total: Frames in all, if known.
    """

    def __init__(self, total: int | None) -> None:
        self._total, self._done = total, 0
        self._begun = self._said = time.monotonic()

    def tick(self) -> None:
        """Count a frame, and print a line if the last one is a while ago."""
        self._done += 1
        now = time.monotonic()
        if now - self._said < _EVERY:
            return
        self._said = now
        rate = self._done / (now - self._begun)
        of, left = "", ""
        if self._total and self._total >= self._done:
            of, left = f" of {self._total}", f", {(self._total - self._done) / rate:.0f} s left"
        print(f"{self._done}{of} frames, {rate:.2f} a second{left}", file=sys.stderr, flush=True)


def _say(report: Report, args: argparse.Namespace) -> None:
    line = report.output
    about = report.description
    if report.status == "planned":
        line += f": {about['width']}x{about['height']}, {about['from']} to {about['to']}, {report.model}"
    elif report.status == "colored":
        shots = "one shot" if len(report.shots) == 1 else f"{len(report.shots)} shots"
        line += f": {report.frames} frames in {shots} by {report.model}"
        line += f", {report.resumed} of an earlier run" if report.resumed else ""
    line += f" ({'; '.join(report.notes)})" if report.notes else ""
    print(line, file=sys.stderr if args.json else sys.stdout, flush=True)
    if report.broken:
        text = f"{report.source}: {len(report.broken)} broken frames"
        print(f"colorzoo: error: {text}", file=sys.stderr, flush=True)
