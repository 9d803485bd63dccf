"""Global match by features: the baseline of Xu et al. 2020 for exemplar colorization without a global style.

Each place of the picture takes the color of the place of the exemplar whose features are nearest, as in the
matching step of He et al. 2018 (https://arxiv.org/abs/1807.06587), without the network that follows there.
"""

from __future__ import annotations

from typing import Any

from colorzoo.tasks import TrainingFreeModule
from colorzoo.zoo.feature_match.inference import Answers, FeatureMatching


class FeatureMatch(Answers, TrainingFreeModule):
    """Color transfer by nearest features.

    Args:
        encoder: See `FeatureMatching`.
    """

    def __init__(self, encoder: str | None = "xu2020_small") -> None:
        super().__init__()

    def configure_network(self) -> None:
        """Set up the matching."""
        hp: Any = self.hparams
        self.network = FeatureMatching(hp.encoder)
