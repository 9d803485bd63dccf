"""Colorization of a video: open the film, colorize it shot by shot, and publish the result.

Finished shots are stored, so an interrupted run can resume.
"""

from __future__ import annotations

import itertools
import os
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from colorzoo.apps.video.colorer import FrameColorer
from colorzoo.apps.video.encoding import Encoding, choose_encoding
from colorzoo.apps.video.exposure import ExposureHold, exposed
from colorzoo.apps.video.file import FilePart, VideoFile
from colorzoo.apps.video.folder import FolderPart, FrameFolder
from colorzoo.apps.video.frames import VideoError, VideoFrame, group_shots
from colorzoo.apps.video.parts import PartsFolder, Shot
from colorzoo.apps.video.steady import SteadyColors
from colorzoo.batch import UsedFile, model_provenance, with_source
from colorzoo.color import lab_to_rgb
from colorzoo.console import progress_bar, record_interrupts
from colorzoo.files import sha256_of
from colorzoo.guidance import BorderSetting, Recipe, parse_border
from colorzoo.image_io import ImageProvenance, RasterImage, read_image, read_provenance, write_image
from colorzoo.inference import (
    Colorizer,
    choose_model,
    requested_model,
    select_part,
    shrink_lightness,
    working_size,
)
from colorzoo.registry import DEFAULT_MODELS, model_card

Source = VideoFile | FrameFolder
_METHOD = 7  # version of colorization, stabilization and encoding; a change invalidates stored shots
_WAITING_BYTES = 2**28  # memory in bytes for frames buffered until the colors of later frames are available
_MOST_WAITING = 72
_MIN_CHANGE = 3.0  # smallest color change in CIE units by which a recipe sets the color of a pixel


def colorize_video(
    source: Path,
    out: Path,
    *,
    keys: Mapping[int, Path] | None = None,
    reference: Path | None = None,
    model: str | None = None,
    weights: str = "default",
    device: str = "auto",
    precision: Literal["auto", "float32", "bfloat16"] = "auto",
    size: int | None = None,
    strength: float | None = None,
    temperature: float | None = None,
    steady: float = 0.97,
    border: str = "automatic",
    codec: str | None = None,
    crf: int | None = None,
    sound: bool = True,
    embed_provenance: bool = True,
    overwrite: bool = False,
    dry_run: bool = False,
) -> dict[str, Any]:
    """Colorize a video file or a folder of frames with temporally stable colors.

    A result of an earlier run with the same source and settings is kept. The finished shots of an interrupted
    run are reused.

    Args:
        source: Video file or folder of frames.
        out: Result: a video file, or a folder if ``source`` is a folder.
        keys: Color image or recipe of each key frame, by frame number.
        reference: Color image whose colors are transferred.
        model: Name of a registered model; None selects the default model.
        weights: ``default``, ``published``, or the path of a weight file.
        device: ``auto``, ``cpu``, ``cuda`` or ``mps``.
        precision: Numeric precision of the network.
        size: Shorter side of the network input in pixels; None selects the default of the model.
        strength: Multiplier for the chroma; None selects 1.
        temperature: Softmax temperature; None selects the default of the model.
        steady: Strength of the temporal stabilization; see `SteadyColors`.
        border: Part of the frames to colorize, in the format of ``--border``. With key frames, which are
            images of whole frames, ``automatic`` selects the whole frames.
        codec: Codec of a video file; see `choose_encoding`.
        crf: Constant rate factor of a video file.
        sound: Whether the result contains the sound of the source.
        embed_provenance: Whether to write a provenance record.
        overwrite: Whether to replace an existing result and stored shots with other settings.
        dry_run: Whether to check the input and return the plan without writing a file.

    Returns:
        Summary of the run, which `json.dumps` can encode. Its ``status`` is ``planned``, ``skipped`` or
        ``colored``.

    Raises:
        ColorzooError: The video or an image cannot be read, an option is invalid, the frames are line art,
            another process writes the result, or the result exists and differs.
    """
    keys = dict(sorted((keys or {}).items()))
    # open the film
    _check_paths(source, out)
    film: Source
    if not source.is_dir():
        film = VideoFile(source, choose_encoding(out, codec, crf, sound=sound))
    elif out.suffix or out.is_file():
        raise VideoError(f"OUT must be a folder because IN is a folder of frames, got {out}")
    elif codec or crf is not None or not sound:
        raise VideoError("--codec, --crf and --no-sound require a video file as IN, got a folder of frames")
    else:
        film = FrameFolder(source)
    # choose the model, and identify the result by the source, the model and the settings
    references = [*keys.values(), *([reference] if reference else [])]
    name = choose_model(name=model, weights=weights, references=references)
    try:
        key_hashes = {number: sha256_of(path) for number, path in keys.items()}
        reference_hash = sha256_of(reference) if reference else ""
    except OSError as error:
        raise VideoError(f"{error.filename}: {error.strerror}") from error
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
    used_files = [UsedFile("reference", reference.name, reference_hash)] if reference else []
    keyed = {"memory": key_hashes} if key_hashes else {}  # results without keys keep their identity
    decisive = [_METHOD, settings, keyed, reference_hash, out.suffix.lower()]
    origin = model_provenance(name, decisive, options=settings, weights=weights, files=used_files)
    origin = with_source(origin, film.digest())
    summary: dict[str, Any] = {
        "status": "planned",
        "model": name,
        "description": film.describe(),
        "notes": [],
    }
    # keep a result with the same source and settings
    if not overwrite and os.path.lexists(out):
        stored = read_provenance(out)
        if stored is None or (stored.source, stored.settings) != (origin.source, origin.settings):
            raise VideoError(
                f"{out} already exists and has a different source or settings. Set --overwrite to replace "
                "OUT."
            )
        notes = ["already exists with the same source and settings"]
        return summary | {"status": "skipped", "notes": notes}
    # reject line art, except for a model that the user chose
    if all(choose_model(image=image) == DEFAULT_MODELS["sketch"] for image in film.sample()):
        problem = f"the frames of {source} are line art, which models for photographs leave gray"
        if requested_model(model, Recipe(), weights) is None and weights == "default":
            frames = source if source.is_dir() else "FOLDER_OF_FRAMES"
            raise VideoError(
                f"{problem}. To color the frames one by one, run `colorzoo colorize {frames} -o OUT "
                "--palette COLORS`, or with --reference IMG. To use a model for photographs, set --model."
            )
        film.issues.notes.append(problem)
    parts = PartsFolder(out, f"{origin.source} {origin.settings}", overwrite=overwrite)
    if dry_run:
        plan = parts.plan()
        return summary | {"notes": [*film.issues.notes, *([plan] if plan else [])]}
    # load the model, the key frames and the reference
    start = time.monotonic()
    if (keys or reference) and "exemplar" not in model_card(name).guidance:
        raise VideoError(
            f"--key and --reference require a model that supports references, got {name}. Run "
            "`colorzoo models --guidance exemplar` to list these models."
        )
    colorizer = Colorizer(
        name, weights=weights, device=device, precision=precision, size=size, temperature=temperature
    )
    colorer = FrameColorer(
        colorizer,
        {number: _read_key(path, number, source, colorizer) for number, path in keys.items()},
        colorizer.exemplar_of(reference, Recipe(), None),
        1.0 if strength is None else strength,
    )
    colored_part = parse_border(border, "--border")
    if keys and colored_part == "automatic":
        colored_part = "none"  # key frames are images of whole frames
    # colorize and publish
    missing_keys = dict.fromkeys(keys)
    interrupts = record_interrupts()
    with progress_bar("colorizing frames", summary["description"]["frames"], log_every=10.0) as advance:

        def tick(number: int) -> None:
            advance()
            missing_keys.pop(number, None)
            if interrupts:
                raise KeyboardInterrupt

        shots, resumed_count = color_shots(
            film,
            colorer,
            parts,
            steady=steady,
            size=colorizer.size,
            border=colored_part,
            tick=tick,
            origin=origin if embed_provenance else None,
        )
    return summary | {
        "status": "colored",
        "frames": sum(shot.count for shot in shots),
        "shots": [shot.first for shot in shots],
        "broken": film.issues.broken,
        "notes": [
            *film.issues.lines(),
            *dict.fromkeys(note for shot in shots for note in shot.notes),
            *(f"--key {number}: the video has no frame {number}" for number in missing_keys),
        ],
        "incomplete": bool(film.issues.incomplete),
        "resumed": resumed_count,
        "seconds": round(time.monotonic() - start, 1),
    }


@torch.inference_mode()
def color_shots(
    source: Source,
    colorer: FrameColorer,
    parts: PartsFolder,
    *,
    steady: float = 0.97,
    size: int,
    border: BorderSetting = "automatic",
    tick: Callable[[int], None] = lambda _: None,
    origin: ImageProvenance | None = None,
) -> tuple[list[Shot], int]:
    """Colorize the shots of a video and publish the result.

    Args:
        source: Video file or folder of frames.
        colorer: Colorizer of single frames.
        parts: Folder of shots, which determines the path of the result. Finished shots of earlier runs are
            reused, and the result is written atomically.
        steady: Strength of the temporal stabilization; see `SteadyColors`. 0 colorizes each frame
            independently.
        size: Shorter side of the network input in pixels.
        border: Part of the frames to colorize; ``"automatic"`` detects a border of uniform tone, such as a
            film rebate, in the first frame of each shot.
        tick: Function called with the number of each processed or reused frame, for a progress bar.
        origin: Provenance to store in the result; None stores no provenance.

    Returns:
        The shots, and the number of frames reused from earlier runs.

    Raises:
        ColorzooError: The model fails, or the result cannot be written.
    """
    shots: list[Shot] = []
    reused_count = 0
    with parts:
        for frames in group_shots(source.frames()):
            first = next(frames)
            shot_frames = itertools.chain([first], frames)
            shot = parts.finished(first.number)
            if shot is None:
                writer = source.part(parts.part(first.number, source.extension))
                shot = _color_shot(
                    shot_frames, writer, colorer, steady=steady, size=size, border=border, tick=tick
                )
                parts.finish(shot)
            else:
                for frame in shot_frames:  # frames must be read to reach the next shot
                    tick(frame.number)
                reused_count += shot.count
            shots.append(shot)
        result = parts.path / f"whole{parts.out.suffix}"
        source.join([parts.part(shot.first, source.extension) for shot in shots], result, origin)
        source.issues.notes += parts.publish(result, origin)
    return shots, reused_count


def _color_shot(
    frames: Iterator[VideoFrame],
    writer: FilePart | FolderPart,
    colorer: FrameColorer,
    *,
    steady: float,
    size: int,
    border: BorderSetting,
    tick: Callable[[int], None],
) -> Shot:
    """Colorize, stabilize and write the frames of one shot; see `color_shots` for the arguments."""
    first = next(frames)
    # the part within the border, and the sizes, are equal for all frames of a shot
    gray = RasterImage(first.image.gray())
    inside = select_part(gray, border)
    colorer.start_shot(None if inside is None else (inside, gray.size))

    def lightness_of(frame: VideoFrame) -> Tensor:
        whole: Tensor = frame.image.lightness()
        return whole if inside is None else whole[..., *inside.slices]

    height, width = lightness_of(first).shape[-2:]
    small_size = working_size(height, width, size)
    # bilinear sampling is fast, and it has no aliasing below a factor of 2
    interpolation = cv2.INTER_LINEAR if width < 2 * small_size[1] else cv2.INTER_AREA
    window = max(6, min(_MOST_WAITING, _WAITING_BYTES // (3 * height * width)))  # number of buffered frames
    exposure = ExposureHold()
    colors = SteadyColors(min(steady, colorer.max_steady), window, every=colorer.every)
    waiting: deque[VideoFrame] = deque()

    def predict(frame: VideoFrame, factor: float) -> Tensor:
        # the full lightness is computed again, because it would occupy too much memory while frames wait
        small = shrink_lightness(lightness_of(frame), small_size)
        return colorer.color(frame, exposed(small, factor))

    def write(ab_maps: list[Tensor]) -> None:
        for ab in ab_maps:
            writer.write(waiting.popleft(), ab[0], inside)

    count = 0
    for frame in itertools.chain([first], frames):
        # reduce the frame with a fast method, for exposure and motion estimation
        small = cv2.resize(lightness_of(frame)[0, 0].numpy(), small_size[::-1], interpolation=interpolation)
        lightness = torch.from_numpy(small.reshape(1, 1, *small_size))
        factor = exposure.factor(lightness)
        # buffer the frame, and write frames whose colors are complete
        waiting.append(frame)
        is_key = colorer.is_key(frame, lightness)
        write(colors.add(exposed(lightness, factor), partial(predict, frame, factor), fixed=is_key))
        count += 1
        tick(frame.number)
    write(colors.flush())
    writer.close()
    return Shot(first.number, count, tuple(colorer.notes))


def _read_key(path: Path, number: int, source: Path, colorizer: Colorizer) -> RasterImage:
    """Read a key image, or colorize a frame with a recipe.

    A key image from a recipe is opaque only where the recipe changes the automatic colors.

    Raises:
        ColorzooError: The file cannot be read, the frame does not exist, or the recipe changes no color.
    """
    if path.suffix.lower() != ".json":
        return read_image(path)
    film = FrameFolder(source) if source.is_dir() else VideoFile(source, Encoding("ffv1"))
    frame = gray_frame(film, number)
    automatic = colorizer.colorize(frame, border="none").ab
    colored = colorizer.colorize(frame, path, border="none")
    changed = (colored.ab - automatic).norm(dim=0)[None, None]
    changed = F.interpolate(changed, frame.levels.shape, mode="bilinear")[0, 0] > _MIN_CHANGE
    if not changed.any():
        raise VideoError(f"the recipe {path} for frame {number} changes no color")
    return RasterImage(colored.levels(), changed.byte().mul(255).numpy())


def write_frame(source: Path, out: Path, number: int, *, overwrite: bool = False) -> None:
    """Write one video frame as a gray image, which the user can colorize and pass as a key frame.

    Raises:
        ColorzooError: The frame does not exist, or the image cannot be written.
    """
    _check_paths(source, out)
    film = FrameFolder(source) if source.is_dir() else VideoFile(source, Encoding("ffv1"))
    if os.path.lexists(out) and not overwrite:
        raise VideoError(f"{out} already exists. Set --overwrite to replace this file.")
    image = gray_frame(film, number)
    write_image(out, np.repeat(image.levels[..., None], 3, axis=2), image, overwrite=overwrite)


def gray_frame(source: Source, number: int) -> RasterImage:
    """Return a frame as an upright gray 8-bit image at full size.

    Raises:
        VideoError: The source has no frame with this number.
    """
    frame = next((frame for frame in source.frames() if frame.number == number), None)
    if frame is None:
        raise VideoError(f"{source.path} has no frame {number}; frames are counted from 0")
    lightness = frame.image.lightness()
    lab = torch.cat([lightness, lightness.new_zeros(1, 2, *lightness.shape[-2:])], dim=1)
    gray = lab_to_rgb(lab)[0, 0].clamp(0, 1)
    return RasterImage((gray * 255).round().numpy().astype(np.uint8))


def _check_paths(source: Path, out: Path) -> None:
    """Raise an error if the source is missing or is also the output."""
    if not source.exists():
        raise VideoError(f"{source}: no such file or folder")
    if os.path.realpath(source) == os.path.realpath(out):
        raise VideoError(f"{out} is also the source. Choose another OUT.")
