"""Values of the kinds of guidance in recipes, in pixels of the original image."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Annotated, Any, NamedTuple, Self

from colorzoo.guidance.fields import DEFAULT_REACH, HexColor, Reach, Vertices, plain_fields
from colorzoo.settings import Fraction, NonNegativeFloat, NonNegativeInt, PositiveInt, Range

MAX_AB = 150.0  # CIE units; sRGB reaches 108

_Ab = Annotated[float, Range(-MAX_AB, MAX_AB)]


class Rectangle(NamedTuple):
    """A rectangular part of an image, in pixels.

    Attributes:
        x: Left edge.
        y: Top edge.
        width: Width, at least 1.
        height: Height, at least 1.
    """

    x: int
    y: int
    width: int
    height: int

    def __str__(self) -> str:
        """Return ``X,Y,WIDTH,HEIGHT``, the format of the option ``--border``."""
        return ",".join(map(str, self))

    @property
    def slices(self) -> tuple[slice, slice]:
        """Row and column slices of the rectangle."""
        return slice(self.y, self.y + self.height), slice(self.x, self.x + self.width)

    def contains(self, place: tuple[float, float], size: tuple[int, int]) -> bool:
        """Return whether the pixel of an image point (x, y) lies in the rectangle.

        Args:
            place: Point; points on the right and bottom edges of the image belong to its last pixels.
            size: Width and height of the image.
        """
        x, y = min(place[0], size[0] - 1), min(place[1], size[1] - 1)
        return 0 <= x - self.x < self.width and 0 <= y - self.y < self.height

    def shifted(self, place: tuple[float, float]) -> tuple[float, float]:
        """Convert an image point (x, y) to rectangle coordinates; the point can lie outside."""
        return place[0] - self.x, place[1] - self.y

    def inner(self, place: tuple[float, float]) -> tuple[float, float]:
        """Convert an image point (x, y) to rectangle coordinates, clamped to the rectangle."""
        x, y = self.shifted(place)
        return min(max(x, 0.0), float(self.width)), min(max(y, 0.0), float(self.height))

    def outer(self, place: tuple[float, float]) -> tuple[float, float]:
        """Convert a point (x, y) in rectangle coordinates to image coordinates."""
        return place[0] + self.x, place[1] + self.y

    def scaled(self, size: tuple[int, int], columns: int, rows: int) -> Rectangle:
        """Return the rectangle for a resized copy of the image.

        Args:
            size: Width and height of the image.
            columns: Width of the copy.
            rows: Height of the copy.
        """
        across, down = columns / size[0], rows / size[1]
        left, right = min(round(self.x * across), columns - 1), round((self.x + self.width) * across)
        top, bottom = min(round(self.y * down), rows - 1), round((self.y + self.height) * down)
        return Rectangle(left, top, max(1, right - left), max(1, bottom - top))


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
        divisions: Number of entries of `Recipe.divisions` that existed when the point was set in a drawing,
            or None; see `colorzoo.inference.steps.drawing.settle_points`.
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
    divisions: NonNegativeInt | None = None
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
class ReferenceFile:
    """A reference file named in a recipe.

    Attributes:
        path: Path relative to the recipe file; empty if the recipe does not name a file.
        weight: Relative weight among several references; None for 1.
        sha256: SHA-256 of the file for which the recipe was made, or None.
        extra: Unrecognized fields, kept when the recipe is saved.
    """

    path: str = ""
    weight: NonNegativeFloat | None = None
    sha256: str | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class ExemplarHint(ReferenceFile):
    """Reference images whose colors a model transfers; the inherited fields describe the first reference.

    Examples:
        >>> hint = ExemplarHint("sunset.jpg", more=(ReferenceFile("beach.jpg"),))
        >>> [file.path for file in hint.files]
        ['sunset.jpg', 'beach.jpg']

    Attributes:
        more: Further references.
        alpha: Strength of the references, 0 to 1. None uses the strength of the `Exemplar`, by default 1.
    """

    more: tuple[ReferenceFile, ...] = ()
    alpha: Fraction | None = None

    @property
    def files(self) -> tuple[ReferenceFile, ...]:
        """Reference files; empty if the recipe names no files."""
        return tuple(file for file in (self, *self.more) if file.path)


@dataclass(frozen=True)
class PaintedClass:
    """A polygon labeled with a semantic class.

    Attributes:
        number: Class number; None if the recipe does not contain a number.
        path: Vertices in pixels of the original image.
        extra: Unrecognized fields, kept when the recipe is saved.
    """

    number: NonNegativeInt | None
    path: Vertices
    extra: Mapping[str, Any] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Return the polygon as JSON types; ``number`` becomes ``class``."""
        document = plain_fields(self)
        if self.number is not None:
            document["class"] = document.pop("number")
        return document


@dataclass(frozen=True)
class ClassHints:
    """Changes to the classes that a model predicts for the image and its reference.

    A label image contains a class number for each pixel.

    Attributes:
        map: Mapping from changed class numbers to their replacements; None for no changes.
        file: Path of a label image that replaces the predicted classes of the image; None uses the
            prediction.
        reference_file: Path of a label image that replaces the predicted classes of the reference; None uses
            the prediction.
        painted: Labeled polygons; later polygons cover earlier polygons.
        extra: Unrecognized fields, kept when the recipe is saved.
    """

    map: Mapping[int, int] | None = None
    file: str | None = None
    reference_file: str | None = None
    painted: tuple[PaintedClass, ...] = ()
    extra: Mapping[str, Any] = field(default_factory=dict)

    @property
    def label_files(self) -> tuple[str, ...]:
        """Paths of the label images that the recipe names."""
        return tuple(file for file in (self.file, self.reference_file) if file)

    def to_dict(self) -> dict[str, Any]:
        """Return the changes as JSON types; the keys of ``map`` become text."""
        document = plain_fields(self)
        if self.map is not None:
            document["map"] = {str(old): new for old, new in self.map.items()}
        return document


@dataclass(frozen=True)
class StatisticsHint:
    """Target color statistics of the result.

    Attributes:
        saturation: Mean HSV saturation in [0, 1]; None for no target.
        histogram: Weights of the 313 color bins of the ab plane; None for no target.
        extra: Unrecognized fields, kept when the recipe is saved.
    """

    saturation: Fraction | None = None
    histogram: tuple[float, ...] | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Division:
    """A line that divides a region, outlines a new region or joins regions.

    Attributes:
        path: Vertices (x, y) of the line in image pixels.
        closed: Whether the line outlines a new region. If False, the line cuts the region that it crosses.
        join: Whether the line joins the regions that it crosses. Only regions of drawings can be joined.
        extra: Unrecognized fields, kept when the recipe is saved.
    """

    path: Vertices
    closed: bool = False
    join: bool = False
    extra: Mapping[str, Any] = field(default_factory=dict, hash=False)
