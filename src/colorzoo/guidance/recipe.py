"""Recipe: all hints and settings for one image as a versioned JSON file.

Coordinates are pixels of the original image, and colors are ``#rrggbb``. A recipe produces the same colors on
the command line, in Python, in notebooks and in the drawing pad. ``recipe.schema.json`` documents every
field.

Unknown fields are preserved when a recipe is read and written. Colorizing an image with a recipe that has
unknown fields raises an error (`Recipe.check_known`).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeGuard

from colorzoo.errors import GuidanceError, OtherImageError, RecipeVersionError
from colorzoo.files import open_text, whole_file
from colorzoo.guidance.areas import Area, parse_area
from colorzoo.guidance.border import BorderSetting, read_border
from colorzoo.guidance.edits import (
    ColorReplacement,
    Crop,
    Finish,
    PaintStroke,
    parse_paint,
    parse_replacement,
)
from colorzoo.guidance.fields import (
    DEFAULT_REACH,
    Fields,
    HexColor,
    Reach,
    ReachName,
    Vertices,
    check_count,
    plain_fields,
)
from colorzoo.guidance.objects import ClassHints, Division, ExemplarHint, StatisticsHint, read_divisions
from colorzoo.settings import Fraction, NonNegativeFloat, NonNegativeInt, PositiveInt, Range

VERSION = 2  # since version 2 the default reach is automatic and scan borders are detected by default
MAX_STRENGTH = 1.5
MAX_AB = 150.0  # CIE units; sRGB reaches 108
MAX_POINTS = 2048
_MAX_PALETTE = 64
_MAX_LENGTH = 100_000_000  # maximum number of characters in a file
_MAX_ITEMS = {
    "points": MAX_POINTS,
    "scribbles": 512,
    "healing": 1024,
    "regions": 1024,
    "boxes": 64,
    "areas": 64,
    "paint": 1024,
    "replacements": 64,
}
_LISTS = ("points", "scribbles", "regions", "boxes")
_OVERLAYS = ("paint", "replacements")  # lists of edits composited over the model's colors
_PAD_FIELDS = ("studio", "locked", "wanted", "name")  # stored and used by the drawing pad only
_OBJECTS = ("exemplar", "classes", "statistics")  # stored as parsed JSON
_PARSED_ON_ACCESS = (*_OBJECTS, "divisions", "image")
_OWN = "x_"  # prefix of user-defined fields

_Ab = Annotated[float, Range(-MAX_AB, MAX_AB)]


@dataclass(frozen=True)
class PointHint:
    """A color at a point.

    Examples:
        >>> PointHint(x=20, y=10, color="#c04020").radius
        3.0

    Attributes:
        x: Distance in pixels from the left edge of the original image.
        y: Distance in pixels from the top edge of the original image.
        radius: Half the side of the square patch, in pixels of the original image.
        color: ``#rrggbb``; hue and chroma are used, and the lightness comes from the image.
        ab: Exact a and b in CIE units, which override ``color``; or None.
        reach: Distance over which the color spreads; see `Reach`.
        strength: Weight of the point, from 0 (no effect) to 1.
        stroke: Number of the stroke to which the point belongs, or None. The drawing pad edits all points of
            a stroke together.
        extra: Unrecognized fields, kept when the recipe is saved.
    """

    x: float
    y: float
    radius: NonNegativeFloat = 3.0
    color: HexColor = "#808080"
    ab: tuple[_Ab, _Ab] | None = None
    reach: Reach = DEFAULT_REACH
    strength: Fraction = 1.0
    stroke: PositiveInt | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)

    def scaled(self, x_scale: float, y_scale: float) -> Self:
        """Return the point in a copy of the image whose width and height are multiplied by factors."""
        radius = self.radius * (x_scale + y_scale) / 2
        return replace(self, x=self.x * x_scale, y=self.y * y_scale, radius=radius)


@dataclass(frozen=True)
class Stroke:
    """A scribble without color along an edge, or a healing stroke over damage to inpaint.

    Examples:
        >>> Stroke(path=((10, 12), (40, 15)), width=5).width
        5

    Attributes:
        path: Vertices (x, y) of the polyline in pixels of the original image.
        width: Stroke width in pixels of the original image.
        extra: Unrecognized fields, kept when the recipe is saved.
    """

    path: Vertices
    width: NonNegativeFloat = 5.0
    extra: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class RegionColor:
    """The color of a region proposed by the model.

    Examples:
        >>> RegionColor(index=0, color="#ffd0b0").index
        0

    Attributes:
        index: Region number, counted from 0.
        color: ``#rrggbb``.
        extra: Unrecognized fields, kept when the recipe is saved.
    """

    index: NonNegativeInt
    color: HexColor
    extra: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class BoxHint:
    """The bounding box of an object.

    Examples:
        >>> BoxHint(x=10, y=20, width=30, height=40).corners
        (10, 20, 40, 60)

    Attributes:
        x: Left edge in pixels of the original image.
        y: Top edge.
        width: Width in pixels of the original image.
        height: Height in pixels of the original image.
        extra: Unrecognized fields, kept when the recipe is saved.
    """

    x: float
    y: float
    width: float
    height: float
    extra: Mapping[str, Any] = field(default_factory=dict)

    @property
    def corners(self) -> tuple[float, float, float, float]:
        """Left, top, right and bottom in pixels of the original image."""
        return self.x, self.y, self.x + self.width, self.y + self.height


@dataclass(frozen=True)
class DrawingSettings:
    """Settings for line art.

    Examples:
        >>> DrawingSettings(palette=("#c04020", "#f0e0d0")).variant
        0

    Attributes:
        gap: Width of the largest gap in a line to close, in pixels of an image with a shorter side of 1,000.
        palette: Colors ``#rrggbb`` to which the model is limited; empty for no limit.
        variant: Number of the coloring: 0 for the most likely colors, 1 and more for other colorings.
        shading: Whether colors vary softly within a region, instead of one flat color for each region.
        flats: Whether the result contains only the flat colors, without the lines.
        base_points: Points that the model receives instead of the points of the recipe, which then change
            only their own regions. None for the points of the recipe.
        extra: Unrecognized fields, kept when the recipe is saved.
    """

    gap: Annotated[float, Range(0, 100)] = 4.0
    palette: tuple[HexColor, ...] = ()
    variant: NonNegativeInt = 0
    shading: bool = False
    flats: bool = False
    base_points: tuple[PointHint, ...] | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Recipe:
    """All hints and settings for one image.

    Examples:
        >>> recipe = Recipe.from_json({"version": 2, "points": [{"x": 20, "y": 10, "color": "#c04020"}]})
        >>> recipe.points[0].color
        '#c04020'

    Attributes:
        width: Width of the original image in pixels, or None if the recipe fits any size.
        height: Height of the original image, or None.
        sha256: SHA-256 of the image file, or None.
        model: Registered model name, or None for the default.
        strength: Factor on the chroma, 0 to 1.5.
        points: Color points; later points cover earlier points.
        scribbles: Strokes without color.
        regions: Colored regions.
        boxes: Bounding boxes of objects. None enables object detection by a model with a
            detector, unless the recipe contains object areas. An empty tuple
            disables object detection.
        proposal: SHA-256 of the region map to which ``regions`` refers, or None. A note is shown if the model
            proposes other regions.
        areas: Image areas with an action, such as filling with a color; see `Area`.
        paint: Brush strokes composited over the model's colors; later strokes cover earlier strokes.
        replacements: Color replacements in the whole image, applied in order before the paint strokes.
        finish: Adjustments of all colors, including paint strokes; or None.
        healing: Strokes over dust and scratches to inpaint before colorizing.
        border: Part of a scan to colorize; see `BorderSetting`.
        crop: Crop and rotation of the result; None keeps the whole image.
        drawing: Settings for line art; None for the defaults.
        label: Class of the whole image, for models with label guidance; or None.
        extra: JSON of unknown fields and of the properties `exemplar`, `classes`, `statistics` and
            `divisions`.
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
    paint: tuple[PaintStroke, ...] = ()
    replacements: tuple[ColorReplacement, ...] = ()
    finish: Finish | None = None
    healing: tuple[Stroke, ...] = ()
    border: BorderSetting = "automatic"
    crop: Crop | None = None
    drawing: DrawingSettings | None = None
    label: int | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, most in _MAX_ITEMS.items():
            if items := getattr(self, name):
                check_count(f"recipe.{name}", len(items), most)

    @classmethod
    def from_json(cls, source: str | Path | Mapping[str, Any]) -> Recipe:
        """Read a recipe from a file, from JSON text (starting with ``{``), or from parsed JSON.

        Raises:
            GuidanceError: The file is missing, or the recipe is invalid; the message names the invalid field.
        """
        document = dict(source) if isinstance(source, Mapping) else _load(source)
        return _parse(Fields(document, "recipe"))

    def to_dict(self) -> dict[str, Any]:
        """Return the recipe as JSON types, omitting fields with default values."""
        document: dict[str, Any] = {"version": VERSION, **plain_fields(self), "strength": self.strength}
        image = {key: document.pop(key) for key in ("width", "height", "sha256") if key in document}
        if image:
            document["image"] = {**document.get("image", {}), **image}
        return document

    def to_json(self, path: str | Path | None = None) -> str:
        """Return the recipe as JSON text; if ``path`` is not None, also write the file atomically.

        Raises:
            GuidanceError: The file cannot be written.
        """
        text = json.dumps(self.to_dict(), indent=1)
        if path is not None:
            try:
                with whole_file(Path(path)) as file:
                    file.write(text.encode())
            except OSError as error:
                reason = error.strerror or error
                raise GuidanceError(f"recipe {str(path)!r} cannot be written: {reason}") from error
        return text

    @property
    def exemplar(self) -> ExemplarHint:
        """Reference images whose colors a model transfers."""
        value = self.extra.get("exemplar")
        return ExemplarHint() if value is None else ExemplarHint.read(value)

    @property
    def classes(self) -> ClassHints:
        """Changes to the classes that the model predicts for the image and its reference."""
        value = self.extra.get("classes")
        return ClassHints() if value is None else ClassHints.read(value)

    @property
    def statistics(self) -> StatisticsHint:
        """Target color statistics of the result."""
        value = self.extra.get("statistics")
        return StatisticsHint() if value is None else StatisticsHint.read(value)

    @property
    def divisions(self) -> tuple[Division, ...]:
        """Lines that divide the regions proposed by the model."""
        return read_divisions(self.extra.get("divisions"))

    def shown(self) -> Self:
        """Return a copy without hidden or fully transparent areas, strokes and replacements."""
        shown: dict[str, Any] = {
            name: tuple(item for item in getattr(self, name) if not item.hidden and item.opacity > 0)
            for name in ("areas", *_OVERLAYS)
        }
        return replace(self, **shown)

    def without_hints(self) -> Self:
        """Return a copy without points, scribbles, regions, areas and color edits.

        Color edits are paint strokes, color replacements and adjustments. The strength of the copy is 1.
        """
        nothing: dict[str, Any] = dict.fromkeys(("points", "scribbles", "regions", "areas", *_OVERLAYS), ())
        return replace(self, strength=1.0, finish=None, **nothing)

    def with_fields(
        self, name: Literal["exemplar", "classes", "statistics"], fields: Mapping[str, object]
    ) -> Self:
        """Return a copy with changed fields in a nested object.

        Args:
            name: Name of the nested object: ``"exemplar"``, ``"classes"`` or ``"statistics"``.
            fields: New values by field name; None removes a field.
        """
        if not fields:
            return self
        merged = {**(self.extra.get(name) or {}), **fields}
        kept = {key: value for key, value in merged.items() if value is not None}
        return replace(self, extra={**self.extra, name: kept})

    def with_references(self, files: Iterable[tuple[str, str | None]]) -> Self:
        """Return a copy with other reference images.

        Args:
            files: Path and SHA-256 of each file, in the order of `ExemplarHint.files`. The hash can be None.
        """
        exemplar, remaining_files = self.extra["exemplar"], iter(files)
        changed = []
        for reference in (exemplar, *(exemplar.get("more") or ())):
            if reference.get("path") is not None:
                path, sha256 = next(remaining_files)
                others = {name: value for name, value in reference.items() if name != "sha256"}
                reference = {**others, "path": path, **({"sha256": sha256} if sha256 else {})}
            changed.append(reference)
        first, *more = changed
        first = {"sha256": None, **first}
        return self.with_fields("exemplar", {**first, "more": more or None})

    def with_label_files(self, paths: Iterable[str]) -> Self:
        """Return a copy with other paths of the label images, in the order of `ClassHints.label_files`."""
        names = [name for name in ("file", "reference_file") if getattr(self.classes, name)]
        return self.with_fields("classes", dict(zip(names, paths, strict=True)))

    def kinds(self) -> tuple[str, ...]:
        """Return the kinds of hints in the recipe, such as ``"points"``."""
        lists = [name for name in _LISTS if getattr(self, name)]
        objects = [name for name in _OBJECTS if self.extra.get(name)]
        return (*lists, *objects, *["label"] * (self.label is not None))

    def unknown(self) -> tuple[str, ...]:
        """Return the names of unknown fields, such as ``points[2].colour``.

        User-defined fields, whose names start with ``x_``, are not included.
        """
        top_level = {name: value for name, value in self.extra.items() if name not in _PARSED_ON_ACCESS}
        # name prefix and fields without a parser, for each JSON object of the recipe
        objects: list[tuple[str, Mapping[str, Any]]] = [("", top_level)]
        for key in _MAX_ITEMS:
            items = getattr(self, key) or ()
            objects += [(f"{key}[{index}].", item.extra) for index, item in enumerate(items)]
        for key in ("crop", "finish", "drawing"):
            if item := getattr(self, key):
                objects.append((f"{key}.", item.extra))
        # fields that are neither stored by the drawing pad nor user-defined
        return tuple(
            prefix + name
            for prefix, extra in objects
            for name in extra
            if name not in _PAD_FIELDS and not name.startswith(_OWN)
        )

    def check_known(self) -> Self:
        """Return the recipe if it has no unknown fields; see `unknown`.

        Raises:
            GuidanceError: A field is unknown.
        """
        for name in self.unknown():
            raise GuidanceError(
                f"unknown recipe field {name!r}; see docs/recipe.md. User-defined fields start with {_OWN!r}."
            )
        return self

    def check_extra(self) -> None:
        """Check the fields that `extra` stores and that only some models use.

        Raises:
            GuidanceError: A field is invalid.
        """
        for name in ("divisions", "exemplar", "statistics", "classes"):
            getattr(self, name)  # these properties parse the field

    def check_inside(self, width: int, height: int) -> None:
        """Check that the recipe fits an image of ``width`` x ``height`` pixels.

        Raises:
            OtherImageError: The recipe is for an image of another size, or a hint lies outside the image.
        """
        expected = (self.width or width, self.height or height)
        if expected != (width, height):
            raise OtherImageError(
                f"the recipe requires an image of {expected[0]} x {expected[1]} pixels, got {width} x "
                f"{height} pixels. Use the image for which the recipe was made."
            )
        if self.crop is not None:
            self.crop.check_inside(width, height)
        locations = [(f"points[{index}]", point.x, point.y) for index, point in enumerate(self.points)]
        base = (self.drawing and self.drawing.base_points) or ()
        locations += [(f"drawing.base_points[{i}]", point.x, point.y) for i, point in enumerate(base)]
        for index, box in enumerate(self.boxes or ()):
            left, top, right, bottom = box.corners
            locations += [(f"boxes[{index}]", left, top), (f"boxes[{index}]", right, bottom)]
        for index, scribble in enumerate(self.scribbles):
            locations += [(f"scribbles[{index}]", x, y) for x, y in scribble.path]
        for name, x, y in locations:
            if not (0 <= x <= width and 0 <= y <= height):
                raise OtherImageError(
                    f"{name} at ({x:g}, {y:g}) lies outside the image ({width} x {height} pixels)"
                )


def is_recipe_text(source: object) -> TypeGuard[str]:
    """Return True for JSON text, which starts with a brace, and False for a path."""
    return isinstance(source, str) and source.lstrip().startswith("{")


def _load(source: str | Path) -> dict[str, Any]:
    name = "recipe" if is_recipe_text(source) else f"recipe {str(source)!r}"
    try:
        if is_recipe_text(source):
            text = source
        else:
            with open_text(Path(source)) as file:
                text = file.read(_MAX_LENGTH + 1)  # limited, because devices such as /dev/zero never end
            if len(text) > _MAX_LENGTH:
                raise ValueError(f"the recipe is longer than {_MAX_LENGTH / 1e6:g} million characters")
        document = json.loads(text)
    # subclasses of ValueError are JSON and encoding errors; the last is raised for deep nesting
    except (OSError, ValueError, RecursionError) as error:
        raise GuidanceError(f"{name} cannot be read: {getattr(error, 'strerror', None) or error}") from error
    if not isinstance(document, dict):
        raise GuidanceError(f"{name} must be a JSON object, got {type(document).__name__}")
    return document


def _parse(fields: Fields) -> Recipe:
    """Read the fields of a recipe; unknown fields are kept in `Recipe.extra`."""
    version = fields.read("version", PositiveInt, VERSION)
    if version > VERSION:
        raise RecipeVersionError(
            f"recipe.version must be at most {VERSION}, got {version}. Install a newer version of colorzoo."
        )
    image = fields.child("image")
    known: dict[str, Any] = {
        "width": image.read("width", PositiveInt),
        "height": image.read("height", PositiveInt),
        "sha256": image.read("sha256", str),
        "model": fields.read("model", str),
        "strength": fields.read("strength", Annotated[float, Range(0, MAX_STRENGTH)], 1.0),
        "proposal": fields.read("proposal", str),
        **_parse_lists(fields, version),
        "finish": fields.read("finish", Finish),
        "border": _parse_border(fields, version),
        "crop": fields.read("crop", Crop),
        "drawing": _parse_drawing(fields.read("drawing", Fields)),
        "label": fields.read("label", NonNegativeInt),
    }
    extra = fields.rest()  # fields that were not read above
    if unknown_image := image.rest():
        extra["image"] = unknown_image
    recipe = Recipe(**known, extra=extra)
    recipe.check_extra()
    if recipe.width is not None and recipe.height is not None:
        recipe.check_inside(recipe.width, recipe.height)
    return recipe


def _parse_lists(fields: Fields, version: int) -> dict[str, tuple[Any, ...]]:
    """Read the lists of points, strokes, areas and other hints that a recipe contains."""
    reach: ReachName = "everywhere" if version == 1 else DEFAULT_REACH
    parsers: Mapping[str, Callable[[Fields], Any]] = {
        "points": lambda item: _parse_point(item, reach),
        "scribbles": lambda item: item.parse(Stroke),
        "healing": lambda item: item.parse(Stroke),
        "regions": lambda item: item.parse(RegionColor),
        "boxes": _parse_box,
        "areas": parse_area,
        "paint": parse_paint,
        "replacements": parse_replacement,
    }
    present = {name: parse for name, parse in parsers.items() if fields.get(name) is not None}
    return {
        name: tuple(map(parse, fields.read_list(name, Fields, _MAX_ITEMS[name])))
        for name, parse in present.items()
    }


def _parse_drawing(fields: Fields | None) -> DrawingSettings | None:
    """Read the settings of a drawing; None without settings."""
    if fields is None:
        return None
    base = None
    if fields.get("base_points") is not None:
        entries = fields.read_list("base_points", Fields, _MAX_ITEMS["points"])
        base = tuple(_parse_point(entry, DEFAULT_REACH) for entry in entries)
    palette = fields.read_list("palette", HexColor, _MAX_PALETTE)
    return fields.parse(DrawingSettings, palette=palette, base_points=base)


def _parse_border(fields: Fields, version: int) -> BorderSetting:
    former = fields.take("frame")  # former name of the field
    value = fields.take("border", former)
    if value is None and version == 1:
        return "none"  # recipes of version 1 colorize the whole image
    return read_border(value, f"{fields.name}.border")


def _parse_point(fields: Fields, reach: ReachName) -> PointHint:
    if fields.get("color") is None and fields.get("ab") is None:
        raise GuidanceError(f"{fields.name}.color is missing; expected '#rrggbb'")
    return fields.parse(PointHint, reach=fields.read("reach", Reach, reach))


def _parse_box(fields: Fields) -> BoxHint:
    box = fields.parse(BoxHint)
    if not (box.width > 0 and box.height > 0):
        raise GuidanceError(
            f"{fields.name} must have width and height above 0, got width {box.width:g} and height "
            f"{box.height:g}"
        )
    return box
