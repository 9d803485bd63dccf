"""A dry run on a machine without GPUs: what it says, and each mistake in one line."""

from __future__ import annotations

import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from harness import make_pictures, small_model
from test_overlays import told

from colorzoo.cli.main import run_lightning as run
from colorzoo.errors import ColorzooError
from colorzoo.training.configs import find_config

CLUSTER = find_config("cluster/ddp.yaml").parent
WORDS = [
    *("--model=Zhang2017Local", "--model.architecture.width=0.125", "--data=FolderDataModule"),
    *("--config=cluster/ddp.yaml", "--trainer.devices=4", "--trainer.num_nodes=2"),
]


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pictures to train on, and one to validate for each process of the examples."""
    root = tmp_path_factory.mktemp("rehearsed")
    make_pictures(root / "train", 11)
    make_pictures(root / "val", 16, seed=1)
    return root


def rehearse(pictures: Path, folder: Path, *more: str) -> int:
    own = [f"--data.root={pictures}", f"--trainer.default_root_dir={folder}", f"--ckpt_path={folder}"]
    return run(["fit", *WORDS, *own, *more, "--dry_run"])


def test_a_dry_run_says_what_would_be_done_and_does_nothing(pictures, tmp_path, capfd):
    assert rehearse(pictures, tmp_path / "run", "--data.global_batch=24") == 0
    told = capfd.readouterr()
    assert "training starts anew" in told.err
    lines = dict(line.split(": ", 1) for line in told.out.splitlines())
    assert lines["model"].startswith("Zhang2017Local, ")
    assert lines["best checkpoint by"] == "val/psnr_10"
    assert lines["global batch"] == "24 (3 in each) of 8 process(es)"
    assert lines["pictures"] == "11 of training, 16 of validation"
    assert f"checkpoints in {tmp_path / 'run'}" in lines
    assert not (tmp_path / "run").exists()


STOPPER = ["--trainer.callbacks+=EarlyStopping", "--trainer.callbacks.monitor=val/psnr_12"]


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (STOPPER, r"monitor 'val/psnr_12': validation has no such number, but val/psnr_1"),
        (["--data.global_batch=25"], "25 cannot be divided by 8 processes; use --data.global_batch 24 or 32"),
        (["--trainer.strategy=dpp"], r"--trainer.strategy: 'dpp' is not one of ddp"),
        (["--metrics=psnr,lpips:nothing"], "no backbone .nothing."),
        (["--data.root=/nowhere"], "'/nowhere' does not exist"),
        (["--data.val_limit=7"], r"7 validation picture\(s\) cannot be shared by 8 processes"),
        (["--trainer.default_root_dir=/proc/nothing"], "/proc cannot be written"),
        (["--trainer.logger=lightning.pytorch.loggers.NeptuneLogger"], "(?i)neptune"),
    ],
)
def test_each_mistake_is_one_line(more, message, pictures, tmp_path):
    with pytest.raises(ColorzooError, match=message) as error:
        rehearse(pictures, tmp_path, *more)
    assert "\n" not in str(error.value)


def test_a_disk_that_is_too_small_is_named(pictures, tmp_path, monkeypatch):
    parameters = sum(each.numel() for each in small_model(hint_attention=False).parameters())
    disk: Any = SimpleNamespace(free=3 * 3 * 4 * parameters)  # three files of weights and averages of Adam
    monkeypatch.setattr(shutil, "disk_usage", lambda _: disk)
    assert rehearse(pictures, tmp_path) == 0
    disk.free -= 1
    left = f"{disk.free / 1e9:.2f} GB"
    with pytest.raises(
        ColorzooError, match=rf"^{tmp_path} has {left} left, and 3 checkpoints take {left}\.$"
    ):
        rehearse(pictures, tmp_path)


def test_a_wrong_monitor_ends_a_training_before_its_first_step(pictures, tmp_path):
    small = ["--data.crop=32", "--data.resize=null", "--data.num_workers=0", "--trainer.accelerator=cpu"]
    own = [f"--data.root={pictures}", f"--trainer.default_root_dir={tmp_path}"]
    with pytest.raises(ColorzooError, match="monitor 'val/psnr_12'"):
        run(["fit", *WORDS[:3], *own, *small, *STOPPER])
    assert not list(tmp_path.rglob("metrics.csv"))


@pytest.mark.parametrize("option", ["optimizer", "lr_scheduler"])
def test_options_that_would_pass_by_the_checks_are_refused(option, pictures, tmp_path):
    with pytest.raises(
        ColorzooError, match=rf"unknown option --{option} \(did you mean --model.{option}\?\)"
    ):
        rehearse(pictures, tmp_path, f"--{option}=SGD")


def slurm_words(folder: Path) -> list[str]:
    """Return what ``slurm.sh`` starts, by a stub in the place of ``srun``."""
    names = {"SLURM_NTASKS_PER_NODE": "4", "SLURM_JOB_NUM_NODES": "2", "SLURM_JOB_ID": "7"}
    return told(CLUSTER / "slurm.sh", "srun", folder, DATA="/p", RUN="/r", **names)


def kubernetes_words(folder: Path) -> list[str]:
    """Return what ``kubernetes.yml`` starts."""
    del folder
    _, job = yaml.safe_load_all((CLUSTER / "kubernetes.yml").read_text())
    (container,) = job["spec"]["template"]["spec"]["containers"]
    assert job["spec"]["completions"] == int(container["args"][0].removeprefix("--nnodes="))
    return [*container["command"], *container["args"]]


@pytest.mark.parametrize(
    ("words_in", "processes"),
    [(slurm_words, "24 (3 in each) of 8"), (kubernetes_words, "256 (16 in each) of 16")],
)
def test_the_examples_pass_a_dry_run(words_in, processes, pictures, tmp_path, capfd):
    words = words_in(tmp_path)
    given = words[words.index("fit") :]
    own = ["--data=FolderDataModule", f"--data.root={pictures}", f"--ckpt_path={tmp_path / 'run'}"]
    kept = [word for word in given if not word.startswith(("--data=", "--data.root", "--ckpt_path"))]
    kept = [word for word in kept if not word.startswith("--trainer.default_root_dir")]
    assert run([*kept, *own, f"--trainer.default_root_dir={tmp_path / 'run'}", "--dry_run"]) == 0
    assert f"global batch: {processes} process(es)" in capfd.readouterr().out
