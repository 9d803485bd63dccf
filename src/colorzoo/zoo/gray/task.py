"""The gray baseline: ab is zero everywhere."""

from __future__ import annotations

from torch import nn

from colorzoo.tasks import TrainingFreeModule
from colorzoo.zoo.gray.inference import Answers


class Gray(Answers, TrainingFreeModule):
    """Answers gray, whatever it is given."""

    def configure_network(self) -> None:
        """There is none."""
        self.network = nn.Identity()
