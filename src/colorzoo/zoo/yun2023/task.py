"""Training of iColoriT (Yun et al., WACV 2023) with the authors' learning rate schedule."""

from __future__ import annotations

from typing import Unpack

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.optim import Optimizer

from colorzoo.color import rgb_to_lab
from colorzoo.data.dataset import Batch
from colorzoo.errors import ColorzooError
from colorzoo.guidance import Guidance, Points
from colorzoo.losses import smooth_l1_map
from colorzoo.networks.scaling import AB_SCALE
from colorzoo.randomness import Generators, draw_uniform, image_generators
from colorzoo.settings import NonNegativeInt, Positive
from colorzoo.training.module import SingleOptimizerModule
from colorzoo.training.optimization import Optimization
from colorzoo.training.schedules import Cosine
from colorzoo.zoo.yun2023.model import CELL, Head, IColoriT


class Yun2023(SingleOptimizerModule):
    """Training task of `IColoriT`.

    Args:
        width: See `IColoriT`.
        heads: See `IColoriT`.
        depth: See `IColoriT`.
        patch: See `IColoriT`.
        side: See `IColoriT`.
        head: See `IColoriT`.
        mask_center: See `IColoriT`.
        delta: Error in units of ab / 110 at which the loss changes from quadratic to linear.
        most_hints: Maximum number of hints per image; the number is uniform in [0, ``most_hints``].
        **optimization: Optimizer and learning rate schedule; see `Optimization`.
    """

    validation_points = (0, 1, 10, 100)
    model: IColoriT

    def __init__(
        self,
        width: int = 768,
        heads: int = 12,
        depth: int = 12,
        patch: int = 16,
        side: int = 224,
        head: Head = "convolution",
        mask_center: float = 0.0,
        delta: Positive = 0.01,
        most_hints: NonNegativeInt = 128,
        **optimization: Unpack[Optimization],
    ) -> None:
        super().__init__(IColoriT(width, heads, depth, patch, side, head, mask_center), **optimization)
        self.delta = delta
        self.most_hints = most_hints

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Colorize images with simulated hints and return the Huber loss."""
        lab = rgb_to_lab(batch["rgb"])
        lightness, ab = lab[:, :1], lab[:, 1:]
        generators = image_generators(batch["seed"], "points")
        points = simulate_cells(ab, generators, self.most_hints)
        loss = self.huber(self.model(lightness, Guidance(points=points)).ab, ab)
        self.log_losses({"loss": loss, "huber": loss}, len(lightness))
        return loss

    def huber(self, predicted: Tensor, target: Tensor) -> Tensor:
        """Return the Huber loss of ab / 110, divided by delta.

        The loss is a sum over a and b and a mean over pixels.

        Args:
            predicted: Predicted ab ``(B, 2, H, W)`` in CIE units.
            target: Ground truth ab ``(B, 2, H, W)`` in CIE units.
        """
        return smooth_l1_map(predicted / AB_SCALE, target / AB_SCALE, delta=self.delta).mean()

    def validation_guidance(self, setting: str, lab: Tensor, seeds: Tensor) -> Guidance:
        """Sample a fixed number of hints per image, identical in every epoch.

        Args:
            setting: Number of hints, as a string.
            lab: Ground truth ``(B, 3, H, W)``.
            seeds: Per-image seeds ``(B,)``.
        """
        batch, _, height, width = lab.shape
        generators = image_generators(seeds, "points")
        order = draw_uniform(generators, batch, (height // CELL) * (width // CELL), lab.device)
        counts = order.new_full((batch,), int(setting))
        return Guidance(points=_reveal(lab[:, 1:], counts, order))


def simulate_cells(ab: Tensor, generators: Generators, most: int) -> Points:
    """Sample training hints: the true colors of random cells of 2 x 2 pixels.

    Args:
        ab: Ground truth ab ``(B, 2, H, W)`` in CIE units.
        generators: One generator for the batch, or one generator per image.
        most: Maximum number of hints; the number is uniform in [0, ``most``].
    """
    batch, _, height, width = ab.shape
    draws = draw_uniform(generators, batch, 1 + (height // CELL) * (width // CELL), ab.device)
    counts = (draws[:, 0] * (most + 1)).floor()
    return _reveal(ab, counts, draws[:, 1:])


def _reveal(ab: Tensor, counts: Tensor, order: Tensor) -> Points:
    """Return hints with the mean colors of the first ``counts`` cells in ``order``."""
    batch, _, height, width = ab.shape
    if not order.shape[1]:
        return Points.none(ab)
    rank = torch.arange(order.shape[1], device=ab.device).expand_as(order)
    is_revealed = (rank < counts[:, None]).to(ab.dtype)  # by rank
    cell_of_rank = order.argsort(dim=1)
    cell_mask = torch.zeros_like(is_revealed).scatter(1, cell_of_rank, is_revealed)
    cell_mask = cell_mask.view(batch, 1, height // CELL, width // CELL)
    cell_hints = torch.cat([F.avg_pool2d(ab, CELL) * cell_mask, cell_mask], dim=1)
    hints = F.interpolate(cell_hints, scale_factor=CELL)
    hints = F.pad(hints, (0, width % CELL, 0, height % CELL))  # incomplete border cells get no hint
    return Points(hints[:, :2], hints[:, 2:])


class CosineFromZero(Cosine):
    """Schedule with a linear warm-up from 0 and a half-cosine decay to a final learning rate.

    The last warm-up step and the first decay step have the full learning rate.

    Args:
        optimizer: Optimizer with the maximum learning rates.
        warmup_steps: Number of warm-up steps.
        total_steps: Number of optimizer steps; None uses the Trainer's limit.
        final: Learning rate one step after the last training step.

    Raises:
        ColorzooError: ``final`` exceeds the learning rate of a parameter group.
    """

    def __init__(
        self, optimizer: Optimizer, warmup_steps: int = 0, total_steps: int | None = None, final: float = 1e-5
    ) -> None:
        for group in optimizer.param_groups:
            rate = float(group.get("initial_lr", group["lr"]))
            if final > rate:
                raise ColorzooError(
                    f"'final' must be at most the learning rate of the optimizer ({rate:g}), got {final:g}. "
                    "Set 'final' to 1e-5."
                )
        self.final = final
        super().__init__(optimizer, warmup_steps, total_steps)

    def get_lr(self) -> list[float | Tensor]:
        """Return the current learning rate of each parameter group."""
        factor, least = self.factor_at(self.last_epoch), self.final
        if self.last_epoch < self.warmup_steps:
            return [base * factor for base in self.base_lrs]
        return [least + (base - least) * factor for base in self.base_lrs]

    def warmup_factor(self, step: int) -> float:
        """Return the fraction step / (warmup_steps - 1) of the maximum learning rate."""
        return step / max(1, self.warmup_steps - 1)
