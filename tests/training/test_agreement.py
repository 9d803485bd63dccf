"""Resuming is honest about settings, takes only its own run, and locks the folder it trains into."""

from __future__ import annotations

import csv
import json
import os
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
import yaml

from colorzoo.cli.main import run_lightning as run
from colorzoo.errors import ColorzooError, WeightsError
from colorzoo.training.agreement import Change, changes, settings_in, summary
from colorzoo.training.callbacks.run_lock import RunLock, holder
from colorzoo.training.loggers import CSVLogger
from colorzoo.training.resumed import finished
from colorzoo.training.runs import LOCK

WORDS = [
    *("--model=Zhang2017Local", "--model.architecture.width=0.125", "--model.optimizer=torch.optim.AdamW"),
    *("--model.lr_scheduler=colorzoo.training.schedules.Linear", "--data=FolderDataModule"),
    *("--data.crop=32", "--data.resize=null", "--data.val_size=32", "--data.num_workers=0"),
    *("--trainer.accelerator=cpu", "--trainer.precision=32-true", "--trainer.devices=1"),
    *("--trainer.num_sanity_val_steps=0", "--trainer.limit_val_batches=1"),
]


def fit(pictures: Path, folder: Path, *more: str, rate: float = 1e-3, batch: int = 2) -> int:
    own = [f"--data.root={pictures}", f"--trainer.default_root_dir={folder}", f"--data.batch_size={batch}"]
    return run(["fit", *WORDS, *own, f"--model.optimizer.lr={rate}", *more])


@pytest.fixture(scope="module")
def first(pictures, tmp_path_factory) -> Path:
    """The folder of a run of two steps."""
    folder = tmp_path_factory.mktemp("first")
    assert fit(pictures, folder, "--trainer.max_steps=2") == 0
    return folder / "runs" / "version_0"


@pytest.fixture
def copy(first, tmp_path) -> Path:
    return shutil.copytree(first, tmp_path / "runs" / "version_0")


def test_what_a_resumed_run_takes_and_what_it_does_not_stands_in_one_line(pictures, copy, capfd):
    before = (copy / "config.yaml").read_bytes()
    last = copy / "checkpoints" / "last.ckpt"
    words = [f"--ckpt_path={last}", "--trainer.max_steps=3"]
    assert fit(pictures, copy.parents[1], *words, rate=9e-3, batch=3) == 0
    lines = [line for line in capfd.readouterr().err.splitlines() if "resuming" in line]
    assert len(lines) == 1
    taken, _, restored = lines[0].partition("without effect")
    assert "data.global_batch 3, not 2" in taken
    assert "model.optimizer.lr" not in taken
    assert "model.optimizer.lr 0.009, not 0.001" in restored
    assert (copy / "config.yaml").read_bytes() == before
    written = yaml.safe_load((copy / "config-1.yaml").read_text())
    assert written["model"]["init_args"]["optimizer"]["init_args"]["lr"] == 1e-3  # as it was trained
    assert written["data"]["init_args"]["batch_size"] == 3
    content = torch.load(last, weights_only=True)
    assert content["global_step"] == 3
    assert settings_in(content)["model"]["init_args"]["optimizer"]["init_args"]["lr"] == 1e-3
    assert settings_in(content)["data"]["init_args"]["global_batch"] == 3
    assert content["optimizer_states"][0]["param_groups"][0]["initial_lr"] == 1e-3


def test_another_optimizer_cannot_go_on_with_the_state(pictures, copy):
    words = [f"--ckpt_path={copy / 'checkpoints' / 'last.ckpt'}", "--trainer.max_steps=3"]
    with pytest.raises(WeightsError, match=r"model.optimizer torch.optim.SGD, not torch.optim.AdamW"):
        fit(pictures, copy.parents[1], *words, "--model.optimizer=torch.optim.SGD")


def test_a_folder_stands_for_the_run_of_the_same_settings(pictures, copy, capfd):
    folder = copy.parents[1]
    words = [f"--ckpt_path={folder / 'runs'}", "--trainer.max_steps=3"]
    with pytest.raises(WeightsError, match=r"version_0 has model.optimizer.lr 0.005, not 0.001.*--fresh"):
        fit(pictures, folder, *words, rate=5e-3)  # another rate is another run
    assert fit(pictures, folder, *words, "--fresh", rate=5e-3) == 0
    told = capfd.readouterr().err
    assert "version_0 has other settings (model.optimizer.lr 0.005, not 0.001)" in told
    assert "training starts anew" in told
    assert torch.load(copy / "checkpoints" / "last.ckpt", weights_only=True)["global_step"] == 2
    assert (folder / "runs" / "version_1" / "checkpoints" / "last.ckpt").is_file()
    assert fit(pictures, folder, *words) == 0  # the older run agrees
    assert f"resuming from {copy}" in capfd.readouterr().err
    assert torch.load(copy / "checkpoints" / "last.ckpt", weights_only=True)["global_step"] == 3
    trained = (copy / "checkpoints" / "last.ckpt").stat().st_mtime_ns
    assert fit(pictures, folder, *words) == 0
    assert "is finished: 3 of 3 steps" in capfd.readouterr().err
    assert (copy / "checkpoints" / "last.ckpt").stat().st_mtime_ns == trained
    assert len(list((folder / "runs").iterdir())) == 2


def test_paths_and_what_changes_no_step_are_not_compared():
    earlier: dict[str, Any] = {
        "data": {"class_path": "A", "init_args": {"root": "/scratch/1/album", "num_workers": 2, "crop": 8}},
        "trainer": {"precision": "32-true", "accumulate_grad_batches": 1},
    }
    now = json.loads(json.dumps(earlier).replace("scratch/1", "scratch/2").replace('s": 2', 's": 8'))
    assert list(changes(earlier, now)) == []
    now["data"]["init_args"] |= {"root": "/scratch/2/other", "crop": 9, "added": 1}
    now["trainer"]["accumulate_grad_batches"] = 4
    found = sorted(each.name for each in changes(earlier, now))
    assert found == ["data.crop", "data.root", "trainer.accumulate_grad_batches"]
    assert not any(each.restored or each.refused for each in changes(earlier, now))
    assert summary(list(changes(earlier, {"data": {"class_path": "B"}}))) == "data B, not A"
    for count, more in ((3, ""), (5, "; 2 more")):
        lrs = [Change(f"lr{number}", number, -number) for number in range(count)]
        assert summary(lrs) == f"lr0 0, not 0; lr1 -1, not 1; lr2 -2, not 2{more}"


@pytest.mark.parametrize(
    ("limits", "end"),
    [
        ({"max_steps": 2, "max_epochs": -1}, "2 of 2 steps"),
        ({"max_steps": 3, "max_epochs": -1}, ""),
        ({"max_steps": -1, "max_epochs": 1}, ""),
    ],
)
def test_the_end_of_a_run_is_known(limits, end, first):
    trainer: Any = SimpleNamespace(**limits)
    assert finished(trainer, first / "checkpoints" / "last.ckpt").partition(": ")[2] == end
    assert finished(trainer, None) == ""


def lock_of(folder: Path) -> tuple[RunLock, Any]:
    strategy = SimpleNamespace(broadcast=lambda value: value)
    trainer: Any = SimpleNamespace(log_dir=str(folder), is_global_zero=True, strategy=strategy)
    return RunLock(), trainer


def test_a_folder_is_trained_into_by_one_run(tmp_path):
    started = "open('/proc/self/stat').read().rpartition(')')[2].split()[19]"
    script = f"import time; print({started}, flush=True); time.sleep(60)"
    other = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    assert other.stdout is not None
    held = {
        "host": socket.gethostname(),
        "process": other.pid,
        "started": other.stdout.readline().strip(),
        "job": None,
    }
    (tmp_path / LOCK).write_text(json.dumps(held))
    lock, trainer = lock_of(tmp_path)
    try:
        with pytest.raises(ColorzooError, match=rf"is being trained by process {other.pid} on .*remove"):
            lock.setup(trainer, None, "fit")
        assert json.loads((tmp_path / LOCK).read_text()) == held
        (tmp_path / LOCK).write_text(json.dumps({**held, "started": "1"}))  # its number was given again
        assert holder(tmp_path / LOCK) == ""
        (tmp_path / LOCK).write_text(json.dumps(held))
    finally:
        other.kill()
        other.wait()
    lock.setup(trainer, None, "fit")  # it is gone
    assert json.loads((tmp_path / LOCK).read_text())["process"] == os.getpid()
    lock.teardown(trainer, None, "fit")
    assert list(tmp_path.iterdir()) == []


def test_a_lock_of_another_machine_needs_signs_of_life(tmp_path, monkeypatch):
    held = {"host": "node7", "process": 12, "started": "345", "job": "77"}
    path = tmp_path / LOCK
    path.write_text(json.dumps(held))
    assert holder(path).startswith("process 12 on node7")
    monkeypatch.setenv("SLURM_JOB_ID", "77")  # the same job, queued again
    assert holder(path) == ""
    monkeypatch.setenv("SLURM_JOB_ID", "78")
    assert holder(path)
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 1e6)  # here; the clock of the file server counts
    for seconds, name in ((80, "process 12 on node7, 80 s ago"), (100, "")):
        os.utime(path, (now - seconds,) * 2)
        assert holder(path) == name
    path.write_text("")  # cut by a full disk
    assert holder(path) == ""


def test_a_lock_ends_with_an_error_too(tmp_path):
    lock, trainer = lock_of(tmp_path)
    lock.setup(trainer, None, "fit")
    lock.on_exception(trainer, None, ValueError())
    assert not (tmp_path / LOCK).exists()
    lock.setup(trainer, None, "fit")  # a second run of the same trainer
    assert (tmp_path / LOCK).exists()
    lock.teardown(trainer, None, "fit")


def test_runs_that_start_together_have_folders_of_their_own(tmp_path, monkeypatch):
    one, other = CSVLogger(tmp_path, name="runs"), CSVLogger(tmp_path, name="runs")
    monkeypatch.setattr(
        "lightning.pytorch.loggers.CSVLogger._get_next_version", lambda _: 0
    )  # both look first
    assert (one.version, other.version) == (0, 1)
    assert sorted(path.name for path in (tmp_path / "runs").iterdir()) == ["version_0", "version_1"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root mounts a small disk")
def test_a_full_disk_is_one_line_and_keeps_the_good_checkpoint(pictures, tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(disk)], check=False).returncode:
        pytest.skip("no disk can be mounted here")
    try:
        with pytest.raises(ColorzooError, match=r"\.ckpt: No space left on device") as error:
            fit(pictures, disk, "--trainer.max_steps=30", "--model.architecture.width=0.25")
        assert "\n" not in str(error.value)
        assert not list(disk.rglob("*.tmp"))
        assert not list(disk.rglob(LOCK))
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_a_folder_that_cannot_be_written_is_one_line(pictures):
    with pytest.raises(ColorzooError, match=r"/proc/nothing.*: (No such file|Permission)"):
        fit(pictures, Path("/proc/nothing"), "--trainer.max_steps=1")


@pytest.mark.parametrize(
    ("row", "kept"),
    [
        ({"val/psnr_1": 21.0}, ["0:train", "1:train", "1:val"]),  # the run ended in this validation
        ({"train/loss": 0.5}, ["0:train", "1:train"]),  # the step is taken again
    ],
)
def test_a_table_goes_on_without_a_row_lost_or_twice(row, kept, tmp_path):
    log = CSVLogger(tmp_path, name="runs", version="version_0")
    for step, value in enumerate((3.0, 2.0)):
        log.log_metrics({"train/loss": value}, step)
    log.save()
    again = CSVLogger(tmp_path, name="runs", version="version_0")
    again.log_metrics(row, 1)
    again.save()
    with (tmp_path / "runs" / "version_0" / "metrics.csv").open() as file:
        rows = [f"{r['step']}:{'val' if r.get('val/psnr_1') else 'train'}" for r in csv.DictReader(file)]
    assert rows == kept
