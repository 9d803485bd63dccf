"""A small model with label guidance, as a third-party package would define it."""

from __future__ import annotations

from typing import Unpack

import torch
from torch import Tensor, nn

from colorzoo.card import ContractTestConfig, ModelCard
from colorzoo.color import rgb_to_lab
from colorzoo.data import Batch
from colorzoo.guidance import Guidance
from colorzoo.losses import smooth_l1_map
from colorzoo.model import ColoringModel
from colorzoo.prediction import AbPrediction
from colorzoo.training import Optimization, SingleOptimizerModule

NAME, CLASSES = "labeled2031", 3
CARDS = (
    ModelCard(
        name=NAME,
        title="A Paper Nobody Wrote",
        paper="",
        year=2031,
        summary="A convolution and a color for each class.",
        model="labeled_model:Labeled",
        task="labeled_model:LabeledTask",
        parameters=28,
        guidance=("label",),
        contract_test=ContractTestConfig(size=16),
    ),
)


class ClassColors(nn.Module):
    """A convolution and an embedding of the class, whose first row is for unknown classes."""

    def __init__(self) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(1, 2, 3, padding=1)
        self.colors = nn.Embedding(CLASSES + 1, 2)

    def forward(self, lightness: Tensor, label: Tensor) -> Tensor:
        colors: Tensor = self.convolution(lightness / 100) + self.colors(label + 1)[:, :, None, None]
        return 20 * colors


class Labeled(ColoringModel):
    """Model whose colors depend on the class of the image."""

    accepts = frozenset({"label"})
    label_count = CLASSES

    def __init__(self) -> None:
        super().__init__(ClassColors())

    def forward(self, lightness: Tensor, guidance: Guidance | None = None) -> AbPrediction:
        label = None if guidance is None else guidance.label
        if label is None:
            label = lightness.new_full(lightness.shape[:1], -1, dtype=torch.int64)
        return AbPrediction(ab=self.network(lightness, label).float())


class LabeledTask(SingleOptimizerModule):
    """Trainer of `Labeled`."""

    def __init__(self, **optimization: Unpack[Optimization]) -> None:
        super().__init__(Labeled(), **optimization)

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        lab = rgb_to_lab(batch["rgb"])
        loss = smooth_l1_map(self(lab[:, :1], Guidance(label=batch["label"])).ab, lab[:, 1:]).mean()
        self.log_losses({"loss": loss}, len(lab))
        return loss
