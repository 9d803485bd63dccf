"""Colorization of a video: open the film, colorize it shot by shot, and publish the result.

Finished shots are stored, so an interrupted run can resume.
"""

from __future__ import annotations

import itertools
import os
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from colorzoo._files import digest_or_empty
from colorzoo.abilities import DrawingModel
from colorzoo.apps.video.colorer import FrameColorer
from colorzoo.apps.video.drawn import (
    color_drawn_frame,
    color_drawn_shots,
    is_drawn,
    region_points,
    with_strength,
)
from colorzoo.apps.video.encoding import choose_codec
from colorzoo.apps.video.exposure import ExposureHold, exposed
from colorzoo.apps.video.file import VideoFile
from colorzoo.apps.video.film_recipe import FilmRecipe
from colorzoo.apps.video.folder import FrameFolder, compose_frame
from colorzoo.apps.video.frames import ALL_FRAMES, VideoError, VideoFrame
from colorzoo.apps.video.memory import WEAK_SHOTS
from colorzoo.apps.video.parts import PartsFolder, Shot, parts_path, publish_shots
from colorzoo.apps.video.shots import TESTED, ShotSpan, group_shots, read_shots
from colorzoo.apps.video.steady import SteadyColors
from colorzoo.batch import UsedFile, draw_sheet, model_provenance, with_source
from colorzoo.color import lab_to_rgb, rgb_to_lab
from colorzoo.color.levels import lightness_of_levels
from colorzoo.console import progress_bar, record_interrupts
from colorzoo.errors import ColorzooError
from colorzoo.files import check_outputs, sha256_of
from colorzoo.guidance import Exemplar, Recipe
from colorzoo.guidance.border import BorderSetting, parse_border
from colorzoo.guidance.objects import Rectangle
from colorzoo.image_io import (
    IN_COLOR,
    ImageProvenance,
    RasterImage,
    chroma_note,
    output_format,
    read_image,
    read_provenance,
    write_image,
)
from colorzoo.inference import (
    Colorizer,
    RegionMemory,
    choose_model,
    recipe_reference_files,
    requested_model,
    select_part,
    shrink_lightness,
    working_size,
)
from colorzoo.pixels.find import result_name, visible_entries
from colorzoo.pixels.formats import READABLE
from colorzoo.pixels.results import sidecar_path
from colorzoo.registry import DEFAULT_MODELS, model_card

Source = VideoFile | FrameFolder
# versions of colorization and encoding, and of the use of key frames; a change invalidates stored shots
_METHOD, _KEY_METHOD = 9, 4
_KEPT_NOTE = f"shots that are {IN_COLOR} were kept; set --recolor to colorize them"
_WAITING_BYTES = 2**28  # memory in bytes for frames buffered until the colors of later frames are available
_MOST_WAITING = 72
_THUMBNAIL, _MOST_THUMBNAILS = 240, 60  # longer side in pixels, and number of shots for each correction
_SAME_FRAME = 2.0  # largest mean difference in L of a frame and its exported image
_MIN_CHANGE = 3.0  # smallest color change in CIE units by which a recipe sets the color of a pixel


def colorize_video(
    source: Path,
    out: Path,
    *,
    keys: Mapping[int, Path] | None = None,
    references: Sequence[Path] = (),
    recipe: Path | None = None,
    frames: range = ALL_FRAMES,
    apply_matches: bool = False,
    match_sheet: Path | None = None,
    recolor: bool = False,
    model: str | None = None,
    weights: str = "default",
    device: str = "auto",
    precision: Literal["auto", "float32", "bfloat16"] = "auto",
    size: int | None = None,
    strength: float | None = None,
    temperature: float | None = None,
    steady: float = 0.97,
    border: str = "automatic",
    hints: Mapping[str, Any] | None = None,
    codec: str | None = None,
    crf: int | None = None,
    sound: bool = True,
    embed_provenance: bool = True,
    keep_shots: bool = False,
    overwrite: bool = False,
    dry_run: bool = False,
    progress: Callable[[str, int], None] = lambda *_: None,
) -> dict[str, Any]:
    """Colorize a video file or a folder of frames with temporally stable colors.

    Line art is colorized by the default model for drawings; see `color_drawn_shots`.

    A result of an earlier run with the same source and settings is kept. Finished shots of earlier runs are
    reused if the source, the settings and the key frames that influence them are unchanged.

    Args:
        source: Video file or folder of frames.
        out: Result: a video file, or a folder if ``source`` is a folder.
        keys: Color image or recipe of each key frame, by frame number.
        references: Color images whose colors are transferred. With key frames, or with several references,
            they are also entries of the memory of key frames.
        recipe: Film recipe; see `FilmRecipe`. Its key frames and references are added to ``keys`` and
            ``references``.
        frames: Numbers of the frames to colorize. The result contains only these frames.
        apply_matches: Whether the recipe of a frame also changes other shots in which its objects are found.
            The summary lists these shots in any case.
        match_sheet: Image file for thumbnails of these shots; None writes no file.
        recolor: Whether to colorize shots that are already in color, instead of keeping their colors.
        model: Name of a registered model; None selects the default model.
        weights: ``default``, ``published``, or the path of a weight file.
        device: ``auto``, ``cpu``, ``cuda`` or ``mps``.
        precision: Numeric precision of the network.
        size: Shorter side of the network input in pixels; None selects the default of the model.
        strength: Multiplier for the chroma; None selects 1.
        temperature: Softmax temperature; None selects the default of the model.
        steady: Strength of the temporal stabilization; see `SteadyColors`.
        border: Part of the frames to colorize, in the format of ``--border``. With key frames, which are
            images of whole frames, ``automatic`` selects the whole frames of the shots that they influence.
        hints: Values of kinds of guidance for all frames, such as ``{"text": "red car"}``.
        codec: Codec of a video file; see `choose_codec`.
        crf: Constant rate factor of a video file.
        sound: Whether the result contains the sound of the source.
        embed_provenance: Whether to write a provenance record.
        keep_shots: Whether to keep the finished shots of a film without edits, so that a later run computes
            only the shots that an edit changes. The shots of a film with edits are always kept.
        overwrite: Whether to replace an existing result, and stored shots that took more than a minute.
        dry_run: Whether to check the input and return the plan without writing a file.
        progress: Function called with the current step and the number of each frame. If it raises an error,
            the run stops, and its finished shots are kept.

    Returns:
        Summary of the run, which `json.dumps` can encode. Its ``status`` is ``planned``, ``skipped`` or
        ``colored``.

    Raises:
        ColorzooError: The video or an image cannot be read, an option is invalid,
            another process writes the result, or the result exists and differs.
    """
    # compare the outputs with the inputs, and open the film
    edits = FilmRecipe.read(recipe, keys or {}, references, apply_matches=apply_matches)
    inputs = read_files(source, edits, recipe, weights)
    check_outputs(written_files(source, out, match_sheet), inputs)
    if match_sheet is not None:
        output_format(match_sheet)
        check_outputs([match_sheet], folders=[source], overwrite=overwrite)
    film: Source
    if not source.is_dir():
        film = VideoFile(source, choose_codec(out, codec), frames, crf=crf, sound=sound)
        film.join((), out)  # encoder errors and lost streams are found before the work, which can take hours
    elif out.suffix or out.is_file():
        raise VideoError(f"OUT must be a folder because IN is a folder of frames, got {out}")
    elif codec or crf is not None or not sound:
        raise VideoError("--codec, --crf and --no-sound require a video file as IN, got a folder of frames")
    else:
        film = FrameFolder(source, frames)
    # choose the model, and identify the result by the source, the model and the settings
    guidance = Recipe(more=hints or {})
    name = _choose_film_model(film, edits, guidance, model, weights)
    settings = {
        "steady": steady,
        "strength": strength,
        "temperature": temperature,
        "size": size,
        "border": border,
        "codec": codec,
        "crf": crf,
        "no_sound": not sound,
        "precision": precision,
    }
    records = _film_provenance(
        film, edits, guidance, name, weights, settings, extension=out.suffix.lower(), recolor=recolor
    )
    # a dry run compares the hash of the source with an earlier result or its shots only
    is_compared = not dry_run or os.path.lexists(out) or os.path.lexists(parts_path(out))
    source_hash = film.digest() if is_compared else ""
    origin, shared = (with_source(record, source_hash) for record in records)
    summary: dict[str, Any] = {
        "status": "planned",
        "model": name,
        "description": film.describe(),
        "notes": [],
    }
    load = partial(Colorizer, name, weights=weights, device=device, precision=precision, size=size)
    # keep a result with the same source and settings
    if not overwrite and os.path.lexists(out):
        stored = read_provenance(out)
        if stored is None or (stored.source, stored.settings) != (origin.source, origin.settings):
            raise VideoError(
                f"{out} already exists and has a different source or settings. Set --overwrite to replace "
                "OUT."
            )
        notes = ["already exists with the same source and settings"]
        if match_sheet is not None and not dry_run and model_card(name).input != "sketch":
            colorer, spans = load_colorer(
                film, edits, load(temperature=temperature), strength, guidance, progress
            )
            find_matches(film, colorer, spans)
            notes += _write_matches(match_sheet, film, edits, colorer, spans, overwrite=overwrite)
        return summary | {"status": "skipped", "notes": notes}
    key_hashes = {key.frame: f"{_KEY_METHOD} {key.sha256}" for key in edits.keys}
    parts = PartsFolder(out, f"{shared.source} {shared.settings}", key_hashes, overwrite=overwrite)
    if dry_run:
        plan = parts.plan()
        return summary | {"notes": [*film.issues.notes, *([plan] if plan else [])]}
    # load the model, the key frames and the reference
    start = time.monotonic()
    colorizer = load(temperature=temperature)
    is_drawing_model = isinstance(colorizer.model, DrawingModel)
    if not is_drawing_model:
        colorer, spans = load_colorer(film, edits, colorizer, strength, guidance, progress)
    # colorize and publish
    interrupts = record_interrupts()
    with progress_bar("colorizing frames", summary["description"]["frames"], log_every=10.0) as advance:

        def tick(number: int) -> None:
            advance()
            progress("colorizing frames", number)
            if interrupts:
                raise KeyboardInterrupt

        shown_origin = origin if embed_provenance else None
        if is_drawing_model:
            shots, resumed_count = color_drawn_shots(
                film,
                edits,
                colorizer,
                parts,
                strength=strength,
                tick=tick,
                origin=shown_origin,
                keep_shots=keep_shots,
            )
        else:
            shots, resumed_count = color_shots(
                film,
                colorer,
                parts,
                steady=steady,
                border=parse_border(border, "--border"),
                spans=spans,
                recolor=recolor,
                tick=tick,
                origin=shown_origin,
                keep_shots=keep_shots or bool(edits.keys or edits.join or edits.split),
            )
    match_notes = []
    if not is_drawing_model:
        match_notes = _write_matches(match_sheet, film, edits, colorer, spans, overwrite=overwrite)
    return summary | {
        "status": "colored",
        "frames": sum(shot.count for shot in shots),
        "shots": [shot.first for shot in shots],
        "matches": {} if is_drawing_model else colorer.matches,
        "broken": film.issues.broken,
        "notes": [
            *film.issues.lines(),
            *dict.fromkeys(note for shot in shots for note in shot.notes),
            *match_notes,
        ],
        "incomplete": bool(film.issues.incomplete),
        "resumed": resumed_count,
        "seconds": round(time.monotonic() - start, 1),
    }


def _choose_film_model(
    film: Source, edits: FilmRecipe, guidance: Recipe, model: str | None, weights: str
) -> str:
    """Return the name of the model for a film.

    If the user selects no model, line art is colorized by the default model for drawings.

    Args:
        film: Film, to which a note is added if its frames are line art and the model is not for drawings.
        edits: Key frames and references.
        guidance: Guidance for all frames.
        model: Name of the model that the user selects, or None.
        weights: ``default``, ``published``, or the path of a weight file.

    Raises:
        ColorzooError: The model is unknown, or it does not accept a kind of guidance.
    """
    name = choose_model(guidance, name=model, weights=weights, references=edits.color_images)
    if is_drawn(film):
        if requested_model(model, Recipe(), weights) is None and weights == "default":
            name = DEFAULT_MODELS["sketch"]
        elif model_card(name).input != "sketch":
            film.issues.notes.append(
                f"the frames of {film.path} are line art, which models for photographs leave gray"
            )
    for kind in guidance.more:
        if kind not in model_card(name).guidance:
            raise VideoError(
                f"--{kind} requires a model that accepts {kind}, got {name}. Run `colorzoo models "
                f"--guidance {kind}` to list these models."
            )
    return name


def _film_provenance(
    film: Source,
    edits: FilmRecipe,
    guidance: Recipe,
    model: str,
    weights: str,
    settings: Mapping[str, Any],
    *,
    extension: str,
    recolor: bool,
) -> tuple[ImageProvenance, ImageProvenance]:
    """Return the provenance records of a colorized film and of its shots, without their source.

    The record of the shots does not depend on the key frames, because each shot lists the key frames that
    influence it. Results without edits keep their identity if a kind of edit is added to the program.

    Args:
        film: Film, whose selected frames are colorized.
        edits: Key frames, references and corrected shots.
        guidance: Guidance for all frames.
        model: Registered name of the model.
        weights: ``default``, ``published``, or the path of a weight file.
        settings: Settings of the user by name; None for a default.
        extension: Lower-case extension of the result.
        recolor: Whether shots in color are colorized.

    Raises:
        ColorzooError: A reference cannot be read, or the weights cannot be downloaded.
    """
    try:
        hashes = [sha256_of(path) for path in edits.references]
    except OSError as error:
        raise VideoError(f"{error.filename}: {error.strerror}") from error
    files = [
        UsedFile("reference", path.name, sha256)
        for path, sha256 in zip(edits.references, hashes, strict=True)
    ]
    of_film: dict[str, Any] = {"shots": [edits.join, edits.split]} if edits.join or edits.split else {}
    changes, of_shots = dict[str, Any](), dict[str, Any]()
    if model_card(model).input == "sketch":  # the network that matches the regions of the frames
        changes["region_encoder"] = RegionMemory.weights_hash()
        of_shots = dict(of_film)  # a shot of a drawn film depends on all earlier shots
    if recolor:
        changes["recolor"] = True
    if guidance.more:
        changes["hints"] = dict(guidance.more)
    if film.selected != ALL_FRAMES:
        changes["frames"] = [film.selected.start, film.selected.stop]
    key_hashes = {key.frame: key.sha256 for key in edits.keys}
    if key_hashes:
        of_film["memory"] = [_KEY_METHOD, key_hashes, edits.apply_matches]
    reference_hash = hashes[0] if len(hashes) == 1 else hashes or ""
    origin, shared = (
        model_provenance(
            model,
            [_METHOD, settings, changes | edited, reference_hash, extension],
            options=settings,
            weights=weights,
            files=files,
        )
        for edited in (of_film, of_shots)
    )
    return origin, shared


@torch.inference_mode()
def find_matches(film: Source, colorer: FrameColorer, spans: Sequence[ShotSpan]) -> None:
    """Find the shots that match a correction without coloring the film; see `FrameColorer.matches`."""
    tested = {span.tested: span for span in spans}
    for frame in film.frames():
        if frame.number in tested:
            colorer.keys_of(tested[frame.number], frame.lightness())


def _write_matches(
    path: Path | None,
    film: Source,
    edits: FilmRecipe,
    colorer: FrameColorer,
    spans: Sequence[ShotSpan],
    *,
    overwrite: bool,
) -> list[str]:
    """Write the image of `draw_matches` if there are matches, and return notes for the user.

    Args:
        path: Image file; None writes no file.
        film: Film.
        edits: Edits of the film.
        colorer: Colorizer of single frames that has found the matches.
        spans: Frame numbers of each shot.
        overwrite: Whether an existing file may be replaced.
    """
    verb = "is also corrected" if edits.apply_matches else "is also found (see --apply-matches)"
    notes = [
        f"the object of frame {number} {verb} in the shots at frames {', '.join(map(str, starts))}"
        for number, starts in colorer.matches.items()
    ]
    if path is not None and notes:
        sheet = np.asarray(draw_matches(film, colorer, spans))
        write_image(path, sheet, RasterImage(sheet), overwrite=overwrite)
        notes.append(f"thumbnails of these shots are in {path}")
    return notes


@torch.inference_mode()
def draw_matches(film: Source, colorer: FrameColorer, spans: Sequence[ShotSpan]) -> Image.Image:
    """Return thumbnails of corrected frames and of the shots in which their objects are found.

    The thumbnails are gray, except where the correction is found. The film is read once more.

    Args:
        film: Film.
        colorer: Colorizer of single frames that has found the matches.
        spans: Frame numbers of each shot.
    """
    tested = {span.frames.start: span.tested for span in spans}
    found = {}  # name and position of each thumbnail: number of the correction, and frame number
    for number, starts in colorer.matches.items():
        found[number, number] = f"frame {number}"
        for start in starts[:_MOST_THUMBNAILS]:
            found[number, tested[start]] = f"frame {number}, shot at {start}"
    images = {}
    for frame in film.frames():
        for number, shown in found:
            if shown == frame.number:
                lightness = frame.lightness()
                height, width = lightness.shape[-2:]
                small = shrink_lightness(lightness, working_size(height, width, colorer.size))
                lab = colorer.correct_with(number, small, is_same_shot=shown == number)
                rgb = lab_to_rgb(lab)[0].clamp(0, 1).permute(1, 2, 0).numpy()
                images[number, shown] = Image.fromarray((rgb * 255).round().astype(np.uint8))
                images[number, shown].thumbnail((_THUMBNAIL, _THUMBNAIL))
    return draw_sheet({name: images[key] for key, name in found.items() if key in images})


def load_colorer(
    film: Source,
    edits: FilmRecipe,
    colorizer: Colorizer,
    strength: float | None = None,
    guidance: Recipe | None = None,
    progress: Callable[[str, int], None] = lambda *_: None,
    *,
    finds_shots: bool = True,
) -> tuple[FrameColorer, list[ShotSpan]]:
    """Return the colorizer of single frames, and the shots of the film.

    Args:
        film: Film, which is read once.
        edits: Key frames, references and corrected shots.
        colorizer: Colorizer with the loaded model.
        strength: Multiplier for the chroma; None selects 1.
        guidance: Guidance for all frames, such as text.
        progress: Function called with the current step and the number of each frame.
        finds_shots: Whether to find the shots; otherwise, the list of shots is empty.

    Raises:
        ColorzooError: An image cannot be read, a key frame does not exist, or the model has no references.
    """
    if edits.color_images and "exemplar" not in model_card(colorizer.name).guidance:
        raise VideoError(
            f"--key and --reference require a model that supports references, got {colorizer.name}. Run "
            "`colorzoo models --guidance exemplar` to list these models."
        )
    references = [read_image(path) for path in edits.references]
    exemplar = colorizer.exemplar_of(references, Recipe(), None)
    recipes = {key.frame: (key.recipe, key.folder) for key in edits.keys if key.recipe is not None}
    images = {key.frame: read_image(key.image) for key in edits.keys if key.image is not None}
    corrections = dict[int, RasterImage]()
    missing = {key.frame for key in edits.keys}

    def visit(frame: VideoFrame) -> None:
        advance()
        progress("finding shots", frame.number)
        missing.discard(frame.number)
        if frame.number in recipes:
            recipe, folder = recipes[frame.number]
            # the recipe of an exported frame has the hash of this image, which is its reference
            files = [folder / file.path for file in recipe.exemplar.files]
            files += [frame.rgb_image().metadata.source or Path()]
            if recipe.sha256 is not None and recipe.sha256.lower() not in map(digest_or_empty, files):
                note = f"the recipe of frame {frame.number} was made for another image file"
                film.issues.notes.append(note)
            try:
                corrections[frame.number] = correction_of(
                    gray_image(frame), recipe, colorizer, folder, exemplar
                )
            except ColorzooError as error:
                raise VideoError(f"key frame {frame.number}: {error}") from error

    spans = list[ShotSpan]()
    with progress_bar("finding shots", film.describe()["frames"], log_every=10.0) as advance:
        if finds_shots:
            keys = [key.frame for key in edits.keys]
            spans = read_shots(film.frames(), edits.join, edits.split, keys, visit)
        else:
            for frame in film.frames():
                visit(frame)
    if any(number not in film.selected for number in missing):  # outside --frames, and not read
        last = max(frame.number for frame in open_film(film.path).frames())
        if max(missing) > last:
            raise VideoError(
                f"key frame {max(missing)} does not exist in {film.path}; the last frame is {last}"
            )
    for number in sorted(missing):
        if number in film.selected or number >= sys.maxsize:
            is_damaged = any(number in span.frames for span in spans)
            reason = "is damaged" if is_damaged else "does not exist"
            raise VideoError(f"key frame {number} {reason} in {film.path}; frames are counted from 0")
        if number in recipes:
            film.issues.notes.append(
                f"the recipe of frame {number} is not applied, because --frames does not include this frame"
            )
    colorer = FrameColorer(
        colorizer,
        images,
        exemplar,
        1.0 if strength is None else strength,
        references if images or len(references) > 1 else (),
        corrections,
        apply_matches=edits.apply_matches,
        recipe=guidance,
    )
    return colorer, spans


@torch.inference_mode()
def color_shots(
    source: Source,
    colorer: FrameColorer,
    parts: PartsFolder,
    *,
    steady: float = 0.97,
    border: BorderSetting = "automatic",
    spans: Sequence[ShotSpan] | None = None,
    recolor: bool = False,
    tick: Callable[[int], None] = lambda _: None,
    origin: ImageProvenance | None = None,
    keep_shots: bool = False,
) -> tuple[list[Shot], int]:
    """Colorize the shots of a video and publish the result.

    Args:
        source: Video file or folder of frames.
        colorer: Colorizer of single frames.
        parts: Folder of shots, which determines the path of the result. Finished shots of earlier runs are
            reused, and the result is written atomically.
        steady: Strength of the temporal stabilization; see `SteadyColors`. 0 colorizes each frame
            independently.
        border: Part of the frames to colorize; ``"automatic"`` detects a border of uniform tone, such as a
            film rebate, in the first frame of each shot. In shots with the colors of a key image, which
            shows the whole frame, it selects the whole frame.
        spans: Shots of the video. If None, they are detected.
        recolor: Whether to colorize shots that are already in color, instead of keeping their colors.
        tick: Function called with the number of each processed or reused frame, for a progress bar.
        origin: Provenance to store in the result; None stores no provenance.
        keep_shots: Whether to keep the shots for a later run.

    Returns:
        The shots, and the number of frames reused from earlier runs.

    Raises:
        ColorzooError: The model fails, or the result cannot be written.
    """
    if spans is None:
        spans = read_shots(source.frames())
    shots: list[Shot] = []
    last: tuple[VideoFrame, Tensor] | None = None  # last frame and colors of the previous shot
    reused_count = 0
    with parts:
        starts = {span.frames.start: index for index, span in enumerate(spans)}
        for frames in group_shots(source.frames(), starts):
            first = next(frames)
            index = starts[first.number]
            span = spans[index]
            head = [first, *itertools.islice(frames, span.mixed + TESTED)]
            shot_frames = itertools.chain(head, frames)
            keys = recalled = colorer.keys_of(span, head[-1].lightness())
            before, previous = None, ""
            if shots and (span.mixed or span.is_doubtful):
                before, previous = last, shots[-1].name
                keys = sorted({*keys, *map(int, shots[-1].keys)})
            # the next shot continues the colors of this shot
            fades = index + 1 < len(spans) and (spans[index + 1].mixed > 0 or spans[index + 1].is_doubtful)
            name, shot = parts.find(span.frames, keys, previous)
            colors = parts.read_colors(name) if fades else None
            if shot is None or (fades and colors is None):
                start = time.monotonic()
                writer = source.part(parts.path / f"{name}{source.extension}")
                if not recolor and _is_in_color(head[span.mixed :] or head):
                    count = 0
                    for frame in shot_frames:
                        writer.copy(frame)
                        count += 1
                        tick(frame.number)
                    shot = Shot(first.number, count, (_KEPT_NOTE,))
                    rgb = torch.from_numpy(frame.rgb_image().rgb).permute(2, 0, 1)[None]
                    colors = F.interpolate(rgb_to_lab(rgb)[:, 1:], scale_factor=0.25, mode="area")
                else:
                    shot, frame, colors = _color_shot(
                        shot_frames,
                        writer.write,
                        colorer,
                        recalled,
                        span,
                        before,
                        steady=steady,
                        border=border,
                        tick=tick,
                    )
                writer.close()
                if fades:
                    parts.save_colors(name, colors)
                    colors = parts.read_colors(name)
                shot = replace(shot, seconds=round(time.monotonic() - start, 1))
                shot = parts.finish(name, shot, keys)
            else:
                for frame in shot_frames:  # frames must be read to reach the next shot
                    tick(frame.number)
                reused_count += shot.count
            last = None if colors is None else (frame, colors)
            shots.append(shot)
        publish_shots(source, parts, shots, origin, keep=keep_shots)
    return shots, reused_count


def _is_in_color(head: Sequence[VideoFrame]) -> bool:
    """Return whether the first or the last of the first frames of a shot is in color."""
    return any(chroma_note(frame.rgb_image()) == IN_COLOR for frame in (head[0], head[-1]))


def _color_shot(
    frames: Iterator[VideoFrame],
    write: Callable[[VideoFrame, Tensor, Rectangle | None], None],
    colorer: FrameColorer,
    keys: Sequence[int],
    span: ShotSpan,
    before: tuple[VideoFrame, Tensor] | None = None,
    *,
    steady: float,
    border: BorderSetting,
    tick: Callable[[int], None],
) -> tuple[Shot, VideoFrame, Tensor]:
    """Colorize and stabilize the frames of one shot, and pass each frame to ``write`` in order.

    Args:
        frames: Frames of the shot.
        write: Function whose arguments are the frame, its colors ``(2, h, w)`` and the colorized part; see
            `FilePart.write`.
        colorer: Colorizer of single frames.
        keys: Numbers of the key frames and corrections that influence the shot.
        span: Numbers of the frames.
        before: Last frame and ab ``(1, 2, h, w)`` of the previous shot. In a dissolve, the colors change
            from these colors to the first colors of this shot. If the shot is doubtful, they are recalled.
        steady: See `color_shots`.
        border: See `color_shots`.
        tick: See `color_shots`.

    Returns:
        The shot, and the last frame and its ab ``(1, 2, h, w)``.
    """
    dissolve = list(itertools.islice(frames, span.mixed if before is not None else 0))
    for each in dissolve:
        tick(each.number)
    first = next(frames, None) or dissolve.pop()  # damaged frames are missing
    # the part within the border, and the sizes, are equal for all frames of a shot
    gray = RasterImage(first.gray())
    inside = select_part(gray, "none" if border == "automatic" and colorer.has_images(keys) else border)
    colorer.start_shot(None if inside is None else (inside, gray.size), keys, span)

    def lightness_of(frame: VideoFrame) -> Tensor:
        whole = frame.lightness()
        return whole if inside is None else whole[..., *inside.slices]

    height, width = lightness_of(first).shape[-2:]
    small_size = working_size(height, width, colorer.size)
    # bilinear sampling is fast, and it has no aliasing below a factor of 2
    interpolation = cv2.INTER_LINEAR if width < 2 * small_size[1] else cv2.INTER_AREA
    window = max(6, min(_MOST_WAITING, _WAITING_BYTES // (3 * height * width)))  # number of buffered frames
    exposure = ExposureHold()
    colors = SteadyColors(min(steady, colorer.max_steady), window, every=colorer.every)
    waiting: deque[VideoFrame] = deque()

    def network_input(frame: VideoFrame, factor: float) -> Tensor:
        # the full lightness is computed again, because it would occupy too much memory while frames wait
        return exposed(shrink_lightness(lightness_of(frame), small_size), factor)

    def predict(frame: VideoFrame, factor: float) -> Tensor:
        return colorer.color(frame, network_input(frame, factor))

    def correct(frame: VideoFrame, factor: float) -> Tensor:
        return colorer.correct(frame, network_input(frame, factor))

    if span.is_doubtful and before is not None:
        colorer.carry(network_input(before[0], 1.0), before[1])
    count, last_ab = len(dissolve), Tensor()

    def write_next(ab: Tensor) -> None:
        nonlocal last_ab
        if dissolve and before is not None:
            earlier = F.interpolate(before[1], ab.shape[-2:], mode="bilinear")
            for position, each in enumerate(dissolve, 1):
                mixed = torch.lerp(earlier, ab, position / (len(dissolve) + 1))
                write(each, mixed[0], inside)
            dissolve.clear()
        write(waiting.popleft(), ab[0], inside)
        last_ab = ab

    frame = first
    for frame in itertools.chain([first], frames):
        # reduce the frame with a fast method, for exposure and motion estimation
        small = cv2.resize(lightness_of(frame)[0, 0].numpy(), small_size[::-1], interpolation=interpolation)
        lightness = torch.from_numpy(small.reshape(1, 1, *small_size))
        factor = exposure.factor(lightness)
        # buffer the frame, and write frames whose colors are complete
        waiting.append(frame)
        is_key = colorer.is_key(frame, lightness)
        ab_maps = colors.add(
            lightness,
            partial(predict, frame, factor),
            factor=factor,
            fixed=is_key,
            correct=partial(correct, frame, factor) if colorer.corrects() else None,
            corrected=colorer.is_corrected(frame),
        )
        for ab in ab_maps:
            write_next(ab)
        count += 1
        tick(frame.number)
    for ab in colors.flush():
        write_next(ab)
    return Shot(span.frames.start, count, tuple(colorer.notes)), frame, last_ab


def correction_of(
    gray: RasterImage,
    recipe: Recipe,
    colorizer: Colorizer,
    folder: Path | None = None,
    reference: Exemplar | None = None,
) -> RasterImage:
    """Colorize a gray frame with a recipe; the result is opaque only where the recipe changes the image.

    The whole frame is colorized: the border and the crop of the recipe are ignored.

    Args:
        gray: Gray frame.
        recipe: Recipe of the frame.
        colorizer: Colorizer with the loaded model.
        folder: Folder to which reference paths in the recipe are relative.
        reference: Reference of all frames, or None.

    Raises:
        ColorzooError: The recipe cannot be used, or it changes no color.
    """
    exemplar = colorizer.exemplar_of(None, recipe, folder) or reference
    # an exported frame, which is the reference of its recipe, is not a change of this recipe
    files = recipe_reference_files(recipe, folder)
    if len(files) == 1 and _shows(read_image(files[0][0]), gray):
        reference = exemplar
    automatic = colorizer.colorize(gray, reference=reference, border="none").levels()
    whole = replace(recipe, crop=None)
    levels = colorizer.colorize(gray, whole, reference=exemplar, border="none").levels()
    lab, automatic_lab = (
        rgb_to_lab(torch.from_numpy(each).permute(2, 0, 1)[None] / 255)[0] for each in (levels, automatic)
    )
    is_changed = (lab - automatic_lab).norm(dim=0) > _MIN_CHANGE
    if not is_changed.any():
        raise VideoError("the recipe changes no color")
    return RasterImage(levels, is_changed.byte().mul(255).numpy())


def _shows(image: RasterImage, gray: RasterImage) -> bool:
    """Return whether an image has the size and the lightness of a gray frame."""
    if image.size != gray.size:
        return False
    lightness, frame = (lightness_of_levels(each.levels) for each in (image, gray))
    return bool((lightness - frame).abs().mean() < _SAME_FRAME)


def open_film(source: Path) -> Source:
    """Open a video file or a folder of frames for reading."""
    if not source.exists():
        raise VideoError(f"{source}: no such file or folder")
    return FrameFolder(source) if source.is_dir() else VideoFile(source, "ffv1")


def list_shots(source: Path, recipe: Path | None = None) -> list[ShotSpan]:
    """Return the shots of a film, with the corrections of a film recipe."""
    edits = FilmRecipe() if recipe is None else FilmRecipe.from_json(recipe)
    return read_shots(open_film(source).frames(), edits.join, edits.split)


def write_frame(
    source: Path,
    out: Path,
    number: int,
    *,
    keys: Mapping[int, Path] | None = None,
    references: Sequence[Path] = (),
    recipe: Path | None = None,
    model: str | None = None,
    weights: str = "default",
    device: str = "auto",
    precision: Literal["auto", "float32", "bfloat16"] = "auto",
    size: int | None = None,
    strength: float | None = None,
    temperature: float | None = None,
    steady: float = 0.97,
    border: str = "automatic",
    apply_matches: bool = False,
    recolor: bool = False,
    hints: Mapping[str, Any] | None = None,
    overwrite: bool = False,
) -> tuple[Path, tuple[str, ...]]:
    """Write one frame in the colors of the film, and a recipe that starts from these colors.

    The recipe has the hints of the frame in the film recipe. It has the image as its reference; for a drawn
    film, it has a point in each region instead. See `colorize_video` for the arguments.

    Returns:
        Path of the recipe, and the notes of `colorize_video` about the film and the frame.

    Raises:
        ColorzooError: The frame does not exist, or a file cannot be read or written.
    """
    recipe_path = out.with_suffix(".recipe.json")
    edits = FilmRecipe.read(recipe, keys or {}, references, apply_matches=apply_matches)
    inputs = read_files(source, edits, recipe, weights)
    check_outputs([out, recipe_path], inputs, folders=[source], overwrite=overwrite)
    film = open_film(source)
    guidance = Recipe(more=hints or {})
    name = _choose_film_model(film, edits, guidance, model, weights)
    colorizer = Colorizer(
        name, weights=weights, device=device, precision=precision, size=size, temperature=temperature
    )
    # the hints of the frame
    edit = next((key.recipe_in(recipe_path.parent) for key in edits.keys if key.frame == number), Recipe())
    # color the frame, and add its colors to the hints
    levels: NDArray[Any]
    if isinstance(colorizer.model, DrawingModel):
        colored, notes = color_drawn_frame(film, edits, colorizer, number)
        levels = with_strength(colored, strength).levels()
        edit = replace(edit, model=name, points=(*region_points(colored), *edit.points))
    else:
        colorer, spans = load_colorer(film, edits, colorizer, strength, guidance)
        levels = color_frame(
            film,
            colorer,
            number,
            steady=steady,
            border=parse_border(border, "--border"),
            spans=spans,
            recolor=recolor,
        )
        notes = tuple(colorer.notes)
        if not edit.exemplar.files:
            edit = replace(edit, exemplar=replace(edit.exemplar, path=out.name))
    write_image(out, levels, RasterImage(levels), overwrite=overwrite)
    height, width = levels.shape[:2]
    replace(edit, width=width, height=height, border="none").to_json(recipe_path)
    return recipe_path, (*film.issues.lines(), *notes)


@torch.inference_mode()
def color_frame(
    film: Source,
    colorer: FrameColorer,
    number: int,
    *,
    steady: float = 0.97,
    border: BorderSetting = "automatic",
    spans: Sequence[ShotSpan] | None = None,
    recolor: bool = False,
) -> NDArray[np.uint8]:
    """Return a frame in the colors of the film, 8-bit RGB ``(H, W, 3)``; see `color_shots` for the arguments.

    Afterwards, ``colorer.notes`` contains the notes about the shot.

    Raises:
        VideoError: The film has no frame with this number.
    """
    if spans is None:
        spans = read_shots(film.frames())
    index = next((index for index, span in enumerate(spans) if number in span.frames), None)
    if index is None:
        raise VideoError(f"{film.path} has no frame {number}; frames are counted from 0")
    # the colors depend on earlier shots if this shot continues their colors, on earlier frames of the shot,
    # on later frames of the same window, and with key frames on one frame of each of the last shots
    first = index
    while first and (spans[first].is_doubtful or spans[first].mixed):
        first -= 1
    end = min(spans[index].frames.stop, number + _MOST_WAITING + spans[index].mixed)
    before_end = itertools.takewhile(lambda frame: frame.number < end, film.frames())
    tested = {span.tested: span for span in spans[max(0, first - WEAK_SHOTS) : first]}

    def is_before(frame: VideoFrame) -> bool:
        if frame.number in tested:
            colorer.keys_of(tested[frame.number], frame.lightness())
        return frame.number < spans[first].frames.start

    needed = itertools.dropwhile(is_before, before_end)
    starts = {span.frames.start: span for span in spans[first : index + 1]}
    found: list[NDArray[np.uint8]] = []

    def keep(frame: VideoFrame, ab: Tensor, inside: Rectangle | None) -> None:
        if frame.number == number:
            found.append((compose_frame(frame, ab, inside) * 255).round().astype(np.uint8))

    last: tuple[VideoFrame, Tensor] | None = None
    for frames in group_shots(needed, starts):
        frame = next(frames)
        span = starts[frame.number]
        head = [frame, *itertools.islice(frames, span.mixed + TESTED)]
        keys = colorer.keys_of(span, head[-1].lightness())
        shot = itertools.chain(head, frames)
        if not recolor and _is_in_color(head[span.mixed :] or head):
            colorer.notes = {_KEPT_NOTE: None}
            for frame in shot:
                if frame.number == number:
                    return (frame.rgb_image().rgb * 255).round().astype(np.uint8)
            last = None
            continue
        _, frame, ab = _color_shot(
            shot, keep, colorer, keys, span, last, steady=steady, border=border, tick=lambda _: None
        )
        last = frame, ab.half().float()
    if not found:
        raise VideoError(f"frame {number} of {film.path} is damaged")
    return found[0]


def gray_image(frame: VideoFrame) -> RasterImage:
    """Return a frame as an upright gray 8-bit image at full size."""
    lightness = frame.lightness()
    lab = torch.cat([lightness, lightness.new_zeros(1, 2, *lightness.shape[-2:])], dim=1)
    gray = lab_to_rgb(lab)[0, 0].clamp(0, 1)
    return RasterImage((gray * 255).round().numpy().astype(np.uint8))


def read_files(source: Path, edits: FilmRecipe, recipe: Path | None, weights: str) -> list[Path]:
    """Return all files that the colorization of a film reads.

    Args:
        source: Video file or folder of frames.
        edits: Edits of the command line and of the film recipe, which name further files.
        recipe: Film recipe, or None.
        weights: ``default``, ``published``, or the path of a weight file.

    Raises:
        VideoError: The film is missing.
    """
    if not source.exists():
        raise VideoError(f"{source}: no such file or folder")
    frames = visible_entries(source) if source.is_dir() else []
    return [source, *frames, *edits.files, *([] if recipe is None else [recipe]), Path(weights)]


def written_files(source: Path, out: Path, match_sheet: Path | None) -> list[Path]:
    """Return all files that the colorization of a film can write or delete.

    Args:
        source: Video file or folder of frames.
        out: Video file; or a folder, which gets one file for each frame.
        match_sheet: Image of `draw_matches`, or None.
    """
    results = [out]
    if source.is_dir():
        frames = [file for file in visible_entries(source) if file.suffix.lower() in READABLE]
        results = [out / result_name(frame) for frame in frames]
    shots = [path for path in parts_path(out).rglob("*") if path.is_file()]
    return [*results, sidecar_path(out), *shots, *([] if match_sheet is None else [match_sheet])]
