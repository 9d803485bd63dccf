"""Measurement of colorization by superpixels (Gupta et al., ACM Multimedia 2012)."""

from __future__ import annotations

from colorzoo.settings import Natural, Probability
from colorzoo.training.module import TrainingFreeModule
from colorzoo.zoo.gupta2012.model import SuperpixelColorization


class Gupta2012(TrainingFreeModule):
    """Holds `SuperpixelColorization`, which needs no training.

    Args:
        pixels: Pixels of a superpixel, about.
        confident: Share of the superpixels whose matches are used.
    """

    def __init__(self, pixels: Natural = 40, confident: Probability = 0.5) -> None:
        super().__init__(SuperpixelColorization(pixels, confident))
