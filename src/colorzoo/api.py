"""Python calls: color an image, a file, or many files."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

from PIL import Image

from colorzoo.batch.file import FileOptions, color_file, open_file
from colorzoo.batch.origin import origin_of_result
from colorzoo.batch.outputs import output_path
from colorzoo.batch.request import Request, prepared_alone, request_of
from colorzoo.batch.runner import BatchResult, ImageJob, color_images
from colorzoo.batch.settings import ColorSettings
from colorzoo.guidance import Guidance, Recipe
from colorzoo.guidance.border import BorderSetting
from colorzoo.image_io.find import FoundImage, explain_irregular_file
from colorzoo.image_io.write import write_notes
from colorzoo.inference.colorizer import Colorizer, ImageLike, ReferenceLike
from colorzoo.inference.models import choose_for_guidance
from colorzoo.inference.references import recipe_reference_files
from colorzoo.inference.task import GuidanceLike, read_guidance, recipe_folder
from colorzoo.lru_cache import LRUCache, key_of
from colorzoo.settings import settings_of
from colorzoo.weights.choice import ModelChoice
from colorzoo.weights.files import digest_of

FileStatus = Literal["colored", "done", "failed"]
Stamp = tuple[int, int] | None
"""Time of the last change of a weight file, and its size."""

_MODELS = LRUCache(most_bytes=2 << 30)  # for the next calls


@dataclass(frozen=True)
class FileResult:
    """Result of one file of `colorize_files`.

    Examples:
        >>> FileResult("photo.png", "colored/photo.png", "failed", "photo.png: no image").status
        'failed'

    Attributes:
        source: The image.
        output: File of its result, or that it would have.
        status: ``"colored"`` now; ``"done"`` before, from the same bytes with the same settings; or
            ``"failed"``.
        error: Reason of a failure, as one line that names the image; else empty.
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
    border: BorderSetting | None = None,
    fast: bool = False,
    settings: ColorSettings | None = None,
    **hparams: Any,
) -> Image.Image:
    """Color one image.

    Examples:
        >>> image = colorize("photo.png", guidance={"points": [{"x": 20, "y": 10, "color": "#c04020"}]})
        >>> image.size, image.mode
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
        reference: Image whose colors to use, for models that take an exemplar, or a look of it.
        border: Part of the image to color: ``"automatic"``, the inside of the border of a scan if one is
            found; ``"none"``, all of it; or a `Rectangle` in pixels. None takes the recipe's, or automatic.
        fast: Choose the default only among models whose weights ship with the package.
        settings: The settings of the command line; ``device`` and ``strength`` above come first.
        **hparams: Settings of the model, such as ``temperature`` or ``render_factor``; see `Colorizer`.

    Returns:
        A Pillow image of the same size, or of the recipe's crop; alpha is kept.

    Raises:
        ColorzooError: The image, the guidance or the weights cannot be used; the message says why.
    """
    given, folder = read_guidance(guidance), recipe_folder(guidance)
    settings, strength = _checked(settings, strength)
    colorizer = _colorizer_for(model, given, folder, reference, fast, weights, device, settings, **hparams)
    exemplar = colorizer.exemplar_of(reference, given, folder)
    return colorizer(image, given, strength=strength, reference=exemplar, border=border)


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
    frames: Literal["all", "first"] | None = None,
    overwrite: bool = False,
    settings: ColorSettings | None = None,
    **hparams: Any,
) -> Path:
    """Color a file into another one, with its bit depth, metadata, and all frames or pages.

    Examples:
        >>> colorize_file("photo.png", "photo.color.png", "zhang2017_local_small").name
        'photo.color.png'

    The result records how it was made, as with the command line, if a recipe and files can tell it: not with
    guidance or references as tensors, nor with settings that no option of the command line has.

    Notes for the user are given as Python warnings. Other arguments and errors are those of `colorize`.

    Args:
        source: The image, animation or file of pages.
        target: The file to write; its extension decides the format.
        model: See `colorize`.
        guidance: See `colorize`; the same for all frames.
        weights: See `colorize`.
        device: See `colorize`.
        strength: See `colorize`.
        reference: See `colorize`.
        fast: See `colorize`.
        frames: ``"all"``, or the ``"first"`` alone; None takes that of the settings.
        overwrite: Replace an existing target, though never the source.
        settings: See `colorize`.
        **hparams: See `colorize`.

    Returns:
        The target.
    """
    source, target = Path(source), Path(target)
    given, folder = read_guidance(guidance), recipe_folder(guidance)
    settings, strength = _checked(settings, strength)
    colorizer = _colorizer_for(model, given, folder, reference, fast, weights, device, settings, **hparams)
    exemplar = colorizer.exemplar_of(reference, given, folder)
    job = partial(colorizer.prepare, guidance=given, strength=strength, reference=exemplar)
    options = FileOptions(frames=frames or settings.frames, quality=settings.quality, overwrite=overwrite)
    opened = open_file(source, target, options)
    lost = write_notes(target, opened.first.image)
    request = _request(colorizer, given, folder, reference, strength, options)
    origin = None
    if request is not None:
        origin = origin_of_result(request.origin_by(colorizer), digest_of(source), source.name)
    colored = color_file(opened, job, target, origin, options)()
    for note in (*lost, *colored.notes):
        warnings.warn(note, UserWarning, stacklevel=2)
    return target


def colorize_files(
    paths: Iterable[str | Path],
    root: str | Path,
    output: str | Path,
    model: str | None = None,
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
        paths: The images; of several pages or frames all are colored.
        root: A folder above all of them.
        output: Folder of the results, each below it as its image is below ``root``; all processes must see
            it.
        model: Registered name; None takes the best one on this machine. Name one if several machines work on
            a job, as their defaults may differ.
        weights: See `create_model`.
        device: See `colorize`.
        **settings: See `colorize`.

    Returns:
        The result of each image, in the order of the paths. Images that cannot be read, colored or
        written are results too.

    Raises:
        ColorzooError: The model or its weights cannot be had.
    """
    choice = choose_for_guidance(model, Recipe(), weights)
    prepared = prepared_alone(kept_colorizer(choice, device, **settings))
    above, folder = Path(root).absolute(), Path(output)
    results: list[FileResult | None] = []
    jobs = []
    for path in map(Path, paths):
        if not path.absolute().is_relative_to(above):
            reason = f"{path} is not below {root}, the root that was named"
            results.append(FileResult(str(path), "", "failed", reason))
        elif reason := explain_irregular_file(path):
            results.append(FileResult(str(path), "", "failed", reason))
        else:
            found = FoundImage(path, path.absolute().relative_to(above))
            jobs.append(ImageJob(str(path), path, output_path(found, folder), lambda: prepared))
            results.append(None)
    work = color_images(jobs, FileOptions(frames="required", overwrite=True), skip_done=True)
    return [result or _file_result(next(work)) for result in results]


def _file_result(result: BatchResult) -> FileResult:
    if result.failed:
        return FileResult(result.source, result.output, "failed", "; ".join(result.notes))
    return FileResult(result.source, result.output, "done" if result.status == "skipped" else "colored")


def kept_colorizer(choice: ModelChoice, device: str, **settings: Any) -> Colorizer:
    """Return a colorizer; those of the last calls are kept, unless their weight file has changed."""
    weights = choice.weights
    key = key_of(choice.name, str(weights), _stamp(weights), device, sorted(settings.items()))
    return _MODELS.get(key, lambda: Colorizer(choice, device=device, **settings))


def _colorizer_for(
    model: str | None,
    guidance: Guidance | Recipe,
    folder: Path | None,
    reference: ReferenceLike | None,
    fast: bool,
    weights: str | Path | None,
    device: str,
    settings: ColorSettings,
    **hparams: Any,
) -> Colorizer:
    references: list[object] = [] if reference is None else [reference]
    if not references and folder is not None and isinstance(guidance, Recipe):
        references = [path for path, _ in recipe_reference_files(guidance, folder)]
    choice = choose_for_guidance(model, guidance, weights, references=references, fast=fast)
    chosen = settings.colorizer_arguments() | ({} if device == "auto" else {"device": device}) | hparams
    return kept_colorizer(choice, **chosen)


def _checked(settings: ColorSettings | None, strength: float | None) -> tuple[ColorSettings, float | None]:
    """Return settings whose numbers are in range, and the strength that applies."""
    checked = settings_of(ColorSettings, settings)
    return checked, checked.strength if strength is None else strength


def _request(
    colorizer: Colorizer,
    guidance: Guidance | Recipe,
    folder: Path | None,
    reference: ReferenceLike | None,
    strength: float | None,
    options: FileOptions,
) -> Request | None:
    """Return the request of a command line that colors so; None if recipe, files and options cannot."""
    if not isinstance(guidance, Recipe) or not isinstance(reference, str | Path | None):
        return None
    return request_of(
        colorizer,
        guidance,
        folder=folder,
        reference=() if reference is None else (str(reference),),
        settings=ColorSettings(
            strength=strength,
            quality=options.quality,
            frames="first" if options.frames == "first" else "all",
        ),
    )


def _stamp(weights: str | Path | None) -> Stamp:
    path = Path(weights or "").expanduser()
    if not path.is_file():
        return None
    status = path.stat()
    return status.st_mtime_ns, status.st_size
