"""Frames that the user colored: written out for the pad, read back as pictures or recipes."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Mapping
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np

from colorzoo.cli._results import weights_of
from colorzoo.errors import ColorzooError, GuidanceError
from colorzoo.guidance import Recipe
from colorzoo.inference.colorizer import Colorizer
from colorzoo.inference.guide import wanted_model
from colorzoo.inference.picture import Picture
from colorzoo.inference.picture_io import read_picture, write_picture
from colorzoo.inference.references import recipe_reference_files
from colorzoo.registry import model_card
from colorzoo.video.frame import Source
from colorzoo.video.library import VideoError
from colorzoo.video.pick import pick_frames
from colorzoo.weights._files import sha256_of

_OF_COLORING = ("key", "reference", "model", "strength", "temperature", "codec", "crf", "dry_run", "json")


def write_frame(args: argparse.Namespace, source: Source) -> None:
    """Write one frame, gray, to be colored in the pad.

    Raises:
        ColorzooError: There is no such frame, an option is of coloring, or the picture cannot be written.
    """
    for name in _OF_COLORING:
        if getattr(args, name):
            option = name.replace("_", "-")
            raise ColorzooError(f"--frame writes a frame and colors nothing; leave out --{option}")
    out = Path(args.output)
    if os.path.lexists(out) and not args.overwrite:
        raise VideoError(f"{out} exists already; --overwrite replaces it")
    picture = pick_frames(source, {args.frame})[args.frame]
    write_picture(out, np.repeat(picture.levels[..., None], 3, axis=2), picture, overwrite=True)
    print(f"{out}: frame {args.frame}; once colored, its picture or recipe goes into --key {args.frame}=FILE")


def read_keys(source: Source, keys: Mapping[int, Path], device: str) -> dict[int, Picture]:
    """Return the colored frames by number: pictures as they are, recipes as what they make of the frame.

    Args:
        source: For the frames of recipes; not read where there are none.
        keys: Files by number.
        device: On which recipes are colored.

    Raises:
        ColorzooError: A file cannot be read or used, or there is no such frame.
    """
    frames = pick_frames(source, {number for number, path in keys.items() if _is_recipe(path)})
    colorizer = cache(partial(Colorizer, device=device))  # frames of one model load it once
    return {
        number: _colored(frames[number], path, colorizer) if _is_recipe(path) else read_picture(path)
        for number, path in keys.items()
    }


def marks_of(keys: Mapping[int, Path]) -> dict[int, Any]:
    """Return what decides the colors of the colored frames by number, for the result's digest.

    Raises:
        ColorzooError: A recipe is broken, or its model or weights cannot be had.
        OSError: A file cannot be read.
    """
    return {
        number: [sha256_of(path), *_recipe_marks(path)] if _is_recipe(path) else sha256_of(path)
        for number, path in sorted(keys.items())
    }


def _recipe_marks(path: Path) -> list[str]:
    recipe, name = _recipe_and_model(path)
    references = [sha256_of(file) for file, _ in recipe_reference_files(recipe, path.parent)]
    return [name, weights_of(model_card(name), "default"), *references]


def _colored(frame: Picture, path: Path, load: Callable[[str], Colorizer]) -> Picture:
    recipe, name = _recipe_and_model(path)
    colorizer = load(name)
    try:
        colored = colorizer.colorize(frame, recipe, reference=colorizer.exemplar_of(None, path))
    except GuidanceError as error:
        raise GuidanceError(f"{path}: {error}") from error
    return Picture(colored.levels())


def _recipe_and_model(path: Path) -> tuple[Recipe, str]:
    recipe = Recipe.from_json(path)
    references = bool(recipe_reference_files(recipe, path.parent))
    return recipe, wanted_model(None, recipe, reference=references)


def _is_recipe(path: Path) -> bool:
    return path.suffix.lower() == ".json"
