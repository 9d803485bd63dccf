"""Atomic writing of checkpoints."""

import os

import pytest
import torch

from colorzoo.training.callbacks.checkpoints import CheckpointFile


def test_save_checkpoint_removes_only_its_own_partial_files(tmp_path):
    own = tmp_path / f".colorzoo-{'0a' * 16}.part"
    others = [tmp_path / ".colorzoo-notes.part", tmp_path / "mine.part"]
    for path in (own, *others):
        path.write_text("x")
    CheckpointFile().save_checkpoint({"a": torch.ones(3)}, tmp_path / "last.ckpt")
    assert not own.exists()
    assert all(path.exists() for path in others)


def test_save_checkpoint_on_a_full_disk_keeps_the_previous_file(tmp_path, monkeypatch):
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
