"""Simulated users, which derive hints from the ground truth for training and evaluation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from colorzoo.errors import GuidanceError
from colorzoo.guidance.kinds import guidance_kinds
from colorzoo.simulation.drawings import DrawingPoints, DrawingRegions
from colorzoo.simulation.points import (
    MostWrongPoints,
    ProposedPoints,
    UniformPoints,
    simulate_points,
    uniform_points,
)
from colorzoo.simulation.regions import PriorityRegions, SuperpixelRegions
from colorzoo.simulation.scribbles import BledEdgeScribbles
from colorzoo.simulation.session import SessionResult, SimulatedUser, TargetImage, Turn, play
from colorzoo.simulation.whole_image import ExemplarUser, TrueStatistics

__all__ = [
    "BledEdgeScribbles",
    "DrawingPoints",
    "DrawingRegions",
    "ExemplarUser",
    "MostWrongPoints",
    "PriorityRegions",
    "ProposedPoints",
    "SessionResult",
    "SimulatedUser",
    "SuperpixelRegions",
    "TargetImage",
    "TrueStatistics",
    "Turn",
    "UniformPoints",
    "list_users",
    "make_user",
    "play",
    "simulate_points",
    "uniform_points",
]

_USERS: dict[str, Callable[..., SimulatedUser]] = {
    "bled_edge_scribbles": BledEdgeScribbles,
    "drawing_points": DrawingPoints,
    "exemplar": ExemplarUser,
    "most_wrong_points": MostWrongPoints,
    "priority_regions": PriorityRegions,
    "proposed_points": ProposedPoints,
    "superpixel_regions": SuperpixelRegions,
    "true_statistics": TrueStatistics,
    "uniform_points": UniformPoints,
}


def list_users() -> list[str]:
    """Return the names of the simulated users.

    Examples:
        >>> "uniform_points" in list_users()
        True
    """
    return sorted(_users())


def _users() -> dict[str, Callable[..., SimulatedUser]]:
    """Return the simulated users of colorzoo and of the kinds of guidance in the registry."""
    return {**{name: user for kind in guidance_kinds() for name, user in kind.users.items()}, **_USERS}


def make_user(name: str, **options: Any) -> SimulatedUser:
    """Create a simulated user by name.

    Examples:
        >>> make_user("uniform_points", side=4)
        UniformPoints(side=4, aligned=False)

    Args:
        name: A name from `list_users`.
        **options: Constructor arguments of the user, such as ``side=6``.

    Raises:
        GuidanceError: The name or an option is unknown.
    """
    users = _users()
    if name not in users:
        raise GuidanceError(f"the simulated user must be one of {', '.join(list_users())}, got {name!r}")
    try:
        return users[name](**options)
    except TypeError as error:
        raise GuidanceError(f"invalid options of the simulated user {name}: {error}") from error
