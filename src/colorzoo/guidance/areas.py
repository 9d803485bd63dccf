"""Areas: parts of a picture that take a color, stay so, stay gray, are all that may change, or are things."""

from __future__ import annotations

import base64
import binascii
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, cast, get_args

import numpy as np
from numpy.typing import NDArray

from colorzoo.errors import GuidanceError
from colorzoo.guidance.fields import Fields, hex_color

Action = Literal["color", "lock", "gray", "only", "thing"]
"""What becomes of an area.

``"color"``: a color fills it. ``"gray"``: it stays gray. ``"lock"``: nothing inside changes any more.
``"only"``: nothing outside of all such areas changes. ``"thing"``: it is a thing of its own; models that take
boxes color it by itself as well, models that take edge strokes keep colors from crossing its border.
"""
Lightness = Literal["photo", "color"]
"""Whether the lightness of a colored area stays the photo's or follows its color."""

ACTIONS: tuple[Action, ...] = get_args(Action)
LIGHTNESSES: tuple[Lightness, ...] = get_args(Lightness)
MOST_AREAS = 64
_LONGEST = 4096  # pixels a side of a mask
_LEAST_CORNERS = 3


@dataclass(frozen=True)
class Mask:
    """Which pixels of a small copy of a picture belong to something.

    Attributes:
        width: Of the copy, in pixels.
        height: Of the copy.
        runs: Numbers of pixels outside and inside in turn, row by row, beginning with those outside.
    """

    width: int
    height: int
    runs: tuple[int, ...]

    @classmethod
    def of(cls, inside: NDArray[np.bool_]) -> Mask:
        """Return the mask of a map ``(H, W)``."""
        flat = inside.ravel()
        borders = np.flatnonzero(np.diff(flat)) + 1
        runs = np.diff(np.concatenate([[0], borders, [flat.size]])).tolist()
        height, width = inside.shape
        return cls(width, height, tuple([0, *runs] if flat[0] else runs))

    def array(self) -> NDArray[np.bool_]:
        """Return the map ``(H, W)``."""
        inside = np.arange(len(self.runs)) % 2 == 1
        return np.repeat(inside, self.runs).reshape(self.height, self.width)


@dataclass(frozen=True)
class KeptColors:
    """The colors that a picture had when something was locked.

    Attributes:
        png: A small picture, ``(h, w, 3)`` levels of L, a and b, as base64 text of a PNG file.
        low: L, a and b of level 0.
        step: L, a and b from one level to the next.
    """

    png: str
    low: tuple[float, float, float]
    step: tuple[float, float, float]


@dataclass(frozen=True)
class Area:
    """A part of a picture, and what becomes of it.

    Attributes:
        action: See `Action`.
        path: Corners of its outline in pixels of the original picture; empty where there is a mask.
        mask: Its pixels on a small copy of the picture, or None.
        color: ``#rrggbb`` that fills it, for the action ``"color"``; else None.
        lightness: See `Lightness`.
        kept: What ``"lock"`` keeps inside and ``"only"`` outside; None keeps the model's own colors, those
            that it gives without hints.
        made: How it was selected, as whoever selected it wrote it down.
        extra: Unknown fields.
    """

    action: Action
    path: tuple[tuple[float, float], ...] = ()
    mask: Mask | None = None
    color: str | None = None
    lightness: Lightness = "photo"
    kept: KeptColors | None = None
    made: Mapping[str, Any] = field(default_factory=dict)
    extra: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.action not in ACTIONS or self.lightness not in LIGHTNESSES:
            raise GuidanceError(
                f"an area's action is one of {', '.join(ACTIONS)}, its lightness {' or '.join(LIGHTNESSES)}; "
                f"got {self.action!r}, {self.lightness!r}."
            )
        if (self.mask is None) == (not self.path):
            raise GuidanceError("an area needs a path or a mask, and not both.")
        if (self.action == "color") != (self.color is not None):
            raise GuidanceError("an area needs a color '#rrggbb' if its action is 'color', and only then.")
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
        if self.kept is not None:
            found["kept"] = {"png": self.kept.png, "low": list(self.kept.low), "step": list(self.kept.step)}
        return {**found, **({"made": dict(self.made)} if self.made else {})}


def parse_area(fields: Fields) -> Area:
    """Read an area of a recipe.

    Raises:
        GuidanceError: It is none; the message names the field.
    """
    action = _chosen(fields, "action", None, ACTIONS)
    color = fields.text("color", None)
    if (action == "color") != (color is not None):
        raise GuidanceError(
            f"{fields.name}.color '#rrggbb' is needed where action is 'color', and only there."
        )
    if fields.rest().get("mask") is not None and fields.rest().get("path") is not None:
        raise GuidanceError(f"{fields.name}.mask stands beside a path; one of them is expected.")
    mask = parse_mask(fields)
    path = () if mask is not None else fields.path("path")
    if mask is None and len(path) < _LEAST_CORNERS:
        raise GuidanceError(f"{fields.name}.path needs at least {_LEAST_CORNERS} corners, got {len(path)}.")
    return Area(
        action=cast(Action, action),
        path=path,
        mask=mask,
        color=None if color is None else hex_color(color, f"{fields.name}.color"),
        lightness=cast(Lightness, _chosen(fields, "lightness", "photo", LIGHTNESSES)),
        kept=_parse_kept(fields),
        made=fields.child("made").rest(),
        extra=fields.rest(),
    )


def parse_mask(fields: Fields) -> Mask | None:
    """Take the field ``mask``, if there is one.

    Raises:
        GuidanceError: It is no mask.
    """
    if fields.rest().get("mask") is None:
        return None
    given = fields.child("mask")
    width, height = (_side(given, key) for key in ("width", "height"))
    text = given.text("runs", "")
    parts = text.split()
    if not all(part.isascii() and part.isdigit() and len(part) < 9 for part in parts):
        raise GuidanceError(f"{given.name}.runs must be whole numbers with spaces between them.")
    runs = tuple(int(part) for part in parts)
    if sum(runs) != width * height:
        raise GuidanceError(f"{given.name}.runs must add up to {width} x {height}, got {sum(runs)}.")
    return Mask(width, height, runs)


def _side(fields: Fields, key: str) -> int:
    side = fields.integer(key, None, low=1)
    if side is None or side > _LONGEST:
        raise GuidanceError(f"{fields.name}.{key} must be a whole number from 1 to {_LONGEST}, got {side}.")
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
    luma, a, b = (value if math.isfinite(value) else 0.0 for value in values)
    return luma, a, b


def _chosen(fields: Fields, key: str, default: str | None, names: tuple[str, ...]) -> str:
    value = fields.text(key, default)
    if value not in names:
        raise GuidanceError(f"{fields.name}.{key} must be one of {', '.join(names)}, got {value!r}.")
    return value
