"""How far a point's color goes: names and numbers, as recipes and the command line have them."""

from __future__ import annotations

import math
from typing import Literal, cast, get_args

from colorzoo.errors import GuidanceError

ReachName = Literal["automatic", "everywhere"]
Reach = ReachName | float
"""How far a point's color goes.

``"automatic"``: over what belongs to the point's place by the structure of the picture, fading where that is
uncertain. ``"everywhere"``: wherever the network takes it. A number is that many times the automatic reach; 0
keeps the color in the point's own square.
"""

NAMES: tuple[ReachName, ...] = get_args(ReachName)
MOST = 10.0


def read_reach(value: object, name: str) -> Reach:
    """Return a reach as it was parsed, if it is one.

    Args:
        value: A name, or a number from 0 to 10; None is everywhere, as in recipes without this field.
        name: How the error calls it.

    Raises:
        GuidanceError: It is neither.
    """
    if value is None:
        return "everywhere"
    if value in NAMES:
        return value
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or not math.isfinite(cast(float, value)) or not 0 <= cast(float, value) <= MOST:
        raise GuidanceError(f"{name} must be {_listed()} or a number from 0 to {MOST:g}, got {value!r}.")
    return float(cast(float, value))


def parse_reach(text: str, name: str) -> Reach:
    """Return a reach that was typed.

    Args:
        text: A name or a number.
        name: How the error calls it.

    Raises:
        GuidanceError: It is neither.
    """
    try:
        return read_reach(float(text), name)
    except ValueError:
        return read_reach(text, name)


def _listed() -> str:
    return ", ".join(repr(each) for each in NAMES)
