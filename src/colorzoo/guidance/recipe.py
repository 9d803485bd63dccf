"""The recipe: a user's wishes for one picture as a versioned JSON file.

Coordinates are pixels of the original picture, colors are ``#rrggbb``. The same recipe gives the same colors
from the command line, Python, a notebook and the drawing pad. ``recipe.schema.json`` beside this module
documents every field; fields that are not known are kept, so a newer program's file survives a round trip.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from colorzoo.errors import GuidanceError
from colorzoo.guidance.areas import MOST_AREAS, Area, parse_area
from colorzoo.guidance.fields import Fields, hex_color
from colorzoo.guidance.reach import Reach, read_reach

VERSION = 1
MAX_STRENGTH = 1.5
MAX_AB = 150.0  # CIE units; sRGB reaches 108
_BINS = 313  # of the ab plane inside sRGB
_LISTS = ("points", "scribbles", "regions", "boxes")
_LATER_KINDS = ("exemplar", "classes", "statistics")  # kept as they stand, for the models that use them


@dataclass(frozen=True)
class PointHint:
    """A color at a place.

    Attributes:
        x: Pixels from the left edge of the original picture.
        y: Pixels from its top edge.
        radius: Half the side of the square patch, in pixels of the original picture.
        color: ``#rrggbb``; hue and chroma count, lightness is the picture's.
        ab: Exact color in CIE units; goes before ``color`` when given.
        reach: How far the color goes; see `colorzoo.guidance.reach`.
        stroke: Points with the same number were drawn as one stroke, and are edited as one; None is alone.
        extra: Unknown fields.
    """

    x: float
    y: float
    radius: float = 3.0
    color: str = "#808080"
    ab: tuple[float, float] | None = None
    reach: Reach = "everywhere"
    stroke: int | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Stroke:
    """A scribble without color.

    Attributes:
        path: Corners of the polyline, pixels of the original picture.
        width: Thickness in the same pixels.
        extra: Unknown fields.
    """

    path: tuple[tuple[float, float], ...]
    width: float = 5.0
    extra: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class RegionColor:
    """The color of one region that a model asked for.

    Attributes:
        index: Number of the region, from 0.
        color: ``#rrggbb``.
        extra: Unknown fields.
    """

    index: int
    color: str
    extra: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class BoxHint:
    """Where one thing of the picture is.

    Attributes:
        x: Left edge in pixels of the original picture.
        y: Top edge.
        width: Its width in the same pixels.
        height: Its height.
        extra: Unknown fields.
    """

    x: float
    y: float
    width: float
    height: float
    extra: Mapping[str, Any] = field(default_factory=dict)

    @property
    def corners(self) -> tuple[float, float, float, float]:
        """Left, top, right and bottom in pixels of the original picture."""
        return self.x, self.y, self.x + self.width, self.y + self.height


@dataclass(frozen=True)
class Recipe:
    """Everything a user wishes for one picture.

    Attributes:
        width: Width of the original picture in pixels, or None if the recipe fits any size.
        height: Its height.
        sha256: Hash of the picture's file, or None.
        model: Registered model name, or None for the default.
        strength: Factor on the chroma, 0 .. 1.5.
        points: Color points; later ones cover earlier ones.
        scribbles: Strokes.
        regions: Colored regions.
        boxes: Things of the picture; empty if there are none, None if nobody has said.
        proposal: SHA-256 of the model's map of regions that the colors were chosen on, or None.
        areas: Parts of the picture that are filled, locked, kept gray, or all that may change.
        extra: The fields ``exemplar``, ``classes``, ``statistics`` as they stand, and unknown fields.
    """

    width: int | None = None
    height: int | None = None
    sha256: str | None = None
    model: str | None = None
    strength: float = 1.0
    points: tuple[PointHint, ...] = ()
    scribbles: tuple[Stroke, ...] = ()
    regions: tuple[RegionColor, ...] = ()
    boxes: tuple[BoxHint, ...] | None = None
    proposal: str | None = None
    areas: tuple[Area, ...] = ()
    extra: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def from_json(cls, source: str | Path | Mapping[str, Any]) -> Recipe:
        """Read a recipe from a file, from JSON text (beginning with ``{``), or from parsed JSON.

        Raises:
            GuidanceError: The file is missing or no recipe; the message names the field, what was found and
                what was expected.
        """
        document = dict(source) if isinstance(source, Mapping) else _load(source)
        return _parse(Fields(_migrate(document), "recipe"))

    def to_dict(self) -> dict[str, Any]:
        """Return the recipe as plain JSON types; fields at their defaults are left out."""
        document: dict[str, Any] = {"version": VERSION, **self.extra}
        image = {"width": self.width, "height": self.height, "sha256": self.sha256}
        if present := {k: v for k, v in image.items() if v is not None}:
            document["image"] = {**document.get("image", {}), **present}
        if self.model is not None:
            document["model"] = self.model
        document["strength"] = self.strength
        for name in _LISTS:
            items = getattr(self, name)
            if items or (name == "boxes" and items is not None):
                document[name] = [_item(item) for item in items]
        if self.proposal is not None:
            document["proposal"] = self.proposal
        if self.areas:
            document["areas"] = [area.to_dict() for area in self.areas]
        return document

    def to_json(self, path: str | Path | None = None) -> str:
        """Return the recipe as JSON text, and write it to ``path`` (atomically) if one is given.

        Raises:
            GuidanceError: The file cannot be written.
        """
        text = json.dumps(self.to_dict(), indent=1)
        if path is not None:
            _write(Path(path), text)
        return text

    def kinds(self) -> tuple[str, ...]:
        """Return the names of the kinds of guidance that the recipe gives."""
        given = [name for name in _LISTS if getattr(self, name)]
        return (*given, *(name for name in _LATER_KINDS if self.extra.get(name)))

    def unknown(self) -> tuple[str, ...]:
        """Return the names of fields that this version does not know, such as ``points[2].colour``."""
        names = [name for name in self.extra if name not in (*_LATER_KINDS, "image")]
        for kind in (*_LISTS, "areas"):
            names += [
                f"{kind}[{i}].{name}"
                for i, item in enumerate(getattr(self, kind) or ())
                for name in item.extra
            ]
        return tuple(names)

    def check_inside(self, width: int, height: int) -> None:
        """Make sure that the recipe belongs to a picture of this size.

        Raises:
            GuidanceError: It was made for another size, or a point lies outside.
        """
        made_for = (self.width or width, self.height or height)
        if made_for != (width, height):
            raise GuidanceError(
                f"recipe is for a picture of {made_for[0]} x {made_for[1]} pixels, but this one has "
                f"{width} x {height}; coordinates are pixels of the original picture."
            )
        places = [(f"points[{i}]", p.x, p.y) for i, p in enumerate(self.points)]
        places += [
            (f"boxes[{i}]", x, y)
            for i, (left, top, right, bottom) in enumerate(box.corners for box in self.boxes or ())
            for x, y in ((left, top), (right, bottom))
        ]
        places += [(f"scribbles[{i}]", x, y) for i, s in enumerate(self.scribbles) for x, y in s.path]
        for name, x, y in places:
            if not (0 <= x <= width and 0 <= y <= height):
                raise GuidanceError(
                    f"{name} at ({x:g}, {y:g}) lies outside the picture ({width} x {height} pixels)."
                )


def _write(target: Path, text: str) -> None:
    part = target.with_name(f".colorzoo-{secrets.token_hex(6)}.part")
    try:
        try:
            part.write_text(text, encoding="utf-8")
            part.replace(target)
        finally:
            part.unlink(missing_ok=True)
    except OSError as error:
        raise GuidanceError(
            f"recipe {str(target)!r} cannot be written: {error.strerror or error}."
        ) from error


def _load(source: str | Path) -> dict[str, Any]:
    name = "recipe"
    try:
        if isinstance(source, str) and source.lstrip().startswith("{"):
            text = source
        else:
            name = f"recipe {str(source)!r}"
            text = Path(source).read_text(encoding="utf-8-sig")  # editors on Windows begin with a mark
        document = json.loads(text)
    except json.JSONDecodeError as error:
        raise GuidanceError(f"{name} is no JSON: line {error.lineno}, {error.msg}.") from error
    except UnicodeDecodeError as error:
        raise GuidanceError(f"{name} cannot be read: not UTF-8 text.") from error
    except (OSError, ValueError, RecursionError) as error:  # the latter two: absurd numbers, absurd nesting
        raise GuidanceError(f"{name} cannot be read: {getattr(error, 'strerror', None) or error}.") from error
    if not isinstance(document, dict):
        raise GuidanceError(f"{name} must be a JSON object, got {type(document).__name__}.")
    return document


def _migrate(document: dict[str, Any]) -> dict[str, Any]:
    """Bring an older recipe to the current version. Version 1 is the first, so a missing one means 1."""
    version = Fields(document, "recipe").integer("version", VERSION, low=1)
    if version is not None and version > VERSION:
        raise GuidanceError(
            f"recipe.version {version} comes from a newer colorzoo; this one reads up to {VERSION}."
        )
    return document


def _parse(fields: Fields) -> Recipe:
    fields.take("version")
    _check_later_kinds(fields.rest())
    image = fields.child("image")
    recipe = Recipe(
        width=image.integer("width", None, low=1),
        height=image.integer("height", None, low=1),
        sha256=image.text("sha256", None),
        model=fields.text("model", None),
        strength=fields.number("strength", 1.0, low=0, high=MAX_STRENGTH),
        points=tuple(_parse_point(item) for item in fields.children("points")),
        scribbles=tuple(_parse_stroke(item) for item in fields.children("scribbles")),
        regions=tuple(_parse_region(item) for item in fields.children("regions")),
        boxes=_parse_boxes(fields),
        proposal=fields.text("proposal", None),
        areas=_parse_areas(fields),
        extra={**fields.rest(), **({"image": image.rest()} if image.rest() else {})},
    )
    if recipe.width is not None and recipe.height is not None:
        recipe.check_inside(recipe.width, recipe.height)
    return recipe


def _check_later_kinds(document: dict[str, Any]) -> None:
    """Check the fields that are kept as they stand."""
    fields = Fields(document, "recipe")
    exemplar = fields.child("exemplar")
    exemplar.number("alpha", 1.0, low=0, high=1)
    for reference in (exemplar, *exemplar.children("more")):
        reference.text("path", None)
        reference.number("weight", 1.0, low=0)
    statistics = fields.child("statistics")
    statistics.number("saturation", 0.0, low=0, high=1)
    statistics.numbers("histogram", _BINS, low=0, high=1e9)
    classes = fields.child("classes")
    table = classes.child("map")
    for name in table.rest():
        table.integer(name, None, low=0)
    for name in ("file", "reference_file"):
        classes.text(name, None)
    for area in classes.children("painted"):
        area.integer("class", None, low=0)
        area.path("path")


def _parse_point(fields: Fields) -> PointHint:
    ab = fields.numbers("ab", 2, low=-MAX_AB, high=MAX_AB)
    color = fields.text("color", None if ab is None else "#808080")
    if color is None:
        raise GuidanceError(f"{fields.name}.color is missing; expected '#rrggbb'.")
    return PointHint(
        x=fields.required_number("x"),
        y=fields.required_number("y"),
        radius=fields.number("radius", 3.0, low=0),
        color=hex_color(color, f"{fields.name}.color"),
        ab=None if ab is None else (ab[0], ab[1]),
        reach=read_reach(fields.take("reach"), f"{fields.name}.reach"),
        stroke=fields.integer("stroke", None, low=1),
        extra=fields.rest(),
    )


def _parse_stroke(fields: Fields) -> Stroke:
    return Stroke(path=fields.path("path"), width=fields.number("width", 5.0, low=0), extra=fields.rest())


def _parse_region(fields: Fields) -> RegionColor:
    index = fields.integer("index", None, low=0)
    color = fields.text("color", None)
    if index is None or color is None:
        raise GuidanceError(f"{fields.name} needs an index and a color '#rrggbb'.")
    return RegionColor(index, hex_color(color, f"{fields.name}.color"), fields.rest())


def _parse_boxes(fields: Fields) -> tuple[BoxHint, ...] | None:
    """Read the boxes; an empty list is something else than none at all."""
    if fields.rest().get("boxes") is None:
        return None
    return tuple(_parse_box(item) for item in fields.children("boxes"))


def _parse_areas(fields: Fields) -> tuple[Area, ...]:
    areas = tuple(parse_area(item) for item in fields.children("areas"))
    if len(areas) > MOST_AREAS:
        raise GuidanceError(f"{fields.name} has {len(areas)} areas; at most {MOST_AREAS} are taken.")
    return areas


def _parse_box(fields: Fields) -> BoxHint:
    x, y = fields.required_number("x"), fields.required_number("y")
    width, height = fields.required_number("width"), fields.required_number("height")
    if not (width > 0 and height > 0):
        raise GuidanceError(f"{fields.name} must be wider and higher than 0, got {width:g} x {height:g}.")
    return BoxHint(x, y, width, height, fields.rest())


def _item(item: PointHint | Stroke | RegionColor | BoxHint) -> dict[str, Any]:
    values = {k: v for k, v in vars(item).items() if k != "extra" and v is not None}
    if values.get("reach") == "everywhere":  # left out, as in recipes from before there was a reach
        del values["reach"]
    return {**item.extra, **json.loads(json.dumps(values))}
