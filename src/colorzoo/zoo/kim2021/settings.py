"""Settings of Kim 2021 and its training; what the slides leave open is our choice (see the model's page)."""

from __future__ import annotations

from dataclasses import dataclass

from colorzoo.losses.edges import Gradient
from colorzoo.tasks import Stage


@dataclass(frozen=True)
class Architecture:
    """The network E.

    Attributes:
        hidden: Channels inside E for each tap, or one number for all. The default has as many weights as 64
            for each, but fewer where the map is large, so that a stroke takes less time.
    """

    hidden: tuple[int, ...] = (88, 64, 32)


@dataclass(frozen=True)
class Objective:
    """L_edge + con_weight * L_con + reg_weight * L_reg.

    Attributes:
        gradient: What the edge losses compare: signed derivatives or magnitudes.
        con_weight: lambda_con.
        reg_weight: lambda_reg.
    """

    gradient: Gradient = "signed"
    con_weight: float = 1.0
    reg_weight: float = 0.1


@dataclass(frozen=True)
class Users:
    """The simulated users of training.

    Attributes:
        hints: Share of the training pictures that get color points, where the backbone takes them.
        empty: Share of the training pictures without a scribble.
        strokes: Largest number of strokes on a training picture.
        jitter: Largest distance of a training stroke from its edge in pixels.
        lost: Share of a true edge that the first result must lack to be drawn over.
    """

    hints: float = 0.5
    empty: float = 0.1
    strokes: int = 5
    jitter: float = 2.0
    lost: float = 0.3


STAGES = {
    "edges": Stage(trains=("network.*",)),
    "propagation": Stage(trains=("network.propagation.*",)),  # ours: the rest of E stays as it was loaded
}
