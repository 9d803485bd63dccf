"""Quiet CPU trainers for the checks, and a callback that records gradients."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor
from torch.optim import Optimizer
from torch.utils.data import DataLoader

from colorzoo.data import Batch


def quiet_trainer(folder: str | Path, **options: Any) -> Trainer:
    """Return a CPU Trainer that prints nothing and writes only to ``folder``.

    ``options`` override the default arguments of the Trainer.
    """
    return Trainer(
        default_root_dir=folder,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        **{"accelerator": "cpu", **options},
    )


def batch_loader(batches: Sequence[Batch]) -> DataLoader[Batch]:
    """Return a DataLoader that yields ``batches`` in order."""
    return DataLoader(cast(Any, batches), batch_size=None)


@contextmanager
def silent_lightning() -> Iterator[None]:
    """Suppress Lightning's warnings about workers and logging intervals in a ``with`` block."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"lightning\..*")
        yield


class GradientRecorder(Callback):
    """Callback that records the gradients before each optimizer step.

    Attributes:
        gradients: Latest gradient of each parameter by name.
        alive: Names of parameters with a finite gradient in any step. Weights with two or more axes must also
            have a gradient that is not zero.
    """

    def __init__(self) -> None:
        self.gradients: dict[str, Tensor] = {}
        self.alive: set[str] = set()

    def on_before_optimizer_step(
        self, trainer: Trainer, pl_module: LightningModule, optimizer: Optimizer
    ) -> None:
        """Record the gradients of the optimizer's parameters."""
        mine = {id(p) for group in optimizer.param_groups for p in group["params"]}
        for name, parameter in pl_module.named_parameters():
            if id(parameter) in mine and parameter.grad is not None:
                gradient = self.gradients[name] = parameter.grad.detach().clone()
                if gradient.isfinite().all() and (gradient.ndim < 2 or gradient.any()):
                    self.alive.add(name)
