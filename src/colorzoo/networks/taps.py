"""Taps: the activation maps of a model that an add-on may refine (Kim et al. 2021).

A model names its taps in the order in which it passes them and splits its forward pass at the first one:
`TappedModel.before_taps` does once what no tap changes, `TappedModel.after_taps` finishes as often as
the user draws. A model with two or three taps implements both in a few lines.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from torch import Tensor

from colorzoo.guidance import Guidance

Visit = Callable[[str, Tensor], Tensor]
"""Called with the name and the ``(B, C, h, w)`` value of an activation map; answers what takes its place."""


def unchanged(name: str, activation: Tensor) -> Tensor:
    """Return the map as it is: the visit of a network by itself."""
    del name
    return activation


@dataclass(frozen=True)
class Tap:
    """One activation map that may be refined.

    Attributes:
        name: As a `Visit` gets it.
        channels: Of the map.
        stride: Pixels of the padded picture per cell of the map, each way.
        scale: Typical size of a value, by which an add-on divides what it reads and multiplies what it adds.
    """

    name: str
    channels: int
    stride: int
    scale: float = 1.0


@dataclass(frozen=True)
class TapState:
    """What a model knows when it arrives at its first tap.

    Attributes:
        maps: The map of the first tap, and what else the rest of the network reads.
        size: Height and width of the picture in pixels, without padding.
    """

    maps: tuple[Tensor, ...]
    size: tuple[int, int]


@runtime_checkable
class TappedModel(Protocol):
    """A model of the zoo that names its taps."""

    @property
    def taps(self) -> tuple[Tap, ...]:
        """The taps in the order in which they are passed."""
        ...

    def before_taps(self, luma: Tensor, guidance: Guidance | None) -> TapState:
        """Run the model up to its first tap; arguments as for a plain call."""
        ...

    def after_taps(self, state: TapState, visit: Visit) -> Tensor:
        """Finish from the first tap.

        Args:
            state: Of `before_taps`; it stays usable.
            visit: Called once for each tap, in order.

        Returns:
            The picture as the model answers it in a plain call, ab or RGB, ``(B, C, H, W)`` float32; with
            `unchanged` exactly that.
        """
        ...
