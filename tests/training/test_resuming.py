"""Killed runs that are resumed with --ckpt_path from a folder or bucket, and checkpoint lookup."""

from __future__ import annotations

import errno
import fcntl
import os
import signal
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from harness import fit, make_images, trace

from colorzoo.apps.cli.main import main
from colorzoo.errors import DataError, WeightsError
from colorzoo.files import lock_file
from colorzoo.testing.processes import in_processes
from colorzoo.training.arguments import find_checkpoint, with_folder_data
from colorzoo.training.callbacks import run_files
from colorzoo.training.command import run_command as run

KILL = signal.SIGKILL
WORDS = [
    *("--model=Zhang2017Local", "--model.width=0.125", "--data=FolderDataModule"),
    *("--data.crop=32", "--data.resize=null", "--data.val_size=32", "--data.num_workers=0"),
    *("--trainer.accelerator=cpu", "--trainer.precision=32-true", "--trainer.num_sanity_val_steps=0"),
    *("--trainer.limit_val_batches=1", "--trainer.deterministic=true", "--trainer.val_check_interval=1"),
    *("--trainer.callbacks+=colorzoo.training.callbacks.LastCheckpoint",),
    *("--trainer.callbacks.every_n_train_steps=1",),
]
RUN = Path("runs/version_0")


@pytest.fixture(scope="module")
def twelve(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("twelve")
    make_images(root / "train", 12)
    make_images(root / "val", 4, seed=1)  # one for each process
    return root


def train(root: Path, folder: Path, *more: str, place: str = "", stop: int = 0, processes: int = 1) -> None:
    """Run `fit` in new processes to the end, or to the step at which they are killed; trace to a folder."""
    place = place or str(folder)
    words = [f"--data.root={root}", f"--trainer.default_root_dir={place}", f"--ckpt_path={place}"]
    words += ["--trainer.callbacks+=harness.Trace", f"--trainer.callbacks.path={folder / 'trace.jsonl'}"]
    words += [f"--trainer.callbacks.stop={stop}", f"--trainer.callbacks.how={int(KILL)}"] if stop else []
    words += [f"--trainer.devices={processes}", "--trainer.strategy=ddp"] if processes > 1 else []
    ended = in_processes(run, ["fit", *WORDS, *words, *more], processes=processes)
    assert ended == [-KILL if stop else 0] * processes


def weights_in(checkpoint: Path) -> dict[str, torch.Tensor]:
    return torch.load(checkpoint, weights_only=True)["state_dict"]


STEPS = ["--data.batch_size=4", "--trainer.max_steps=4"]


@pytest.fixture(scope="module")
def whole(twelve: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("whole")
    train(twelve, folder, *STEPS)
    return folder


def test_killed_run_resumes_in_its_folder_with_equal_results(twelve, tmp_path, whole):
    train(twelve, tmp_path, *STEPS, stop=2)
    train(twelve, tmp_path, *STEPS)
    assert trace(tmp_path) == trace(whole)
    last = RUN / "checkpoints" / "last.ckpt"
    torch.testing.assert_close(weights_in(tmp_path / last), weights_in(whole / last), rtol=0, atol=0)
    assert {path.name for path in (tmp_path / RUN).glob("metrics*")} == {"metrics.csv", "metrics-1.csv"}
    assert [path.name for path in (tmp_path / "runs").iterdir()] == ["version_0"]


def test_killed_run_resumes_from_a_bucket_with_equal_results(twelve, bucket, tmp_path, whole, monkeypatch):
    monkeypatch.chdir(tmp_path)
    train(twelve, tmp_path, *STEPS, place="s3://bucket/run", stop=2)
    train(twelve, tmp_path, *STEPS, place="s3://bucket/run")
    assert trace(tmp_path) == trace(whole)
    names = {each.key.removeprefix(f"run/{RUN}/") for each in bucket.objects.all()}
    assert {"config.yaml", "run.json", "metrics.csv", "checkpoints/last.ckpt"} <= names
    assert any(name.startswith("images/step-") for name in names)
    bucket.download_file(f"run/{RUN}/checkpoints/last.ckpt", str(tmp_path / "last.ckpt"))
    expected = weights_in(whole / RUN / "checkpoints" / "last.ckpt")
    torch.testing.assert_close(weights_in(tmp_path / "last.ckpt"), expected, rtol=0, atol=0)
    assert {path.name for path in tmp_path.iterdir()} == {"trace.jsonl", "validations.jsonl", "last.ckpt"}
    with pytest.raises(WeightsError, match="s3://nowhere/x"):
        find_checkpoint("s3://nowhere/x", begins=False)


@pytest.mark.parametrize("first", [3, *(pytest.param(n, marks=pytest.mark.nightly) for n in (1, 2, 5))])
def test_run_resumed_twice_equals_the_uninterrupted_run(first, images, tmp_path):
    fit(images, tmp_path / "whole")
    parts, last = tmp_path / "parts", str(tmp_path / "parts" / "last.ckpt")
    for stop, resume in ((first, None), (first + 1, last)):  # an epoch has three steps
        with pytest.raises(InterruptedError):
            fit(images, parts, stop=stop, resume=resume)
    fit(images, parts, resume=last)
    assert trace(parts) == trace(tmp_path / "whole")
    found, expected = weights_in(parts / "last.ckpt"), weights_in(tmp_path / "whole" / "last.ckpt")
    torch.testing.assert_close(found, expected, rtol=0, atol=0)


def test_resume_with_another_batch_size_raises(images, tmp_path):
    fit(images, tmp_path, max_steps=1)
    with pytest.raises(DataError, match="batch_size"):
        fit(images, tmp_path, batch=2, resume=str(tmp_path / "last.ckpt"))


def killed_while_saving(root: Path, folder: Path) -> None:
    """Train in a process that is killed a moment after it opens its third checkpoint for writing."""
    saves = 0

    def watch(event: str, arguments: Any) -> None:
        nonlocal saves
        if event == "open" and ".part" in str(arguments[0]) and str(folder) in str(arguments[0]):
            if arguments[2] & (os.O_WRONLY | os.O_RDWR):
                saves += 1
        elif saves >= 3:
            saves = 0  # os.kill is an event, too
            os.kill(os.getpid(), KILL)

    sys.addaudithook(watch)
    fit(root, folder)


def test_run_killed_while_saving_resumes_from_the_previous_checkpoint(images, other_disk, tmp_path):
    assert in_processes(killed_while_saving, images, other_disk) == [-KILL]
    assert len(left := list(other_disk.glob(".colorzoo-*.part"))) == 1
    fit(images, other_disk, resume=find_checkpoint(str(other_disk), begins=True))
    fit(images, tmp_path)
    assert {row["step"]: row for row in trace(other_disk)} == {row["step"]: row for row in trace(tmp_path)}
    assert not left[0].exists()


def write_checkpoint(path: Path, second: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save({"pytorch-lightning_version": "2.6.0", "state_dict": {"a": torch.ones(999)}}, path)
    os.utime(path, (second, second))


def test_find_checkpoint_returns_the_newest_checkpoint_of_a_folder(tmp_path):
    for second, name in enumerate(("z/b.ckpt", "m/c.ckpt", "a/a.ckpt", "q/.x.ckpt.0.tmp")):
        write_checkpoint(tmp_path / name, second)
    assert find_checkpoint(str(tmp_path), begins=True) == str(tmp_path / "a" / "a.ckpt")
    (tmp_path / "a" / "a.ckpt").unlink()
    for place in (tmp_path, tmp_path / "m" / "c.ckpt"):
        assert find_checkpoint(str(place), begins=False) == str(tmp_path / "m" / "c.ckpt")
    assert find_checkpoint(str(tmp_path / "new"), begins=True) is None
    refused = [
        (str(tmp_path / "new"), False, "without checkpoints"),
        (str(tmp_path / "no.ckpt"), True, "existing checkpoint"),
        ("last", True, "a folder of runs"),
    ]
    for path, begins, message in refused:
        with pytest.raises(WeightsError, match=f"--ckpt_path .*{message}"):
            find_checkpoint(path, begins=begins)


class Executed:
    """Object whose pickle creates a folder when it is loaded."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.path),)


def damage(path: Path, how: str) -> None:
    """Damage a checkpoint: ``empty``, ``cut``, ``flipped``, ``malicious`` or ``other``."""
    content = bytearray(path.read_bytes())
    if how == "empty":
        path.write_bytes(b"")
    elif how == "cut":
        path.write_bytes(content[: len(content) // 2])
    elif how == "flipped":  # one byte of a tensor
        content[content.index(b"\x00\x00\x80\x3f" * 9) + 100] ^= 1
        path.write_bytes(content)
    elif how == "malicious":
        torch.save({"pytorch-lightning_version": "2.6.0", "a": Executed(path.with_name("executed"))}, path)
    else:
        torch.save({"a": torch.ones(2)}, path)


DAMAGES = ("empty", "cut", "flipped", "malicious", "other")


@pytest.mark.parametrize("how", DAMAGES)
def test_find_checkpoint_skips_damaged_checkpoints(how, tmp_path, capsys):
    names = ("best-step=3.ckpt", "last.ckpt", "interrupted.ckpt")
    for second, name in enumerate(names):
        write_checkpoint(tmp_path / name, second)
        if second:
            damage(tmp_path / name, how)
            os.utime(tmp_path / name, (second, second))
    for begins in (True, False):
        assert find_checkpoint(str(tmp_path), begins=begins) == str(tmp_path / names[0])
    lines = capsys.readouterr().err.splitlines()
    assert [line.count("interrupted.ckpt") for line in lines] == [1, 0, 1, 0]
    assert [line.count("last.ckpt") for line in lines] == [0, 1, 0, 1]
    damage(tmp_path / names[0], how)
    os.utime(tmp_path / names[0], (0, 0))
    with pytest.raises(WeightsError, match=r"interrupted\.ckpt"):
        find_checkpoint(str(tmp_path), begins=True)
    assert not (tmp_path / "executed").exists()


def test_find_checkpoint_skips_damaged_checkpoints_in_a_bucket(bucket, tmp_path):
    for name in ("a.ckpt", "b.ckpt"):
        write_checkpoint(tmp_path / name, 0)
        if name == "b.ckpt":
            damage(tmp_path / name, "cut")
        bucket.upload_file(str(tmp_path / name), f"run/{name}")
    assert find_checkpoint("s3://bucket/run", begins=True) == "s3://bucket/run/a.ckpt"


@pytest.mark.parametrize("how", DAMAGES)
@pytest.mark.parametrize("verb", ["fit", "validate", "predict"])
def test_damaged_checkpoint_is_a_one_line_error(verb, how, images, tmp_path, capsys):
    checkpoint = tmp_path / "last.ckpt"
    write_checkpoint(checkpoint, 0)
    damage(checkpoint, how)
    words = [word for word in WORDS if "callbacks" not in word]
    words += [f"--data.root={images}", f"--trainer.default_root_dir={tmp_path}"]
    words += ["--data.batch_size=4"] if verb != "predict" else [f"--output={tmp_path / 'out'}"]
    assert main([verb, *words, f"--ckpt_path={checkpoint}"]) == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith("colorzoo: error: ")
    assert str(checkpoint) in error
    assert not (tmp_path / "executed").exists()


def test_killed_run_with_damaged_checkpoints_resumes_from_the_best(twelve, tmp_path, whole):
    train(twelve, tmp_path, *STEPS, stop=3)
    folder = tmp_path / RUN / "checkpoints"
    damage(folder / "last.ckpt", "cut")
    (folder / "interrupted.ckpt").touch()
    train(twelve, tmp_path, *STEPS)
    found, expected = (weights_in(root / RUN / "checkpoints" / "last.ckpt") for root in (tmp_path, whole))
    torch.testing.assert_close(found, expected, rtol=0, atol=0)


def files_below(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("processes", [1, 2])
def test_run_in_a_locked_folder_changes_no_file(processes, twelve, tmp_path):
    train(twelve, tmp_path, *STEPS, stop=2)
    words = [f"--data.root={twelve}", f"--trainer.default_root_dir={tmp_path}", f"--ckpt_path={tmp_path}"]
    words += [f"--trainer.devices={processes}"] + ["--trainer.strategy=ddp"] * (processes > 1)
    lock = lock_file(tmp_path / RUN / "run.lock")
    before = files_below(tmp_path)
    assert in_processes(exit_code, ["fit", *WORDS, *STEPS, *words], processes=processes) == [2] * processes
    assert files_below(tmp_path) == before
    lock.release()


def exit_code(words: list[str]) -> int:
    run_files._TIMEOUT = 0.1
    return main(words)


def test_message_of_a_locked_folder_names_file_and_owner(images, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(run_files, "_TIMEOUT", 0.1)
    words = [word for word in WORDS if "callbacks" not in word]
    words += [f"--data.root={images}", f"--trainer.default_root_dir={tmp_path}", "--trainer.logger=false"]
    words += ["--data.batch_size=4", "--trainer.enable_checkpointing=false"]
    lock = lock_file(tmp_path / "run.lock")
    assert main(["fit", *words]) == 2
    lock.release()
    message = capsys.readouterr().err.splitlines()[-1]
    assert str(tmp_path / "run.lock") in message
    assert f"process {os.getpid()} " in message
    assert [path.name for path in tmp_path.iterdir()] == ["run.lock"]


@pytest.mark.parametrize("code", [errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOLCK])
def test_run_of_a_dead_machine_resumes_on_a_disk_without_locks(code, twelve, tmp_path, whole):
    train(twelve, tmp_path, *STEPS, stop=2)
    # as written by filelock on such a disk
    (tmp_path / RUN / "run.lock").write_text("4194304\nanother-machine\n")
    words = [f"--data.root={twelve}", f"--trainer.default_root_dir={tmp_path}", f"--ckpt_path={tmp_path}"]
    words += ["--trainer.callbacks+=harness.Trace", f"--trainer.callbacks.path={tmp_path / 'trace.jsonl'}"]
    assert in_processes(run_without_locks, code, ["fit", *WORDS, *words, *STEPS]) == [0]
    assert trace(tmp_path) == trace(whole)


def run_without_locks(code: int, words: list[str]) -> int:
    def fail(*_: object) -> None:
        raise OSError(code, os.strerror(code))

    fcntl.flock = fail
    return main(words)


def test_fit_rejects_a_deeply_nested_value(tmp_path, refused):
    deep = "[" * 100_000
    assert refused("fit", f"--model={deep}", "--data=FolderDataModule", f"--data.root={tmp_path}")
    (tmp_path / "deep.yaml").write_text(f"model: {deep}\n")
    assert refused("fit", f"--config={tmp_path / 'deep.yaml'}")


def test_data_root_selects_folder_data_module_unless_data_is_given():
    words = ["--data.root=x"]
    assert with_folder_data(words) == ["--data=FolderDataModule", *words]
    for other in ("--config=a", "--data=B"):
        assert with_folder_data([*words, other]) == [*words, other]
