"""Colors at the network's size, as they go from step to step."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

from colorzoo.color import rgb_to_lab
from colorzoo.inference.steps.area_masks import LightnessShift
from colorzoo.prediction import Prediction, RgbPrediction


@dataclass(frozen=True)
class Colors:
    """The colors of a picture.

    Attributes:
        ab: ``(1, 2, h, w)`` in CIE units.
        painted: ``(1, 1, h, w)`` lightness of a painted sketch; None for models of photos.
        shift: Shift of the picture's lightness by areas, or None.
        locked: ``(h, w)`` in [0, 1], where areas lock the colors; None without areas.
    """

    ab: Tensor
    painted: Tensor | None = None
    shift: LightnessShift | None = None
    locked: Tensor | None = None


@dataclass(frozen=True)
class TakeAb:
    """The step that takes the chroma of a prediction."""

    def __call__(self, prediction: Prediction) -> Tensor:
        """Return ``(1, 2, h, w)`` in CIE units."""
        return prediction.to_ab()

    def __str__(self) -> str:
        return "of the network"


@dataclass(frozen=True)
class TakeColors:
    """The step that takes the colors of a prediction, with the lightness of a painting."""

    def __call__(self, prediction: Prediction, ab: Tensor) -> Colors:
        """Return the colors.

        Args:
            prediction: Answer of the network.
            ab: ``(1, 2, h, w)``, its chroma with the points applied.
        """
        painted = rgb_to_lab(prediction.rgb)[:, :1] if isinstance(prediction, RgbPrediction) else None
        return Colors(ab, painted)

    def __str__(self) -> str:
        return "with the points"


@dataclass(frozen=True)
class Solution:
    """The colors of a picture, with what else the model said.

    Attributes:
        colors: The colors.
        extras: Further maps of the model, such as ``"logits"``.
        notes: Remarks for the user, such as ignored guidance.
    """

    colors: Colors
    extras: Mapping[str, Tensor]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Solve:
    """The step that puts colors and remarks together."""

    def __call__(self, colors: Colors, prediction: Prediction, *remarks: tuple[str, ...]) -> Solution:
        """Return the solution."""
        notes = [note for each in remarks for note in each]
        return Solution(colors, prediction.extras, (*notes, *prediction.notes))

    def __str__(self) -> str:
        return "colors and remarks"
