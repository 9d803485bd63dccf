"""Colors at the network's size, the state between steps."""

from __future__ import annotations

from dataclasses import dataclass, replace

from torch import Tensor

from colorzoo.color import rgb_to_lab
from colorzoo.inference.steps.area_masks import LightnessShift
from colorzoo.prediction import Prediction, RgbPrediction


@dataclass(frozen=True)
class Colors:
    """The colors of an image.

    Attributes:
        ab: ``(1, 2, h, w)`` in CIE units.
        lightness: ``(1, 1, h, w)`` lightness that a sketch model predicted; None for models of photos.
        shift: Shift of the image's lightness by areas, or None.
        locked: ``(h, w)`` in [0, 1], mask of colors locked by areas; None without areas.
    """

    ab: Tensor
    lightness: Tensor | None = None
    shift: LightnessShift | None = None
    locked: Tensor | None = None


def take_colors(prediction: Prediction, ab: Tensor) -> Colors:
    """Return the colors of a prediction, including a predicted lightness.

    Args:
        prediction: Prediction of the network.
        ab: ``(1, 2, h, w)``, its ab with the points applied.
    """
    lightness = rgb_to_lab(prediction.rgb)[:, :1] if isinstance(prediction, RgbPrediction) else None
    return Colors(ab, lightness)


def scale_chroma(colors: Colors, *, factor: float) -> Colors:
    """Multiply the chroma by the strength of the recipe."""
    return replace(colors, ab=colors.ab * factor)
