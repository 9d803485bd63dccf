"""Python calls: color a picture, a file, or many files."""

from __future__ import annotations

import json
import os
import socket
import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

from PIL import Image

from colorzoo.batch.file import FileOptions, color_file, open_file
from colorzoo.batch.find import FoundPicture
from colorzoo.batch.options import ColorOptions, ReadyModel, options_of, ready_model
from colorzoo.batch.origin import origin_of_result
from colorzoo.batch.outputs import output_path
from colorzoo.batch.record import DoneIndex
from colorzoo.batch.runner import BatchResult, PictureJob, color_pictures
from colorzoo.guidance import Recipe
from colorzoo.guidance.frame import FrameSetting
from colorzoo.inference.colorizer import Colorizer, ImageLike, ReferenceLike
from colorzoo.inference.guidance_maps import GuidanceLike, ReadGuidance, choose_for_guidance, read_guidance
from colorzoo.inference.references import recipe_reference_files
from colorzoo.pictures.write import write_notes
from colorzoo.settings import plain_arguments
from colorzoo.weights.files import digest_of

FileStatus = Literal["colored", "done", "failed"]
Stamp = tuple[int, int] | None
"""Time of the last change of a weight file, and its size."""


@dataclass(frozen=True)
class FileResult:
    """Result of one file of `colorize_files`.

    Examples:
        >>> FileResult("photo.png", "colored/photo.png", "failed", "photo.png: no picture").status
        'failed'

    Attributes:
        source: The picture.
        output: File of its result, or that it would have.
        status: ``"colored"`` now; ``"done"`` before, from the same bytes with the same settings; or
            ``"failed"``.
        error: Reason of a failure, as one line that names the picture; else empty.
    """

    source: str
    output: str
    status: FileStatus
    error: str = ""


def colorize(
    image: ImageLike,
    model: str | None = None,
    guidance: GuidanceLike = None,
    *,
    weights: str | Path | None = "default",
    device: str = "auto",
    strength: float | None = None,
    reference: ReferenceLike | None = None,
    frame: FrameSetting | None = None,
    fast: bool = False,
    **settings: Any,
) -> Image.Image:
    """Color one picture.

    Examples:
        >>> picture = colorize("photo.png", guidance={"points": [{"x": 20, "y": 10, "color": "#c04020"}]})
        >>> picture.size, picture.mode
        ((48, 32), 'RGB')

    Args:
        image: Path, Pillow image, array ``(H, W[, C])`` or tensor ``(C, H, W)`` of uint8, uint16 or float in
            [0, 1].
        model: Registered name; None takes the recipe's, or the best one for this guidance whose weights are
            on this machine.
        guidance: `Guidance`, `Recipe`, parsed JSON, JSON text, or the path of a recipe.
        weights: See `create_model`.
        device: ``"auto"``, ``"cpu"``, ``"cuda"`` ...
        strength: Factor on the chroma, 0 .. 1.5; None takes the recipe's, or 1.
        reference: Picture whose colors to use, for models that take an exemplar, or a look of it.
        frame: Part of the picture to color: ``"automatic"``, the inside of the frame of a scan if one is
            found; ``"none"``, all of it; or a `Rectangle` in pixels. None takes the recipe's, or automatic.
        fast: Choose the default only among models whose weights ship with the package.
        **settings: Settings of the model, such as ``temperature`` or ``render_factor``; see `Colorizer`.

    Returns:
        A Pillow image of the same size; alpha is kept.

    Raises:
        ColorzooError: The picture, the guidance or the weights cannot be used; the message says why.
    """
    given = read_guidance(guidance)
    colorizer = _colorizer_for(model, given, reference, fast, weights, device, **settings)
    return colorizer(image, given, strength=strength, reference=reference, frame=frame)


def colorize_file(
    source: str | Path,
    target: str | Path,
    model: str | None = None,
    guidance: GuidanceLike = None,
    *,
    weights: str | Path | None = "default",
    device: str = "auto",
    strength: float | None = None,
    reference: ReferenceLike | None = None,
    fast: bool = False,
    frames: Literal["all", "first"] = "all",
    overwrite: bool = False,
    **settings: Any,
) -> Path:
    """Color a file into another one, with its bit depth, metadata, and all frames or pages.

    Examples:
        >>> colorize_file("photo.png", "photo.color.png", "zhang2017_local_small").name
        'photo.color.png'

    The result records how it was made, as with the command line, if a recipe and files can tell it: not with
    guidance or references as tensors, nor with settings that no option of the command line has.

    Notes for the user are given as Python warnings. Other arguments and errors are those of `colorize`.

    Args:
        source: The picture, animation or file of pages.
        target: The file to write; its extension decides the format.
        model: See `colorize`.
        guidance: See `colorize`; the same for all frames.
        weights: See `colorize`.
        device: See `colorize`.
        strength: See `colorize`.
        reference: See `colorize`.
        fast: See `colorize`.
        frames: ``"all"``, or the ``"first"`` alone.
        overwrite: Replace an existing target, though never the source.
        **settings: See `colorize`.

    Returns:
        The target.
    """
    source, target, given = Path(source), Path(target), read_guidance(guidance)
    colorizer = _colorizer_for(model, given, reference, fast, weights, device, **settings)
    ready = ReadyModel(colorizer, given.guidance, strength, colorizer.exemplar_of(reference, given))
    options = FileOptions(frames=frames, overwrite=overwrite)
    opened = open_file(source, target, options)
    lost = write_notes(target, opened.first.picture)
    color_options = _color_options(colorizer, given, reference, strength, options)
    origin = None
    if color_options is not None:
        origin = origin_of_result(color_options.origin_by(colorizer), digest_of(source))
    colored = color_file(opened, ready, target, origin, options)()
    for note in (*lost, *colored.notes):
        warnings.warn(note, UserWarning, stacklevel=2)
    return target


def colorize_files(
    paths: Iterable[str | Path],
    root: str | Path,
    output: str | Path,
    model: str,
    *,
    weights: str | Path | None = "default",
    device: str = "auto",
    **settings: Any,
) -> list[FileResult]:
    """Color some files of a folder into another folder, as ``colorzoo predict`` does with all of them.

    Examples:
        >>> results = list(colorize_files(["photo.png"], ".", "colored", "zhang2017_local_small"))
        >>> results[0].status
        'colored'

    It is one step of a large job whose files another engine distributes (Ray Data, Spark ...). Any number of
    processes may call it at the same time with any lists. Files that are done, from the same bytes with the
    same settings, are skipped whichever process colored them, so an interrupted job is simply started again.
    The model is loaded once a process.

    Args:
        paths: The pictures; of several pages or frames all are colored.
        root: A folder above all of them.
        output: Folder of the results, each below it as its picture is below ``root``; all processes must see
            it.
        model: Registered name. There is no default, as it could differ between machines.
        weights: See `create_model`.
        device: See `colorize`.
        **settings: See `colorize`.

    Returns:
        The result of each picture, in the order of the paths. Pictures that cannot be read, colored or
        written are results too.

    Raises:
        ColorzooError: The model or its weights cannot be had.
    """
    process = f"{socket.gethostname()}-{os.getpid()}"
    stamp, key = _stamp(weights), _key_of(settings)
    ready, index = resumable_files(Path(output), process, model, weights, device, stamp, key)
    above, folder = Path(root).absolute(), Path(output)
    results: list[FileResult | None] = []
    jobs = []
    for path in map(Path, paths):
        if path.absolute().is_relative_to(above):
            found = FoundPicture(path, path.absolute().relative_to(above))
            jobs.append(PictureJob(str(path), path, output_path(found, folder), lambda: ready))
            results.append(None)
        else:
            reason = f"{path} is not below {root}, the root that was named"
            results.append(FileResult(str(path), "", "failed", reason))
    work = color_pictures(jobs, FileOptions(frames="required", overwrite=True), index=index)
    return [result or _file_result(next(work)) for result in results]


def _file_result(result: BatchResult) -> FileResult:
    if result.failed:
        return FileResult(result.source, result.output, "failed", "; ".join(result.notes))
    return FileResult(result.source, result.output, "done" if result.status == "skipped" else "colored")


@lru_cache(maxsize=2)
def resumable_files(
    output: Path,
    process: str,
    model: str,
    weights: str | Path | None,
    device: str,
    stamp: Stamp,
    settings: str,
) -> tuple[ReadyModel, DoneIndex]:
    """Return a model and the index of what it has done in a folder; those of the last calls are kept."""
    del stamp  # part of the key only
    ready = ready_model(Colorizer(model, weights=weights, device=device, **json.loads(settings)))
    return ready, DoneIndex(output, process)


def _colorizer_for(
    model: str | None,
    given: ReadGuidance,
    reference: ReferenceLike | None,
    fast: bool,
    weights: str | Path | None,
    device: str,
    **settings: Any,
) -> Colorizer:
    recipe, folder = given.guidance, given.folder
    references: list[object] = [] if reference is None else [reference]
    if not references and folder is not None and isinstance(recipe, Recipe):
        references = [path for path, _ in recipe_reference_files(recipe, folder)]
    choice = choose_for_guidance(model, recipe, weights, references=references, fast=fast)
    return kept_colorizer(choice.name, weights, device, _stamp(weights), _key_of(settings))


def _color_options(
    colorizer: Colorizer,
    given: ReadGuidance,
    reference: ReferenceLike | None,
    strength: float | None,
    options: FileOptions,
) -> ColorOptions | None:
    """Return the options of a command line that colors so; None if recipe, files and options cannot."""
    recipe = given.guidance
    if not isinstance(recipe, Recipe) or not isinstance(reference, str | Path | None):
        return None
    return options_of(
        colorizer,
        recipe,
        folder=given.folder,
        reference=() if reference is None else (str(reference),),
        strength=strength,
        quality=options.quality,
        frames="first" if options.frames == "first" else "all",
    )


@lru_cache(maxsize=2)
def kept_colorizer(
    model: str, weights: str | Path | None, device: str, stamp: Stamp, settings: str
) -> Colorizer:
    """Return a colorizer with settings in JSON; those of the last calls are kept."""
    del stamp  # part of the key only: a file that was trained further is loaded again
    return Colorizer(model, weights=weights, device=device, **json.loads(settings))


def _key_of(settings: dict[str, Any]) -> str:
    """Return settings as JSON, as a group or a list of numbers cannot be a key itself."""
    return json.dumps(plain_arguments(settings), sort_keys=True, default=str)


def _stamp(weights: str | Path | None) -> Stamp:
    path = Path(weights or "").expanduser()
    if not path.is_file():
        return None
    status = path.stat()
    return status.st_mtime_ns, status.st_size
