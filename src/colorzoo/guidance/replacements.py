"""Replacement of colors in the whole image, selected by hue."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch

from colorzoo.color import rgb_to_lab
from colorzoo.errors import GuidanceError
from colorzoo.guidance.fields import Fields, hex_color, plain_fields

MAX_REPLACEMENTS = 64
LEAST_CHROMA = 4.0  # CIE units; colors below have no usable hue
_RANGE = _FADE = 20.0
_MOST = 180.0


@dataclass(frozen=True)
class ColorReplacement:
    """A color and its replacement in the whole image.

    Examples:
        >>> ColorReplacement(old="#c04020", new="#2050c0").range
        20.0

    Attributes:
        old: ``#rrggbb``; hue and chroma are used.
        new: ``#rrggbb``; other colors in the range are rotated by the same hue angle and scaled by the same
            factor.
        range: Half-width of the hue range in degrees in which colors are replaced completely.
        fade: Further degrees over which the replacement fades.
        opacity: Weight of the change, in [0, 1].
        hidden: Whether the replacement is ignored.
        extra: Fields that this version does not recognize; they are kept when saving.
    """

    old: str
    new: str
    range: float = _RANGE
    fade: float = _FADE
    opacity: float = 1.0
    hidden: bool = False
    extra: Mapping[str, Any] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Return the replacement as plain JSON types, without fields at their defaults."""
        return plain_fields(self)


def parse_replacement(fields: Fields) -> ColorReplacement:
    """Parse a color replacement of a recipe.

    Raises:
        GuidanceError: A field is invalid; the message names the field.
    """
    old, new = (_color(fields, key) for key in ("old", "new"))
    rgb = torch.tensor([int(old[i : i + 2], 16) / 255 for i in (1, 3, 5)])
    if rgb_to_lab(rgb.view(3, 1, 1))[1:].norm() < LEAST_CHROMA:
        raise GuidanceError(f"{fields.name}.old {old} is gray; choose a color with a hue.")
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
