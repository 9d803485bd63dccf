"""The console of a training, and a resumed run in the folder of the first."""

import csv
import json
import re
import sys
from pathlib import Path

import pytest
from harness import small_data, small_model, small_trainer
from lightning.pytorch.callbacks import Checkpoint, ModelSummary, ProgressBar

from colorzoo.cli.main import main
from colorzoo.testing.trainer import quiet_trainer
from colorzoo.training.callbacks import BestCheckpoint, ConsoleProgress
from colorzoo.training.loggers import CSVLogger

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
    lines = [line for line in capfd.readouterr().err.splitlines() if "colorzoo:" in line or "step" in line]
    run = tmp_path / "runs" / "version_0"
    assert lines[0] == f"colorzoo: run in {run}: 4 steps"
    assert re.search(r"validation at step 2: val/psnr_10 \d+\.\d+$", lines[1])
    assert re.match(
        r"step 4 of 4: smooth_l1 [\d.]+, cross_entropy [\d.]+, loss [\d.]+; [\d.]+ pictures/s, 0:00:00 left$",
        lines[2],
    )
    assert re.search(rf"finished \(best val/psnr_10 [\d.]+\): {re.escape(str(run))}$", lines[-1])


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


def test_the_step_of_an_epoch_limit_and_of_no_limit(pictures, tmp_path, capsys):
    for options, text in (({"max_epochs": 2}, "6 steps"), ({"max_time": "00:00:00:01"}, "no limit of steps")):
        limits = {"max_epochs": -1, **options}
        small_trainer(tmp_path, ConsoleProgress(), **limits).fit(small_model(), small_data(pictures))
        assert f": {text}\n" in capsys.readouterr().err


def test_a_resumed_run_goes_on_in_its_folder(pictures, tmp_path):
    fit(pictures, tmp_path, 4)
    fit(pictures, tmp_path, 6, f"--ckpt_path={tmp_path}")
    (run,) = (tmp_path / "runs").iterdir()
    rows = list(csv.DictReader((run / "metrics.csv").open()))
    assert [int(row["step"]) for row in rows if row["train/loss"]] == list(range(6))
    assert [int(row["step"]) for row in rows if row["val/psnr_10"]] == [1, 3, 5]
    assert (run / "checkpoints" / "last.ckpt").is_file()
    assert not list(run.rglob("last-v*"))


def test_rows_of_steps_that_are_taken_again_are_replaced(tmp_path):
    first = CSVLogger(tmp_path, name="runs")
    for step in range(4):
        first.log_metrics({"loss": float(step)}, step)
    first.save()
    second = CSVLogger(tmp_path, name="runs", version="version_0")
    second.log_metrics({"loss": 20.0, "rate": 1.0}, 2)
    second.save()
    rows = list(csv.DictReader((tmp_path / "runs" / "version_0" / "metrics.csv").open()))
    assert [row["loss"] for row in rows] == ["0.0", "1.0", "20.0"]


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
