"""Every run of `fit` ends with a validation."""

import csv
from pathlib import Path

import pytest
import torch
import yaml
from harness import small_data, small_model, small_trainer
from lightning.pytorch import Callback
from lightning.pytorch.callbacks import ModelCheckpoint
from test_gan import weights

from colorzoo.training.callbacks import LastCheckpoint
from colorzoo.training.callbacks.guards import FinalValidation, ResumeGuard, StepSeed
from colorzoo.training.command import run_command as run
from colorzoo.training.configs import config_folders, find_config

WORDS = [
    *("--model=Zhang2017Local", "--model.width=0.125", "--data=FolderDataModule"),
    *("--data.crop=32", "--data.resize=null", "--data.val_size=32", "--data.num_workers=0"),
    *("--data.batch_size=3", "--data.val_limit=2", "--trainer.accelerator=cpu"),
    *("--trainer.precision=32-true", "--trainer.logger=lightning.pytorch.loggers.CSVLogger"),
]
LENGTHS = {  # options and the step of the last validation; an epoch has three steps
    "more steps than validations": (
        ["max_steps=5", "val_check_interval=4", "check_val_every_n_epoch=null"],
        5,
    ),
    "fewer steps than validations": (
        ["max_steps=2", "val_check_interval=9", "check_val_every_n_epoch=null"],
        2,
    ),
    "middle of an epoch": (["max_steps=4"], 4),
    "epoch without a validation": (["max_epochs=3", "check_val_every_n_epoch=2"], 9),
    "epochs with a validation by steps": (
        ["max_epochs=2", "val_check_interval=4", "check_val_every_n_epoch=null"],
        6,
    ),
    "accumulation": (["max_steps=2", "accumulate_grad_batches=2", "val_check_interval=2"], 2),
}


@pytest.mark.parametrize("length", LENGTHS)
def test_run_of_any_length_ends_with_a_validation(length, images, tmp_path: Path):
    options, last = LENGTHS[length]
    words = [f"--trainer.{each}" for each in (*options, f"logger.save_dir={tmp_path}")]
    words += [f"--trainer.default_root_dir={tmp_path}", f"--data.root={images}"]
    assert run(["fit", *WORDS, *words]) == 0
    (table,) = tmp_path.rglob("metrics.csv")
    steps = [int(row["step"]) + 1 for row in csv.DictReader(table.open()) if row["val/psnr_0"]]
    assert len(steps) == len(set(steps))
    assert steps[-1] == last
    (checkpoint,) = tmp_path.rglob("last.ckpt")
    assert torch.load(checkpoint, weights_only=True)["global_step"] == last


class StopEarly(Callback):
    """Requests the end of the run in each batch, and records the validated steps."""

    def __init__(self) -> None:
        self.validated: list[int] = []

    def on_train_batch_start(self, trainer, *_):
        trainer.should_stop = True

    def on_validation_end(self, trainer, *_):
        self.validated.append(trainer.global_step)


def test_deferred_end_of_a_run_keeps_the_validation_interval(images, tmp_path: Path):
    watch = StopEarly()
    options = {"min_epochs": 2, "max_epochs": 3, "val_check_interval": 4, "enable_checkpointing": False}
    trainer = small_trainer(tmp_path, FinalValidation(), watch, **options)
    trainer.fit(small_model(), small_data(images, batch_size=2))
    assert watch.validated[:2] == [4, 9]  # an epoch has five steps
    assert trainer.check_val_every_n_epoch == 1


def test_continued_run_that_ended_with_an_epoch_equals_one_long_run(images, tmp_path: Path):
    def train(folder: Path, steps: int, resume: Path | None = None) -> torch.Tensor:
        torch.manual_seed(0)
        task, callbacks = small_model(lr=1e-2), (StepSeed(0), ResumeGuard(), FinalValidation())
        trainer = small_trainer(folder, *callbacks, LastCheckpoint(), max_epochs=-1, max_steps=steps)
        trainer.fit(task, small_data(images, batch_size=2), ckpt_path=resume)
        assert trainer.global_step == steps
        return weights(task)

    whole = train(tmp_path / "whole", 8)
    train(tmp_path / "short", 5)  # an epoch has five steps
    (last,) = (tmp_path / "short").rglob("last.ckpt")
    assert torch.equal(train(tmp_path / "continued", 8, last), whole)


def test_run_resumed_from_a_checkpoint_of_an_epoch_end_equals_the_whole_run(images, tmp_path: Path):
    """Regression test: Lightning ran an empty epoch, so the image order of an epoch was skipped."""

    def train(folder: Path, resume: Path | None = None) -> torch.Tensor:
        torch.manual_seed(0)
        task, saver = small_model(lr=1e-2), ModelCheckpoint(folder, "{step}", save_top_k=-1)
        callbacks = (StepSeed(0), ResumeGuard(), FinalValidation(), saver)
        trainer = small_trainer(folder, *callbacks, max_epochs=-1, max_steps=18)
        trainer.fit(task, small_data(images, batch_size=2), ckpt_path=resume)
        assert trainer.global_step == 18
        return weights(task)

    whole = train(tmp_path / "whole")
    for step in (5, 10):  # an epoch has five steps
        resumed = train(tmp_path / str(step), tmp_path / "whole" / f"step={step}.ckpt")
        assert torch.equal(resumed, whole), step
    again = train(tmp_path / "again", tmp_path / "5" / "step=15.ckpt")  # saved by a resumed run
    assert torch.equal(again, whole)


@pytest.mark.parametrize(
    "path", sorted((config_folders()[0] / "sweeps").glob("*.yaml")), ids=lambda path: path.stem
)
def test_runs_of_a_sweep_are_validated_after_the_same_steps(path: Path):
    sweep = yaml.safe_load(path.read_text())
    words = sweep["command"]
    options = yaml.safe_load(find_config(words[words.index("--config") + 1]).read_text())["trainer"]
    options |= dict(word.removeprefix("--trainer.").split("=") for word in words if "--trainer." in word)
    if interval := int(options.get("val_check_interval") or 0):
        steps = sweep["parameters"].get("trainer.max_steps", {"values": [options["max_steps"]]})["values"]
        assert [each for each in steps if int(each) % interval] == []
