"""Settings of Zhang 2016 and its training, as the paper and its authors' code have them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Architecture:
    """The network.

    Attributes:
        width: Multiplier of every channel count; 1.0 is the published network.
        temperature: Of the annealed mean (eq. 5); 0.38 in the paper, 1 gives the mean, towards 0 the mode.
        init_std: Deviation of the initial weights; None takes He's.
    """

    width: float = 1.0
    temperature: float = 0.38
    init_std: float | None = None


@dataclass(frozen=True)
class Objective:
    """The rebalanced cross-entropy (eq. 2 to 4).

    Attributes:
        uniform: Share of the uniform distribution in the rebalancing (lambda of eq. 4); 0.5 in the paper, 1
            turns rebalancing off.
        prior: ``.npy`` file with the ``(313,)`` shares of the bins in the training pictures, as
            ``colorzoo data prior`` writes it; None takes the published one of ImageNet.
        neighbors: Bins among which the true color is shared: 10 in the published code, 5 in the paper.
    """

    uniform: float = 0.5
    prior: str | None = None
    neighbors: int = 10
