"""Show the course of a training on standard error."""

from __future__ import annotations

import math
import sys
import time
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import ModelCheckpoint

from colorzoo.training.loggers import run_folder

REDRAWN = 0.5  # seconds between two updates of the line on a terminal
_FIRST, _LONGEST = (
    10.0,
    300.0,
)  # seconds between two lines without a terminal: more often in the first minutes


class ConsoleProgress(Callback):
    """Show step, losses, pictures a second, remaining time and the main number of each validation.

    On a terminal one line is updated; otherwise a line is printed every ten seconds at first and every five
    minutes in long runs. The folder of the run stands in the first and the last line. Only the first process
    prints, and losses are read from the device only for a line.
    """

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Find the folder of the run, which is a collective call."""
        self._folder = run_folder(trainer)
        self._terminal = sys.stderr.isatty()
        self._shown = False
        self._seconds, self._pictures = 0.0, 0  # of training steps in this process
        self._start_step = 0

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Print the folder of the run and its length."""
        self._start_step = trainer.global_step
        self._began = self._printed = self._last = time.monotonic()
        total = _total_steps(trainer, pl_module)
        steps = f"{total:,} steps" if total is not None else "no limit of steps"
        resumed = f", resumed at step {self._start_step:,}" if self._start_step else ""
        self._print(trainer, f"run in {self._folder}: {steps}{resumed}")

    def on_train_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Count the pictures of the batch."""
        if isinstance(batch, dict) and "rgb" in batch:
            self._pictures += len(batch["rgb"]) * trainer.world_size

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Update the line if it is time."""
        now = time.monotonic()
        self._seconds += now - self._last
        self._last = now
        pause = REDRAWN if self._terminal else min(_LONGEST, max(_FIRST, (now - self._began) / 20))
        total = _total_steps(trainer, pl_module)
        step = trainer.global_step
        if trainer.is_global_zero and (now - self._printed >= pause or step == total):
            self._printed = now
            self._update(self._progress(trainer, step, total))

    def on_validation_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Show on a terminal how far the validation is."""
        if self._terminal and trainer.is_global_zero and trainer.validating:
            self._update(f"validation: {batch_idx + 1} of {trainer.num_val_batches[0]}")

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Print the main number of the validation: that by which the best checkpoint is chosen."""
        self._last = time.monotonic()  # the validation does not count as training time
        if trainer.sanity_checking or not trainer.is_global_zero:
            return
        name = _monitored(trainer)
        value = trainer.callback_metrics.get(name or "")
        number = "" if name is None or value is None else f": {name} {float(value):.3f}"
        self._print(trainer, f"validation at step {trainer.global_step:,}{number}")

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Print the best value and the folder of the run."""
        found = [(each.monitor, each.best_model_score) for each in _checkpoints(trainer) if each.monitor]
        numbers = "".join(f" (best {name} {float(value):.3f})" for name, value in found if value is not None)
        self._print(trainer, f"finished{numbers}: {self._folder}")

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Print the folder of a run that ends early."""
        if hasattr(self, "_began"):
            self._print(trainer, f"ended early: {self._folder}")

    def _progress(self, trainer: Trainer, step: int, total: int | None) -> str:
        values = {key: float(value) for key, value in trainer.callback_metrics.items() if key[:6] == "train/"}
        losses = ", ".join(f"{key.removeprefix('train/')} {value:.4g}" for key, value in values.items())
        rate = self._pictures / max(self._seconds, 1e-9)
        line = f"step {step:,}" + (f" of {total:,}" if total is not None else "")
        line += f": {losses}" if losses else ""
        line += f"; {rate:.1f} pictures/s" if rate >= 1 else f"; {60 * rate:.1f} pictures/min"
        done = step - self._start_step
        if total is not None and done > 0:
            left = round((total - step) * (time.monotonic() - self._began) / done)
            line += f", {left // 3600}:{left // 60 % 60:02d}:{left % 60:02d} left"
        return line

    def _update(self, line: str) -> None:
        """Replace the line on a terminal, or print it."""
        if self._terminal:
            print(f"\r\x1b[K{line}", end="", file=sys.stderr, flush=True)
            self._shown = True
        else:
            print(line, file=sys.stderr, flush=True)

    def _print(self, trainer: Trainer, line: str) -> None:
        """Print a line that stays."""
        if trainer.is_global_zero:
            above = "\n" if self._shown else ""
            self._shown = False
            print(f"{above}colorzoo: {line}", file=sys.stderr, flush=True)


def _total_steps(trainer: Trainer, module: LightningModule) -> int | None:
    """Return the number of steps of the run, or None if only time limits it."""
    limits = [trainer.max_steps] if trainer.max_steps != -1 else []
    if trainer.max_epochs not in (None, -1) and not math.isinf(trainer.num_training_batches):
        group: Any = module.accumulate if hasattr(module, "accumulate") else trainer.accumulate_grad_batches
        limits.append(math.ceil(trainer.num_training_batches / group) * (trainer.max_epochs or 0))
    return min(limits, default=None)


def _checkpoints(trainer: Trainer) -> list[ModelCheckpoint]:
    return [each for each in trainer.checkpoint_callbacks if isinstance(each, ModelCheckpoint)]


def _monitored(trainer: Trainer) -> str | None:
    """Return the metric by which the best checkpoint is chosen."""
    return next((each.monitor for each in _checkpoints(trainer) if each.monitor), None)
