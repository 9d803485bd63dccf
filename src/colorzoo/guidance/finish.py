"""Adjustments of all colors of the result, such as temperature, tint and vibrance."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from colorzoo.errors import GuidanceError
from colorzoo.guidance.fields import Fields, plain_fields

_MOST = 100.0


@dataclass(frozen=True)
class Finish:
    """Adjustments of the result, each from -100 to 100; 0 changes nothing.

    Examples:
        >>> parse_finish_text("temperature=20,vibrance=-10", "--finish").vibrance
        -10.0

    Attributes:
        temperature: Positive values are warmer, negative values colder.
        tint: Positive values add magenta, negative values green.
        vibrance: Change of the chroma, mainly of pale colors.
        shadows: Change of the chroma below a lightness of 50.
        highlights: Change of the chroma above a lightness of 50.
        extra: Fields that this version does not recognize; they are kept when saving.
    """

    temperature: float = 0.0
    tint: float = 0.0
    vibrance: float = 0.0
    shadows: float = 0.0
    highlights: float = 0.0
    extra: Mapping[str, Any] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Return the adjustments as plain JSON types, without fields at their defaults."""
        return plain_fields(self)


FINISH_NAMES = tuple(each.name for each in fields(Finish) if each.name != "extra")


def parse_finish(values: Fields) -> Finish:
    """Parse the adjustments of a recipe.

    Raises:
        GuidanceError: A field is invalid; the message names the field.
    """
    numbers = {name: values.number(name, 0.0, low=-_MOST, high=_MOST) for name in FINISH_NAMES}
    return Finish(**numbers, extra=values.rest())


def parse_finish_text(text: str, name: str) -> Finish:
    """Parse adjustments such as ``temperature=20,vibrance=-10``.

    Raises:
        GuidanceError: The text is malformed; the message starts with ``name``.
    """
    found: dict[str, float] = {}
    for part in text.split(","):
        key, _, value = (each.strip() for each in part.partition("="))
        try:
            found[key] = float(value)
        except ValueError:
            raise GuidanceError(f"{name} must be NAME=N,... with numbers, got {text!r}.") from None
        if key not in FINISH_NAMES:
            raise GuidanceError(f"{name} must use the names {', '.join(FINISH_NAMES)}, got {key!r}.")
    return parse_finish(Fields(found, name))
