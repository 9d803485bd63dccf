"""The recipe of a command line: a file, one for all pictures or one for each, and what options add to it."""

from __future__ import annotations

import argparse
import re
from collections.abc import Collection, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from colorzoo.cli._classes import with_classes
from colorzoo.cli._references import with_alpha
from colorzoo.errors import GuidanceError

if TYPE_CHECKING:
    from colorzoo.guidance import BoxHint, PointHint, Recipe
    from colorzoo.inference.paths import FoundPicture

_POINT = re.compile(
    r"(?P<x>[\d.]+),(?P<y>[\d.]+)(?:,(?P<radius>[\d.]+))?=(?P<color>#\w+|\w+)(?:@(?P<reach>[\w.]+))?"
)
_ENDINGS = (".recipe.json", ".json")  # as the pad names them, and for short


def recipe_of(args: argparse.Namespace) -> Recipe:
    """Join the recipe file and what the command line adds to it.

    Raises:
        GuidanceError: The file is no recipe, or an option is not as it should be.
    """
    from colorzoo.guidance import Recipe

    recipe = Recipe.from_json(Path(args.recipe)) if args.recipe else Recipe()
    points = tuple(parse_point(text, args.reach) for text in args.point)
    boxes = _boxes(args.box, recipe.boxes)
    extra = with_classes(recipe.extra, args)
    if statistics := {**extra.get("statistics", {}), **_statistics(args)}:
        extra["statistics"] = statistics
    extra = with_alpha(extra, args.alpha)
    return replace(recipe, points=recipe.points + points, boxes=boxes, extra=extra)


def _statistics(args: argparse.Namespace) -> dict[str, object]:
    """Return histogram and saturation that the command line asks for, as a recipe has them."""
    found: dict[str, object] = {}
    if args.histogram_of:
        from colorzoo.inference.kinds import describe_statistics
        from colorzoo.inference.picture_io import read_picture
        from colorzoo.inference.references import require_color

        picture = read_picture(Path(args.histogram_of))
        require_color(picture, args.histogram_of)
        found["histogram"] = describe_statistics(picture)["histogram"]
    if args.saturation is not None:
        found["saturation"] = args.saturation
    return found


def parse_point(text: str, reach: str = "automatic") -> PointHint:
    """Read a color point.

    Args:
        text: As of ``--point``.
        reach: Of a point that names none.

    Raises:
        GuidanceError: It is none.
    """
    from PIL import ImageColor

    from colorzoo.guidance import PointHint
    from colorzoo.guidance.reach import parse_reach

    match = _POINT.fullmatch(text)
    own = match["reach"] if match else None
    far = parse_reach(own or reach, f"--point {text!r}: the reach" if own else "--reach")
    try:
        if match is None:
            raise ValueError
        radius = float(match["radius"]) if match["radius"] else 3.0
        red, green, blue = ImageColor.getrgb(match["color"])[:3]
        color = f"#{red:02x}{green:02x}{blue:02x}"
        return PointHint(float(match["x"]), float(match["y"]), radius, color, reach=far)
    except ValueError:
        raise GuidanceError(
            f"--point {text!r} is not X,Y=COLOR or X,Y,RADIUS=COLOR, for example 120,80=#c04020; a color is "
            "#rrggbb, #rgb or a name of HTML such as teal; @REACH may follow, as in 120,80=#c04020@0.5"
        ) from None


def _boxes(texts: list[str], given: tuple[BoxHint, ...] | None) -> tuple[BoxHint, ...] | None:
    """Join the boxes of the recipe with those of the command line."""
    if not texts:
        return given
    return (given or ()) + tuple(_parse_box(text) for text in texts if text != "none")


def _parse_box(text: str) -> BoxHint:
    from colorzoo.guidance import BoxHint

    try:
        x, y, width, height = (float(part) for part in text.split(","))
        if not (width > 0 and height > 0):
            raise ValueError
        return BoxHint(x, y, width, height)
    except ValueError:
        raise GuidanceError(
            f"--box {text!r} is neither X,Y,WIDTH,HEIGHT in pixels of the picture, for example "
            "40,30,200,120, nor the word none"
        ) from None


def recipe_for(found: FoundPicture, folder: Path) -> Path | None:
    """Return the recipe of a picture in a folder of recipes, whose tree is that of the pictures.

    For ``a/b.jpg`` that is ``a/b.jpg.recipe.json``, ``a/b.jpg.json``, ``a/b.recipe.json`` or ``a/b.json``.
    """
    names = (found.relative.name, found.relative.stem)
    places = (folder / found.relative.with_name(name + ending) for name in names for ending in _ENDINGS)
    return next((place for place in places if place.is_file()), None)


def unused_recipes(folder: Path, used: Collection[Path | None]) -> Iterator[Path]:
    """Return the recipes of a folder that belong to no picture."""
    return (path for path in sorted(folder.rglob("*.json")) if path not in used)


def require_folder(folder: str) -> None:
    """Make sure that there is such a folder.

    Raises:
        GuidanceError: There is none.
    """
    if not Path(folder).is_dir():
        raise GuidanceError(f"--recipe-folder {folder}: no such folder")
