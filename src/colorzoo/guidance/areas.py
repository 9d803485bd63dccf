"""Areas of an image that are filled, locked, kept gray or treated as objects."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field
from typing import Annotated, Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from colorzoo.errors import GuidanceError
from colorzoo.guidance.fields import Fields, HexColor, Vertices, hex_color, plain_fields
from colorzoo.settings import Fraction, NonNegativeFloat, PositiveInt, Range

Action = Literal["color", "lock", "gray", "only", "thing"]
"""Action of an area.

- ``"color"``: fill the area with a color.
- ``"gray"``: keep the area gray.
- ``"lock"``: keep the current colors of the area.
- ``"only"``: keep the current colors outside all areas with this action.
- ``"thing"``: treat the area as one object. Models that accept boxes colorize the object separately. Models
  that accept scribbles prevent color bleeding across the object outline.
"""
Lightness = Literal["photo", "color"]
"""Source of the lightness of a filled area: the image (``"photo"``) or the color (``"color"``)."""

ACTIONS: tuple[Action, ...] = get_args(Action)
LIGHTNESSES: tuple[Lightness, ...] = get_args(Lightness)
_MAX_SIDE = 4096  # largest side of a mask in pixels
_MIN_CORNERS = 3
_RUN = re.compile("[0-9]{1,8}")  # run length in pixels


@dataclass(frozen=True)
class Mask:
    """A run-length encoded binary mask of a downscaled image.

    Examples:
        >>> mask = Mask.of(np.array([[False, True], [True, True]]))
        >>> mask.runs
        (1, 3)

    Attributes:
        width: Width of the mask in pixels.
        height: Height of the mask in pixels.
        runs: Run lengths in row-major order, alternately outside and inside the mask. The first run lies
            outside the mask and has length 0 if the first pixel lies inside.
    """

    width: int
    height: int
    runs: tuple[int, ...]

    @classmethod
    def of(cls, inside: NDArray[np.bool_]) -> Mask:
        """Encode a boolean map ``(H, W)``, which is True inside the mask."""
        flat = inside.ravel()
        borders = np.flatnonzero(np.diff(flat)) + 1
        runs = np.diff(np.concatenate([[0], borders, [flat.size]])).tolist()
        height, width = inside.shape
        return cls(width, height, tuple([0, *runs] if flat[0] else runs))

    def to_dict(self) -> dict[str, Any]:
        """Return the mask as a dictionary of JSON types; ``runs`` becomes one string."""
        return {"width": self.width, "height": self.height, "runs": " ".join(map(str, self.runs))}

    def array(self) -> NDArray[np.bool_]:
        """Decode the mask to a boolean map ``(H, W)``."""
        inside = np.arange(len(self.runs)) % 2 == 1
        return np.repeat(inside, self.runs).reshape(self.height, self.width)


_Level = Annotated[float, Range(-1000, 1000)]  # L, a or b, far outside the possible values


@dataclass(frozen=True)
class KeptColors:
    """Image colors that were stored when an area was locked.

    Attributes:
        png: Base64-encoded PNG file of a downscaled image ``(h, w, 3)``, whose channels encode L, a and b as
            integers (levels) from 0 to 255.
        low: Values of L, a and b at level 0.
        step: Increments of L, a and b per level.
    """

    png: str
    low: tuple[_Level, _Level, _Level]
    step: tuple[_Level, _Level, _Level]


@dataclass(frozen=True)
class Area:
    """An image area and the action applied to the area, such as filling with a color.

    Examples:
        >>> Area("gray", path=((0, 0), (20, 0), (20, 20))).action
        'gray'

    Attributes:
        action: Action, such as ``"color"``; see `Action`.
        path: Corners of the outline in pixels of the original image; empty if ``mask`` is set.
        mask: Mask of the area, or None if ``path`` is set.
        color: ``#rrggbb`` for the action ``"color"``; None for other actions.
        lightness: Source of the lightness of a filled area; see `Lightness`.
        opacity: Weight of the action, in [0, 1].
        feather: Width of the fade on each side of the outline, in pixels of the original image. With 0, the
            outline is aligned with edges in the image content.
        hidden: Whether the area is ignored.
        kept: Colors to keep inside the area for the action ``"lock"``, or outside the area for the action
            ``"only"``. None keeps the colors that the model predicts without hints.
        made: How the area was selected, for example the name of a detected part. The program that created the
            area stores these fields.
        extra: Unrecognized fields, kept when the recipe is saved.
    """

    action: Action
    path: Vertices = ()
    mask: Mask | None = None
    color: HexColor | None = None
    lightness: Lightness = "photo"
    opacity: Fraction = 1.0
    feather: NonNegativeFloat = 0.0
    hidden: bool = False
    kept: KeptColors | None = None
    made: Mapping[str, Any] = field(default_factory=dict)
    extra: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.action not in ACTIONS:
            raise GuidanceError(f"Area.action must be one of {', '.join(ACTIONS)}, got {self.action!r}")
        if self.lightness not in LIGHTNESSES:
            raise GuidanceError(f"Area.lightness must be {' or '.join(LIGHTNESSES)}, got {self.lightness!r}")
        if (self.mask is None) == (not self.path):
            raise GuidanceError("Area must have either 'path' or 'mask'")
        if (self.action == "color") != (self.color is not None):
            raise GuidanceError("Area.color must be '#rrggbb' if Area.action is 'color', and None otherwise")
        if self.color is not None:
            hex_color(self.color, "Area.color")

    def to_dict(self) -> dict[str, Any]:
        """Return the area as a dictionary of JSON types, omitting fields with default values."""
        return plain_fields(self)


def parse_area(fields: Fields) -> Area:
    """Parse the JSON object of an area in a recipe and return an `Area`.

    Raises:
        GuidanceError: A field is invalid; the message names the field.
    """
    action = fields.read("action", Action, MISSING)
    if (action == "color") != (fields.get("color") is not None):
        raise GuidanceError(
            f"{fields.name}.color must be '#rrggbb' if 'action' is 'color', and must be omitted otherwise"
        )
    if fields.get("mask") is not None and fields.get("path") is not None:
        raise GuidanceError(f"{fields.name}.mask and {fields.name}.path cannot be combined")
    mask = parse_mask(fields)
    path = () if mask is not None else fields.read("path", Vertices, MISSING)
    if mask is None and len(path) < _MIN_CORNERS:
        raise GuidanceError(f"{fields.name}.path must have at least {_MIN_CORNERS} corners, got {len(path)}")
    made = fields.child("made").rest()
    kept: KeptColors | None = fields.read("kept", KeptColors)
    if kept is not None:
        try:
            base64.b64decode(kept.png, validate=True)
        except binascii.Error:
            raise GuidanceError(f"{fields.name}.kept.png must be base64-encoded text") from None
    return fields.parse(Area, action=action, path=path, mask=mask, kept=kept, made=made)


def parse_mask(fields: Fields) -> Mask | None:
    """Parse the field ``mask`` of an area; return None if the field is missing.

    Raises:
        GuidanceError: The mask is invalid.
    """
    if fields.get("mask") is None:
        return None
    mask_fields = fields.child("mask")
    width = mask_fields.read("width", PositiveInt, MISSING)
    height = mask_fields.read("height", PositiveInt, MISSING)
    for name, side in (("width", width), ("height", height)):
        if side > _MAX_SIDE:
            raise GuidanceError(f"{mask_fields.name}.{name} must be at most {_MAX_SIDE}, got {side}")
    parts = mask_fields.read("runs", str, "").split()
    if not all(_RUN.fullmatch(part) for part in parts):
        raise GuidanceError(f"{mask_fields.name}.runs must be whole numbers separated by spaces")
    runs = tuple(int(part) for part in parts)
    if sum(runs) != width * height:
        raise GuidanceError(
            f"{mask_fields.name}.runs must sum to {width} x {height} = {width * height}, got {sum(runs)}"
        )
    return Mask(width, height, runs)
