"""Simulated users by name, as protocols name them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from colorzoo.errors import GuidanceError
from colorzoo.users.classes import ClassMapUser
from colorzoo.users.exemplars import ExemplarUser
from colorzoo.users.global_statistics import TrueStatistics
from colorzoo.users.points import MostWrongPoints, ProposedPoints, UniformPoints
from colorzoo.users.protocol import SimulatedUser
from colorzoo.users.regions import PriorityRegions, SuperpixelRegions
from colorzoo.users.scribbles import BledEdgeScribbles

_USERS: dict[str, Callable[..., SimulatedUser]] = {
    "bled_edge_scribbles": BledEdgeScribbles,
    "class_map": ClassMapUser,
    "exemplar": ExemplarUser,
    "most_wrong_points": MostWrongPoints,
    "priority_regions": PriorityRegions,
    "proposed_points": ProposedPoints,
    "superpixel_regions": SuperpixelRegions,
    "true_statistics": TrueStatistics,
    "uniform_points": UniformPoints,
}


def list_users() -> list[str]:
    """Return the names of the simulated users."""
    return sorted(_USERS)


def make_user(name: str, **options: Any) -> SimulatedUser:
    """Return a simulated user.

    Args:
        name: One of `list_users`.
        **options: Attributes of its class, such as ``side=6``.

    Raises:
        GuidanceError: No such user, or it has no such option.
    """
    if name not in _USERS:
        raise GuidanceError(f"unknown simulated user {name!r}; expected one of {', '.join(list_users())}")
    try:
        return _USERS[name](**options)
    except TypeError as error:
        raise GuidanceError(f"the simulated user {name} has no option {sorted(options)}: {error}") from error
