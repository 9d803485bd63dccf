"""Training task of colorzoo2026."""

from __future__ import annotations

import math
from typing import Annotated, Any, Unpack

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from colorzoo.color import rgb_to_lab
from colorzoo.data.dataset import Batch
from colorzoo.losses.color import bilinear_cross_entropy
from colorzoo.networks.blocks import take_cells
from colorzoo.randomness import draw_uniform, image_generators
from colorzoo.settings import NonNegativeFloat, NonNegativeInt, PositiveInt, Range
from colorzoo.training.muon import MuonModule, muon_groups
from colorzoo.training.optimization import Optimization
from colorzoo.zoo.colorzoo2026.model import AB_SCALE, STRIDE, Colorzoo2026, EncoderWeights
from colorzoo.zoo.colorzoo2026.points import Observations, cell_covariance

_MAX_POINTS = 64
_QUERIES = 48  # number of cells per crop in the variance loss


class Colorzoo2026Task(MuonModule):
    """Training task of `Colorzoo2026`.

    Args:
        stem: See `Colorzoo2026`.
        widths: See `Colorzoo2026`.
        blocks: See `Colorzoo2026`.
        decoder: See `Colorzoo2026`.
        vector: See `Colorzoo2026`.
        heads: See `Colorzoo2026`.
        encoder: See `Colorzoo2026`.
        classes: Weight of the cross-entropy of the predicted color distribution.
        colors: Weight of the smooth L1 loss between predicted mean color and true color, both as ab / 50.
        points: Weight of the smooth L1 loss of the color after conditioning on random points.
        variance: Weight of the negative log-likelihood of the color error, without and with points.
        labels: Weight of the image classification loss, for data sets with image classes.
        delta: Error at which the smooth L1 loss changes from quadratic to linear, in units of ab / 50.
        label_count: Number of classes for the auxiliary image classification; 0 disables it.
        **optimization: Optimizer and learning rate schedule; see `Optimization`.
    """

    model: Colorzoo2026
    validation_points = (0, 1, 10, 100)
    label_setting = "--model.label_count"

    def __init__(
        self,
        stem: tuple[int, int] = (24, 48),
        widths: tuple[int, int, int] = (96, 192, 288),
        blocks: tuple[int, int, int] = (1, 4, 4),
        decoder: PositiveInt = 64,
        vector: PositiveInt = 192,
        heads: Annotated[int, Range(1, 6)] = 6,
        encoder: EncoderWeights = "fine-tuned",
        classes: NonNegativeFloat = 1.0,
        colors: NonNegativeFloat = 3.0,
        points: NonNegativeFloat = 2.0,
        variance: NonNegativeFloat = 0.01,
        labels: NonNegativeFloat = 0.05,
        delta: NonNegativeFloat = 0.2,
        label_count: NonNegativeInt = 0,
        **optimization: Unpack[Optimization],
    ) -> None:
        model = Colorzoo2026(stem, widths, blocks, decoder, vector, heads, encoder)
        super().__init__(model, **optimization)
        self.delta = delta
        self.label_count = label_count
        self.label_head = nn.Linear(vector, label_count) if label_count else None

    def optimized_parameters(self) -> list[dict[str, Any]]:
        """Return parameter groups: hidden weight matrices for Muon, other parameters for AdamW."""
        first_and_last = ("network.stem_half", "network.mean", "network.classes", "label_head")
        return muon_groups(self, excluded=(*first_and_last, "position", "covariance"))

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Compute and log the losses of a batch, and return their weighted sum.

        The losses compare the true colors with predictions without color points and with random points. The
        keys of ``losses`` are the names of the weights.
        """
        del batch_idx
        lab = rgb_to_lab(batch["rgb"])
        lightness = lab[:, :1]
        target_ab = F.avg_pool2d(lab[:, 1:], STRIDE)  # true cell colors (B, 2, h, w) in CIE units
        target = target_ab.permute(0, 2, 3, 1) / AB_SCALE  # (B, h, w, 2), the unit of the network

        maps = self.model.network(lightness)
        losses = {
            "classes": bilinear_cross_entropy(maps.logits.permute(0, 3, 1, 2), target_ab),
            "colors": F.smooth_l1_loss(maps.mean.float(), target, beta=self.delta),
        }
        if self.label_head is not None and "label" in batch:
            label_logits = self.label_head(maps.vector).float()
            losses["labels"] = F.cross_entropy(label_logits, batch["label"], label_smoothing=0.1)

        # condition the prediction on random points
        analysis, target = self.model.embed(maps, lightness), target.flatten(1, 2)
        residual = target - analysis.mean
        index, valid = random_cells(batch["seed"], target.shape[1], target.device)
        points = Observations(index, take_cells(residual, index), valid)
        with torch.autocast(target.device.type, enabled=False):
            across = cell_covariance(analysis.cells, analysis.cells.take(points.cell))
            posterior = self.model.covariance.posterior(across, points)
            prior, variance = self.model.covariance.variances(analysis.cells, posterior)
        losses["points"] = F.smooth_l1_loss(analysis.mean + posterior.change, target, beta=self.delta)

        # predicted variances of some cells, without and with points
        queries, _ = random_cells(batch["seed"], target.shape[1], target.device, _QUERIES, "queries")
        errors, errors_after, prior, variance = (
            take_cells(values, queries) for values in (residual, residual - posterior.change, prior, variance)
        )
        squared, squared_after = (each.detach().square().sum(-1) for each in (errors, errors_after))
        # negative log-likelihood of a Gaussian in two dimensions, without constants
        likelihood = (squared / prior + squared_after / variance) / 2 + prior.log() + variance.log()
        losses["variance"] = likelihood.mean()

        loss = torch.stack([self.hparams[name] * value for name, value in losses.items()]).sum()
        self.log_losses({**losses, "loss": loss}, len(lightness))
        return loss


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
