"""Recipes of the command line: a recipe file, extended by options."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

from PIL import ImageColor

from colorzoo.batch.settings import GuidanceOptions
from colorzoo.errors import GuidanceError
from colorzoo.guidance import BoxHint, PointHint, Recipe
from colorzoo.guidance.border import parse_border
from colorzoo.guidance.edits import parse_crop_text, parse_finish_text
from colorzoo.guidance.fields import DEFAULT_REACH, parse_reach
from colorzoo.image_io.read import read_image
from colorzoo.inference.references import describe_statistics, require_color

_POINT = re.compile(
    r"(?P<x>-?[\d.]+),(?P<y>-?[\d.]+)(?:,(?P<radius>[\d.]+))?=(?P<color>#\w+|\w+)(?:@(?P<reach>[\w.]+))?"
)


def recipe_of(args: GuidanceOptions) -> Recipe:
    """Return the recipe of ``--recipe``, extended by the other options.

    Raises:
        GuidanceError: The file is not a recipe, or an option value is malformed.
    """
    file = Path(args.recipe) if args.recipe else None
    recipe = Recipe() if file is None else Recipe.from_json(file).check_known()
    recipe = recipe.with_fields("classes", _classes(args, recipe, file))
    recipe = recipe.with_fields("statistics", _statistics(args))
    if args.alpha is not None:
        recipe = recipe.with_fields("exemplar", {"alpha": args.alpha})
    points = tuple(parse_point(text, args.reach) for text in args.point)
    boxes = recipe.boxes
    if args.box:
        boxes = (boxes or ()) + tuple(_parse_box(text) for text in args.box if text != "none")
    border = recipe.border if args.border is None else parse_border(args.border, "--border")
    crop = recipe.crop if args.crop is None else parse_crop_text(args.crop, "--crop")
    finish = recipe.finish if args.finish is None else parse_finish_text(args.finish, "--finish")
    return replace(
        recipe, points=recipe.points + points, boxes=boxes, border=border, crop=crop, finish=finish
    )


def parse_point(text: str, reach: str | None = None) -> PointHint:
    """Parse the value of ``--point``.

    Args:
        text: Value such as ``120,80=#c04020@0.5``.
        reach: Value of ``--reach``, for a point without ``@REACH``; None uses the default of recipes.

    Raises:
        GuidanceError: The value is malformed.
    """
    match = _POINT.fullmatch(text)
    own = match["reach"] if match else None
    given = own or reach
    name = f"--point {text!r}: the reach" if own else "--reach"
    far = DEFAULT_REACH if given is None else parse_reach(given, name)
    try:
        if match is None:
            raise ValueError
        radius = float(match["radius"]) if match["radius"] else 3.0
        red, green, blue = ImageColor.getrgb(match["color"])[:3]
        color = f"#{red:02x}{green:02x}{blue:02x}"
        return PointHint(float(match["x"]), float(match["y"]), radius, color, reach=far)
    except ValueError:
        raise GuidanceError(
            f"--point must be X,Y[,RADIUS]=COLOR[@REACH], for example 120,80=#c04020@0.5, got {text!r}. "
            "COLOR is #rrggbb, #rgb or an HTML name such as teal."
        ) from None


def _parse_box(text: str) -> BoxHint:
    try:
        x, y, width, height = (float(part) for part in text.split(","))
        if not (width > 0 and height > 0):
            raise ValueError
        return BoxHint(x, y, width, height)
    except ValueError:
        raise GuidanceError(
            "--box must be none, or X,Y,WIDTH,HEIGHT in pixels of the image, for example 40,30,200,120; "
            f"got {text!r}"
        ) from None


def _statistics(args: GuidanceOptions) -> dict[str, object]:
    """Return the recipe fields that ``--histogram-of`` and ``--saturation`` set."""
    found: dict[str, object] = {}
    if args.histogram_of:
        image = read_image(Path(args.histogram_of))
        require_color(image, args.histogram_of)
        found["histogram"] = describe_statistics(image)["histogram"]
    if args.saturation is not None:
        found["saturation"] = args.saturation
    return found


def _classes(args: GuidanceOptions, recipe: Recipe, file: Path | None) -> dict[str, object]:
    """Return the class fields of a recipe, with label images relative to the recipe file."""
    given, found = recipe.classes, dict[str, object]()
    for name, path, own in (
        ("file", args.classes, given.file),
        ("reference_file", args.reference_classes, given.reference_file),
    ):
        if path:
            found[name] = path
        elif file is not None and own:
            found[name] = str(file.parent / own)
    if args.reassigned:
        moved = {str(old): new for old, new in given.moved.items()}
        found["map"] = {**moved, **dict(map(_parse_reassigned, args.reassigned))}
    return found


def _parse_reassigned(text: str) -> tuple[str, int]:
    old, _, new = text.partition("=")
    if not (old.isdigit() and new.isdigit()):
        raise GuidanceError(f"--class must be OLD=NEW, for example 3=7, got {text!r}")
    return old, int(new)
