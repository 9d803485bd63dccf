"""Forty steps on two pictures, as the overfit tests take them."""

from typing import Any

import torch
from torch import Tensor

from colorzoo.data import Batch
from colorzoo.guidance import Points

STEPS = 40


def overfit(model: Any, batch: Batch, *, lr: float) -> tuple[float, float]:
    """Train on one batch and return the mean loss of the first and of the last four steps.

    Hints are drawn anew in each step, as in training.
    """
    model.log = model.log_dict = lambda *_, **__: None
    model.train()
    optimizer = torch.optim.Adam([p for p in model.parameters() if p.requires_grad], lr=lr)
    seeds, losses = batch["seed"], []
    for step in range(STEPS):
        batch["seed"] = seeds + 1000 * step
        loss = model.training_step(batch, step)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    batch["seed"] = seeds
    model.eval()
    return sum(losses[:4]) / 4, sum(losses[-4:]) / 4


def colored_square(like: Tensor, ab: tuple[float, float]) -> tuple[Points, Tensor]:
    """Return points of one color in the middle of each picture ``(B, 1, H, W)``, and where they are."""
    mask = torch.zeros_like(like)
    height, width = like.shape[-2:]
    mask[..., height // 2 - 4 : height // 2 + 4, width // 2 - 4 : width // 2 + 4] = 1
    return Points(mask * torch.tensor(ab).view(1, 2, 1, 1), mask), mask > 0


def moved_towards(ab: Tensor, wanted: tuple[float, float], where: Tensor) -> float:
    """Return how far colors lie along a wanted one, in CIE units, on the mean of some pixels."""
    direction = torch.tensor(wanted) / torch.tensor(wanted).norm()
    return float((ab * direction.view(1, 2, 1, 1)).sum(dim=1, keepdim=True)[where].mean())
