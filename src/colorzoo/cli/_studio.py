"""The slow part of ``colorzoo studio``: check what was named, and make the studio that serves it."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from colorzoo.guidance import Recipe
from colorzoo.inference.defaults import choose_default
from colorzoo.inference.device import choose_device
from colorzoo.inference.read import examine_picture
from colorzoo.studio.desk import Studio


def make_studio(args: argparse.Namespace) -> tuple[Studio, dict[str, Any] | None]:
    """Return the studio with the photo of the command line, and the recipe to begin with.

    Raises:
        ColorzooError: Photo, recipe or device cannot be used.
    """
    choose_device(args.device)
    recipe = Recipe.from_json(Path(args.recipe)).to_dict() if args.recipe else None
    name = args.model or (recipe or {}).get("model") or choose_default("points", fast=args.fast)
    studio = Studio(model=name, device=args.device, tune=True)
    try:
        for path in map(Path, args.pictures):
            examine_picture(
                path, max_pixels=studio.limits.pixels
            )  # what is wrong is said here, not in the page
            studio.offer(path.read_bytes(), path.name)
    except BaseException:
        studio.close()
        raise
    return studio, recipe
