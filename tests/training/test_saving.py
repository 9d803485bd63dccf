"""A checkpoint has its name when it is complete, whatever ends the process, and on any file system."""

import os
import signal
import sys
from contextlib import suppress
from pathlib import Path

import pytest
import torch
from harness import fit, trace

from colorzoo.testing.processes import in_processes
from colorzoo.training import saving
from colorzoo.training.resuming import is_intact, newest_intact
from colorzoo.training.saving import CheckpointFile, replace_folder


def killed_while_saving(root: Path, folder: Path) -> None:
    """Train in a process that dies a moment after it opens a file in the folder for writing a third time."""
    saves = 0

    def watch(event, arguments):
        nonlocal saves
        if event == "open" and ".ckpt" in str(arguments[0]) and str(folder) in str(arguments[0]):
            if arguments[2] & (os.O_WRONLY | os.O_RDWR):
                saves += 1
        elif saves >= 3:
            saves = 0  # os.kill is an event, too
            os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(watch)
    fit(root, folder)


def test_a_run_killed_while_it_saves_is_resumed_from_the_earlier_checkpoint(pictures, other_disk, tmp_path):
    assert in_processes(killed_while_saving, pictures, other_disk) == [-signal.SIGKILL]
    left = list(other_disk.glob(".last.ckpt.*.tmp"))
    assert len(left) == 1
    assert is_intact(other_disk / "last.ckpt")  # the second save
    fit(pictures, other_disk, resume=str(other_disk / "last.ckpt"))
    fit(pictures, tmp_path)
    assert {row["step"]: row for row in trace(other_disk)} == {row["step"]: row for row in trace(tmp_path)}
    assert not left[0].exists()


def test_the_newest_checkpoint_is_the_latest_whatever_the_names(tmp_path):
    for second, name in enumerate(("z/b.ckpt", "m/c.ckpt", "a/a.ckpt")):
        (tmp_path / name).parent.mkdir()
        CheckpointFile().save_checkpoint({"a": torch.ones(3)}, tmp_path / name)
        os.utime(tmp_path / name, (second, second))
    assert newest_intact(tmp_path) == (tmp_path / "a/a.ckpt", [])
    (tmp_path / "a/a.ckpt").write_bytes(b"half")
    os.utime(tmp_path / "a/a.ckpt", (3, 3))
    assert newest_intact(tmp_path) == (tmp_path / "m/c.ckpt", [tmp_path / "a/a.ckpt"])


def test_only_own_partial_files_are_removed(tmp_path):
    own = tmp_path / f".last.ckpt.{'0a' * 16}.tmp"
    others = [tmp_path / ".last.ckpt.tmp", tmp_path / "mine.tmp", tmp_path / f".table.csv.{'0a' * 16}.tmp"]
    for path in (own, *others):
        path.write_text("x")
    CheckpointFile().save_checkpoint({"a": torch.ones(3)}, tmp_path / "last.ckpt")
    assert not own.exists()
    assert all(path.exists() for path in others)


def test_a_full_disk_is_named_and_the_earlier_file_stays(tmp_path, monkeypatch):
    file = CheckpointFile()
    file.save_checkpoint({"a": torch.ones(3)}, tmp_path / "last.ckpt")
    before = (tmp_path / "last.ckpt").read_bytes()

    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left") as error:
        file.save_checkpoint({"a": torch.zeros(3)}, tmp_path / "last.ckpt")
    assert error.value.filename == str(tmp_path / "last.ckpt")
    assert (tmp_path / "last.ckpt").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["last.ckpt"]


@pytest.mark.parametrize("calls", range(4))
def test_a_sharded_checkpoint_is_there_whenever_the_process_is_killed(calls, tmp_path, monkeypatch):
    """Either the folder or ``-previous`` beside it is complete after each call that changes a name."""
    monkeypatch.setattr("colorzoo.training.resuming.is_complete", lambda path: (path / "whole").is_file())
    monkeypatch.setattr(saving, "is_complete", lambda path: (path / "whole").is_file())
    for name in ("last.ckpt", "new"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "whole").write_text(name)
    left = calls

    def counted(function):
        def call(*arguments, **options):
            nonlocal left
            left -= 1
            if left < 0:
                raise KeyboardInterrupt
            return function(*arguments, **options)

        return call

    for owner, name in ((Path, "rename"), (saving.shutil, "rmtree")):
        monkeypatch.setattr(owner, name, counted(getattr(owner, name)))
    with suppress(KeyboardInterrupt):
        replace_folder(tmp_path / "new", tmp_path / "last.ckpt")
    found, damaged = newest_intact(tmp_path)
    assert found is not None
    assert not damaged
    if left >= 0:
        assert (tmp_path / "last.ckpt" / "whole").read_text() == "new"
        assert not (tmp_path / "last-previous.ckpt").exists()
