"""The checkpoints that every training keeps: the best one and the last one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import Checkpoint, ModelCheckpoint

SAVE_EVERY = 1000
"""Steps between two saves of ``last.ckpt`` unless the configuration has its own."""


class BestCheckpoint(ModelCheckpoint):
    """Keep the checkpoint with the highest value of a metric of validation, ``best-step=<N>.ckpt``.

    A resumed run compares with the earlier best also if it writes to another folder.

    Args:
        monitor: Name of the metric.
    """

    def __init__(self, monitor: str) -> None:
        # saved with the validation, before the checkpoints that hold its value
        super().__init__(monitor=monitor, mode="max", filename="best-{step}", save_on_train_epoch_end=False)

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore the best value and the path of its checkpoint, which may have been moved with its folder.

        Lightning deletes none of another folder.
        """
        paths = {name: self._here(state_dict[name]) for name in ("best_model_path", "kth_best_model_path")}
        kept = {self._here(path): value for path, value in state_dict["best_k_models"].items()}
        super().load_state_dict({**state_dict, **paths, "best_k_models": kept, "dirpath": self.dirpath})

    def _here(self, path: str) -> str:
        moved = Path(self.dirpath or ".") / Path(path).name
        return str(moved) if path and moved.is_file() else path


class LastCheckpoint(ModelCheckpoint):
    """Keep the last checkpoint, ``last.ckpt``: every so many steps and at the end of the training.

    Args:
        every_n_train_steps: Steps between two saves. A model with a discriminator counts the steps of both
            optimizers.
    """

    def __init__(self, every_n_train_steps: int = SAVE_EVERY) -> None:
        super().__init__(
            save_last=True,
            save_top_k=0,
            every_n_train_steps=every_n_train_steps,
            enable_version_counter=False,  # a resumed run overwrites the file
        )
        self._awaits_validation = False

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Save if the steps are reached, or if this is the last step of the training."""
        reached = trainer.global_step % self._every_n_train_steps == 0 or _ends(trainer)
        if reached and not self._should_skip_saving_checkpoint(trainer):
            if validates_next(trainer):
                self._awaits_validation = True
            else:
                self._save_last_checkpoint(trainer, self._monitor_candidates(trainer))

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Save if the steps were reached before this validation, so that the file stores its value."""
        if self._awaits_validation:
            self._awaits_validation = False
            self._save_last_checkpoint(trainer, self._monitor_candidates(trainer))


def missing_checkpoints(given: Sequence[object], monitor: str) -> list[ModelCheckpoint]:
    """Return the callbacks that a training needs, besides those of its configuration, to keep best and last.

    Args:
        given: The callbacks of the configuration.
        monitor: The metric whose best value counts.
    """
    checkpoints = [callback for callback in given if isinstance(callback, ModelCheckpoint)]
    missing: list[ModelCheckpoint] = []
    if not any(callback.monitor and callback.save_top_k for callback in checkpoints):
        missing.append(BestCheckpoint(monitor))
    if not any(callback.save_last for callback in checkpoints):
        missing.append(LastCheckpoint())
    return missing


def validates_next(trainer: Trainer) -> bool:
    """Return whether a validation follows the batch that ends."""
    loop = trainer.fit_loop
    assert loop._data_fetcher is not None
    return bool(trainer.enable_validation and loop.epoch_loop._should_check_val_fx(loop._data_fetcher))


def checkpoints_last(callbacks: Sequence[Callback]) -> list[Callback]:
    """Return callbacks in saving order: the best checkpoint first, because later files store its value."""
    return sorted(
        callbacks, key=lambda each: (isinstance(each, Checkpoint), not isinstance(each, BestCheckpoint))
    )


def _ends(trainer: Trainer) -> bool:
    """Return whether the training ends with this step."""
    last_epoch = trainer.max_epochs not in (None, -1) and trainer.current_epoch + 1 >= trainer.max_epochs
    limited = trainer.max_steps != -1 and trainer.global_step >= trainer.max_steps
    return limited or trainer.should_stop or (last_epoch and trainer.is_last_batch)
