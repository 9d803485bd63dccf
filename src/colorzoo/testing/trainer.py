"""Trainers of the checks, silent and on the CPU, and a record of gradients."""

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
    """Return a Trainer that prints nothing and writes only below ``folder``; on the CPU by default."""
    return Trainer(
        default_root_dir=folder,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        **{"accelerator": "cpu", **options},
    )


def batch_loader(batches: Sequence[Batch]) -> DataLoader[Batch]:
    """Return a loader of these batches, in order."""
    return DataLoader(cast(Any, batches), batch_size=None)


@contextmanager
def silent_lightning() -> Iterator[None]:
    """Hide Lightning's warnings (number of workers, logging intervals) inside the block."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"lightning\..*")
        yield


class GradientRecorder(Callback):
    """Callback that copies the gradients before each optimizer step.

    Attributes:
        gradients: The last gradient of each parameter by name.
    """

    def __init__(self) -> None:
        self.gradients: dict[str, Tensor] = {}

    def on_before_optimizer_step(
        self, trainer: Trainer, pl_module: LightningModule, optimizer: Optimizer
    ) -> None:
        """Copy the gradients of the optimizer's parameters."""
        mine = {id(p) for group in optimizer.param_groups for p in group["params"]}
        for name, parameter in pl_module.named_parameters():
            if id(parameter) in mine and parameter.grad is not None:
                self.gradients[name] = parameter.grad.detach().clone()
