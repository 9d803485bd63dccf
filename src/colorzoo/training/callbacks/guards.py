"""Callbacks for reproducible training and for stopping runs with invalid weights."""

from __future__ import annotations

import json
from typing import Any, cast

import torch
from fsspec.core import url_to_fs
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import ModelCheckpoint, WeightAveraging
from lightning.pytorch.trainer.states import TrainerFn
from torch import Tensor

from colorzoo.errors import ColorzooError, WeightsError
from colorzoo.randomness import stream_seed
from colorzoo.training.callbacks.checkpoints import ends_training
from colorzoo.training.loggers import run_folder, write_text

_CHECKED_STEPS = 16  # number of GPU losses checked in one synchronization


class NonFiniteGuard(Callback):
    """Callback that stops training at a NaN or infinite loss and saves the image names.

    On a CPU, the loss is checked in each step before the weights are updated. On a GPU, the losses of several
    steps are checked together, to avoid a synchronization in each step. Losses are also checked before each
    checkpoint, so checkpoints never contain weights that were updated with a non-finite loss. The step, the
    loss and the image names are written to ``nonfinite_rank<N>.json`` in the run folder.
    """

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Store the run folder; all processes must call this method together."""
        self._folder = run_folder(trainer)
        self._names: list[str] = []
        self._losses: list[tuple[int, list[str], Tensor]] = []  # step, image names and loss

    def on_train_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Store the image names of the batch for the error report."""
        self._names = [str(name) for name in batch.get("name", [])] if isinstance(batch, dict) else []

    def on_before_backward(self, trainer: Trainer, pl_module: LightningModule, loss: Tensor) -> None:
        """Check the loss; on a GPU, check the losses of several steps together.

        Raises:
            ColorzooError: A loss is not finite.
        """
        self._losses.append((trainer.global_step, self._names, loss.detach()))
        if not loss.is_cuda or len(self._losses) >= _CHECKED_STEPS:
            self._check(trainer)

    def on_save_checkpoint(
        self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Check all losses before the weights are saved.

        Raises:
            ColorzooError: A loss is not finite.
        """
        self._check(trainer)

    def _check(self, trainer: Trainer) -> None:
        losses, self._losses = self._losses, []  # so that a checkpoint of earlier steps can be saved
        if not losses:
            return
        are_finite = torch.stack([loss for _, _, loss in losses]).isfinite().tolist()
        if all(are_finite):
            return
        step, names, loss = losses[are_finite.index(False)]
        value = loss.item()
        path = f"{self._folder}/nonfinite_rank{trainer.global_rank}.json"
        report = {"step": step, "epoch": trainer.current_epoch, "loss": str(value), "names": names}
        write_text(path, json.dumps(report, indent=1))
        raise ColorzooError(
            f"the loss is {value} at step {step} ({trainer.precision}). {path!r} contains the names "
            "of the images in this batch. Lower the learning rate, or set --trainer.precision 32-true."
        )


class ResumeGuard(Callback):
    """Callback that checks the loaded checkpoint, and restores the state of checkpoint callbacks.

    If the checkpoint contains averaged weights and the run has no averaging callback, Lightning would train
    the averaged weights with the optimizer state of the current weights. Lightning does not restore the last
    saved step, so a resumed run with gradient accumulation would save a step again. If the path of the run
    folder has changed, Lightning discards the best score, so a worse checkpoint would replace the best one.
    After a checkpoint of the last batch of an epoch, Lightning does not count the next epoch as started, so a
    checkpoint of the resumed run would not be resumable. After a checkpoint of an epoch end, Lightning runs
    an empty epoch if the run has no epoch limit, so the image order of an epoch would be skipped.
    """

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Begin the next epoch after a checkpoint of the last batch or of the end of an epoch."""
        loop, epochs = trainer.fit_loop, trainer.fit_loop.epoch_progress
        if loop.restarted_mid_epoch and epochs.current.ready == trainer.current_epoch:
            epochs.increment_ready()
            epochs.increment_started()
        if loop.restarted_on_epoch_end:
            epochs.increment_completed()
            loop.reset_restart_stage()
            loop.epoch_loop.restarting = False

    def on_load_checkpoint(
        self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Check the averaging callback, and restore the last saved step and the paths of checkpoints.

        Raises:
            WeightsError: The checkpoint contains averaged weights and the run has no averaging callback.
        """
        callbacks = cast(list[Callback], cast(Any, trainer).callbacks)
        averaging = any(isinstance(callback, WeightAveraging) for callback in callbacks)
        if trainer.state.fn == TrainerFn.FITTING and "current_model_state" in checkpoint and not averaging:
            raise WeightsError(
                "the checkpoint contains averaged weights, but the run has no averaging callback. Add "
                "GrowingWeightAveraging to trainer.callbacks, or start a new run with --init_from."
            )
        step = checkpoint["global_step"]
        for callback in callbacks:
            # a callback with a monitored metric can save later in this step, after a validation
            if isinstance(callback, ModelCheckpoint) and callback.monitor is None:
                # private attributes, because Lightning neither stores nor exposes these values
                interval = callback._every_n_train_steps
                if interval and step % interval == 0:
                    callback._last_global_step_saved = step
            state = checkpoint.get("callbacks", {}).get(callback.state_key)
            if isinstance(callback, ModelCheckpoint) and state:
                _move_checkpoints(state, str(callback.dirpath))


def _move_checkpoints(state: dict[str, Any], folder: str) -> None:
    """Replace the folder in the state of a `ModelCheckpoint`, and in the paths of files that are there now.

    A run that continues in another folder keeps the paths of its earlier checkpoints. Paths in a bucket are
    replaced even if the files are missing, because Lightning deletes a superseded file of a bucket.
    """
    fs, earlier = url_to_fs(folder)[0], state["dirpath"]

    def moved(path: str) -> str:
        there = f"{folder}/{path.removeprefix(earlier).lstrip('/')}"
        return there if path.startswith(earlier) and ("://" in path or fs.exists(there)) else path

    state["dirpath"] = folder
    state["best_k_models"] = {moved(path): score for path, score in state["best_k_models"].items()}
    for name in ("best_model_path", "kth_best_model_path", "last_model_path"):
        state[name] = moved(state[name])


class InitialValidation(Callback):
    """Callback that validates trained initial weights before the first step.

    The validation is the baseline of fine-tuning. The best checkpoint can be the checkpoint of step 0.
    """

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Validate as Lightning does within an epoch, and save the best checkpoint."""
        is_start = trainer.global_step == 0 and trainer.current_epoch == 0
        if not is_start or not trainer.enable_validation or getattr(pl_module, "has_partial_weights", False):
            return
        for callback in cast(list[Callback], cast(Any, trainer).callbacks):
            if isinstance(callback, ModelCheckpoint) and callback.monitor is not None:
                callback._last_global_step_saved = -1  # by default 0, so step 0 would not be saved
        validation = trainer.fit_loop.epoch_loop.val_loop
        trainer.validating = True
        validation.run()
        trainer.training = True


class FinalValidation(Callback):
    """Callback that validates after the last step of every run.

    Lightning validates only at an interval of batches or epochs, so the weights of a run whose length is not
    a multiple of the interval would never be measured.
    """

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Store the validation interval of the run."""
        self._interval = trainer.check_val_every_n_epoch

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Stop the run after its last step, because Lightning validates before it stops."""
        if ends_training(trainer):
            trainer.should_stop = True
            trainer.check_val_every_n_epoch = None  # an epoch without a scheduled validation

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Restore the validation interval, because the Trainer can run another training."""
        trainer.check_val_every_n_epoch = self._interval


class StepSeed(Callback):
    """Callback that seeds torch before each batch from the run seed, batch number and process.

    Lightning's checkpoints do not contain the state of the random number generators. With these seeds, a
    resumed run draws the same random numbers, for example for dropout, as an uninterrupted run.

    Args:
        seed: Base seed of the run.
    """

    def __init__(self, seed: int = 0) -> None:
        self.seed = seed

    def on_train_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Seed the generators of all devices."""
        step = trainer.fit_loop.epoch_loop.total_batch_idx
        torch.manual_seed(stream_seed("step", self.seed, step, trainer.global_rank))
