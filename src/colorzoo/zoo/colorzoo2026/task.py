"""Training task of colorzoo2026."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Unpack

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from colorzoo.color import rgb_to_lab
from colorzoo.data.dataset import Batch
from colorzoo.losses import bilinear_cross_entropy
from colorzoo.networks.blocks import take_cells
from colorzoo.randomness import draw_uniform, image_generators
from colorzoo.settings import NonNegativeFloat, NonNegativeInt
from colorzoo.training.muon import MuonModule, muon_groups
from colorzoo.training.optimization import Optimization
from colorzoo.zoo.colorzoo2026.model import Analysis, Colorzoo2026
from colorzoo.zoo.colorzoo2026.network import AB_SCALE, STRIDE, Architecture
from colorzoo.zoo.colorzoo2026.points import Observations, cell_covariance

_MAX_POINTS = 64
_QUERIES = 48  # number of cells per crop in the variance loss


@dataclass(frozen=True)
class Objective:
    """Weights of the losses, and threshold of the smooth L1 loss.

    Attributes:
        classes: Weight of the cross-entropy of the predicted color distribution.
        colors: Weight of the smooth L1 loss between predicted mean color and true color, both as ab / 50.
        points: Weight of the smooth L1 loss of the color after conditioning on random points.
        variance: Weight of the negative log-likelihood of the color error, without and with points.
        labels: Weight of the image classification loss, for data sets with image classes.
        delta: Error at which the smooth L1 loss changes from quadratic to linear, in units of ab / 50.
    """

    classes: NonNegativeFloat = 1.0
    colors: NonNegativeFloat = 3.0
    points: NonNegativeFloat = 2.0
    variance: NonNegativeFloat = 0.01
    labels: NonNegativeFloat = 0.05
    delta: NonNegativeFloat = 0.2


class Colorzoo2026Task(MuonModule):
    """Training task of `Colorzoo2026`.

    Args:
        architecture: Settings of the network.
        objective: Weights of the losses.
        label_count: Number of classes for the auxiliary image classification; 0 disables it.
        **optimization: Optimizer and learning rate schedule; see `Optimization`.
    """

    model: Colorzoo2026
    validation_points = (0, 1, 10, 100)
    label_setting = "--model.label_count"

    def __init__(
        self,
        architecture: Architecture = Architecture(),
        objective: Objective = Objective(),
        label_count: NonNegativeInt = 0,
        **optimization: Unpack[Optimization],
    ) -> None:
        super().__init__(Colorzoo2026(architecture), **optimization)
        self.objective = objective
        self.label_head = nn.Linear(architecture.vector, label_count) if label_count else None

    @property
    def label_count(self) -> int:
        """Number of classes of the auxiliary image classifier; 0 without a classifier."""
        return 0 if self.label_head is None else self.label_head.out_features

    def optimized_parameters(self) -> list[dict[str, Any]]:
        """Return parameter groups: hidden weight matrices for Muon, other parameters for AdamW."""
        first_and_last = ("network.stem_half", "network.mean", "network.classes", "label_head")
        return muon_groups(self, excluded=(*first_and_last, "position", "covariance"))

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Compute and log the losses of a batch, and return their weighted sum.

        The losses compare the true colors with predictions without color points and with random points. The
        keys of ``losses`` are the names of the weights in `Objective`.
        """
        del batch_idx
        lab = rgb_to_lab(batch["rgb"])
        lightness = lab[:, :1]
        target_ab = F.avg_pool2d(lab[:, 1:], STRIDE)  # true cell colors (B, 2, h, w) in CIE units
        target = target_ab.permute(0, 2, 3, 1) / AB_SCALE  # (B, h, w, 2), the unit of the network

        maps = self.model.network(lightness)
        losses = {
            "classes": bilinear_cross_entropy(maps.logits.permute(0, 3, 1, 2), target_ab),
            "colors": F.smooth_l1_loss(maps.mean.float(), target, beta=self.objective.delta),
        }
        if self.label_head is not None and "label" in batch:
            label_logits = self.label_head(maps.vector).float()
            losses["labels"] = F.cross_entropy(label_logits, batch["label"], label_smoothing=0.1)
        losses |= self._point_losses(self.model.embed(maps, lightness), target, batch["seed"])

        weighted = [getattr(self.objective, name) * value for name, value in losses.items()]
        loss = torch.stack(weighted).sum()
        self.log_losses({**losses, "loss": loss}, len(lightness))
        return loss

    def _point_losses(self, analysis: Analysis, target: Tensor, seeds: Tensor) -> dict[str, Tensor]:
        """Return the losses on colors and variance after conditioning on random points."""
        target = target.flatten(1, 2)
        residual = target - analysis.mean
        index, valid = random_cells(seeds, target.shape[1], target.device)
        points = Observations(index, take_cells(residual, index), valid)
        with torch.autocast(target.device.type, enabled=False):
            across = cell_covariance(analysis.cells, analysis.cells.take(points.cell))
            posterior = self.model.covariance.posterior(across, points)
            prior, variance = self.model.covariance.variances(analysis.cells, posterior)
        colors = analysis.mean + posterior.change
        queries, _ = random_cells(seeds, target.shape[1], target.device, _QUERIES, "queries")
        errors, errors_after, prior, variance = (
            take_cells(values, queries) for values in (residual, residual - posterior.change, prior, variance)
        )
        return {
            "points": F.smooth_l1_loss(colors, target, beta=self.objective.delta),
            "variance": variance_loss(errors.detach(), errors_after.detach(), prior, variance),
        }


def variance_loss(errors: Tensor, errors_after: Tensor, prior: Tensor, variance: Tensor) -> Tensor:
    """Return the mean negative log-likelihood of color errors without and with points.

    Args:
        errors: ``(B, n, 2)``, true color minus the color predicted without points, of n cells.
        errors_after: ``(B, n, 2)``, true color minus the color predicted with points.
        prior: ``(B, n)``, predicted variance of ``errors``.
        variance: ``(B, n)``, predicted variance of ``errors_after``.
    """
    before, after = errors.square().sum(-1), errors_after.square().sum(-1)
    return ((before / prior + after / variance) / 2 + prior.log() + variance.log()).mean()


def random_cells(
    seeds: Tensor, cells: int, device: torch.device, maximum: int = _MAX_POINTS, purpose: str = "points"
) -> tuple[Tensor, Tensor]:
    """Select distinct random cells of each image, for example as positions of color points.

    The number of selected cells is log-uniform between 1 and ``maximum``.

    Args:
        seeds: ``(B,)``, random seed of each image.
        cells: Total number of cells of an image.
        device: Device of the result. The seeds of a batch are on the CPU.
        maximum: Maximum number of selected cells.
        purpose: Name of the random number stream. Calls with equal seeds and different names select cells
            independently.

    Returns:
        Cell indices ``(B, maximum)``, and a mask ``(B, maximum)``: 1 for selected cells and 0 for padding.
    """
    maximum = min(maximum, cells)
    draws = draw_uniform(image_generators(seeds, purpose), len(seeds), cells + 1, device)
    count_draw, cell_draws = draws[:, :1], draws[:, 1:]
    index = cell_draws.topk(maximum, dim=1).indices  # distinct cells in random order
    count = torch.exp(count_draw * math.log(maximum + 1)).floor().clamp(1, maximum)  # log-uniform
    mask = torch.arange(maximum, device=device)[None] < count
    return index, mask.float()
