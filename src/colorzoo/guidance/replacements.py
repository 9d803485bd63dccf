"""Colors to replace everywhere in an image, selected by hue."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch

from colorzoo.color import rgb_to_lab
from colorzoo.errors import GuidanceError
from colorzoo.guidance.fields import Fields, hex_color

MAX_REPLACEMENTS = 64
LEAST_CHROMA = 4.0  # CIE units, of a color that has a hue
_RANGE = _FADE = 20.0
_MOST = 180.0


@dataclass(frozen=True)
class ColorReplacement:
    """A color and the one that replaces it everywhere in the image.

    Examples:
        >>> ColorReplacement(old="#c04020", new="#2050c0").range
        20.0

    Attributes:
        old: ``#rrggbb``, of which the hue and the chroma count.
        new: ``#rrggbb`` in its place; other colors of the range move by the same angle and factor of chroma.
        range: Angle in degrees to both sides of the old hue within which colors are replaced in full.
        fade: Further degrees over which that fades.
        opacity: Share of the change, in [0, 1].
        hidden: It has no effect.
        extra: Unknown fields.
    """

    old: str
    new: str
    range: float = _RANGE
    fade: float = _FADE
    opacity: float = 1.0
    hidden: bool = False
    extra: Mapping[str, Any] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Return the replacement as plain JSON types."""
        colors = {"old": self.old, "new": self.new, "range": self.range, "fade": self.fade}
        opacity = {} if self.opacity == 1 else {"opacity": self.opacity}
        return {**self.extra, **colors, **opacity, **({"hidden": True} if self.hidden else {})}


def parse_replacement(fields: Fields) -> ColorReplacement:
    """Read a replacement of a recipe.

    Raises:
        GuidanceError: A field is wrong; the message names it.
    """
    old, new = (_color(fields, key) for key in ("old", "new"))
    rgb = torch.tensor([int(old[i : i + 2], 16) / 255 for i in (1, 3, 5)])
    if rgb_to_lab(rgb.view(3, 1, 1))[1:].norm() < LEAST_CHROMA:
        raise GuidanceError(f"{fields.name}.old {old} is gray; a color to replace is found by its hue.")
    return ColorReplacement(
        old,
        new,
        range=fields.number("range", _RANGE, low=0, high=_MOST),
        fade=fields.number("fade", _FADE, low=0, high=_MOST),
        opacity=fields.number("opacity", 1.0, low=0, high=1),
        hidden=fields.flag("hidden"),
        extra=fields.rest(),
    )


def _color(fields: Fields, key: str) -> str:
    value = fields.text(key, None)
    if value is None:
        raise GuidanceError(f"{fields.name}.{key} is missing; expected '#rrggbb'.")
    return hex_color(value, f"{fields.name}.{key}")
