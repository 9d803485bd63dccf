"""Edits of a colorized image in recipes: crop, adjustments, paint and replacements."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields
from typing import Annotated, Any, Literal

import torch

from colorzoo.color import rgb_to_lab
from colorzoo.errors import GuidanceError, OtherImageError
from colorzoo.guidance.fields import Fields, HexColor, Reach, Vertices, hex_color, plain_fields
from colorzoo.settings import Fraction, NonNegativeFloat, PositiveInt, Range, check_choice

Blend = Literal["color", "hue", "saturation", "multiply"]
Adjustment = Annotated[float, Range(-100, 100)]
Degrees = Annotated[float, Range(0, 180)]
MAX_ANGLE = 45.0  # degrees; use an image editor for larger rotations
LEAST_CROP = 8  # minimum side of a crop in pixels
_SLACK = 1e-6  # pixels; tolerance for rounding errors of rotated corners
LEAST_CHROMA = 4.0  # CIE units; colors with less chroma have no usable hue


@dataclass(frozen=True)
class Crop:
    """A crop rectangle in the original image, rotated about its center if ``angle`` is not 0.

    Examples:
        >>> Crop(x=10, y=20, width=300, height=200).corners
        ((10, 20), (310, 20), (310, 220), (10, 220))

    Attributes:
        x: Left edge before rotation, in whole pixels of the original image.
        y: Top edge before rotation.
        width: Width of the cropped image in pixels, at least 8.
        height: Height of the cropped image in pixels, at least 8.
        angle: Clockwise rotation of the rectangle in degrees, -45 to 45. A crop with this angle straightens
            an image that is rotated clockwise by the same angle.
        extra: Unrecognized fields, kept when the recipe is saved.

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
        """Center of rotation (x, y)."""
        return self.x + self.width / 2, self.y + self.height / 2

    def outer(self, place: tuple[Any, Any]) -> tuple[Any, Any]:
        """Convert a point (x, y) of the cropped image to original image coordinates.

        x and y can be numbers or arrays of equal shape.
        """
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
        """Rotated corners (x, y), clockwise from the top-left corner of the cropped image."""
        ends = ((0, 0), (self.width, 0), (self.width, self.height), (0, self.height))
        return tuple(map(self.outer, ends))

    def check_inside(self, width: int, height: int) -> None:
        """Check that the crop lies within an image of ``width`` x ``height`` pixels.

        Raises:
            OtherImageError: A corner of the crop lies outside the image.
        """
        for x, y in self.corners:
            if not (-_SLACK <= x <= width + _SLACK and -_SLACK <= y <= height + _SLACK):
                turned = f", rotated by {self.angle:g} degrees," if self.angle else ""
                raise OtherImageError(
                    f"crop {self.x},{self.y},{self.width},{self.height}{turned} must lie within the image "
                    f"({width} x {height} pixels), but has a corner at ({x:.1f}, {y:.1f}). Make the crop "
                    "smaller, or move the crop."
                )

    def to_text(self) -> str:
        """Return ``X,Y,WIDTH,HEIGHT``, followed by ``,ANGLE`` if the angle is not 0."""
        numbers = (self.x, self.y, self.width, self.height, *([self.angle] if self.angle else []))
        return ",".join(f"{number:.10g}" for number in numbers)


def parse_crop_text(text: str, name: str) -> Crop:
    """Parse a crop from text such as ``20,15,600,400`` or ``20,15,600,400,-2.5``.

    Args:
        text: ``X,Y,WIDTH,HEIGHT``, optionally followed by ``,ANGLE``.
        name: Name of the option for error messages.

    Raises:
        GuidanceError: The text is malformed.
    """
    try:
        numbers = [float(part) for part in text.split(",")]
    except ValueError:
        numbers = []
    has_whole_pixels = all(number.is_integer() for number in numbers[:4])
    if len(numbers) not in (4, 5) or not has_whole_pixels:
        raise GuidanceError(
            f"{name} must be X,Y,WIDTH,HEIGHT in whole pixels of the image, optionally followed by ,ANGLE in "
            f"degrees clockwise, for example 20,15,600,400,-2.5; got {text!r}"
        )
    x, y, width, height = map(int, numbers[:4])
    return Crop(x, y, width, height, angle=numbers[4] if len(numbers) == 5 else 0.0)


@dataclass(frozen=True)
class Finish:
    """Color adjustments of the result, each from -100 to 100; 0 changes nothing.

    Gray and locked areas are not adjusted.

    Examples:
        >>> parse_finish_text("temperature=20,vibrance=-10", "--finish").vibrance
        -10.0

    Attributes:
        temperature: Positive values make colors warmer; negative values make colors cooler.
        tint: Positive values add magenta; negative values add green.
        vibrance: Positive values increase the chroma, mainly of pale colors.
        shadows: Positive values increase the chroma of pixels with a lightness below 50.
        highlights: Positive values increase the chroma of pixels with a lightness above 50.
        extra: Unrecognized fields, kept when the recipe is saved.
    """

    temperature: Adjustment = 0.0
    tint: Adjustment = 0.0
    vibrance: Adjustment = 0.0
    shadows: Adjustment = 0.0
    highlights: Adjustment = 0.0
    extra: Mapping[str, Any] = field(default_factory=dict)


FINISH_NAMES = tuple(each.name for each in fields(Finish) if each.name != "extra")


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
            raise GuidanceError(
                f"{name} must have the form `NAME=N,NAME=N` (each N is a number), got {text!r}"
            ) from None
        if key not in FINISH_NAMES:
            raise GuidanceError(f"each NAME in {name} must be one of {', '.join(FINISH_NAMES)}, got {key!r}")
    return Fields(found, name).parse(Finish)


@dataclass(frozen=True)
class PaintStroke:
    """A brush stroke that changes the colors of a result.

    Examples:
        >>> PaintStroke(path=((10, 12), (40, 15)), color="#c04020", size=6).opacity
        1.0

    Attributes:
        path: Vertices (x, y) of the center line in pixels of the original image.
        color: ``#rrggbb``. Photos use only its hue and chroma, and chroma is reduced in dark areas. Drawings
            also use its lightness. None erases earlier paint.
        size: Brush diameter in pixels of the original image.
        hardness: Fraction of the brush radius with full opacity, in [0, 1]; the rest of the brush fades out.
        opacity: Opacity of the color, in [0, 1].
        blend: Color components that the stroke replaces: hue and chroma (``"color"``), hue (``"hue"``) or
            chroma (``"saturation"``). Strokes with ``"multiply"`` form the shading, a layer above the paint
            that multiplies the colors below; erasers with ``"multiply"`` erase only the shading.
        closed: Whether the stroke also covers the inside of its path.
        reach: Distance over which the color spreads within the brushed area; see `Reach`. Unless the reach is
            ``"everywhere"``, the color stops at edges in the image content.
        hidden: Whether the stroke is ignored.
        layer: Layer number, or None. Consecutive strokes in a layer are composited as one stroke with the
            opacity of the first stroke.
        extra: Unrecognized fields, kept when the recipe is saved.
    """

    path: Vertices
    color: HexColor | None = None
    size: NonNegativeFloat = 20.0
    hardness: Fraction = 0.5
    opacity: Fraction = 1.0
    blend: Blend = "color"
    closed: bool = False
    reach: Reach = "everywhere"
    hidden: bool = False
    layer: PositiveInt | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Raise `ColorzooError` if `blend` is unknown."""
        check_choice("PaintStroke.blend", self.blend, Blend)

    def to_dict(self) -> dict[str, Any]:
        """Return the stroke as a dictionary of JSON types, omitting default values."""
        found = plain_fields(self)
        return found if self.color else {**found, "erase": True}


def parse_paint(fields: Fields) -> PaintStroke:
    """Parse the JSON object of a brush stroke in a recipe; return a `PaintStroke`.

    Raises:
        GuidanceError: A field is invalid; the message names the field.
    """
    if fields.read("erase", bool, False) == (fields.get("color") is not None):
        raise GuidanceError(f"{fields.name} must contain either a color '#rrggbb' or \"erase\": true")
    return fields.parse(PaintStroke)


@dataclass(frozen=True)
class ColorReplacement:
    """A color replacement in the whole image.

    Examples:
        >>> ColorReplacement(old="#c04020", new="#2050c0").range
        20.0

    Attributes:
        old: ``#rrggbb`` of the color to replace; hue and chroma are used.
        new: ``#rrggbb`` of the replacement. The hues of similar colors are rotated by the same angle, and
            their chroma is scaled.
        range: Half-width of the hue range around ``old`` with full replacement, in degrees.
        fade: Width of the fade-out on each side of the range, in degrees.
        opacity: Weight of the change, in [0, 1].
        hidden: Whether the replacement is ignored.
        extra: Unrecognized fields, kept when the recipe is saved.

    Raises:
        GuidanceError: ``old`` has no hue.
    """

    old: HexColor
    new: HexColor
    range: Degrees = 20.0
    fade: Degrees = 20.0
    opacity: Fraction = 1.0
    hidden: bool = False
    extra: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        _require_hue(self.old, "ColorReplacement.old")


def parse_replacement(fields: Fields) -> ColorReplacement:
    """Parse the JSON object of a color replacement; return a `ColorReplacement`.

    Raises:
        GuidanceError: A field is invalid; the message names the field.
    """
    old = fields.read("old", HexColor, MISSING)
    _require_hue(old, f"{fields.name}.old")
    return fields.parse(ColorReplacement, old=old)


def _require_hue(color: str, name: str) -> None:
    """Raise an error for gray; ``name`` names the color in error messages."""
    levels = bytes.fromhex(hex_color(color, name).removeprefix("#"))
    lab = rgb_to_lab(torch.tensor(list(levels)).view(3, 1, 1) / 255)
    if lab[1:].norm() < LEAST_CHROMA:
        raise GuidanceError(f"{name} {color} is gray. Choose a color with a hue.")
