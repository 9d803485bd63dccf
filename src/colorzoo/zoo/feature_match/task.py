"""Evaluation task of global feature matching."""

from __future__ import annotations

from colorzoo.training.module import TrainingFreeModule
from colorzoo.zoo.feature_match.model import FeatureMatching


class FeatureMatch(TrainingFreeModule):
    """Evaluation task of `FeatureMatching`, which needs no training.

    Args:
        encoder: Name of the model whose encoder computes the features, or None; see `FeatureMatching`.
    """

    def __init__(self, encoder: str | None = "xu2020_small") -> None:
        super().__init__(FeatureMatching(encoder))
