"""Evaluation task of superpixel colorization (Gupta et al., ACM Multimedia 2012)."""

from __future__ import annotations

from colorzoo.settings import PositiveInt, Probability
from colorzoo.training.module import TrainingFreeModule
from colorzoo.zoo.gupta2012.model import SuperpixelColorization


class Gupta2012(TrainingFreeModule):
    """Evaluation task of `SuperpixelColorization`, which needs no training.

    Args:
        pixels: Approximate area of a superpixel in pixels.
        confident: Fraction of the superpixels that get the color of their match.
    """

    def __init__(self, pixels: PositiveInt = 40, confident: Probability = 0.5) -> None:
        super().__init__(SuperpixelColorization(pixels, confident))
