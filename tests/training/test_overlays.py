"""Configuration overlays for clusters and loggers, and the launch scripts."""

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from harness import make_images
from lightning.pytorch import Callback, Trainer

from colorzoo.card import ModelCard
from colorzoo.data.shards import shard_folder
from colorzoo.errors import ColorzooError
from colorzoo.registry import model_card
from colorzoo.testing.processes import in_processes
from colorzoo.testing.training import logged, write_overlay
from colorzoo.training.command import run_command as run
from colorzoo.training.configs import config_folders

CLUSTER = config_folders()[0] / "cluster"


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("many")
    make_images(root / "train", 7, side=80)
    make_images(root / "val", 3, side=80)
    return root


def stub(folder: Path, program: str, text: str) -> None:
    """Write a stand-in for a program of a scheduler."""
    path = folder / program
    path.write_text(f"#!/bin/bash\n{text}\n")
    path.chmod(0o755)


def run_script(name: str, folder: Path, *words: str, **variables: str) -> list[str]:
    """Run a script whose launcher is a stub, and return the lines that the stub prints."""
    for program in ("torchrun", "srun"):
        stub(folder, program, 'env; for word in "$@"; do echo "$word"; done')
    env = {**os.environ, "PATH": f"{folder}:{os.environ['PATH']}", "DATA": "/p", **variables}
    script = ["bash", str(CLUSTER / name), *words]
    return subprocess.run(script, env=env, capture_output=True, text=True, check=True).stdout.splitlines()


OWN = ("--config", "zhang2017/local.yaml", "--data.batch_size", "24")
JOB = {f"SLURM_{name}": value for name, value in {"JOB_ID": "7", "NTASKS_PER_NODE": "4", "JOB_NUM_NODES": "2",
                                                   "CPUS_PER_TASK": "8"}.items()}  # fmt: skip


def test_torchrun_and_slurm_scripts_pass_arguments_of_a_resumable_fit(tmp_path: Path) -> None:
    run_folder = str(tmp_path / "run")
    by_hand = run_script("torchrun.sh", tmp_path, *OWN, RUN=run_folder, NODES="2", GPUS="4")
    queued = run_script("slurm.sh", tmp_path, *OWN, RUN=run_folder, **JOB)
    for words in (by_hand, queued):
        after = words[words.index("colorzoo") :]
        assert after[1:8] == ["fit", "--config", "cluster/ddp.yaml", *OWN]
        assert f"--ckpt_path={run_folder}" in after
        assert {"--trainer.num_nodes=2", "--trainer.devices=4"} <= set(after)
    assert "SRUN_CPUS_PER_TASK=8" in queued


def test_torchrun_scripts_of_two_runs_share_no_port_and_no_id(tmp_path: Path) -> None:
    def rendezvous(run: str, **variables: str) -> tuple[str, str]:
        words = run_script("torchrun.sh", tmp_path, *OWN, RUN=run, **variables)
        found = dict(word.split("=", 1) for word in words if word.startswith("--rdzv"))
        return found["--rdzv-endpoint"].rpartition(":")[2], found["--rdzv-id"]

    (port, first), (other, second) = rendezvous("/a"), rendezvous("/b")
    assert port == other == "0"  # a free port
    assert first != second
    many = {"MAIN": "node1", "NODES": "2"}
    one, two = rendezvous("/a", **many), rendezvous("/b", **many)
    assert len({*one, *two}) == 4
    assert rendezvous("/a", **many) == one  # all nodes use the same port and ID
    assert rendezvous("/a", PORT="29401", **many)[0] == "29401"


def test_launchers_end_their_processes_before_kubernetes_does(tmp_path: Path) -> None:
    _, job = yaml.safe_load_all((CLUSTER / "kubernetes.yml").read_text())
    pod = job["spec"]["template"]["spec"]
    variables = {each["name"]: each["value"] for each in pod["containers"][0]["env"]}
    budget = int(variables["TORCH_ELASTIC_SHUTDOWN_TIMEOUT"])
    assert 60 <= budget < pod["terminationGracePeriodSeconds"]
    lines = run_script("torchrun.sh", tmp_path, *OWN, RUN="/r", GRACE="77")
    assert "TORCH_ELASTIC_SHUTDOWN_TIMEOUT=77" in lines


def test_user_config_overrides_the_config_of_the_torchrun_script(tmp_path: Path, capsys: Any) -> None:
    words = run_script("torchrun.sh", tmp_path, *OWN, "--config", "cluster/fast.yaml", RUN="/r")
    given = words[words.index("fit") :]
    with suppress(SystemExit):
        run([*given[:1], "--print_config", *given[1:-1]])
    content = yaml.safe_load(capsys.readouterr().out)
    assert content["compile"] is True
    assert content["data"]["init_args"]["root"] == "/p"


@pytest.mark.parametrize(
    ("number", "saves", "code"),
    [(signal.SIGTERM, True, 143), (signal.SIGINT, True, 130), (signal.SIGTERM, False, 1)],
)
def test_signal_ends_the_torchrun_script_without_restart(
    number: int, saves: bool, code: int, tmp_path: Path
) -> None:
    earlier = tmp_path / "runs" / "version_0" / "interrupted.ckpt"  # of an earlier interruption
    earlier.parent.mkdir(parents=True)
    earlier.touch()
    new = tmp_path / "runs" / "version_1"
    save = f"mkdir {new}; touch {new}/interrupted.ckpt" if saves else "true"
    stub(tmp_path, "torchrun", f"trap 'sleep 0.3; {save}; echo ended; exit 1' TERM INT\necho started\n"
         "for ((i = 0; i < 100; i++)); do sleep 0.1; done")  # fmt: skip
    env = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}", "DATA": "/p", "RUN": str(tmp_path)}
    script = ["setsid", "bash", str(CLUSTER / "torchrun.sh")]
    with subprocess.Popen(script, env=env, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "started\n"
        process.send_signal(number)
        assert process.stdout.read() == "ended\n"  # the script waits and does not restart
    assert process.returncode == code


def short_config(card: ModelCard, folder: Path, images: Path) -> tuple[str, str]:
    """Return the option with a configuration of a short training of a small model on a CPU."""
    content = yaml.safe_load(write_overlay(card, folder, images).read_text())
    for name in ("root", "batch_size"):
        del content["data"]["init_args"][name]
    for name in ("devices", "default_root_dir", "logger"):
        del content["trainer"][name]
    content["trainer"] |= {"sync_batchnorm": False, "precision": "32-true"}
    path = folder / "short.yaml"
    path.write_text(yaml.safe_dump(content))
    return "--config", str(path)


@pytest.mark.parametrize("name", ["torchrun.sh", "slurm.sh"])
def test_command_of_a_cluster_script_trains(name: str, many: Path, tmp_path: Path) -> None:
    one = {"GPUS": "1", **JOB, "SLURM_NTASKS_PER_NODE": "1", "SLURM_JOB_NUM_NODES": "1"}
    short = short_config(model_card("zhang2017_local_small"), tmp_path, many)
    words = ["--config", "zhang2017/local_small.yaml", "--data.batch_size", "3", *short]
    paths = {"DATA": str(many), "RUN": str(tmp_path / "run")}
    lines = run_script(name, tmp_path, *words, **paths, WORKERS="0", **one)
    assert in_processes(run, lines[lines.index("fit") :]) == [0]
    assert logged(tmp_path, "val/")
    assert list((tmp_path / "run").rglob("last.ckpt"))


@pytest.mark.nightly
def test_command_of_the_kubernetes_job_trains(many: Path, tmp_path: Path) -> None:
    _, job = yaml.safe_load_all((CLUSTER / "kubernetes.yml").read_text())
    words = job["spec"]["template"]["spec"]["containers"][0]["args"]
    shards, run_folder = tmp_path / "shards", tmp_path / "run"
    shard_folder(many, shards, workers=1)
    here = {"data.root": shards, "data.num_workers": 0, "data.batch_size": 3, "trainer.devices": 1}
    here |= {"trainer.num_nodes": 1, "trainer.default_root_dir": run_folder, "ckpt_path": run_folder}
    short = short_config(model_card("yun2023"), tmp_path, many)
    content = yaml.safe_load(Path(short[1]).read_text())
    content["data"]["class_path"] = "StreamingDataModule"
    for name in ("classes", "source_fractions"):  # settings of folders
        content["data"]["init_args"].pop(name, None)
    Path(short[1]).write_text(yaml.safe_dump(content))
    replaced = [f"--{key}={value}" for key, value in here.items()]
    assert in_processes(run, [*words[words.index("fit") :], *short, *replaced]) == [0]
    assert logged(tmp_path, "val/")
    assert list(run_folder.rglob("last.ckpt"))


def error_of(words: list[str], message: Path) -> int:
    """Write the one-line error of a training to a file; other exceptions end the process with code 1."""
    try:
        return run(words)
    except ColorzooError as error:
        message.write_text(str(error))
        return 2


def test_ddp_overlay_on_a_cpu_is_a_one_line_error(many: Path, tmp_path: Path) -> None:
    short = write_overlay(model_card("zhang2017_local_small"), tmp_path, many)
    words = ["fit", "--config", "zhang2017/local_small.yaml", "--config", "cluster/ddp.yaml"]
    message = tmp_path / "message"
    assert in_processes(error_of, [*words, "--config", str(short)], message) == [2]
    assert "--trainer.sync_batchnorm" in message.read_text()
    assert "\n" not in message.read_text()


@pytest.mark.parametrize(
    "strategy",
    ["fsdp", "fsdp_cpu_offload", "deepspeed", "deepspeed_stage_3", "ddp_spawn", "xla", "model_parallel",
     '{"class_path": "lightning.pytorch.strategies.ModelParallelStrategy"}'],
)  # fmt: skip
def test_untested_strategies_are_refused(strategy: str, many: Path, tmp_path: Path) -> None:
    short = write_overlay(model_card("zhang2017_local_small"), tmp_path, many)
    words = ["fit", "--config", "zhang2017/local_small.yaml", "--config", str(short)]
    with pytest.raises(
        ColorzooError, match=f"strategy must be ddp or auto, got {strategy.split('.')[-1][:13]}"
    ):
        run([*words, f"--trainer.strategy={strategy}", "--trainer.devices=2"])


def test_other_number_of_processes_than_devices_is_a_one_line_error(many: Path, tmp_path: Path) -> None:
    short = write_overlay(model_card("zhang2017_local_small"), tmp_path, many)
    words = ["fit", "--config", "zhang2017/local_small.yaml", "--config", str(short)]
    message = tmp_path / "message"
    words += ["--trainer.devices=1", "--trainer.strategy=ddp"]
    assert in_processes(error_of, words, message, processes=2) == [2, 2]
    assert "`devices=1` and `num_nodes=1`" in message.read_text()


class SlowValidation(Callback):
    """Delays each validation batch, and creates a file in the first validation."""

    def on_validation_batch_end(self, trainer: Trainer, *_: Any) -> None:
        if not trainer.sanity_checking:
            Path(trainer.default_root_dir, "validates").touch()
            time.sleep(10)


@pytest.mark.nightly
@pytest.mark.timeout(280)
def test_torchrun_script_saves_two_processes_in_a_validation(many: Path, tmp_path: Path) -> None:
    """The validation takes longer than GRACE, and the script sets the number of processes for Lightning."""
    stub(tmp_path, "torchrun", f'exec {sys.executable} -m torch.distributed.run "$@"')
    option, path = short_config(model_card("zhang2017_local_small"), tmp_path, many)
    content = yaml.safe_load(Path(path).read_text())
    content["data"]["init_args"]["val_batch_size"] = 2  # of both processes
    content["trainer"]["callbacks"] = [{"class_path": "test_overlays.SlowValidation"}]
    # the validation after the last step would be completed
    content["trainer"] |= {"max_steps": 4, "val_check_interval": 1, "check_val_every_n_epoch": None}
    Path(path).write_text(yaml.safe_dump(content))
    run_folder = tmp_path / "run"
    env = {**os.environ, "DATA": str(many), "RUN": str(run_folder), "GPUS": "2", "GRACE": "15"}
    env |= {"PATH": f"{tmp_path}:{env['PATH']}", "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    env["PYTHONPATH"] += f"{os.pathsep}{Path(__file__).parent}"
    words = ["--config", "zhang2017/local_small.yaml", option, path, "--data.batch_size=4"]
    script = ["setsid", "bash", str(CLUSTER / "torchrun.sh"), *words]
    with subprocess.Popen(script, env=env) as process:
        while not (run_folder / "validates").exists():
            assert process.poll() is None
            time.sleep(0.2)
        process.terminate()
    assert process.returncode == 143
    (saved,) = run_folder.rglob("interrupted.ckpt")
    assert torch.load(saved, weights_only=True)["global_step"] == 1
    assert not logged(run_folder, "val/")


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


STOPPING = "lightning.pytorch.callbacks.EarlyStopping"
NOTE = "removes the callbacks WeightEMA, LastCheckpoint, LearningRateMonitor of an earlier configuration"


@pytest.mark.parametrize(
    ("trainer", "words", "removes"),
    [
        ({"callbacks": [{"class_path": STOPPING, "init_args": {"monitor": "val/psnr_10"}}]}, [], True),
        ({"callbacks": {"class_path": STOPPING, "init_args": {"monitor": "val/psnr_10"}}}, [], True),
        ({"callbacks+": [{"class_path": STOPPING, "init_args": {"monitor": "val/psnr_10"}}]}, [], False),
        ({"callbacks": None}, [], False),
        ({}, [f"--trainer.callbacks={STOPPING}", "--trainer.callbacks.monitor=val/psnr_10"], True),
        ({}, [f"--trainer.callbacks+={STOPPING}", "--trainer.callbacks.monitor=val/psnr_10"], False),
    ],
)
def test_fit_names_callbacks_that_a_second_configuration_removes(
    trainer: dict[str, Any], words: list[str], removes: bool, many: Path, tmp_path: Path, capfd: Any
) -> None:
    second = tmp_path / "second.yaml"
    second.write_text(yaml.safe_dump({"trainer": trainer, "data": {"init_args": {"root": str(many)}}}))
    configs = ["--config", "zhang2017/local_small.yaml", "--config", str(second)]
    with pytest.raises(SystemExit) as stop:
        run(["fit", *configs, *words, "--print_config"])
    printed = capfd.readouterr()
    assert stop.value.code == 0
    assert (NOTE in printed.err) == removes
    callbacks = yaml.safe_load(printed.out)["trainer"]["callbacks"] or []
    callbacks = callbacks if isinstance(callbacks, list) else [callbacks]
    found = {each["class_path"].rpartition(".")[2] for each in callbacks}
    assert ("WeightEMA" in found) == (not removes and trainer != {"callbacks": None})
    assert ("EarlyStopping" in found) == (trainer != {"callbacks": None})
