"""`colorize` and `colorize_file`: the one call for those who want a colored picture, or file."""

from __future__ import annotations

import warnings
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, Literal

from PIL import Image

from colorzoo.inference.colorizer import Colorizer, ImageLike, ReferenceLike
from colorzoo.inference.guide import GuidanceLike, as_recipe, wanted_model
from colorzoo.inference.moving import color_frames, frames_to_color
from colorzoo.inference.picture_io import depth_at, read_frames, read_picture, write_notes, write_picture


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
    given = as_recipe(guidance)
    name = wanted_model(model, given, weights, reference=reference is not None, fast=fast)
    colorizer = _colorizer(name, weights, device, _stamp(weights), **settings)
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
    name = wanted_model(model, as_recipe(guidance), weights, reference=reference is not None, fast=fast)
    colorizer = _colorizer(name, weights, device, _stamp(weights), **settings)
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


@lru_cache(maxsize=2)
def _colorizer(
    model: str, weights: str | Path | None, device: str, stamp: tuple[int, int] | None, **settings: Any
) -> Colorizer:
    del stamp  # part of the key alone: a file that was trained further is loaded again
    return Colorizer(model, weights=weights, device=device, **settings)


def _stamp(weights: str | Path | None) -> tuple[int, int] | None:
    path = Path(weights or "").expanduser()
    if not path.is_file():
        return None
    status = path.stat()
    return status.st_mtime_ns, status.st_size
