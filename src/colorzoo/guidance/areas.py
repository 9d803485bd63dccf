"""Areas: parts of an image to fill, lock, keep gray, restrict changes to, or treat as objects."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, cast, get_args

import numpy as np
from numpy.typing import NDArray

from colorzoo.errors import GuidanceError
from colorzoo.guidance.fields import Fields, hex_color

Action = Literal["color", "lock", "gray", "only", "thing"]
"""Action of an area.

``"color"``: fill it with a color. ``"gray"``: keep it gray. ``"lock"``: keep its colors. ``"only"``: keep the
colors outside of all such areas. ``"thing"``: treat it as one object; models that take boxes also color it
separately, models that take edge strokes keep colors from crossing its border.
"""
Lightness = Literal["photo", "color"]
"""Lightness of a colored area: that of the image, or that of its color."""

ACTIONS: tuple[Action, ...] = get_args(Action)
LIGHTNESSES: tuple[Lightness, ...] = get_args(Lightness)
MAX_AREAS = 64
_MAX_SIDE = 4096  # of a mask, in pixels
_MIN_CORNERS = 3


@dataclass(frozen=True)
class Mask:
    """A run-length encoded binary mask on a small copy of an image.

    Examples:
        >>> mask = Mask.of(np.array([[False, True], [True, True]]))
        >>> mask.runs
        (1, 3)

    Attributes:
        width: Width of the copy in pixels.
        height: Height of the copy in pixels.
        runs: Lengths of the runs outside and inside in turn, row by row, starting outside.
    """

    width: int
    height: int
    runs: tuple[int, ...]

    @classmethod
    def of(cls, inside: NDArray[np.bool_]) -> Mask:
        """Encode a boolean map ``(H, W)``."""
        flat = inside.ravel()
        borders = np.flatnonzero(np.diff(flat)) + 1
        runs = np.diff(np.concatenate([[0], borders, [flat.size]])).tolist()
        height, width = inside.shape
        return cls(width, height, tuple([0, *runs] if flat[0] else runs))

    def array(self) -> NDArray[np.bool_]:
        """Decode to a boolean map ``(H, W)``."""
        inside = np.arange(len(self.runs)) % 2 == 1
        return np.repeat(inside, self.runs).reshape(self.height, self.width)


@dataclass(frozen=True)
class KeptColors:
    """The colors of an image at the time an area was locked.

    Attributes:
        png: A small copy, ``(h, w, 3)`` levels of L, a and b, as a base64 encoded PNG file.
        low: L, a and b of level 0.
        step: L, a and b per level.
    """

    png: str
    low: tuple[float, float, float]
    step: tuple[float, float, float]


@dataclass(frozen=True)
class Area:
    """A part of an image and its action.

    Examples:
        >>> Area("gray", path=((0, 0), (20, 0), (20, 20))).action
        'gray'

    Attributes:
        action: See `Action`.
        path: Corners of its outline in pixels of the original image; empty if there is a mask.
        mask: Its pixels on a small copy of the image, or None.
        color: ``#rrggbb`` for the action ``"color"``; else None.
        lightness: See `Lightness`.
        opacity: Share of its effect, in [0, 1].
        feather: Pixels of the original image to both sides of its border over which it fades; 0 lets the
            border follow the edges of the image.
        hidden: It has no effect.
        kept: Colors that ``"lock"`` keeps inside and ``"only"`` outside; None keeps those that the model
            gives without hints.
        made: How it was selected, as recorded by the program that did it.
        extra: Unknown fields.
    """

    action: Action
    path: tuple[tuple[float, float], ...] = ()
    mask: Mask | None = None
    color: str | None = None
    lightness: Lightness = "photo"
    opacity: float = 1.0
    feather: float = 0.0
    hidden: bool = False
    kept: KeptColors | None = None
    made: Mapping[str, Any] = field(default_factory=dict)
    extra: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.action not in ACTIONS or self.lightness not in LIGHTNESSES:
            raise GuidanceError(
                f"an area needs an action of {', '.join(ACTIONS)}, its lightness {' or '.join(LIGHTNESSES)}; "
                f"got {self.action!r}, {self.lightness!r}."
            )
        if (self.mask is None) == (not self.path):
            raise GuidanceError("an area needs either a path or a mask.")
        if (self.action == "color") != (self.color is not None):
            raise GuidanceError("an area needs a color '#rrggbb' if and only if its action is 'color'.")
        if self.color is not None:
            hex_color(self.color, "Area.color")

    def to_dict(self) -> dict[str, Any]:
        """Return the area as plain JSON types; fields at their defaults are left out."""
        found: dict[str, Any] = {**self.extra, "action": self.action}
        if self.path:
            found["path"] = [list(corner) for corner in self.path]
        if self.mask is not None:
            runs = " ".join(str(run) for run in self.mask.runs)
            found["mask"] = {"width": self.mask.width, "height": self.mask.height, "runs": runs}
        if self.color is not None:
            found["color"] = self.color
        if self.lightness != "photo":
            found["lightness"] = self.lightness
        if self.opacity != 1:
            found["opacity"] = self.opacity
        if self.feather > 0:
            found["feather"] = self.feather
        if self.hidden:
            found["hidden"] = True
        if self.kept is not None:
            found["kept"] = {"png": self.kept.png, "low": list(self.kept.low), "step": list(self.kept.step)}
        return {**found, **({"made": dict(self.made)} if self.made else {})}


def parse_area(fields: Fields) -> Area:
    """Read an area of a recipe.

    Raises:
        GuidanceError: A field is wrong; the message names it.
    """
    action = fields.choice("action", None, ACTIONS)
    color = fields.text("color", None)
    if (action == "color") != (color is not None):
        raise GuidanceError(f"{fields.name}.color '#rrggbb' is required if and only if action is 'color'.")
    if fields.rest().get("mask") is not None and fields.rest().get("path") is not None:
        raise GuidanceError(f"{fields.name}.mask and {fields.name}.path exclude each other; give only one.")
    mask = parse_mask(fields)
    path = () if mask is not None else fields.path("path")
    if mask is None and len(path) < _MIN_CORNERS:
        raise GuidanceError(f"{fields.name}.path needs at least {_MIN_CORNERS} corners, got {len(path)}.")
    return Area(
        action=cast(Action, action),
        path=path,
        mask=mask,
        color=None if color is None else hex_color(color, f"{fields.name}.color"),
        lightness=cast(Lightness, fields.choice("lightness", "photo", LIGHTNESSES)),
        opacity=fields.number("opacity", 1.0, low=0, high=1),
        feather=fields.number("feather", 0.0, low=0),
        hidden=fields.flag("hidden"),
        kept=_parse_kept(fields),
        made=fields.child("made").rest(),
        extra=fields.rest(),
    )


def parse_mask(fields: Fields) -> Mask | None:
    """Take the field ``mask``, or None if it is absent.

    Raises:
        GuidanceError: It is not a valid mask.
    """
    if fields.rest().get("mask") is None:
        return None
    given = fields.child("mask")
    width, height = (_side(given, key) for key in ("width", "height"))
    text = given.text("runs", "")
    parts = text.split()
    if not all(part.isascii() and part.isdigit() and len(part) < 9 for part in parts):
        raise GuidanceError(f"{given.name}.runs must be whole numbers separated by spaces.")
    runs = tuple(int(part) for part in parts)
    if sum(runs) != width * height:
        raise GuidanceError(f"{given.name}.runs must add up to {width} x {height}, got {sum(runs)}.")
    return Mask(width, height, runs)


def _side(fields: Fields, key: str) -> int:
    side = fields.integer(key, None, low=1)
    if side is None or side > _MAX_SIDE:
        raise GuidanceError(f"{fields.name}.{key} must be a whole number from 1 to {_MAX_SIDE}, got {side}.")
    return side


def _parse_kept(fields: Fields) -> KeptColors | None:
    if fields.rest().get("kept") is None:
        return None
    given = fields.child("kept")
    png = given.text("png", None)
    low, step = (given.numbers(name, 3, low=-1000, high=1000) for name in ("low", "step"))
    if png is None or low is None or step is None:
        raise GuidanceError(f"{given.name} needs png, low and step.")
    try:
        base64.b64decode(png, validate=True)
    except binascii.Error:
        raise GuidanceError(f"{given.name}.png must be base64 text.") from None
    return KeptColors(png, _three(low), _three(step))


def _three(values: tuple[float, ...]) -> tuple[float, float, float]:
    lightness, a, b = values
    return lightness, a, b
