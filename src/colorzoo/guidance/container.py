"""`Guidance`: everything a user gives with one batch of pictures."""

from __future__ import annotations

from dataclasses import dataclass, fields

from colorzoo.guidance.kinds import (
    ClassMap,
    Exemplar,
    GlobalStatistics,
    Points,
    Regions,
    Scribbles,
    TensorFields,
)


@dataclass(frozen=True)
class Guidance(TensorFields):
    """Any mix of guidance kinds; what is None was not given.

    Attributes:
        points: Colors at some pixels.
        scribbles: Strokes without color along bleeding edges.
        regions: Colors of the regions that a model asked for.
        exemplar: A picture whose colors to use.
        statistics: Color histogram or saturation of the whole picture.
        classes: A class per pixel.
    """

    points: Points | None = None
    scribbles: Scribbles | None = None
    regions: Regions | None = None
    exemplar: Exemplar | None = None
    statistics: GlobalStatistics | None = None
    classes: ClassMap | None = None

    def kinds(self) -> tuple[str, ...]:
        """Return the names of the kinds that were given."""
        return tuple(f.name for f in fields(self) if getattr(self, f.name) is not None)
