"""Callbacks that stop a training which has silently gone wrong."""

from __future__ import annotations

import json
from typing import Any, cast

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import WeightAveraging
from lightning.pytorch.trainer.states import TrainerFn
from torch import Tensor

from colorzoo.callbacks.folders import run_folder
from colorzoo.errors import ColorzooError, WeightsError


class NonFiniteGuard(Callback):
    """Stop before a loss that is NaN or infinite reaches the weights, and save the names of the batch.

    The file is ``nonfinite_rank<N>.json`` in the run's folder, with step, loss and names.
    """

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Remember the folder: asking for it later, in one process alone, would wait for the others."""
        del pl_module, stage
        self._folder = run_folder(trainer)
        self._names: list[str] = []

    def on_train_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Remember what the batch consists of."""
        del trainer, pl_module, batch_idx
        names = batch.get("name", []) if isinstance(batch, dict) else []
        self._names = [str(name) for name in names]

    def on_before_backward(self, trainer: Trainer, pl_module: LightningModule, loss: Tensor) -> None:
        """Check the loss.

        Raises:
            ColorzooError: It is not finite.
        """
        del pl_module
        if bool(torch.isfinite(loss).all()):
            return
        self._folder.mkdir(parents=True, exist_ok=True)
        path = self._folder / f"nonfinite_rank{trainer.global_rank}.json"
        report = {"step": trainer.global_step, "epoch": trainer.current_epoch, "loss": str(loss.tolist())}
        path.write_text(json.dumps({**report, "names": self._names}, indent=1), encoding="utf-8")
        raise ColorzooError(
            f"the loss is {loss.tolist()} at step {trainer.global_step} ({trainer.precision}); {str(path)!r} "
            "names the pictures of the batch; lower the learning rate, or use --trainer.precision 32-true."
        )


class ResumeGuard(Callback):
    """Refuse to resume a training with weight averaging without its callback.

    Lightning would go on from the averaged weights with the raw weights' optimizer state, and not say so.
    """

    def on_load_checkpoint(
        self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Compare the checkpoint with the callbacks.

        Raises:
            WeightsError: The averages of the checkpoint have no callback to go to.
        """
        del pl_module
        callbacks = cast(list[Callback], cast(Any, trainer).callbacks)
        averaging = any(isinstance(callback, WeightAveraging) for callback in callbacks)
        if trainer.state.fn == TrainerFn.FITTING and "current_model_state" in checkpoint and not averaging:
            raise WeightsError(
                "the checkpoint was trained with weight averaging, but this run has no averaging callback; "
                "add EMAWeightAveraging to trainer.callbacks, or start a new training with --init_from."
            )
