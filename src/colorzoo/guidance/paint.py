"""Paint: soft brush strokes of color, composited over the predicted colors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, cast, get_args

from colorzoo.errors import GuidanceError
from colorzoo.guidance.fields import Fields, Reach, hex_color, plain_fields, read_reach

Blend = Literal["color", "hue", "saturation"]
MAX_PAINT = 1024
_SIZE, _HARDNESS = 20.0, 0.5


@dataclass(frozen=True)
class PaintStroke:
    """A brush stroke.

    Examples:
        >>> PaintStroke(path=((10, 12), (40, 15)), color="#c04020", size=6).opacity
        1.0

    Attributes:
        path: Vertices (x, y) of the center line in pixels of the original image.
        color: ``#rrggbb``; only hue and chroma are used, and chroma is reduced in dark areas. None erases the
            paint below.
        size: Brush diameter in pixels of the original image.
        hardness: Fraction of the radius with full opacity, in [0, 1]; beyond it the stroke fades.
        opacity: Opacity of the color, in [0, 1].
        blend: Color components that the stroke replaces: hue and chroma (``"color"``), hue (``"hue"``) or
            chroma (``"saturation"``).
        reach: How far the color spreads within the brush, see `Reach`; a limited reach stops at edges.
        hidden: Whether the stroke is ignored.
        layer: Layer number, or None. Consecutive strokes in a layer are composited as one stroke with the
            opacity of the first stroke; the drawing pad edits them together.
        extra: Fields that this version does not recognize; they are kept when saving.
    """

    path: tuple[tuple[float, float], ...]
    color: str | None
    size: float = _SIZE
    hardness: float = _HARDNESS
    opacity: float = 1.0
    blend: Blend = "color"
    reach: Reach = "everywhere"
    hidden: bool = False
    layer: int | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Return the stroke as plain JSON types, without fields at their defaults."""
        found = plain_fields(self)
        if found.pop("color") is None:
            return {**found, "erase": True}
        return {**found, "color": self.color}


def parse_paint(fields: Fields) -> PaintStroke:
    """Parse a brush stroke of a recipe.

    Raises:
        GuidanceError: A field is invalid; the message names the field.
    """
    color, erases = fields.text("color", None), fields.flag("erase")
    if erases == (color is not None):
        raise GuidanceError(f"{fields.name} must contain either a color '#rrggbb' or \"erase\": true.")
    return PaintStroke(
        path=fields.path("path"),
        color=None if color is None else hex_color(color, f"{fields.name}.color"),
        size=fields.number("size", _SIZE, low=0),
        hardness=fields.number("hardness", _HARDNESS, low=0, high=1),
        opacity=fields.number("opacity", 1.0, low=0, high=1),
        blend=cast(Blend, fields.choice("blend", "color", get_args(Blend))),
        reach=read_reach(fields.take("reach"), f"{fields.name}.reach", "everywhere"),
        hidden=fields.flag("hidden"),
        layer=fields.integer("layer", None, low=1),
        extra=fields.rest(),
    )
