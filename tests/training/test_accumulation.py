"""Validations, checkpoints and logs within a group of accumulated batches do not change the training."""

import csv
import os
import signal
from functools import partial
from pathlib import Path

import pytest
import torch
from harness import small_data, small_model, small_trainer
from lightning.pytorch import Callback
from lightning.pytorch.callbacks import LearningRateMonitor, ModelCheckpoint
from lightning.pytorch.loggers import CSVLogger
from test_gan import DiscriminatorFirstToyGAN, ToyGAN, weights
from torch import nn
from torch.optim import SGD

from colorzoo.training.callbacks import GrowingWeightAveraging, LastCheckpoint
from colorzoo.training.callbacks.checkpoints import SignalCheckpoint
from colorzoo.training.callbacks.guards import ResumeGuard, StepSeed
from colorzoo.training.schedules import Cosine

GROUP = {"max_epochs": 2, "val_check_interval": 3, "check_val_every_n_epoch": None}
"""Options for epochs of five batches: two groups of two and a last group of one; validation in any place."""


class BatchNormGAN(ToyGAN):
    """GAN whose running statistics change in every batch."""

    def __init__(self, accumulate: int = 2) -> None:
        super().__init__(schedule=partial(Cosine, total_steps=6), accumulate=accumulate)
        self.make_optimizer.make = partial(SGD, lr=1e-2)
        self.model.network.insert(1, nn.BatchNorm2d(8))


def run(task, images: Path, folder: Path, *callbacks: Callback, resume: Path | None = None, **options):
    options = {**GROUP, **options}
    trainer = small_trainer(folder, StepSeed(), ResumeGuard(), *callbacks, **options)
    trainer.fit(task, small_data(images, batch_size=2), ckpt_path=resume)
    return weights(task), trainer


@pytest.mark.parametrize("base", [ToyGAN, DiscriminatorFirstToyGAN])
def test_validation_within_a_group_keeps_the_gradients_of_a_gan(base, images, tmp_path):
    found = []
    for batches in (0, 1):
        torch.manual_seed(0)
        task = base(accumulate=2)
        task.make_optimizer.make = task.make_discriminator_optimizer.make = partial(SGD, lr=1e-2)
        options = {"limit_val_batches": batches, "enable_checkpointing": False}
        found.append(run(task, images, tmp_path, **options)[0])
    assert torch.equal(*found)


def tasks():
    yield "automatic", lambda: small_model(lr=1e-2), {"accumulate_grad_batches": 2}
    yield "gan", BatchNormGAN, {}


def test_metrics_table_counts_global_steps(images, tmp_path):
    steps = {}
    for name, make, options in tasks():
        log = CSVLogger(tmp_path, name=name, version="")
        watch = [LearningRateMonitor("step")]
        run(make(), images, tmp_path, *watch, logger=log, log_every_n_steps=1, **options)
        rows = list(csv.DictReader((tmp_path / name / "metrics.csv").open()))
        steps[name] = [
            [int(row["step"]) for row in rows if any(row[key] for key in row if key.startswith(prefix))]
            for prefix in ("val/", "lr-")
        ]
        assert {int(row["step"]) for row in rows} == set(range(6)), name
    assert steps["gan"] == steps["automatic"]


class StopAt(Callback):
    def __init__(self, batch: int) -> None:
        self.batch = batch

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
        if trainer.fit_loop.epoch_loop.total_batch_idx == self.batch:
            raise InterruptedError


@pytest.mark.parametrize(("make", "options"), [pytest.param(*each, id=name) for name, *each in tasks()])
def test_run_resumed_from_any_checkpoint_equals_the_whole_run(make, options, images, tmp_path):
    score = "val/psnr_0" if options else "val/psnr_automatic"

    def train(folder: Path, *more: Callback, resume: Path | None = None) -> torch.Tensor:
        steps = ModelCheckpoint(folder, "step-{step}", save_top_k=-1, every_n_train_steps=1)
        best = ModelCheckpoint(folder, "best-{step}", monitor=score, save_top_k=-1)
        last = [GrowingWeightAveraging(0.5), steps, best, LastCheckpoint(1)]
        torch.manual_seed(0)
        return run(make(), images, folder, *more, *last, resume=resume, **options)[0]

    whole = train(tmp_path / "whole")
    names = {path.name for path in (tmp_path / "whole").glob("*.ckpt")}
    assert {"step-step=1.ckpt", "best-step=1.ckpt", "best-step=3.ckpt"} <= names
    for name in sorted(names - {"step-step=6.ckpt"}):
        found = train(tmp_path / "again", resume=tmp_path / "whole" / name)
        assert torch.equal(found, whole), name
    with pytest.raises(InterruptedError):  # within a group
        train(tmp_path / "stopped", StopAt(8), resume=tmp_path / "whole" / "step-step=3.ckpt")
    resumed = sorted((tmp_path / "stopped").rglob("*.ckpt"))
    assert [path.name for path in resumed] == ["best-step=3.ckpt", "last.ckpt", "step-step=4.ckpt"]
    for path in resumed:
        assert torch.equal(train(tmp_path / "again", resume=path), whole), path.name


class SignalAt(Callback):
    """Sends SIGTERM to its own process in a training batch, or in the validation after the batch."""

    def __init__(self, batch: int, hook: str) -> None:
        self.batch, self.was_sent = batch, False
        setattr(self, hook, self._send)

    def _send(self, trainer, *_):
        if trainer.fit_loop.epoch_loop.total_batch_idx == self.batch and not self.was_sent:
            self.was_sent = True
            os.kill(os.getpid(), signal.SIGTERM)


@pytest.mark.parametrize("hook", ["on_train_batch_start", "on_validation_batch_end"])
@pytest.mark.parametrize(("make", "options"), [pytest.param(*each, id=name) for name, *each in tasks()])
def test_signal_within_a_group_ends_the_run_at_once_and_loses_nothing(make, options, hook, images, tmp_path):
    def train(folder: Path, *more: Callback, resume: Path | None = None) -> torch.Tensor:
        torch.manual_seed(0)
        callbacks = [GrowingWeightAveraging(0.5), *more, SignalCheckpoint(str(folder))]
        every = {"val_check_interval": 1}  # validations within groups too
        return run(make(), images, folder, *callbacks, resume=resume, **{**options, **every})[0]

    whole = train(tmp_path / "whole")
    ended = Ended()
    for batch in (0, 1, 2, 4, 7):
        folder = tmp_path / str(batch)
        with pytest.raises(SystemExit):
            train(folder, ended, SignalAt(batch, hook))
        assert ended.last == batch  # no later batch has run
        assert torch.equal(train(folder, resume=folder / "interrupted.ckpt"), whole), batch


class Ended(Callback):
    """Records the last training batch."""

    def on_train_batch_end(self, trainer, *_):
        self.last = trainer.fit_loop.epoch_loop.total_batch_idx
