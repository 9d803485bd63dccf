"""Crop and rotation of the colorized result, as a recipe setting."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from colorzoo.errors import GuidanceError
from colorzoo.guidance.fields import Fields, plain_fields

MAX_ANGLE = 45.0  # degrees; larger rotations are left to image editors
LEAST_CROP = 8  # pixels
_SLACK = 1e-6  # pixels; tolerance for rounding errors of rotated corners


@dataclass(frozen=True)
class Crop:
    """A crop rectangle in the original image, rotated about its center if ``angle`` is not 0.

    Examples:
        >>> Crop(x=10, y=20, width=300, height=200).corners
        ((10, 20), (310, 20), (310, 220), (10, 220))

    Attributes:
        x: Left edge before rotation, in whole pixels of the original image.
        y: Top edge before rotation.
        width: Width of the result in pixels, at least 8.
        height: Height of the result in pixels, at least 8.
        angle: Clockwise rotation of the rectangle about its center in degrees, from -45 to 45. It straightens
            an image that is rotated clockwise by this angle.
        extra: Fields that this version does not recognize; they are kept when saving.

    Raises:
        GuidanceError: A side is too short, or the angle is out of range.
    """

    x: int
    y: int
    width: int
    height: int
    angle: float = 0.0
    extra: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ("width", "height"):
            if getattr(self, name) < LEAST_CROP:
                raise GuidanceError(
                    f"crop.{name} must be at least {LEAST_CROP} pixels, got {getattr(self, name)}. "
                    "Choose a larger part of the image."
                )
        if not -MAX_ANGLE <= self.angle <= MAX_ANGLE:
            raise GuidanceError(
                f"crop.angle must be from -{MAX_ANGLE:g} to {MAX_ANGLE:g} degrees, got {self.angle:g}. "
                "Rotate the file by multiples of 90 degrees first."
            )

    @property
    def center(self) -> tuple[float, float]:
        """X and y of the center of rotation."""
        return self.x + self.width / 2, self.y + self.height / 2

    def outer(self, place: tuple[Any, Any]) -> tuple[Any, Any]:
        """Convert coordinates of the result to image coordinates; x and y may be arrays."""
        if not self.angle:
            return place[0] + self.x, place[1] + self.y
        sine, cosine = math.sin(math.radians(self.angle)), math.cos(math.radians(self.angle))
        x, y = place[0] - self.width / 2, place[1] - self.height / 2
        return (
            x * cosine - y * sine + self.x + self.width / 2,
            x * sine + y * cosine + self.y + self.height / 2,
        )

    @property
    def corners(self) -> tuple[tuple[float, float], ...]:
        """The rotated corners as (x, y), clockwise from the top left of the result."""
        ends = ((0, 0), (self.width, 0), (self.width, self.height), (0, self.height))
        return tuple(map(self.outer, ends))

    def check_inside(self, width: int, height: int) -> None:
        """Check that the crop lies within an image of this size.

        Raises:
            GuidanceError: A corner of the crop lies outside the image.
        """
        for x, y in self.corners:
            if not (-_SLACK <= x <= width + _SLACK and -_SLACK <= y <= height + _SLACK):
                turned = f", rotated by {self.angle:g} degrees," if self.angle else ""
                raise GuidanceError(
                    f"crop {self.x},{self.y},{self.width},{self.height}{turned} must lie within the image "
                    f"({width} x {height} pixels), but has a corner at ({x:.1f}, {y:.1f}). Make it smaller "
                    "or move it."
                )

    def to_dict(self) -> dict[str, Any]:
        """Return the crop as plain JSON types, without an angle of 0."""
        return plain_fields(self)

    def to_text(self) -> str:
        """Return ``X,Y,WIDTH,HEIGHT``, followed by ``,ANGLE`` if the angle is not 0."""
        numbers = (self.x, self.y, self.width, self.height, *([self.angle] if self.angle else []))
        return ",".join(f"{number:.10g}" for number in numbers)


def parse_crop(fields: Fields) -> Crop:
    """Parse a crop from a recipe.

    Raises:
        GuidanceError: A field is missing or invalid.
    """
    place = {}
    for key in ("x", "y", "width", "height"):
        value = fields.required_number(key)
        if not value.is_integer():
            raise GuidanceError(f"{fields.name}.{key} must be a whole number of pixels, got {value:g}.")
        place[key] = int(value)
    return Crop(**place, angle=fields.number("angle", 0.0), extra=fields.rest())


def parse_crop_text(text: str, name: str) -> Crop:
    """Parse a crop from text such as ``20,15,600,400`` or ``20,15,600,400,-2.5``.

    Args:
        text: The text.
        name: Name of the option for error messages.

    Raises:
        GuidanceError: The text is malformed.
    """
    try:
        numbers = [float(part) for part in text.split(",")]
        if not 4 <= len(numbers) <= 5 or not all(number.is_integer() for number in numbers[:4]):
            raise ValueError
        x, y, width, height = (int(number) for number in numbers[:4])
    except ValueError:
        raise GuidanceError(
            f"{name} must be X,Y,WIDTH,HEIGHT in whole pixels of the image, optionally followed by ,ANGLE in "
            f"degrees clockwise, for example 20,15,600,400,-2.5; got {text!r}"
        ) from None
    return Crop(x, y, width, height, numbers[4] if len(numbers) > 4 else 0.0)
