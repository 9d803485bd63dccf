"""Python API for colorizing one image, one file, or many files."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, overload

from PIL import Image

from colorzoo.batch.recipes import with_references, with_seeds, with_settings
from colorzoo.batch.runner import FileColorizer, load_colorizer
from colorzoo.batch.settings import ColorSettings
from colorzoo.batch.task import FileResult, FileTask, distinct_paths, output_path
from colorzoo.errors import GuidanceError
from colorzoo.files import check_outputs
from colorzoo.guidance import Guidance, Recipe
from colorzoo.guidance.border import BorderSetting
from colorzoo.inference.choice import choose_model
from colorzoo.inference.colorizer import (
    ImageLike,
    ReferenceLike,
    as_image,
    listed_references,
    used_references,
)
from colorzoo.inference.edit import GuidanceLike, read_guidance, recipe_folder
from colorzoo.inference.references import reference_notes
from colorzoo.options import check_arguments
from colorzoo.pixels.find import FoundImage, explain_irregular_file


@overload
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
    seed: int | None = None,
    samples: None = None,
    settings: ColorSettings | None = None,
    **hparams: Any,
) -> Image.Image: ...
@overload
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
    seed: int | None = None,
    samples: int,
    settings: ColorSettings | None = None,
    **hparams: Any,
) -> list[Image.Image]: ...
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
    seed: int | None = None,
    samples: int | None = None,
    settings: ColorSettings | None = None,
    **hparams: Any,
) -> Image.Image | list[Image.Image]:
    """Colorize one image.

    Examples:
        >>> image = colorize("photo.png", guidance={"points": [{"x": 20, "y": 10, "color": "#c04020"}]})
        >>> image.size, image.mode
        ((48, 32), 'RGB')

    Args:
        image: Path, Pillow image, array ``(H, W[, C])`` or tensor ``([C,] H, W)`` of uint8, uint16 or float
            in [0, 1].
        model: Registered model name. None selects the model that the recipe names. If the recipe names no
            model, None selects the default model for the image and the guidance; see `choose_model`.
        guidance: `Guidance`, `Recipe`, parsed JSON, JSON text, or the path of a recipe.
        weights: ``"default"``, ``"published"``, a path, or None for random weights; see `create_model`.
        device: Device name, such as ``"auto"``, ``"cpu"`` or ``"cuda"``.
        strength: Multiplier for the chroma, 0 to 1.5; None uses the strength of the recipe, or 1 without a
            recipe.
        reference: Reference image whose colors are transferred, for models that support references. A list
            contains several references.
        border: Part of the image to colorize: ``"automatic"`` excludes the border of a scan, ``"none"``
            selects the whole image, and a `Rectangle` selects a part in pixels. None uses the border setting
            of the recipe, or ``"automatic"``.
        seed: Random seed for a model that samples; None uses the seed of the guidance.
        samples: Number of results of a model that samples, with the seeds ``seed``, ``seed + 1``, and so on.
            Their first seed is 0 if ``seed`` is None and the guidance contains no seed.
        settings: Options of ``colorzoo colorize`` as a `colorzoo.batch.ColorSettings` object. ``device``,
            unless it is ``"auto"``, and ``strength``, unless it is None, override the values of this object.
        **hparams: Arguments of `Colorizer`, such as ``temperature`` or ``render_factor``.

    Returns:
        A Pillow image with the alpha channel of the input, and with the size of the input or the size of the
        recipe's crop. If ``samples`` is set, a list of images.

    Raises:
        ColorzooError: The image, the guidance or the weights cannot be used.
    """
    settings = _merged_settings(settings, strength, device, hparams)
    folder = recipe_folder(guidance)
    references = listed_references(reference)
    parsed_guidance = _guidance_with_settings(guidance, settings, folder, references)
    # the guidance of each sample
    if samples is not None and not (type(samples) is int and samples > 0):  # a bool is also an int
        raise GuidanceError(f"samples must be a whole number of at least 1, got {samples!r}")
    if seed is not None or samples is not None:
        guidances = with_seeds(parsed_guidance, seed, samples or 1)
        parsed_guidance = guidances[0]
    else:
        guidances = [parsed_guidance]
    raster = as_image(image)
    used = used_references(reference, parsed_guidance, folder)
    name = choose_model(parsed_guidance, raster, name=model, weights=weights, references=used)
    colorizer = load_colorizer(name, weights, settings, **hparams)
    exemplar = colorizer.exemplar_of(reference, parsed_guidance, folder, settings.reference_weights)
    if isinstance(parsed_guidance, Recipe) and not references:
        for note in reference_notes(parsed_guidance, folder):
            warnings.warn(note, UserWarning, stacklevel=2)
    images = [
        colorizer(raster, each, strength=settings.strength, reference=exemplar, border=border)
        for each in guidances
    ]
    return images[0] if samples is None else images


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
    frames: Literal["all", "first"] | None = None,
    overwrite: bool = False,
    settings: ColorSettings | None = None,
    **hparams: Any,
) -> Path:
    """Colorize an image file and write the result to another file.

    The result has the bit depth, the metadata, and the number of frames or pages of the source.

    Examples:
        >>> colorize_file("photo.png", "photo.color.png", "zhang2017_local_small").name
        'photo.color.png'

    Like ``colorzoo colorize``, this function embeds a provenance record (metadata about source, model,
    weights and settings) in the result. The record is omitted if guidance or references are tensors.

    Notes, for example about ignored guidance, are issued as Python warnings. Errors are the same as in
    `colorize`.

    Args:
        source: Image, animation, or file with several pages.
        target: Output file; the extension selects the format.
        model: Registered model name; None selects a model as in `colorize`.
        guidance: Guidance or recipe, as for `colorize`; applied to all frames or pages.
        weights: ``"default"``, ``"published"``, a path, or None for random weights; see `create_model`.
        device: Device name, such as ``"auto"``, ``"cpu"`` or ``"cuda"``.
        strength: Multiplier for the chroma, 0 to 1.5; None uses the strength of the recipe, or 1.
        reference: Reference image or list of reference images, for models that support references.
        frames: Frames or pages to colorize, ``"all"`` or ``"first"``; None uses ``settings.frames``.
        overwrite: Whether to replace an existing target. The source is never replaced.
        settings: Options of ``colorzoo colorize`` as a `colorzoo.batch.ColorSettings` object; see `colorize`.
        **hparams: Arguments of `Colorizer`, such as ``temperature`` or ``render_factor``.

    Returns:
        Path of the target.
    """
    source, target = Path(source), Path(target)
    changes = hparams if frames is None else {**hparams, "frames": frames}
    settings = _merged_settings(settings, strength, device, changes)
    folder = recipe_folder(guidance)
    references = listed_references(reference)
    parsed_guidance = _guidance_with_settings(guidance, settings, folder, references)
    used = used_references(reference, parsed_guidance, folder)
    name = choose_model(parsed_guidance, name=model, weights=weights, references=used)
    colorizer = load_colorizer(name, weights, settings, **hparams)
    # the provenance record contains the recipe, which can store paths of references but no tensors
    reference_paths = tuple(str(path) for path in references if isinstance(path, str | Path))
    has_only_paths = len(reference_paths) == len(references)
    if reference_paths and has_only_paths and isinstance(parsed_guidance, Recipe):
        parsed_guidance = with_references(parsed_guidance, reference_paths, settings.reference_weights)
        folder = Path()  # these paths are relative to the working directory
    files = FileColorizer(
        model=model,
        colorizer=colorizer,
        reference=reference,
        guidance=parsed_guidance,
        folder=folder,
        settings=settings,
        embed_provenance=isinstance(parsed_guidance, Recipe) and has_only_paths,
        overwrite=overwrite,
    )
    result = files.process(FileTask(source, target, str(source)))
    for note in result.notes:
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
    overwrite: bool = False,
    **settings: Any,
) -> list[FileResult]:
    """Colorize a list of files and write the results to another folder.

    Examples:
        >>> results = list(colorize_files(["photo.png"], ".", "colored", "zhang2017_local_small"))
        >>> results[0].status
        'colored'

    Use this function if another engine, such as Ray Data or Spark, distributes the files of a large job. Any
    number of processes may call this function at the same time, even with overlapping lists. A file is
    skipped if a result of the same source and settings already exists, so an interrupted job can be
    restarted. Each process loads the model once. The results have the same provenance record as results of
    ``colorzoo colorize``.

    Args:
        paths: Image files; all frames or pages of a file are colorized.
        root: Folder that contains all images. Files outside this folder fail. Symbolic links in this folder
            are followed, as in ``colorzoo colorize`` and ``colorzoo predict``.
        output: Output folder, on storage that all processes share. The path of a result relative to
            ``output`` is the path of the image relative to ``root``. If the paths of two images of the list
            would be equal or differ only in case, a number is appended to the second path.
        model: Registered model name; None selects the default model.
        weights: ``"default"``, ``"published"``, a path, or None for random weights; see `create_model`.
        device: Device name, such as ``"auto"``, ``"cpu"`` or ``"cuda"``.
        overwrite: Whether to replace existing files that are not results of the same source and settings. If
            False, these files are kept, and their images fail.
        **settings: Arguments of `Colorizer`, such as ``temperature`` or ``render_factor``.

    Returns:
        A `FileResult` for each path, in order, including images that failed.

    Raises:
        ColorzooError: The model does not exist, its weights cannot be downloaded, or ``overwrite`` would
            replace an image of the list.
    """
    color_settings = _merged_settings(settings=None, strength=None, device=device, hparams=settings)
    # `settings` can contain arguments of `Colorizer` that are not in `color_settings`
    name = choose_model(name=model, weights=weights)
    colorizer = load_colorizer(name, weights, color_settings, **settings)
    planned = [_plan_file(Path(path), Path(root), Path(output)) for path in paths]
    tasks = [each for each in planned if isinstance(each, FileTask)]
    # a file that is listed twice has one result; other files with equal result names get numbers
    targets = {os.path.abspath(task.name): task.target for task in tasks}
    renamed = distinct_paths(targets.values())
    numbered = {source: renamed.get(index, path) for index, (source, path) in enumerate(targets.items())}
    tasks = [replace(task, target=numbered[os.path.abspath(task.name)]) for task in tasks]
    if overwrite:
        check_outputs(dict.fromkeys(task.target for task in tasks), [task.name for task in tasks])
    files = FileColorizer(
        model=model,
        colorizer=colorizer,
        settings=color_settings,
        overwrite=overwrite,
        needs_all_frames=True,
        skip_done=True,
    )
    results = files.run(tasks)  # in the order of the tasks
    # replace each task by its result; the other entries are failures
    return [next(results) if isinstance(each, FileTask) else each for each in planned]


def _plan_file(path: Path, root: Path, output: Path) -> FileTask | FileResult:
    """Return the task of an image, or a failure if the path is outside ``root`` or not a regular file."""
    plain, plain_root = path.absolute(), root.absolute()
    if plain.is_relative_to(plain_root) and ".." not in plain.relative_to(plain_root).parts:
        relative = plain.relative_to(plain_root)  # the name of a link, as `predict` uses it
    elif (resolved := path.resolve()).is_relative_to(real_root := root.resolve()):
        relative = resolved.relative_to(real_root)
    else:
        return FileResult(str(path), "", "failed", (f"{path} is not inside root ({root})",))
    if reason := explain_irregular_file(path):
        return FileResult(str(path), "", "failed", (reason,))
    target = output_path(FoundImage(path, relative), f"{output}/")  # a folder, even if it is named a.png
    return FileTask(path, target, str(path))


def _guidance_with_settings(
    guidance: GuidanceLike, settings: ColorSettings, folder: Path | None, references: Sequence[object]
) -> Guidance | Recipe:
    """Read guidance and add the settings that are fields of a recipe; see `with_settings`.

    Raises:
        GuidanceError: A setting requires a recipe or a reference, or is malformed.
    """
    found = read_guidance(guidance)
    changes_references = settings.alpha is not None or settings.reassigned
    if not changes_references and not settings.reference_weights:
        return found
    if isinstance(found, Recipe):
        return with_settings(found, settings, folder=folder, references=references)
    # the weights of references outside a recipe are applied when the references are encoded
    if changes_references or not references:
        raise GuidanceError("guidance must be a recipe if alpha or reassigned is set, got tensors")
    return found


def _merged_settings(
    settings: ColorSettings | None, strength: float | None, device: str, hparams: Mapping[str, Any]
) -> ColorSettings:
    """Return validated settings, updated with the other arguments of the caller.

    Args:
        settings: Options of ``colorzoo colorize``; None selects the defaults.
        strength: Multiplier for the chroma; None uses the strength of ``settings``.
        device: Device name; ``"auto"`` uses the device of ``settings``.
        hparams: Arguments of `Colorizer`; arguments that are also options replace their values.
    """
    given = settings or ColorSettings()
    changes = {name: value for name, value in hparams.items() if hasattr(given, name)}
    if strength is not None:
        changes["strength"] = strength
    if device != "auto":
        changes["device"] = device
    merged = replace(given, **changes)
    check_arguments(ColorSettings, vars(merged))
    return merged
