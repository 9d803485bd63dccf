"""What models answer: ab for models of photos, RGB for models of sketches."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Self

import torch
from torch import Tensor

from colorzoo.color import lab_to_rgb, rgb_to_lab


class DeferredMaps(Mapping[str, Tensor]):
    """Maps that are computed when they are asked for, each time anew.

    Attributes:
        nbytes: Memory that is held to compute them.

    Args:
        makers: Compute them, by their names.
        nbytes: See above.
    """

    def __init__(self, makers: Mapping[str, Callable[[], Tensor]], nbytes: int) -> None:
        self._makers, self.nbytes = makers, nbytes

    def __getitem__(self, name: str) -> Tensor:
        """Return a map."""
        return self._makers[name]()

    def __contains__(self, name: object) -> bool:
        """Say whether there is such a map, without computing it."""
        return name in self._makers

    def __iter__(self) -> Iterator[str]:
        """Return the names."""
        return iter(self._makers)

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self._makers)


@dataclass(frozen=True, kw_only=True)
class Prediction:
    """What every answer has; models answer `AbPrediction` or `RgbPrediction`.

    Attributes:
        extras: Further maps by name, such as ``"logits"``.
        notes: What the user should know, such as guidance that did not serve.
    """

    extras: Mapping[str, Tensor] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def colors(self) -> Tensor:
        """The colored picture as the model answers it: ab or RGB."""
        raise NotImplementedError(f"{type(self).__name__} must define colors")

    def to_rgb(self, seen: Tensor) -> Tensor:
        """Return ``(B, 3, H, W)`` in [0, 1].

        Args:
            seen: What the model was shown: ``(B, 1, H, W)`` lightness or sketch.
        """
        raise NotImplementedError(f"{type(self).__name__} must define to_rgb")

    def to_ab(self) -> Tensor:
        """Return the chroma ``(B, 2, H, W)`` in CIE units."""
        raise NotImplementedError(f"{type(self).__name__} must define to_ab")

    def with_colors(self, colors: Tensor) -> Self:
        """Return the same answer with other `colors`."""
        raise NotImplementedError(f"{type(self).__name__} must define with_colors")

    def detach(self) -> Self:
        """Return the same numbers without their history."""
        extras = {name: value.detach() for name, value in self.extras.items()}
        return replace(self.with_colors(self.colors.detach()), extras=extras)


@dataclass(frozen=True, kw_only=True)
class AbPrediction(Prediction):
    """The answer of a model of photos.

    Attributes:
        ab: ``(B, 2, H, W)`` in CIE units.
    """

    ab: Tensor

    @classmethod
    def gray(cls, luma: Tensor) -> Self:
        """Return the answer without color to a lightness ``(B, 1, H, W)``."""
        return cls(ab=luma.new_zeros(luma.shape[0], 2, luma.shape[-2], luma.shape[-1]))

    @property
    def colors(self) -> Tensor:
        """Return ab."""
        return self.ab

    def to_rgb(self, seen: Tensor) -> Tensor:
        """Join ab with the lightness ``(B, 1, H, W)`` that the model was shown."""
        return lab_to_rgb(torch.cat([seen, self.ab], dim=1))

    def to_ab(self) -> Tensor:
        """Return ab."""
        return self.ab

    def with_colors(self, colors: Tensor) -> Self:
        """Return the same answer with another ab."""
        return replace(self, ab=colors)


@dataclass(frozen=True, kw_only=True)
class RgbPrediction(Prediction):
    """The answer of a model of sketches.

    Attributes:
        rgb: ``(B, 3, H, W)`` in [0, 1].
    """

    rgb: Tensor

    @property
    def colors(self) -> Tensor:
        """Return RGB."""
        return self.rgb

    def to_rgb(self, seen: Tensor) -> Tensor:
        """Return RGB; the sketch is in it."""
        del seen
        return self.rgb

    def to_ab(self) -> Tensor:
        """Return the chroma of the painting."""
        return rgb_to_lab(self.rgb)[:, 1:]

    def with_colors(self, colors: Tensor) -> Self:
        """Return the same answer with another RGB."""
        return replace(self, rgb=colors)
