"""Transferring Color to Greyscale Images (Welsh, Ashikhmin and Mueller, SIGGRAPH 2002).

Each pixel takes the color of the sample of an exemplar that is most like it in lightness and in the deviation
of lightness around it. https://doi.org/10.1145/566570.566576
"""

from __future__ import annotations

from typing import Any

from colorzoo.tasks import TrainingFreeModule
from colorzoo.zoo.welsh2002.inference import Answers
from colorzoo.zoo.welsh2002.network import SampleMatching


class Welsh2002(Answers, TrainingFreeModule):
    """Color transfer from an exemplar by samples.

    Args:
        samples: About how many places of the exemplar are compared.
        seed: Seed of the places.
    """

    def __init__(self, samples: int = 200, seed: int = 0) -> None:
        super().__init__()

    def configure_network(self) -> None:
        """Choose the places."""
        hp: Any = self.hparams
        self.network = SampleMatching(hp.samples, hp.seed)
