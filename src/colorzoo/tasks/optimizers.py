"""Adam with the schedules that the papers use."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import torch
from lightning.pytorch import Trainer
from torch import nn

Schedule = Literal["constant", "cosine", "linear", "multistep", "half_linear"]


@dataclass(frozen=True)
class OptimizerSetup:
    """Adam and how its rate moves.

    Attributes:
        lr: Largest learning rate.
        betas: Decays of the two moments.
        weight_decay: Decoupled decay of weights with two or more axes.
        schedule: ``constant``; ``cosine`` and ``linear`` fall to 0 at the last step; ``multistep``
            multiplies by 0.1 at each milestone; ``half_linear`` holds for half of the way, then falls in a
            line that would reach 0 one step after the last.
        warmup_steps: Steps of linear rise at the start.
        milestones: Steps of ``multistep``.
    """

    lr: float
    betas: tuple[float, float] = (0.9, 0.999)
    weight_decay: float = 0.0
    schedule: Schedule = "constant"
    warmup_steps: int = 0
    milestones: tuple[int, ...] = ()


def adam_with_schedule(network: nn.Module, setup: OptimizerSetup, trainer: Trainer) -> dict[str, Any]:
    """Return what ``configure_optimizers`` returns: AdamW and a schedule that moves every step."""
    decay = [p for p in network.parameters() if p.requires_grad and p.ndim > 1]
    other = [p for p in network.parameters() if p.requires_grad and p.ndim <= 1]
    groups = [{"params": decay, "weight_decay": setup.weight_decay}, {"params": other, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=setup.lr, betas=setup.betas)
    total = int(trainer.estimated_stepping_batches)
    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, rate_factor(setup, total))
    return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}


def rate_factor(setup: OptimizerSetup, total: int) -> Callable[[int], float]:
    """Return the factor on the learning rate as a function of the step."""

    def factor(step: int) -> float:
        if step < setup.warmup_steps:
            return (step + 1) / setup.warmup_steps
        done = min(1.0, (step - setup.warmup_steps) / max(1, total - setup.warmup_steps))
        match setup.schedule:
            case "cosine":
                return 0.5 * (1 + math.cos(math.pi * done))
            case "linear":
                return 1 - done
            case "multistep":
                return float(0.1 ** sum(step >= milestone for milestone in setup.milestones))
            case "half_linear":
                half = total / 2
                return 1 - max(0.0, step - half) / (half + 1)
            case _:
                return 1.0

    return factor
