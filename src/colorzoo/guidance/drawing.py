"""Recipe field for drawings: how regions are found and how the model chooses their colors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any

from colorzoo.guidance.fields import Fields, HexColor
from colorzoo.settings import NonNegativeInt, Range

MAX_PALETTE = 64


@dataclass(frozen=True)
class DrawingSettings:
    """Settings for line art.

    Examples:
        >>> DrawingSettings(palette=("#c04020", "#f0e0d0")).variant
        0

    Attributes:
        gap: Width of the largest gap in a line to close, in pixels of an image with a shorter side of 1,000.
        palette: Colors ``#rrggbb`` to which the model is limited; empty for no limit.
        variant: Number of the coloring: 0 for the most likely colors, 1 and more for sampled palettes.
        shading: Whether colors vary softly within a region, instead of one flat color for each region.
        flats: Whether the result contains only the flat colors, without the lines.
        extra: Unrecognized fields, kept when the recipe is saved.
    """

    gap: Annotated[float, Range(0, 100)] = 4.0
    palette: tuple[HexColor, ...] = ()
    variant: NonNegativeInt = 0
    shading: bool = False
    flats: bool = False
    extra: Mapping[str, Any] = field(default_factory=dict)


def parse_drawing(fields: Fields) -> DrawingSettings:
    """Parse the recipe field ``drawing``.

    Raises:
        GuidanceError: A field is invalid; the message names the field.
    """
    return fields.parse(DrawingSettings, palette=fields.read_list("palette", HexColor, MAX_PALETTE))
