"""A checkpoint has its name when it is complete, whatever ends the process, and on any file system."""

import os
from contextlib import suppress
from pathlib import Path

import pytest
import torch

from colorzoo.training import saving
from colorzoo.training.checkpoint_lookup import find_checkpoint
from colorzoo.training.saving import CheckpointFile, replace_folder


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
    monkeypatch.setattr(saving, "is_complete", lambda path: (path / "meta.pt").is_file())
    for name in ("last.ckpt", "new"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "meta.pt").write_text(name)
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
    assert find_checkpoint(str(tmp_path), begins=False)
    if left >= 0:
        assert (tmp_path / "last.ckpt" / "meta.pt").read_text() == "new"
        assert not (tmp_path / "last-previous.ckpt").exists()
