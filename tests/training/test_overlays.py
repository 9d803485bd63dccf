"""Configuration overlays for clusters and loggers, and the launch scripts."""

import os
import shlex
import signal
import subprocess
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from harness import make_images

from colorzoo.registry import model_card
from colorzoo.testing.processes import in_processes
from colorzoo.testing.training import logged, write_overlay
from colorzoo.training import run_command as run
from colorzoo.training.configs import config_folders

CLUSTER = config_folders()[0] / "cluster"


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("many")
    make_images(root / "train", 7, side=80)
    make_images(root / "val", 3, side=80)
    return root


def script_args(script: Path, program: str, folder: Path, more: str = "", **variables: str) -> list[str]:
    """Run a script with a stub program and return the arguments of the program."""
    stub = folder / program
    stub.write_text('#!/bin/sh\nfor word in "$@"; do echo "$word"; done\n')
    stub.chmod(0o755)
    env = {**os.environ, "PATH": f"{folder}:{os.environ['PATH']}", **variables}
    words = ["bash", str(script), *shlex.split(f"--config zhang2017/local.yaml --data.batch_size 24 {more}")]
    return subprocess.run(words, env=env, capture_output=True, text=True, check=True).stdout.splitlines()


def test_torchrun_and_slurm_scripts_pass_arguments_of_a_resumable_fit(tmp_path: Path) -> None:
    run_folder = str(tmp_path / "run")
    by_hand = script_args(CLUSTER / "torchrun.sh", "torchrun", tmp_path, DATA="/p", RUN=run_folder, NODES="2")
    queued = script_args(CLUSTER / "slurm.sh", "srun", tmp_path, DATA="/p", RUN=run_folder, SLURM_JOB_ID="7",
                  SLURM_NTASKS_PER_NODE="4", SLURM_JOB_NUM_NODES="2")  # fmt: skip
    for words in (by_hand, queued):
        after = words[words.index("colorzoo") :]
        own = ["--config", "zhang2017/local.yaml", "--data.batch_size", "24"]
        assert after[1:8] == ["fit", "--config", "cluster/ddp.yaml", *own]
        assert f"--ckpt_path={run_folder}" in after
        assert "--trainer.num_nodes=2" in after


def test_user_config_overrides_the_config_of_the_torchrun_script(tmp_path: Path, capsys: Any) -> None:
    words = script_args(
        CLUSTER / "torchrun.sh", "torchrun", tmp_path, "--config cluster/fast.yaml", DATA="/p", RUN="/r"
    )
    given = words[words.index("fit") :]
    with suppress(SystemExit):
        run([*given[:1], "--print_config", *given[1:-1]])
    content = yaml.safe_load(capsys.readouterr().out)
    assert content["compile"] is True
    assert content["data"]["init_args"]["root"] == "/p"


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_signal_ends_the_torchrun_script_without_restart(number: int, code: int, tmp_path: Path) -> None:
    stub = tmp_path / "torchrun"
    stub.write_text(
        "#!/bin/bash\ntrap 'sleep 0.3; echo saved; exit 1' TERM INT\necho started\n"
        "for ((i = 0; i < 100; i++)); do sleep 0.1; done\n"
    )
    stub.chmod(0o755)
    env = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}", "DATA": "/p", "RUN": "/r"}
    script = ["setsid", "bash", str(CLUSTER / "torchrun.sh")]
    with subprocess.Popen(script, env=env, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "started\n"
        process.send_signal(number)
        assert process.stdout.read() == "saved\n"  # the script waits and does not restart
    assert process.returncode == code


@pytest.mark.nightly
@pytest.mark.timeout(280)
@pytest.mark.parametrize(  # two optimizers, and one optimizer as in tests/test_contract.py
    "name", ["zhang2019_small", pytest.param("zhang2016_small", marks=pytest.mark.nightly)]
)
def test_ddp_overlay_trains_in_two_processes(name: str, many: Path, tmp_path: Path) -> None:
    card = model_card(name)
    small = write_overlay(card, tmp_path, many)
    # settings for a machine without GPUs
    here = {"accelerator": "cpu", "devices": 2, "sync_batchnorm": False, "precision": "32-true"}
    words = ["--data.batch_size=4", *(f"--trainer.{key}={value}" for key, value in here.items())]
    config = card.config or "zhang2019/small.yaml"
    layers = ["--config", config, "--config", "cluster/ddp.yaml", "--config", str(small)]
    assert in_processes(run, ["fit", *layers, *words], processes=2) == [0, 0]
    assert logged(tmp_path, "train/")
    assert logged(tmp_path, "val/")


@pytest.mark.nightly
def test_fast_overlay_keeps_the_losses(many: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # tracing and differentiation as by default, but no kernels, whose compilation takes minutes
    monkeypatch.setattr("torch.compile", partial(torch.compile, backend="aot_eager"))
    losses = []
    for more in ([], ["--config", "cluster/fast.yaml"]):
        folder = tmp_path / str(len(more))
        folder.mkdir()
        small = write_overlay(model_card("zhang2016_small"), folder, many)
        words = ["fit", "--config", "zhang2016/small.yaml", "--config", str(small), *more]
        assert run([*words, "--trainer.precision=32-true"]) == 0
        losses.append(logged(folder, "train/"))
    assert len(losses[0]) >= 2
    assert losses[1] == pytest.approx(losses[0], rel=1e-3)


@pytest.mark.nightly
def test_wandb_overlay_logs_offline(many: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small = write_overlay(model_card("zhang2016_small"), tmp_path, many)
    content = yaml.safe_load(small.read_text())
    del content["trainer"]["logger"]
    small.write_text(yaml.safe_dump(content))
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.chdir(tmp_path)
    layers = ["--config", "zhang2016/small.yaml", "--config", str(small), "--config", "loggers/wandb.yaml"]
    assert run(["fit", *layers, f"--trainer.default_root_dir={tmp_path / 'run'}"]) == 0
    assert list(tmp_path.glob("run/wandb/offline-run-*"))
    assert list(tmp_path.glob("run/runs/version_0/metrics.csv"))
