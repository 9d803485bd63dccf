"""Training of colorzoo2026."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Unpack

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import Optimizer

from colorzoo.color import rgb_to_lab
from colorzoo.data.dataset import Batch
from colorzoo.losses import bilinear_cross_entropy
from colorzoo.randomness import draw_uniform, picture_generators
from colorzoo.settings import Count, Weight, settings_of
from colorzoo.training.module import SingleOptimizerModule
from colorzoo.training.muon import clipped_parameters, muon_groups
from colorzoo.training.optimization import Optimization
from colorzoo.zoo.colorzoo2026.model import Analysis, Colorzoo2026
from colorzoo.zoo.colorzoo2026.network import AB_SCALE, STRIDE, Architecture
from colorzoo.zoo.colorzoo2026.points import Observations, cell_covariance, take_cells

_MOST_POINTS = 64
_QUERIES = 48  # cells of a crop at which the variance is trained


@dataclass(frozen=True)
class Objective:
    """Weights of the losses.

    Attributes:
        classes: Of the cross-entropy of the distribution.
        colors: Of smooth-l1 between mean and true color, both ab / 50.
        points: Of the same after points.
        variance: Of the negative log-likelihood of what the answer misses, before and after points.
        labels: Of the cross-entropy of the picture's class, where the data have classes.
        delta: Distance in ab / 50 above which smooth-l1 is linear.
    """

    classes: Weight = 1.0
    colors: Weight = 3.0
    points: Weight = 2.0
    variance: Weight = 0.01
    labels: Weight = 0.05
    delta: Weight = 0.2


class Colorzoo2026Task(SingleOptimizerModule):
    """Task of `Colorzoo2026`.

    Args:
        architecture: The network.
        objective: Weights of the losses.
        label_count: Classes of the data set whose prediction is a further task; 0 for none.
        **optimization: See `Optimization`.
    """

    model: Colorzoo2026
    validation_points = (0, 1, 10, 100)
    label_setting = "--model.label_count"

    def __init__(
        self,
        architecture: Architecture = Architecture(),
        objective: Objective = Objective(),
        label_count: Count = 0,
        **optimization: Unpack[Optimization],
    ) -> None:
        self.objective = settings_of(Objective, objective)
        architecture = settings_of(Architecture, architecture)
        super().__init__(Colorzoo2026(architecture), **optimization)
        self.label_head = nn.Linear(architecture.vector, label_count) if label_count else None

    @property
    def label_count(self) -> int:
        """Number of classes that the head of labels tells apart."""
        return 0 if self.label_head is None else self.label_head.out_features

    def optimized_parameters(self) -> list[dict[str, Any]]:
        """Return the hidden layers' matrices for Muon, and all other parameters for AdamW."""
        first_and_last = ("network.stem_half", "network.mean", "network.classes", "label_head")
        return muon_groups(self, excluded=(*first_and_last, "position", "covariance"))

    def configure_gradient_clipping(
        self,
        optimizer: Optimizer,
        gradient_clip_val: float | None = None,
        gradient_clip_algorithm: str | None = None,
    ) -> None:
        """Limit the gradients of what AdamW trains to a norm (or each to a value)."""
        if gradient_clip_val is None:
            return
        by_value = gradient_clip_algorithm == "value"
        clip = nn.utils.clip_grad_value_ if by_value else nn.utils.clip_grad_norm_
        clip(clipped_parameters(optimizer), gradient_clip_val)

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Color without and with points, and compare with the truth."""
        del batch_idx
        weigh = self.objective
        lab = rgb_to_lab(batch["rgb"])
        lightness = lab[:, :1]
        truth = F.avg_pool2d(lab[:, 1:], STRIDE)
        maps = self.model.network(lightness)
        target = truth.permute(0, 2, 3, 1) / AB_SCALE
        losses = {
            "classes": bilinear_cross_entropy(maps.logits.permute(0, 3, 1, 2), truth),
            "colors": F.smooth_l1_loss(maps.mean.float(), target, beta=weigh.delta),
        }
        if self.label_head is not None and "label" in batch:
            scores = self.label_head(maps.vector).float()
            losses["labels"] = F.cross_entropy(scores, batch["label"], label_smoothing=0.1)
        losses |= self._point_losses(self.model.embed(maps, lightness), target, batch["seed"])
        loss = torch.stack([getattr(weigh, name) * value for name, value in losses.items()]).sum()
        self.log_losses({**losses, "loss": loss}, len(lightness))
        return loss

    def _point_losses(self, analysis: Analysis, target: Tensor, seeds: Tensor) -> dict[str, Tensor]:
        """Return the losses on colors and variance after random points."""
        target = target.flatten(1, 2)
        index, given = random_cells(seeds, target.shape[1])
        missing = target - analysis.mean
        points = Observations(index, take_cells(missing, index), given)
        with torch.autocast(target.device.type, enabled=False):
            across = cell_covariance(analysis.cells, points.cell)
            found = self.model.covariance.posterior(across, points)
            prior, variance = self.model.covariance.variances(analysis.cells, found)
        colors = F.smooth_l1_loss(analysis.mean + found.change, target, beta=self.objective.delta)
        queries, _ = random_cells(seeds, target.shape[1], _QUERIES, "queries")
        before = take_cells(missing, queries).detach().square().sum(-1)
        after = take_cells(missing - found.change, queries).detach().square().sum(-1)
        prior, variance = take_cells(prior, queries), take_cells(variance, queries)
        likelihood = (before / prior + after / variance) / 2 + prior.log() + variance.log()
        return {"points": colors, "variance": likelihood.mean()}


def random_cells(
    seeds: Tensor, cells: int, most: int = _MOST_POINTS, purpose: str = "points"
) -> tuple[Tensor, Tensor]:
    """Draw different cells of each picture, 1 to ``most`` of them, uniform in the logarithm of the number.

    Args:
        seeds: ``(B,)`` seeds of the pictures.
        cells: Cells of a picture.
        most: Greatest number.
        purpose: Name of the random stream.

    Returns:
        ``(B, most)`` cells, and ``(B, most)`` with 1 for those that count.
    """
    most = min(most, cells)
    draws = draw_uniform(picture_generators(seeds, purpose), len(seeds), cells + 1, seeds.device)
    index = draws[:, 1:].topk(most, dim=1).indices
    count = torch.exp(draws[:, :1] * math.log(most + 1)).floor().clamp(1, most)
    return index, (torch.arange(most, device=seeds.device)[None] < count).float()
