"""What `yun2023_small` adds to the paper's training; off in the paper's models."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Extensions:
    """Extensions of iColoriT.

    Attributes:
        few: Share of the training pictures whose number of hints is log-uniform instead: in the paper's law
            one picture in twelve has ten hints or fewer.
    """

    few: float = 0.0
