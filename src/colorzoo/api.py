"""The one call for those who want a colored picture, a colored file, or many of them."""

from __future__ import annotations

import os
import socket
import warnings
from collections.abc import Iterable
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, Literal

from PIL import Image

from colorzoo.factory import create_model
from colorzoo.inference.colorizer import Colorizer, ImageLike, ReferenceLike
from colorzoo.inference.guide import GuidanceLike, as_recipe, wanted_model
from colorzoo.inference.moving import color_frames, frames_to_color
from colorzoo.inference.picture_io import (
    FoundPicture,
    depth_at,
    output_path,
    read_frames,
    read_picture,
    write_notes,
    write_picture,
)
from colorzoo.inference.resumed import FileResult, ResumedColoring

Stamp = tuple[int, int] | None
"""When a file of weights was changed, and its size."""


def colorize(
    image: ImageLike,
    model: str | None = None,
    guidance: GuidanceLike = None,
    *,
    weights: str | Path | None = "default",
    device: str = "auto",
    strength: float | None = None,
    reference: ReferenceLike | None = None,
    fast: bool = False,
    **settings: Any,
) -> Image.Image:
    """Color one picture.

    Args:
        image: Path, Pillow image, or array ``(H, W[, C])`` of uint8, uint16 or float in [0, 1].
        model: Registered name, or None for the recipe's, or the best one for this guidance whose weights are
            on this machine.
        guidance: `Guidance`, `Recipe`, parsed JSON, JSON text, or the path of a recipe.
        weights: See `create_model`.
        device: ``"auto"``, ``"cpu"``, ``"cuda"`` ...
        strength: Factor on the chroma, 0 .. 1.5; None takes the recipe's, or 1.
        reference: The picture whose colors to use, for models that take an exemplar, or a look of it.
        fast: Take the default only among models whose weights ship with the package.
        **settings: Of the model, by name, such as ``temperature`` or ``render_factor``; see `Colorizer`.

    Returns:
        A Pillow image of the same size; alpha is kept.

    Raises:
        ColorzooError: The picture, the guidance or the weights cannot be used; the message says why.
    """
    colorizer = _chosen(model, guidance, reference is not None, fast, weights, device, **settings)
    return colorizer(image, guidance, strength=strength, reference=reference)


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
    """Color a file into another one, with its depth, metadata, and all its frames or pages.

    What the user should know is given as Python warnings. Other arguments and errors are those of `colorize`.

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
        overwrite: Replace the target if it is there, though never the source.
        **settings: See `colorize`.

    Returns:
        The target.
    """
    source, target = Path(source), Path(target)
    colorizer = _chosen(model, guidance, reference is not None, fast, weights, device, **settings)
    exemplar = colorizer.exemplar_of(reference, guidance)
    color = partial(colorizer.colorize, guidance=guidance, strength=strength, reference=exemplar)
    found = frames_to_color(source, target) if frames == "all" else None
    if found is None:
        picture = read_picture(source)
        notes = (*write_notes(target, picture), *picture.notes)
        colored = color(picture)
        write_picture(target, colored.levels(depth_at(target, picture)), picture, overwrite=overwrite)
        notes += colored.notes
    else:
        others = read_frames(source, found)
        notes = color_frames(color, next(others), others, found, target, None, overwrite=overwrite).notes
    for note in notes:
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

    It is the step of a large job that another engine shares out (Ray Data, Spark ...): any number of
    processes may call it at the same time, on any lists. Files that are done, from the same bytes with the
    same settings, are left alone, whoever colored them; so a job that broke off is started again as it was.
    The model is loaded once a process.

    Args:
        paths: The pictures; of several pages or frames all are colored.
        root: A folder above all of them.
        output: Folder of the results, each below it as its picture is below ``root``; all processes must see
            it.
        model: Registered name. There is no default here, as it could be another one on each machine.
        weights: See `create_model`.
        device: See `colorize`.
        **settings: See `colorize`.

    Returns:
        What became of each picture, in the order of the paths; pictures that cannot be read, colored or
        written are told so there.

    Raises:
        ColorzooError: The model or its weights cannot be had.
    """
    process = f"{socket.gethostname()}-{os.getpid()}"
    resumed = _resumed(Path(output), process, model, weights, device, _stamp(weights), **settings)
    return [_color_below(Path(root), Path(path), resumed) for path in paths]


def _color_below(root: Path, path: Path, resumed: ResumedColoring) -> FileResult:
    try:
        found = FoundPicture(path, path.absolute().relative_to(root.absolute()))
    except ValueError:
        return FileResult(str(path), "", "failed", f"{path} is not below {root}, the root that was named")
    return resumed.color_file(path, output_path(found, resumed.folder).relative_to(resumed.folder))


@lru_cache(maxsize=2)
def _resumed(
    output: Path,
    process: str,
    model: str,
    weights: str | Path | None,
    device: str,
    stamp: Stamp,
    **settings: Any,
) -> ResumedColoring:
    del stamp
    # the model that `predict` has: one that only colors answers the same, and has another digest
    whole = create_model(model, weights, **settings)
    return ResumedColoring(Colorizer(whole, device=device), output, process)


def _chosen(
    model: str | None,
    guidance: GuidanceLike,
    reference: bool,
    fast: bool,
    weights: str | Path | None,
    device: str,
    **settings: Any,
) -> Colorizer:
    name = wanted_model(model, as_recipe(guidance), weights, reference=reference, fast=fast)
    return _colorizer(name, weights, device, _stamp(weights), **settings)


@lru_cache(maxsize=2)
def _colorizer(
    model: str, weights: str | Path | None, device: str, stamp: Stamp, **settings: Any
) -> Colorizer:
    del stamp  # part of the key alone: a file that was trained further is loaded again
    return Colorizer(model, weights=weights, device=device, **settings)


def _stamp(weights: str | Path | None) -> Stamp:
    path = Path(weights or "").expanduser()
    if not path.is_file():
        return None
    status = path.stat()
    return status.st_mtime_ns, status.st_size
