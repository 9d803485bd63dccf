"""Overlays of clusters and loggers: what ships is run as its users run it."""

import inspect
import io
import json
import os
import shlex
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import suppress
from functools import partial
from http.server import BaseHTTPRequestHandler, HTTPServer, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
import yaml
from harness import make_pictures
from jsonargparse import ArgumentParser
from lightning.pytorch import Trainer
from lightning.pytorch.strategies import ModelParallelStrategy, Strategy
from torch import nn

from colorzoo.card import ModelCard
from colorzoo.cli.main import run_lightning as run
from colorzoo.errors import ColorzooError
from colorzoo.registry import list_models, model_card
from colorzoo.testing.models import predict, sample_call, smoke_model
from colorzoo.testing.processes import in_processes
from colorzoo.testing.training import logged, write_overlay
from colorzoo.training import loggers
from colorzoo.training.configs import config_folders
from colorzoo.training.gan import prepare_turns
from colorzoo.training.loggers import offline_reason

CLUSTER = config_folders()[0] / "cluster"
CARDS = [model_card(name) for name in list_models()]


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("many")
    make_pictures(root / "train", 7, side=80)
    make_pictures(root / "val", 3, side=80)
    return root


def told(script: Path, program: str, folder: Path, more: str = "", **variables: str) -> list[str]:
    """Run a script with a program that prints what it is given, and return the words."""
    stub = folder / program
    stub.write_text('#!/bin/sh\nfor word in "$@"; do echo "$word"; done\n')
    stub.chmod(0o755)
    env = {**os.environ, "PATH": f"{folder}:{os.environ['PATH']}", **variables}
    words = [
        "bash",
        str(script),
        *shlex.split(f"--config zhang2017/local.yaml --data.global_batch 24 {more}"),
    ]
    return subprocess.run(words, env=env, capture_output=True, text=True, check=True).stdout.splitlines()


def test_torchrun_and_slurm_start_what_goes_on_by_itself(tmp_path: Path) -> None:
    run_folder = str(tmp_path / "run")
    by_hand = told(CLUSTER / "torchrun.sh", "torchrun", tmp_path, DATA="/p", RUN=run_folder, NODES="2")
    queued = told(CLUSTER / "slurm.sh", "srun", tmp_path, DATA="/p", RUN=run_folder, SLURM_JOB_ID="7",
                  SLURM_NTASKS_PER_NODE="4", SLURM_JOB_NUM_NODES="2")  # fmt: skip
    for words in (by_hand, queued):
        after = words[words.index("colorzoo") :]
        own = ["--config", "zhang2017/local.yaml", "--data.global_batch", "24"]
        assert after[1:8] == ["fit", "--config", "cluster/ddp.yaml", *own]
        assert f"--ckpt_path={run_folder}" in after
        assert "--trainer.num_nodes=2" in after


def test_configurations_of_the_user_replace_those_of_the_script(tmp_path: Path, capsys: Any) -> None:
    words = told(
        CLUSTER / "torchrun.sh", "torchrun", tmp_path, "--config cluster/fsdp.yaml", DATA="/p", RUN="/r"
    )
    given = words[words.index("fit") :]
    with suppress(SystemExit):
        run([*given[:1], "--print_config", *given[1:-1]])
    content = yaml.safe_load(capsys.readouterr().out)
    assert content["trainer"]["strategy"]["class_path"].endswith("ShardedStrategy")
    assert content["data"]["init_args"]["root"] == "/p"


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_to_the_script_ends_the_run_for_good(number: int, code: int, tmp_path: Path) -> None:
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
        assert process.stdout.read() == "saved\n"  # waited for, and not started again
    assert process.returncode == code


@pytest.mark.timeout(280)
@pytest.mark.parametrize(  # two optimizers, and one, which tests/test_contract.py trains in two processes too
    "name", ["zhang2019_small", pytest.param("zhang2016_small", marks=pytest.mark.nightly)]
)
def test_ddp_is_an_overlay_and_nothing_else(name: str, many: Path, tmp_path: Path) -> None:
    card = model_card(name)
    small = write_overlay(card, tmp_path, many)
    # what a machine without GPUs has instead of them
    here = {"accelerator": "cpu", "devices": 2, "sync_batchnorm": False, "precision": "32-true"}
    words = [f"--trainer.{key}={value}" for key, value in here.items()]
    config = card.config or "zhang2019/small.yaml"
    layers = ["--config", config, "--config", "cluster/ddp.yaml", "--config", str(small)]
    assert in_processes(run, ["fit", *layers, *words], processes=2) == [0, 0]
    assert logged(tmp_path, "train/")
    assert logged(tmp_path, "val/")


@pytest.mark.parametrize("overlay", ["ddp", "fsdp", "fast"])
def test_an_overlay_holds_options_of_the_trainer(overlay: str) -> None:
    content = yaml.safe_load((CLUSTER / f"{overlay}.yaml").read_text())
    assert set(content) <= {"trainer", "compile"}
    assert set(content["trainer"]) <= set(inspect.signature(Trainer).parameters)


def test_fsdp_is_built_from_its_overlay_and_refuses_two_optimizers_in_a_line() -> None:
    content = yaml.safe_load((CLUSTER / "fsdp.yaml").read_text())["trainer"]
    parser = ArgumentParser()
    parser.add_argument("--strategy", type=Strategy)
    strategy = parser.instantiate_classes(parser.parse_object({"strategy": content["strategy"]})).strategy
    assert isinstance(strategy, ModelParallelStrategy)
    assert strategy._save_distributed_checkpoint
    trainer = SimpleNamespace(strategy=strategy, precision=content["precision"])
    with pytest.raises(ColorzooError, match="takes one optimizer"):
        prepare_turns(trainer)


@pytest.mark.nightly
@pytest.mark.parametrize("card", [card for card in CARDS if card.trainable], ids=lambda card: card.name)
def test_every_normalization_is_shared_under_the_overlay_of_ddp(card: ModelCard) -> None:
    assert yaml.safe_load((CLUSTER / "ddp.yaml").read_text())["trainer"]["sync_batchnorm"] is True
    model = smoke_model(card)
    before = set(model.state_dict())
    shared = nn.SyncBatchNorm.convert_sync_batchnorm(model)
    alone = [layer for layer in shared.modules() if isinstance(layer, nn.modules.batchnorm._BatchNorm)]
    assert all(isinstance(layer, nn.SyncBatchNorm) for layer in alone)
    assert set(shared.state_dict()) == before
    lightness, guidance = sample_call(card, (64, 64))
    expected = predict(card, smoke_model(card), lightness, guidance)
    torch.testing.assert_close(predict(card, shared, lightness, guidance), expected, rtol=0, atol=1e-4)


@pytest.mark.nightly
def test_compiled_steps_train(many: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # traced and differentiated as by default, but no kernels are built, which takes minutes
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


def wandb_run(many: Path, folder: Path, monkeypatch: pytest.MonkeyPatch, **environment: str) -> Path:
    """Train with the overlay of wandb in a folder of its own, and return the folder of its only run."""
    import wandb

    small = write_overlay(model_card("zhang2016_small"), folder, many)
    content = yaml.safe_load(small.read_text())
    del content["trainer"]["logger"]
    small.write_text(yaml.safe_dump(content))
    for name in ("WANDB_MODE", "WANDB_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    for name, value in {"WANDB_SILENT": "true", **environment}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(folder)
    layers = ["--config", "zhang2016/small.yaml", "--config", str(small), "--config", "loggers/wandb.yaml"]
    assert run(["fit", *layers]) == 0
    wandb.finish()
    (found,) = (folder / "wandb").glob("offline-run-*")
    return found


def test_a_dead_wandb_server_leaves_a_run_offline_with_everything(many, tmp_path, monkeypatch, capsys):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{free.getsockname()[1]}"
    known = {"WANDB_BASE_URL": address, "WANDB_API_KEY": "0" * 40}
    found = wandb_run(many, tmp_path, monkeypatch, **known)
    said = f"wandb runs offline: {address.removeprefix('http://')} does not answer (Connection refused); "
    assert f"{said}upload the run later with `wandb sync`\n" in capsys.readouterr().err
    assert list(found.rglob("media/images/val/pictures*.png"))
    wanted = (b"Colorful Image Colorization", b"val/psnr_automatic", b"versions", b"uniform")
    record = next(found.glob("*.wandb"))
    deadline = time.monotonic() + 60  # wandb's own process may write it after the run
    while not all(text in record.read_bytes() for text in wanted) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert [text for text in wanted if text not in record.read_bytes()] == []
    assert logged(tmp_path, "val/")  # the table of numbers is kept beside it
    assert list(tmp_path.rglob("checkpoints/*.ckpt"))


def test_without_an_account_wandb_is_offline(monkeypatch, tmp_path):
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert offline_reason() == "no account on this machine (`wandb login`, or WANDB_API_KEY)"
    (tmp_path / ".netrc").write_text("machine api.wandb.ai login user password key")
    (tmp_path / ".netrc").chmod(0o600)
    monkeypatch.setattr(loggers, "urlopen", lambda *_, **__: io.BytesIO())
    assert offline_reason() is None


def test_a_wandb_server_that_accepts_and_does_not_answer_is_offline(monkeypatch):
    monkeypatch.setattr(loggers, "PATIENCE", 0.2)
    monkeypatch.setenv("WANDB_API_KEY", "0" * 40)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        monkeypatch.setenv("WANDB_BASE_URL", f"http://127.0.0.1:{port}")
        assert offline_reason() == f"127.0.0.1:{port} does not answer (timed out)"


def test_a_wandb_server_that_answers_with_an_error_is_there(monkeypatch):
    monkeypatch.setenv("WANDB_API_KEY", "0" * 40)
    with HTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as server:  # knows no HEAD: status 501
        threading.Thread(target=server.handle_request, daemon=True).start()
        monkeypatch.setenv("WANDB_BASE_URL", f"http://127.0.0.1:{server.server_port}")
        assert offline_reason() is None


class HangingServer(BaseHTTPRequestHandler):
    """A server of wandb that starts a run, or not even that, and then takes requests without an answer.

    Attributes:
        hangs: Set from the first request without an answer on.
        ended: Set at the end of the test.
    """

    hangs: threading.Event
    ended: threading.Event

    def log_message(self, *_: object) -> None:
        pass

    def do_HEAD(self) -> None:
        self.send_response(200)
        self.end_headers()

    def do_POST(self) -> None:
        query = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.hangs.is_set():
            self.ended.wait(300)
            return
        project = {"id": "p", "name": "p", "entity": {"id": "e", "name": "e"}}
        run = {"id": "x", "name": "abc", "displayName": "d", "config": "{}", "project": project}
        viewer = {"id": "u", "entity": "e", "username": "u", "flags": "{}", "teams": {"edges": []}}
        data: dict[str, object] = {"viewer": viewer, "serverInfo": {"features": []}}
        if b"mutation UpsertBucket" in query:
            data = {"upsertBucket": {"bucket": run, "inserted": True}}
            self.hangs.set()
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps({"data": data}).encode())


LOGGING = """
from colorzoo.training import loggers
loggers._LIMITS = {"init_timeout": %s, "finish_timeout": 2.0}
loggers.WandbLogger(project="p", save_dir=".").log_metrics({"train/loss": 0.5}, step=1)
"""


@pytest.mark.timeout(200)
@pytest.mark.parametrize(
    ("when", "init_timeout", "kept"), [("start", 1, "offline-run"), ("later", 60, "run")]
)
def test_a_wandb_server_that_hangs_keeps_no_run_from_its_end(when, init_timeout, kept, tmp_path):
    HangingServer.hangs, HangingServer.ended = threading.Event(), threading.Event()
    server = ThreadingHTTPServer(("127.0.0.1", 0), HangingServer)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    if when == "start":
        HangingServer.hangs.set()
    names = {"WANDB_BASE_URL": f"http://127.0.0.1:{server.server_port}", "WANDB_API_KEY": "0" * 40}
    names["WANDB_ERROR_REPORTING"] = "false"  # telemetry, for which wandb waits half a minute
    environment = {name: value for name, value in os.environ.items() if not name.startswith("WANDB_")}
    code = [sys.executable, "-c", LOGGING % init_timeout]
    try:
        done = subprocess.run(
            code, env=environment | names, cwd=tmp_path, capture_output=True, text=True, check=False
        )
    finally:
        HangingServer.ended.set()
        server.shutdown()
        server.server_close()
    assert done.returncode == 0, done.stderr[-2000:]
    said = "colorzoo: wandb runs offline: its server does not start the run ("
    assert (said in done.stderr) == (when == "start")
    (found,) = tmp_path.glob(f"wandb/{kept}-*/*.wandb")  # which `wandb sync` takes
    assert b"train/loss" in found.read_bytes()
