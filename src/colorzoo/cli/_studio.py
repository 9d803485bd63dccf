"""The work of ``colorzoo studio``: check what was named, then serve it."""

from __future__ import annotations

import argparse
from pathlib import Path

from colorzoo.guidance import Recipe
from colorzoo.inference.defaults import choose_default
from colorzoo.inference.device import choose_device
from colorzoo.inference.picture_io import read_picture
from colorzoo.studio.desk import Studio
from colorzoo.studio.serve import Address, serve


def open_studio(args: argparse.Namespace) -> int:
    """Serve until Ctrl+C; returns the exit code.

    Raises:
        ColorzooError: Photo, recipe, device or address cannot be used.
    """
    choose_device(args.device)
    recipe = Recipe.from_json(Path(args.recipe)).to_dict() if args.recipe else None
    name = args.model or (recipe or {}).get("model") or choose_default("points", fast=args.fast)
    studio = Studio(model=name, device=args.device, tune=True)
    try:
        if args.picture:
            path = Path(args.picture)
            read_picture(path, max_pixels=studio.limits.pixels)  # what is wrong is said here, not in the page
            studio.offer(path.read_bytes(), path.name)
        serve(studio, Address(args.host, args.port), browser=not args.no_browser, recipe=recipe)
    finally:
        studio.close()
    return 0
