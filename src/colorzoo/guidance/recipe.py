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
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Self, TypeGuard, TypeVar

import torch

from colorzoo._files import open_text
from colorzoo.errors import GuidanceError, OtherImageError, RecipeVersionError
from colorzoo.files import whole_file
from colorzoo.guidance.areas import Area, parse_area
from colorzoo.guidance.border import BORDER_NAMES, BorderSetting, read_border
from colorzoo.guidance.edits import (
    ColorReplacement,
    Crop,
    Finish,
    PaintStroke,
    parse_paint,
    parse_replacement,
)
from colorzoo.guidance.fields import Fields, HexColor, check_count, plain_fields
from colorzoo.guidance.hints import TYPED_KINDS, Guidance
from colorzoo.guidance.kinds import BUILT_IN, MOST_ITEMS, guidance_kind, guidance_kinds
from colorzoo.guidance.objects import (
    BoxHint,
    ClassHints,
    Division,
    ExemplarHint,
    PointHint,
    ReferenceFile,
    RegionColor,
    StatisticsHint,
    Stroke,
)
from colorzoo.settings import NonNegativeInt, PositiveInt, Range

VERSION = 2  # since version 2 the default reach is automatic and scan borders are detected by default
MAX_STRENGTH = 1.5
MAX_POINTS = MOST_ITEMS["points"]
_MAX_PALETTE = 64
_MAX_LENGTH = 100_000_000  # maximum number of characters in a file
_MAX_ITEMS = {
    **MOST_ITEMS,
    "divisions": 100,
    "healing": 1024,
    "areas": 64,
    "paint": 1024,
    "replacements": 64,
}
_OVERLAYS = ("paint", "replacements")  # lists of edits composited over the model's colors
_PAD_FIELDS = ("studio", "locked", "wanted", "name")  # stored and used by the drawing pad only
_OWN = "x_"  # prefix of user-defined fields


@dataclass(frozen=True)
class DrawingSettings:
    """Settings for line art.

    Examples:
        >>> DrawingSettings(palette=("#c04020", "#f0e0d0")).variant
        0

    Attributes:
        gap: Width of the largest gap in a line to close, in pixels of an image with a shorter side of 1,000.
        specks: Area in percent of the image below which regions join a neighbor.
        palette: Colors ``#rrggbb`` to which the model is limited; empty for no limit.
        variant: Number of the coloring: 0 for the most likely colors, 1 and more for other colorings.
        shading: Whether colors vary softly within a region, instead of one flat color for each region.
        flats: Whether the result contains only the flat colors, without the lines.
        base_points: Points that the model receives instead of the points of the recipe, which then change
            only their own regions. None for the points of the recipe.
        extra: Unrecognized fields, kept when the recipe is saved.
    """

    gap: Annotated[float, Range(0, 100)] = 4.0
    specks: Annotated[float, Range(0, 1)] = 0.02
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
        exemplar: Reference images whose colors a model transfers.
        classes: Changes to the classes that the model predicts for the image and its reference.
        statistics: Target color statistics of the result.
        divisions: Lines that divide the regions proposed by the model.
        more: Values of the other kinds of guidance by name, such as ``"text"``; see `GuidanceKind`.
        extra: JSON of unknown fields.
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
    exemplar: ExemplarHint = field(default_factory=ExemplarHint)
    classes: ClassHints = field(default_factory=ClassHints)
    statistics: StatisticsHint = field(default_factory=StatisticsHint)
    divisions: tuple[Division, ...] = ()
    more: Mapping[str, Any] = field(default_factory=dict)
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
        return _parse(dict(source) if isinstance(source, Mapping) else _load(source))

    def to_dict(self) -> dict[str, Any]:
        """Return the recipe as JSON types, omitting fields with default values."""
        document: dict[str, Any] = {"version": VERSION, **plain_fields(self), "strength": self.strength}
        document |= document.pop("more", {})
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

    def to_guidance(self, width: int, height: int, size: tuple[int, int] | None = None) -> Guidance:
        """Convert the hints of the recipe to tensors.

        Tensors cannot contain hints that depend on a model or on other images, nor settings such as areas or
        a reach that limits how far a point spreads. Pass a recipe that has them to `Colorizer`.

        Examples:
            >>> recipe = Recipe(points=(PointHint(x=20, y=10, reach="everywhere"),))
            >>> recipe.to_guidance(width=64, height=48).points.ab.shape
            torch.Size([1, 2, 48, 64])

        Args:
            width: Width of the original image in pixels.
            height: Height of the original image in pixels.
            size: Height and width of the returned maps; None uses the size of the image.

        Raises:
            GuidanceError: The recipe does not fit the size of the image, or contains hints or settings that
                tensors cannot contain.
        """
        self.check_inside(width, height)
        recipe = self.shown()
        for index, point in enumerate(recipe.points):
            if point.reach != "everywhere" or point.strength != 1:
                raise GuidanceError(
                    f"recipe.points[{index}] must have the reach 'everywhere' and the strength 1 for "
                    f"guidance tensors, got {point.reach!r} and {point.strength:g}. Pass the recipe to "
                    "Colorizer."
                )
        lightness = torch.zeros(1, 1, *(size or (height, width)))
        hints = {
            name: guidance_kind(name).tensors(value, lightness, (width, height))
            for name, value in recipe.hints().items()
        }
        settings = ("areas", "paint", "replacements", "finish", "healing", "crop", "drawing", "divisions")
        found = [name for name, tensors in hints.items() if tensors is None]
        found += [name for name in settings if getattr(recipe, name)]
        found += ["strength"] if recipe.strength != 1 else []
        found += ["border"] if recipe.border not in BORDER_NAMES else []
        if found:
            raise GuidanceError(
                "the recipe must contain only points, scribbles, boxes, statistics, a label and text for "
                f"guidance tensors, got {', '.join(found)}. Pass the recipe to Colorizer."
            )
        return Guidance().with_hints(**hints)

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

    def with_references(self, files: Iterable[tuple[str, str | None]]) -> Self:
        """Return a copy with other reference images.

        Args:
            files: Path and SHA-256 of each file, in the order of `ExemplarHint.files`. The hash can be None.
        """
        remaining = iter(files)

        def renamed(reference: R) -> R:
            if not reference.path:
                return reference
            path, sha256 = next(remaining)
            return replace(reference, path=path, sha256=sha256 or None)

        first = renamed(self.exemplar)
        return replace(self, exemplar=replace(first, more=tuple(map(renamed, first.more))))

    def with_label_files(self, paths: Iterable[str]) -> Self:
        """Return a copy with other paths of the label images, in the order of `ClassHints.label_files`."""
        names = [name for name in ("file", "reference_file") if getattr(self.classes, name)]
        files: dict[str, Any] = dict(zip(names, paths, strict=True))
        return replace(self, classes=replace(self.classes, **files))

    def hints(self) -> dict[str, Any]:
        """Return the values of all kinds of guidance in the recipe by name.

        An empty tuple of `boxes` is included, because it disables object detection.
        """
        typed = {name: getattr(self, name) for name in _DEFAULTS if getattr(self, name) != _DEFAULTS[name]}
        return {**typed, **self.more}

    def kinds(self) -> tuple[str, ...]:
        """Return the kinds of hints in the recipe, such as ``"points"``."""
        return tuple(name for name, value in self.hints().items() if value != ())

    def unknown(self) -> tuple[str, ...]:
        """Return the names of unknown fields, such as ``points[2].colour``.

        User-defined fields, whose names start with ``x_``, are not included.
        """
        top_level = {name: value for name, value in self.extra.items() if name != "image"}
        # name prefix and unknown fields of each JSON object of the recipe
        objects: list[tuple[str, Mapping[str, Any]]] = [("", top_level)]
        lists: dict[str, Any] = {key: getattr(self, key) or () for key in _MAX_ITEMS}
        lists |= {"exemplar.more": self.exemplar.more, "classes.painted": self.classes.painted}
        lists["drawing.base_points"] = (self.drawing and self.drawing.base_points) or ()
        for key, items in lists.items():
            objects += [(f"{key}[{index}].", item.extra) for index, item in enumerate(items)]
        for key in ("crop", "finish", "drawing", "exemplar", "classes", "statistics"):
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


R = TypeVar("R", bound=ReferenceFile)
# defaults of the fields that contain a kind of guidance
_DEFAULTS = {kind.name: getattr(Recipe(), kind.name) for kind in BUILT_IN if kind.name in TYPED_KINDS}


def recipe_schema() -> dict[str, Any]:
    """Return the JSON schema of recipes, with the registered kinds of guidance.

    Examples:
        >>> recipe_schema()["properties"]["text"]["maxLength"]
        256
    """
    text = files("colorzoo.guidance").joinpath("recipe.schema.json").read_text(encoding="utf-8")
    schema: dict[str, Any] = json.loads(text)
    for kind in guidance_kinds():
        schema["properties"].setdefault(kind.name, dict(kind.schema))
    return schema


def is_recipe_text(source: object) -> TypeGuard[str]:
    """Return True for JSON text, which starts with a brace, and False for a path."""
    return isinstance(source, str) and source.removeprefix("\ufeff").lstrip().startswith("{")


def _load(source: str | Path) -> dict[str, Any]:
    name = "recipe" if is_recipe_text(source) else f"recipe {str(source)!r}"
    try:
        if is_recipe_text(source):
            text = source.removeprefix("\ufeff")  # byte order mark
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


def _parse(document: dict[str, Any]) -> Recipe:
    """Read the fields of a recipe; unknown fields are kept in `Recipe.extra`."""
    fields = Fields(document, "recipe")
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
        "finish": fields.read("finish", Finish),
        "border": _parse_border(fields, version),
        "crop": fields.read("crop", Crop),
        "drawing": _parse_drawing(fields.read("drawing", Fields)),
    }
    # kinds of guidance
    more: dict[str, Any] = {}
    for kind in guidance_kinds():
        value = fields.take(kind.name)
        if value is None:
            continue
        if kind.name == "points" and version == 1 and isinstance(value, list):  # other default reach
            value = [
                {**item, "reach": "everywhere"}
                if isinstance(item, dict) and item.get("reach") is None
                else item
                for item in value
            ]
        parsed = kind.parse(value, f"{fields.name}.{kind.name}")
        (known if kind.name in _DEFAULTS else more)[kind.name] = parsed
    # other lists
    parsers: Mapping[str, Callable[[Fields], Any]] = {
        "divisions": lambda item: item.parse(Division, closed=bool(item.take("closed"))),
        "healing": lambda item: item.parse(Stroke),
        "areas": parse_area,
        "paint": parse_paint,
        "replacements": parse_replacement,
    }
    for name, parse in parsers.items():
        known[name] = tuple(map(parse, fields.read_list(name, Fields, _MAX_ITEMS[name])))
    extra = fields.rest()  # fields that were not read above
    if unknown_image := image.rest():
        extra["image"] = unknown_image
    recipe = Recipe(**known, more=more, extra=extra)
    if recipe.width is not None and recipe.height is not None:
        recipe.check_inside(recipe.width, recipe.height)
    return recipe


def _parse_drawing(fields: Fields | None) -> DrawingSettings | None:
    """Read the settings of a drawing; None without settings."""
    if fields is None:
        return None
    base = None
    if (points := fields.take("base_points", None)) is not None:
        base = guidance_kind("points").parse(points, f"{fields.name}.base_points")
    palette = fields.read_list("palette", HexColor, _MAX_PALETTE)
    return fields.parse(DrawingSettings, palette=palette, base_points=base)


def _parse_border(fields: Fields, version: int) -> BorderSetting:
    former = fields.take("frame")  # former name of the field
    value = fields.take("border", former)
    if value is None and version == 1:
        return "none"  # recipes of version 1 colorize the whole image
    return read_border(value, f"{fields.name}.border")
