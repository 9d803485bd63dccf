"""Recipe fields that only some models use: exemplar, classes, statistics, divisions.

A recipe stores these fields as parsed JSON to preserve unknown fields and number formats.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field
from types import GenericAlias
from typing import Annotated

from colorzoo.errors import GuidanceError
from colorzoo.guidance.fields import Fields, Vertices, check_count
from colorzoo.settings import Fraction, NonNegativeFloat, NonNegativeInt, Range

MAX_DIVISIONS = 100
MAX_PAINTED = 256
MAX_REFERENCES = 16
_MAX_CLASSES = 4096
_BINS = 313  # number of ab bins inside sRGB
_Weight = Annotated[float, Range(0, 1e9)]


@dataclass(frozen=True)
class ReferenceFile:
    """A reference file named in a recipe.

    Attributes:
        path: Path relative to the recipe file.
        weight: Relative weight among several references.
        sha256: SHA-256 of the file for which the recipe was made, or None.
    """

    path: str
    weight: float
    sha256: str | None = None


@dataclass(frozen=True)
class ExemplarHint:
    """Reference images whose colors a model transfers.

    Attributes:
        files: Reference files; empty if the recipe names no files.
        alpha: Strength of the references, 0 to 1. None uses the strength of the `Exemplar`, by default 1.
    """

    files: tuple[ReferenceFile, ...] = ()
    alpha: float | None = None

    @classmethod
    def read(cls, value: object) -> ExemplarHint:
        """Parse the field ``exemplar``; raise `GuidanceError` if it is malformed."""
        fields = Fields(value, "recipe.exemplar")
        alpha = fields.read("alpha", Fraction)
        files = [_reference(each) for each in (fields, *fields.read_list("more", Fields, MAX_REFERENCES))]
        return cls(tuple(file for file in files if file is not None), alpha)


@dataclass(frozen=True)
class PaintedClass:
    """A polygon labeled with a semantic class.

    Attributes:
        number: Class number; None if the recipe does not contain a number.
        path: Vertices in pixels of the original image.
        name: Name of the field for error messages.
    """

    number: int | None
    path: Vertices
    name: str


@dataclass(frozen=True)
class ClassHints:
    """Changes to the classes that a model predicts for the image and its reference.

    A label image contains a class number for each pixel.

    Attributes:
        moved: Mapping from changed class numbers to their replacements.
        file: Path of a label image that replaces the predicted classes of the image; None uses the
            prediction.
        reference_file: Path of a label image that replaces the predicted classes of the reference; None uses
            the prediction.
        painted: Labeled polygons; later polygons cover earlier polygons.
    """

    moved: Mapping[int, int] = field(default_factory=dict)
    file: str | None = None
    reference_file: str | None = None
    painted: tuple[PaintedClass, ...] = ()

    @property
    def label_files(self) -> tuple[str, ...]:
        """Paths of the label images that the recipe names."""
        return tuple(file for file in (self.file, self.reference_file) if file)

    @classmethod
    def read(cls, value: object) -> ClassHints:
        """Parse the field ``classes``; raise `GuidanceError` if it is malformed."""
        fields = Fields(value, "recipe.classes")
        painted = [
            PaintedClass(area.read("class", NonNegativeInt), area.read("path", Vertices, MISSING), area.name)
            for area in fields.read_list("painted", Fields, MAX_PAINTED)
        ]
        # classes that replace other classes
        map_fields = fields.child("map")
        names = map_fields.rest()
        check_count(map_fields.name, len(names), _MAX_CLASSES)
        moved = {}
        for name in names:
            if not name.isdigit():
                raise GuidanceError(f"{map_fields.name} must have class numbers as keys, got {name!r}")
            moved[int(name)] = map_fields.read(name, NonNegativeInt, MISSING)
        return cls(moved, fields.read("file", str), fields.read("reference_file", str), tuple(painted))


@dataclass(frozen=True)
class StatisticsHint:
    """Target color statistics of the result.

    Attributes:
        saturation: Mean HSV saturation in [0, 1]; None for no target.
        histogram: Weights of the 313 color bins of the ab plane; None for no target.
    """

    saturation: float | None = None
    histogram: tuple[float, ...] | None = None

    @classmethod
    def read(cls, value: object) -> StatisticsHint:
        """Parse the field ``statistics``; raise `GuidanceError` if it is malformed."""
        fields = Fields(value, "recipe.statistics")
        histogram = fields.read("histogram", GenericAlias(tuple, (_Weight,) * _BINS))
        return cls(fields.read("saturation", Fraction), histogram)


@dataclass(frozen=True)
class Division:
    """A line that divides a region, outlines a new region or joins regions.

    Attributes:
        path: Vertices (x, y) of the line in image pixels.
        closed: Whether the line outlines a new region. If False, the line cuts the region that it crosses.
        join: Whether the line joins the regions that it crosses. Only regions of drawings can be joined.
    """

    path: Vertices
    closed: bool = False
    join: bool = False


def read_divisions(value: object) -> tuple[Division, ...]:
    """Parse the field ``divisions`` of a recipe.

    Raises:
        GuidanceError: The field is not a list of paths, or has too many entries.
    """
    entries = Fields({"divisions": value}, "recipe").read_list("divisions", Fields, MAX_DIVISIONS)
    return tuple(
        Division(
            entry.read("path", Vertices, MISSING), bool(entry.take("closed")), entry.read("join", bool, False)
        )
        for entry in entries
    )


def _reference(fields: Fields) -> ReferenceFile | None:
    path, weight = fields.read("path", str), fields.read("weight", NonNegativeFloat, 1.0)
    sha256 = fields.read("sha256", str)
    return None if path is None else ReferenceFile(path, weight, sha256)
