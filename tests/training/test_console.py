"""The console of a training, and a resumed run in the folder of the first."""

import csv
import json
import math
import re
import sys
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from harness import small_data, small_model, small_trainer
from lightning.pytorch.callbacks import Checkpoint, ModelSummary, ProgressBar

from colorzoo.cli.main import main
from colorzoo.testing.trainer import quiet_trainer
from colorzoo.training.callbacks import BestCheckpoint, ConsoleProgress, console

TINY = [
    "--config=zhang2017/local_small.yaml", "--model.architecture.width=0.125", "--data.batch_size=4",
    "--data.crop=32", "--data.resize=40", "--data.val_size=32", "--trainer.precision=32",
    "--trainer.val_check_interval=2", "--trainer.log_every_n_steps=1",
]  # fmt: skip


def fit(pictures, folder, steps: int, *words: str) -> None:
    where = [f"--data.root={pictures}", f"--trainer.default_root_dir={folder}"]
    assert main(["fit", *TINY, *where, f"--trainer.max_steps={steps}", *words]) == 0


def test_lines_show_steps_losses_and_the_run(pictures, tmp_path, capfd):
    fit(pictures, tmp_path, 4)
    lines = capfd.readouterr().err.splitlines()
    *more, last = [line for line in lines if line.startswith("step ")]  # a slow machine shows more of them
    losses = r"smooth_l1 [\d.]+, cross_entropy [\d.]+, loss [\d.]+"
    assert re.fullmatch(rf"step 4 of 4: {losses}; [\d.]+ pictures/(s|min), 0:00:00 left", last)
    folder = re.escape(str(tmp_path / "runs" / "version_0"))
    wanted = [
        r"Zhang2017Local: [\d,]+ parameters",
        rf"colorzoo: run in {folder}: 4 steps",
        r"colorzoo: validation at step 2: val/psnr_10 \d+\.\d+",
        r"colorzoo: validation at step 4: val/psnr_10 \d+\.\d+",
        rf"colorzoo: finished \(best val/psnr_10 [\d.]+\): {folder}",
    ]
    assert re.fullmatch("\n".join(wanted), "\n".join(line for line in lines if line not in (*more, last)))


def test_a_terminal_shows_one_line_that_changes(pictures, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setattr("colorzoo.training.callbacks.console.REDRAWN", 0.0)
    trainer = small_trainer(tmp_path, ConsoleProgress(), BestCheckpoint("val/psnr_10"), max_epochs=1)
    trainer.fit(small_model(), small_data(pictures))
    shown = capsys.readouterr().err
    for step in (1, 2, 3):
        assert f"\r\x1b[Kstep {step} of 3: " in shown
    assert "\r\x1b[Kvalidation: 3 of 3\ncolorzoo: validation at step 3" in shown


def test_a_quiet_trainer_shows_neither_a_summary_nor_progress_and_saves_nothing(tmp_path):
    loud = (ModelSummary, ProgressBar, Checkpoint)
    trainer = quiet_trainer(tmp_path, max_epochs=1)
    assert not [each for each in trainer.callbacks if isinstance(each, loud)]
    assert not trainer.loggers


def started(trainer: Any, module: Any = None) -> ConsoleProgress:
    progress = ConsoleProgress()
    progress.setup(trainer, module, "fit")
    progress.on_train_start(trainer, module)
    return progress


def trainer_of(**known: Any) -> Any:
    """Return what the console asks a trainer of two processes and seven batches an epoch."""
    given: dict[str, Any] = {"log_dir": "/runs/x", "is_global_zero": True, "world_size": 2, "global_step": 0}
    given["max_steps"] = -1
    given |= {"max_epochs": -1, "num_training_batches": 7, "accumulate_grad_batches": 1}
    return SimpleNamespace(
        **{**given, "callback_metrics": {"train/loss": 0.51234, "val/psnr_0": 20.0}, **known}
    )


@pytest.mark.parametrize(
    ("known", "length"),
    [
        *(({"max_steps": 9}, "9 steps"), ({"max_epochs": 3}, "21 steps"), ({}, "no limit of steps")),
        *(({"max_epochs": 3, "max_steps": 9}, "9 steps"), ({"max_epochs": None, "max_steps": 9}, "9 steps")),
        ({"max_epochs": 3, "accumulate_grad_batches": 2}, "12 steps"),
        ({"max_epochs": 3, "num_training_batches": math.inf}, "no limit of steps"),
        ({"max_steps": 9999, "global_step": 1234}, "9,999 steps, resumed at step 1,234"),
    ],
)
def test_the_first_line_tells_the_length_of_the_run(known, length, capsys):
    started(trainer_of(**known))
    assert capsys.readouterr().err == f"colorzoo: run in /runs/x: {length}\n"
    started(trainer_of(max_epochs=3), SimpleNamespace(accumulate=3))  # two networks in turn
    assert capsys.readouterr().err.endswith(": 9 steps\n")


@pytest.mark.parametrize(
    ("pictures", "rate"), [(3, "1.5 pictures/s"), (2, "1.0 pictures/s"), (1, "30.0 pictures/min")]
)
def test_lines_come_more_rarely_in_long_runs(pictures, rate, monkeypatch, capsys):
    now = 100.0
    monkeypatch.setattr(console, "time", SimpleNamespace(monotonic=lambda: now))
    trainer = trainer_of(max_steps=3_000, global_step=1_000, sanity_checking=True)
    progress, shown = started(trainer), {}
    capsys.readouterr()
    for step in range(1_001, 3_001):
        progress.on_train_batch_start(trainer, None, {"rgb": [0] * pictures}, 0)
        now, trainer.global_step = now + 4, step
        progress.on_train_batch_end(trainer, None, None, None, 0)
        if line := capsys.readouterr().err:
            shown[int(now) - 100] = line
        now += 0 if step % 1_000 else 50
        progress.on_validation_end(trainer, None)  # its time does not count
    assert shown[12] == f"step 1,003 of 3,000: loss 0.5123; {rate}, 2:13:08 left\n"
    assert [*shown][:3] == [12, 24, 36]
    assert [later - before for before, later in pairwise(shown)][-3:-1] == [300, 300]
    assert shown[8050] == f"step 3,000 of 3,000: loss 0.5123; {rate}, 0:00:00 left\n"


def test_a_resumed_run_goes_on_in_its_folder(pictures, tmp_path):
    fit(pictures, tmp_path, 4)
    fit(pictures, tmp_path, 6, f"--ckpt_path={tmp_path}")
    (run,) = (tmp_path / "runs").iterdir()
    rows = list(csv.DictReader((run / "metrics.csv").open()))
    assert [int(row["step"]) for row in rows if row["train/loss"]] == list(range(6))
    assert [int(row["step"]) for row in rows if row["val/psnr_10"]] == [1, 3, 5]
    assert (run / "checkpoints" / "last.ckpt").is_file()
    assert not list(run.rglob("last-v*"))


@pytest.mark.timeout(200)
def test_a_resumed_run_is_the_same_wandb_run(pictures, tmp_path, monkeypatch):
    wandb = pytest.importorskip("wandb")
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_SILENT", "true")
    monkeypatch.chdir(tmp_path)
    ids = []
    for steps, words in ((2, []), (4, ["--ckpt_path=runs"])):
        fit(pictures, ".", steps, "--config=loggers/wandb.yaml", *words)
        wandb.finish()
        ids.append(json.loads(Path("runs/version_0/run.json").read_text())["wandb"])
    assert ids[0] == ids[1]
    assert {path.name.rpartition("-")[2] for path in Path("wandb").glob("offline-run-*")} == {ids[0]}
    assert [path.name for path in Path("runs").iterdir()] == ["version_0"]
