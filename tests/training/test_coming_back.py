"""A job that comes back goes on: in its folder, with other processes, by the words last and best."""

from __future__ import annotations

import json
import os
import signal
from multiprocessing import active_children
from pathlib import Path
from typing import Any

import pytest
import torch
from harness import make_pictures, trace

from colorzoo.cli.main import run_lightning as run
from colorzoo.data import FolderDataModule
from colorzoo.errors import ColorzooError, DataError, WeightsError
from colorzoo.testing.processes import in_processes
from colorzoo.training.agreement import changes, training_settings
from colorzoo.training.arguments import read_arguments, with_last_batch
from colorzoo.training.processes import process_count
from colorzoo.training.requeue import listen_early, requeue_job

KILL = signal.SIGKILL
WORDS = [
    *("--model=Zhang2017Local", "--model.architecture.width=0.125", "--data=FolderDataModule"),
    *("--data.crop=32", "--data.resize=null", "--data.val_size=32", "--data.num_workers=0"),
    *("--trainer.accelerator=cpu", "--trainer.precision=32-true", "--trainer.num_sanity_val_steps=0"),
    *("--trainer.limit_val_batches=1", "--trainer.deterministic=true"),
    *("--trainer.callbacks+=colorzoo.training.callbacks.LastCheckpoint",),
    *("--trainer.callbacks.every_n_train_steps=1",),
]


@pytest.fixture(scope="module")
def twelve(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("twelve")
    make_pictures(root / "train", 12)
    make_pictures(root / "val", 4, seed=1)  # one for each process
    return root


def words_of(pictures: Path, folder: Path, *more: str, stop: int = 0) -> list[str]:
    own = [f"--data.root={pictures}", f"--trainer.default_root_dir={folder}", f"--ckpt_path={folder}"]
    traced = ["--trainer.callbacks+=harness.Trace", f"--trainer.callbacks.path={folder / 'trace.jsonl'}"]
    ends = [f"--trainer.callbacks.stop={stop}", f"--trainer.callbacks.how={int(KILL)}"] if stop else []
    return ["fit", *WORDS, *own, *traced, *ends, *more]


def train(words: list[str], processes: int = 1) -> list[int | None]:
    """Run ``fit`` in new processes, and return their exit codes."""
    more = [f"--trainer.devices={processes}", "--trainer.strategy=ddp"] if processes > 1 else []
    return in_processes(run, [*words, *more], processes=processes)


def weights_in(folder: Path) -> dict[str, torch.Tensor]:
    (last,) = folder.rglob("last.ckpt")
    return torch.load(last, weights_only=True)["state_dict"]


def test_a_killed_job_with_wandb_comes_back_in_its_folder_and_ends_equal(twelve, tmp_path, monkeypatch):
    monkeypatch.setenv("WANDB_MODE", "disabled")
    monkeypatch.chdir(tmp_path)
    logged = ["--config=loggers/wandb.yaml", "--data.global_batch=4", "--trainer.max_steps=4"]

    def words(folder: str, stop: int = 0) -> list[str]:
        verb, *rest = words_of(twelve, tmp_path / folder, stop=stop)
        return [verb, logged[0], *rest, *logged[1:]]

    assert train(words("whole")) == [0]
    assert train(words("killed", stop=2)) == [-KILL]
    assert train(words("killed")) == [0]
    assert trace(tmp_path / "killed") == trace(tmp_path / "whole")
    found, expected = (weights_in(tmp_path / name) for name in ("killed", "whole"))
    torch.testing.assert_close(found, expected, rtol=0, atol=0)
    assert [each.name for each in (tmp_path / "killed" / "runs").iterdir()] == ["version_0"]
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize("counts", [(2, 1, 2), pytest.param((4, 2, 4), marks=pytest.mark.nightly)])
def test_with_other_numbers_of_processes_every_picture_is_seen_once_an_epoch(counts, twelve, tmp_path):
    more = ["--data.global_batch=4", "--trainer.max_steps=6"]
    for processes, stop in zip(counts, (2, 4, 0), strict=True):
        ended = train(words_of(twelve, tmp_path, *more, stop=stop), processes)
        assert ended == [-KILL if stop else 0] * processes
    seen: dict[int, list[str]] = {}
    for row in trace(tmp_path):
        seen.setdefault(row["step"], []).extend(row["names"])
    assert list(seen) == [1, 2, 3, 4, 5, 6]
    every = sorted(path.name for path in (twelve / "train").iterdir())
    for first in (1, 4):
        assert sorted(seen[first] + seen[first + 1] + seen[first + 2]) == every
    assert [each.name for each in (tmp_path / "runs").iterdir()] == ["version_0"]


def test_half_the_processes_with_a_batch_of_their_own_are_refused():
    data: dict[str, Any] = {"class_path": "D", "init_args": {"batch_size": 10, "global_batch": None}}
    whole = {"class_path": "D", "init_args": {"batch_size": None, "global_batch": 40}}
    four, two, stated = (
        training_settings({"data": each}, processes) for each, processes in ((data, 4), (data, 2), (whole, 2))
    )
    assert [(each.name, each.earlier, each.now) for each in changes(four, two)] == [
        ("data.global_batch", 40, 20)
    ]
    assert list(changes(four, stated)) == []


def test_the_place_of_other_batches_is_counted_in_pictures(twelve, tmp_path):
    assert train(words_of(twelve, tmp_path, "--data.global_batch=2", "--trainer.max_steps=9", stop=3)) == [
        -KILL
    ]
    (last,) = tmp_path.rglob("last.ckpt")
    more = [f"--ckpt_path={last}", "--data.global_batch=4", "--trainer.max_steps=8"]
    assert train(words_of(twelve, tmp_path, *more)) == [0]
    rows = trace(tmp_path)
    assert [len(row["names"]) for row in rows] == [2, 2, 2, 4, 4, 4, 4, 4]
    names = [row["names"] for row in rows]
    first = [
        name for batch in names[:4] for name in batch
    ]  # 10 of 12: the rest is no batch of 4, and the next epoch begins
    assert len(set(first)) == 10
    assert len({*names[4], *names[5], *names[6]}) == 12


@pytest.mark.parametrize(("size", "processes", "near"), [(25, 4, "24 or 28"), (3, 4, "4")])
def test_a_batch_that_cannot_be_divided_names_those_that_can(size, processes, near, tmp_path):
    data = FolderDataModule(str(tmp_path), global_batch=size)
    data.trainer = type("Trainer", (), {"world_size": processes, "global_rank": 0})()
    with pytest.raises(
        DataError, match=rf"{size} cannot be divided by {processes} processes; use .* {near},"
    ):
        data.batch_sizes  # noqa: B018
    with pytest.raises(DataError, match="both given"):
        FolderDataModule(str(tmp_path), global_batch=size, batch_size=2)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (["--data.global_batch=8", "--data.batch_size=2"], ["--data.global_batch=null"]),
        (["--config", "zhang2017/local.yaml", "--data.batch_size=2"], ["--data.global_batch=null"]),
        (["--config", "zhang2017/local_small.yaml", "--data.global_batch=8"], ["--data.batch_size=null"]),
        (["--data.global_batch=8", "--data.global_batch=4"], []),
    ],
)
def test_the_batch_that_is_given_last_counts(given, expected):
    arguments = with_last_batch(read_arguments(given))
    assert [each.word for each in arguments if each.value == "null"] == expected


@pytest.mark.parametrize(
    ("trainer", "environment", "expected"),
    [
        ({"devices": 3, "num_nodes": 2, "accelerator": "cpu"}, {}, 6),
        ({"devices": "auto", "accelerator": "cpu"}, {}, 1),
        ({"devices": "0,2", "accelerator": "gpu"}, {}, 2),
        ({"devices": [1], "accelerator": "gpu", "num_nodes": 2}, {}, 2),
        ({"devices": 2}, {"TORCHELASTIC_RUN_ID": "x", "WORLD_SIZE": "8"}, 8),
        ({"devices": 2}, {"SLURM_NTASKS": "16", "SLURM_NTASKS_PER_NODE": "8", "SLURM_JOB_NAME": "x"}, 16),
    ],
)
def test_processes_are_counted_before_the_trainer_is_made(trainer, environment, expected, monkeypatch):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert process_count(trainer) == expected


def test_last_and_best_name_a_checkpoint_of_the_newest_run(pictures, tmp_path, capfd):
    words = [each for each in words_of(pictures, tmp_path) if not each.startswith("--ckpt_path")]
    with pytest.raises(WeightsError, match="--ckpt_path last: there is no checkpoint below"):
        run([*words, "--ckpt_path=last"])
    assert run([*words, "--trainer.max_steps=2", "--data.batch_size=4"]) == 0
    assert run([*words, "--trainer.max_steps=3", "--data.batch_size=4", "--ckpt_path=last"]) == 0
    assert [row["step"] for row in trace(tmp_path)] == [1, 2, 3]
    (best,) = tmp_path.rglob("best-*.ckpt")
    capfd.readouterr()
    measured = [each for each in words if "callbacks" not in each]
    assert run(["validate", *measured[1:], "--ckpt_path=best"]) == 0
    assert f"--ckpt_path best is {best}" in capfd.readouterr().err
    record = json.loads((tmp_path / "runs" / "version_0" / "run.json").read_text())
    assert [each["step"] for each in record["segments"]] == [0, 2]
    best.unlink()
    with pytest.raises(ColorzooError, match="has kept no best checkpoint yet"):
        run(["validate", *measured[1:], "--ckpt_path=best"])


def test_other_data_and_other_code_are_named_and_recorded(pictures, tmp_path, monkeypatch, capfd):
    state = {"commit": "a" * 40, "changed": False}
    monkeypatch.setattr("colorzoo.environment.git_state", lambda _: dict(state))
    roots = [tmp_path / name / "album" for name in ("one", "moved", "other")]
    for root, seed in zip(roots, (0, 0, 7), strict=True):  # the same names in all, the same sizes in two
        make_pictures(root / "train", 4, seed=seed)
        make_pictures(root / "val", 1, seed=1)
    last = tmp_path / "runs" / "version_0" / "checkpoints" / "last.ckpt"

    def told(root: Path, steps: int) -> str:
        more = ["--data.batch_size=2", f"--trainer.max_steps={steps}"]
        given = [*more, f"--ckpt_path={last}"] if last.is_file() else more
        words = [each for each in words_of(root, tmp_path) if not each.startswith("--ckpt_path")]
        assert run([*words, *given]) == 0
        return next(
            (line for line in capfd.readouterr().err.splitlines() if "resuming with other" in line), ""
        )

    assert told(roots[0], 1) == ""
    assert told(roots[1], 2) == ""  # moved
    state["commit"] = "b" * 40
    line = told(roots[2], 3)
    assert "other pictures: 4 (" in line
    assert "other source code of colorzoo: bbbbbbbb, not aaaaaaaa at step 2" in line
    record = json.loads((last.parents[1] / "run.json").read_text())
    assert [(each["step"], each["commit"][0]) for each in record["segments"]] == [
        (0, "a"),
        (1, "a"),
        (2, "b"),
    ]
    (earlier,) = torch.load(last, weights_only=True)["provenance"]["earlier"]
    assert (earlier["until"], earlier["commit"]) == (2, "a" * 40)


def be_told_early() -> None:
    listen_early()
    os.kill(os.getpid(), signal.SIGUSR1)


def test_a_signal_before_the_training_queues_the_job_again(tmp_path, monkeypatch):
    stub = tmp_path / "scontrol"
    stub.write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/asked\n')
    stub.chmod(0o755)
    for name, value in {"NTASKS": "1", "JOB_ID": "4711", "JOB_NAME": "x", "PROCID": "0"}.items():
        monkeypatch.setenv(f"SLURM_{name}", value)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")

    assert in_processes(be_told_early) == [143]
    assert (tmp_path / "asked").read_text() == "requeue 4711\n"


@pytest.mark.parametrize(
    ("job", "ends", "told"),
    [
        ({"JOB_ID": "7"}, 0, "7 is queued again"),
        ({"JOB_ID": "7", "ARRAY_JOB_ID": "5", "ARRAY_TASK_ID": "2"}, 1, "5_2 could not be queued again: no"),
        ({}, None, " could not be queued again: [Errno 2] No such file or directory: 'scontrol'"),
    ],
)
def test_what_slurm_answers_is_told(job, ends, told, tmp_path, monkeypatch, capfd):
    if ends is not None:
        (tmp_path / "scontrol").write_text(f"#!/bin/sh\necho no >&2\nexit {ends}\n")
        (tmp_path / "scontrol").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    for name, value in job.items():
        monkeypatch.setenv(f"SLURM_{name}", value)
    requeue_job()
    assert capfd.readouterr().err == f"colorzoo: job {told}\n"


def test_workers_of_an_own_script_end_with_it(pictures):
    data = FolderDataModule(str(pictures), crop=32, val_size=32, batch_size=2, num_workers=2)
    data.setup("fit")
    batches = iter(data.train_dataloader())
    next(batches)
    workers = active_children()
    assert len(workers) == 2
    for each in workers:
        each.terminate()  # as the interpreter does at its end
        each.join()
        assert each.exitcode in (0, -signal.SIGTERM)  # not of the alarm a minute later
