"""The objects of a recipe that only some models read: exemplar, classes, statistics, divisions.

A recipe keeps them as JSON, so that unknown fields and the spelling of numbers survive a round trip; they are
checked and read here alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from colorzoo.errors import GuidanceError
from colorzoo.guidance.fields import Fields, too_many

MAX_DIVISIONS = 100
MAX_PAINTED = 256
MAX_REFERENCES = 16
_MAX_CLASSES = 4096
_BINS = 313  # of the ab plane inside sRGB

Corners = tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class ReferenceFile:
    """A reference that a recipe names.

    Attributes:
        path: Its file, relative to that of the recipe.
        weight: Its share in the mix.
    """

    path: str
    weight: float


@dataclass(frozen=True)
class ExemplarHint:
    """References whose colors to use.

    Attributes:
        files: The references that are named; none if they are given otherwise.
        alpha: How far to go towards them, 0 to 1; None if the recipe does not say.
    """

    files: tuple[ReferenceFile, ...] = ()
    alpha: float | None = None

    @classmethod
    def read(cls, value: object) -> ExemplarHint:
        """Read the field ``exemplar``; raise `GuidanceError` if it is malformed."""
        if value is None:
            return cls()
        fields = Fields(value, "recipe.exemplar")
        alpha = _number(fields, "alpha", 1.0)
        files = [_reference(each) for each in (fields, *fields.children("more", MAX_REFERENCES))]
        return cls(tuple(file for file in files if file is not None), alpha)


@dataclass(frozen=True)
class PaintedClass:
    """A polygon that gets a class.

    Attributes:
        number: The class; None if the recipe does not say.
        path: Corners in pixels of the original image.
        name: Name of the field in errors.
    """

    number: int | None
    path: Corners
    name: str


@dataclass(frozen=True)
class ClassHints:
    """Classes of image and reference.

    Attributes:
        moved: New class by old one.
        file: Label image of the image in place of the model's classes.
        reference_file: The same for the reference.
        painted: Polygons with a class, later ones over earlier ones.
    """

    moved: Mapping[int, int] = field(default_factory=dict)
    file: str | None = None
    reference_file: str | None = None
    painted: tuple[PaintedClass, ...] = ()

    @property
    def label_files(self) -> tuple[str, ...]:
        """The label images that are named."""
        return tuple(file for file in (self.file, self.reference_file) if file)

    @classmethod
    def read(cls, value: object) -> ClassHints:
        """Read the field ``classes``; raise `GuidanceError` if it is malformed."""
        if value is None:
            return cls()
        fields = Fields(value, "recipe.classes")
        painted = [
            PaintedClass(area.integer("class", None, low=0), area.path("path"), area.name)
            for area in fields.children("painted", MAX_PAINTED)
        ]
        moved = _read_map(fields.child("map"))
        return cls(moved, fields.text("file", None), fields.text("reference_file", None), tuple(painted))


@dataclass(frozen=True)
class StatisticsHint:
    """Statistics that the colors of the result should have.

    Attributes:
        saturation: Mean saturation in [0, 1], or None.
        histogram: Weights of the 313 bins of the ab plane, or None.
    """

    saturation: float | None = None
    histogram: tuple[float, ...] | None = None

    @classmethod
    def read(cls, value: object) -> StatisticsHint:
        """Read the field ``statistics``; raise `GuidanceError` if it is malformed."""
        if value is None:
            return cls()
        fields = Fields(value, "recipe.statistics")
        histogram = fields.numbers("histogram", _BINS, low=0, high=1e9)
        return cls(_number(fields, "saturation", 1.0), histogram)


@dataclass(frozen=True)
class Division:
    """One edit of the regions that a model proposes.

    Attributes:
        path: Corners as x and y in pixels of the image.
        closed: A loop, whose inside becomes a region; otherwise a line that cuts the region it crosses.
    """

    path: Corners
    closed: bool


def read_divisions(value: object) -> tuple[Division, ...]:
    """Read the field ``divisions`` of a recipe.

    Raises:
        GuidanceError: It is no list of paths, or too long.
    """
    entries = Fields({"divisions": value}, "recipe").children("divisions", MAX_DIVISIONS)
    return tuple(Division(entry.path("path"), bool(entry.take("closed"))) for entry in entries)


def _number(fields: Fields, key: str, high: float) -> float | None:
    """Take a number in [0, high], or None if it is absent."""
    found = fields.number(key, -1.0, low=0, high=high)
    return None if found < 0 else found


def _reference(fields: Fields) -> ReferenceFile | None:
    path, weight = fields.text("path", None), fields.number("weight", 1.0, low=0)
    return None if path is None else ReferenceFile(path, weight)


def _read_map(fields: Fields) -> dict[int, int]:
    """Read a table old class -> new class."""
    names = fields.rest()
    if len(names) > _MAX_CLASSES:
        raise too_many(fields.name, len(names), _MAX_CLASSES)
    table = {}
    for name in names:
        if not name.isdigit():
            raise GuidanceError(f"{fields.name} has the key {name!r}; the number of a class was expected.")
        new = fields.integer(name, None, low=0)
        if new is None:
            raise GuidanceError(f"{fields.name}.{name} must be the number of a class, got null.")
        table[int(name)] = new
    return table
