"""Checkpoint callbacks for the best, the last and interrupted states, and atomic checkpoint files."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import threading
import zipfile
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Any, Literal, NoReturn, cast

import fsspec
import torch
from lightning.fabric.plugins.environments.slurm import SLURMEnvironment
from lightning.fabric.plugins.io.torch_io import TorchCheckpointIO
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Checkpoint, ModelCheckpoint, WeightAveraging
from lightning.pytorch.trainer.states import TrainerFn
from torch import distributed

from colorzoo.errors import WeightsError
from colorzoo.files import remove_leftovers, write_atomic
from colorzoo.training.loggers import run_folder
from colorzoo.weights.load import torch_errors

SAVE_EVERY = 1000
"""Default number of steps between updates of ``last.ckpt``."""

_EXIT_CODES = {signal.SIGINT: 130, signal.SIGTERM: 143}  # as in shells
if _REQUEUE := getattr(signal, "SIGUSR1", None):  # SLURM sends it before the time limit; missing on Windows
    _EXIT_CODES[_REQUEUE] = 143
_PRIORITIES = [0, *_EXIT_CODES]  # signals by ascending priority; 0: no signal


class LastCheckpoint(ModelCheckpoint):
    """Callback that saves ``last.ckpt`` at an interval of steps and after the last step.

    `ModelCheckpoint` saves the last step only if its number is a multiple of the interval.

    Args:
        every_n_train_steps: Number of steps between updates.
    """

    def __init__(self, every_n_train_steps: int = SAVE_EVERY) -> None:
        super().__init__(
            save_last=True,
            save_top_k=0,
            every_n_train_steps=every_n_train_steps,
            enable_version_counter=False,  # a resumed run overwrites the file
            save_on_train_epoch_end=False,  # saves again after a validation, with its metrics
        )
        self._every = every_n_train_steps

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Save ``last.ckpt`` at the interval and after the last step."""
        super().on_train_batch_end(trainer, pl_module, outputs, batch, batch_idx)
        if ends_training(trainer) and trainer.global_step % self._every:
            self._save(trainer)

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Save ``last.ckpt`` if the validation ends the training, for example with `EarlyStopping`."""
        super().on_validation_end(trainer, pl_module)
        if trainer.should_stop and trainer.state.fn == TrainerFn.FITTING:
            self._save(trainer)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Save ``last.ckpt`` if the epoch ends the training, for example with `EarlyStopping`."""
        super().on_train_epoch_end(trainer, pl_module)
        if trainer.should_stop and trainer.is_last_batch:
            self._save(trainer)

    def _save(self, trainer: Trainer) -> None:
        self._last_global_step_saved = trainer.global_step
        trainer.save_checkpoint(os.path.join(self.dirpath or "", "last.ckpt"))  # noqa: PTH118 - or s3://

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Do not save, because averaged weights have replaced the current weights."""


class SignalCheckpoint(Checkpoint):
    """Callback that saves ``interrupted.ckpt`` and ends the run on a signal.

    The signals are Ctrl+C, SIGTERM, and SIGUSR1 in a SLURM job. After the current training or validation
    batch, all processes save the checkpoint and exit with code 130 (Ctrl+C) or 143. A validation that was
    interrupted, or that follows the batch, runs when the run is resumed. Only the validation after the last
    step is completed instead. If gradients are being accumulated, the resumed run computes them again. A
    resumed run gives the same result as an uninterrupted run. After SIGUSR1, the job is requeued. In a
    single-process run, a second Ctrl+C ends the run immediately.

    This callback replaces Lightning's `OnExceptionCheckpoint` and signal handlers. Lightning can save before
    the batch counter is incremented, so a resumed run would train on a batch twice. In runs with several
    processes, Lightning's SIGTERM handler can deadlock, because only one process enters a collective
    operation.

    The base class is `Checkpoint` because Lightning calls checkpoint callbacks last.

    Args:
        dirpath: Folder of ``interrupted.ckpt``; None selects ``checkpoints`` in the run folder.
    """

    def __init__(self, dirpath: str | None = None) -> None:
        self.dirpath = dirpath
        self._received = self._reduced = 0
        self._group: Any = None

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Set the path of ``interrupted.ckpt``; all processes must call this method together."""
        self._path = f"{self.dirpath or run_folder(trainer) + '/checkpoints'}/interrupted.ckpt"
        self._received = self._reduced = 0
        self._single_process = trainer.world_size == 1
        self._can_repeat_validation = True

    def on_sanity_check_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Replace the signal handlers that Lightning has just installed."""
        self._install_handlers()

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Replace Lightning's signal handlers, and create a CPU process group."""
        self._install_handlers()
        if not self._single_process:
            self._group = distributed.new_group(backend="gloo")
        # Lightning has read that the validation must run again; otherwise each resumed run would repeat it
        trainer.fit_loop.epoch_loop.val_loop.batch_progress.total.reset_on_restart()

    def on_train_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Exit if the run was interrupted; the previous step is already logged.

        Raises:
            SystemExit: The run was interrupted.
        """
        if self._reduced:
            self._exit(trainer)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Save ``interrupted.ckpt`` if any process received a signal."""
        # a resumed run has no step left after the last step, so Lightning would not validate
        self._can_repeat_validation = not ends_training(trainer)
        self._reduced = self._reduce()
        if self._reduced:
            trainer.save_checkpoint(self._path)

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Exit before a validation if the run was interrupted during the previous step.

        Raises:
            SystemExit: The run was interrupted.
        """
        if trainer.sanity_checking or not self._can_repeat_validation:
            return
        if self._reduced:
            self._save_before_validation(trainer)
        # processes can have different numbers of batches, but reduce signals together
        batches = torch.tensor(trainer.num_val_batches, dtype=torch.float32)
        if self._group is not None:
            distributed.all_reduce(batches, op=distributed.ReduceOp.MIN, group=self._group)
            batches[batches.isinf()] = 0  # the number is unknown
        self._common_batches = batches.tolist()

    def on_validation_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """End the validation and save ``interrupted.ckpt`` if any process received a signal.

        Raises:
            SystemExit: The run was interrupted.
        """
        if trainer.sanity_checking or not self._can_repeat_validation:
            return
        if batch_idx < self._common_batches[dataloader_idx]:
            self._reduced = self._reduce()
            if self._reduced:
                for callback in cast(Any, trainer).callbacks:
                    if isinstance(callback, WeightAveraging):  # restores the current weights
                        callback.on_validation_epoch_end(trainer, pl_module)
                self._save_before_validation(trainer)

    def _save_before_validation(self, trainer: Trainer) -> None:
        """Save the state before a validation and exit; the resumed run begins with the validation."""
        progress = trainer.fit_loop.epoch_loop.val_loop.batch_progress
        progress.reset()  # to the state in the first validation step, from which Lightning validates again
        progress.increment_ready()
        progress.increment_started()
        trainer.save_checkpoint(self._path)
        self._exit(trainer)

    def _exit(self, trainer: Trainer) -> NoReturn:
        """Print the path of the checkpoint, requeue the job after SIGUSR1, and exit."""
        if trainer.is_global_zero:
            print(f"colorzoo: interrupted; resume with --ckpt_path {self._path}", file=sys.stderr)
            if self._reduced == _REQUEUE:
                job = os.environ.get("SLURM_JOB_ID", "")
                done = subprocess.run(["scontrol", "requeue", job], check=False)  # prints why it failed
                state = "was not requeued" if done.returncode else "was requeued"
                print(f"colorzoo: job {job} {state}", file=sys.stderr)
        raise SystemExit(_EXIT_CODES[signal.Signals(self._reduced)])

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Delete ``interrupted.ckpt``, because the run is complete."""
        trainer.strategy.remove_checkpoint(self._path)

    def _install_handlers(self) -> None:
        """Install the signal handlers; Lightning restores the previous handlers after the run."""
        if threading.current_thread() is threading.main_thread():
            for number in _EXIT_CODES:
                if number != _REQUEUE or SLURMEnvironment.detect():
                    signal.signal(number, self._handle)

    def _handle(self, number: int, _: object) -> None:
        if number == signal.SIGINT and self._single_process:
            if self._received:
                raise KeyboardInterrupt
            text = "\ncolorzoo: finishing this step, then saving; press Ctrl+C again to end without saving\n"
            with suppress(AttributeError, OSError, ValueError):  # no standard error
                os.write(sys.stderr.fileno(), text.encode())  # print is not reentrant
        self._received = max(self._received, number, key=_PRIORITIES.index)

    def _reduce(self) -> int:
        """Return the signal with the highest priority among all processes."""
        if self._group is None:
            return self._received
        priority = torch.tensor(_PRIORITIES.index(self._received))  # on the CPU, to avoid GPU synchronization
        distributed.all_reduce(priority, op=distributed.ReduceOp.MAX, group=self._group)
        return int(_PRIORITIES[int(priority)])


def read_checkpoint(file: IO[bytes], name: str, *, weights_only: bool = True) -> dict[str, Any]:
    """Read a checkpoint of ``fit`` into the memory of the CPU.

    Args:
        file: File that is open for reading.
        name: Path or URL of the file in error messages.
        weights_only: Whether to refuse files that execute code when they are loaded.

    Raises:
        WeightsError: The file is damaged, executes code, or is not a checkpoint.
    """
    with torch_errors(name):
        if zipfile.is_zipfile(file) and (part := zipfile.ZipFile(file).testzip()):  # torch ignores checksums
            raise ValueError(f"wrong checksum of {part}")
        file.seek(0)
        content = torch.load(file, map_location="cpu", weights_only=weights_only)
    if not isinstance(content, dict) or "pytorch-lightning_version" not in content:
        raise WeightsError(f"{name} is not a checkpoint of `colorzoo fit`. Load weights with --init_from.")
    return content


class CheckpointFile(TorchCheckpointIO):
    """Checkpoint plugin that writes checkpoints atomically, and reports files that cannot be loaded.

    Lightning moves checkpoints from the system's temporary folder. If this folder is on another file system,
    a process killed during the move leaves a truncated checkpoint. The plugin writes the temporary file to
    the target folder and renames it. Uploads to a bucket are already atomic.
    """

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None
    ) -> None:
        """Write a checkpoint.

        Args:
            checkpoint: Content of the checkpoint.
            path: A file, or a URL such as ``s3://bucket/run/last.ckpt``.
            storage_options: Must be None; see `TorchCheckpointIO`.

        Raises:
            OSError: The file cannot be written; an existing file is unchanged.
        """
        if storage_options is not None or "://" in str(path):
            super().save_checkpoint(checkpoint, path, storage_options)
            return
        # only one run writes to the folder, so a temporary file of any age is from a killed process
        remove_leftovers(Path(path).absolute().parent, age=0)
        buffer = io.BytesIO()
        torch.save(checkpoint, buffer)
        write_atomic(Path(path), buffer.getbuffer())

    def load_checkpoint(
        self, path: str | Path, map_location: Any = None, weights_only: bool | None = None
    ) -> dict[str, Any]:
        """Load a checkpoint into the memory of the CPU.

        Args:
            path: A file, or a URL such as ``s3://bucket/run/last.ckpt``.
            map_location: Not used.
            weights_only: False also loads files that execute code.

        Raises:
            WeightsError: The file is damaged, executes code, or is not a checkpoint.
        """
        with fsspec.open(str(path), "rb") as file:
            return read_checkpoint(file, str(path), weights_only=weights_only is not False)


def missing_checkpoints(
    configured: Sequence[object], monitor: str, mode: Literal["min", "max"] = "max"
) -> list[ModelCheckpoint]:
    """Return the default checkpoint callbacks (best and last) that are not configured.

    Args:
        configured: Callbacks from the configuration of the run.
        monitor: Logged name of the value that selects the best checkpoint.
        mode: Whether a high or low value is better.
    """
    checkpoints = [callback for callback in configured if isinstance(callback, ModelCheckpoint)]
    # a callback with save_top_k=0 does not save the best state
    has_best = any(callback.monitor and callback.save_top_k for callback in checkpoints)
    has_last = any(callback.save_last for callback in checkpoints)
    missing: list[ModelCheckpoint] = []
    if not has_best:
        missing.append(
            ModelCheckpoint(
                monitor=monitor,
                mode=mode,
                filename="best-{step}",
                save_on_train_epoch_end=False,
                verbose=True,
            )
        )
    if not has_last:
        missing.append(LastCheckpoint())
    return missing


def ends_training(trainer: Trainer) -> bool:
    """Return whether the current step is the last step of the training."""
    last_epoch = trainer.max_epochs not in (None, -1) and trainer.current_epoch + 1 >= trainer.max_epochs
    limited = trainer.max_steps != -1 and trainer.global_step >= trainer.max_steps
    # Lightning ignores the request to stop before these limits
    is_long_enough = trainer.global_step >= (trainer.min_steps or 0) and trainer.current_epoch >= (
        trainer.min_epochs or 0
    )
    return limited or (trainer.should_stop and is_long_enough) or (last_epoch and trainer.is_last_batch)
