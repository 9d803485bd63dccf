"""Settings and the training state of models that are created from checkpoints."""

from __future__ import annotations

from pathlib import Path

import lightning
import pytest
import torch

import colorzoo
from colorzoo.apps.cli.main import main
from colorzoo.errors import UntrainedWarning, WeightsError
from colorzoo.factory import create_coloring_model
from colorzoo.training.module import ColorizationModule
from tiny_model import NAME, tiny_task


def write_checkpoint(task: ColorizationModule, path: Path) -> Path:
    """Write a checkpoint as Lightning does, before the first training step."""
    trainer = lightning.Trainer(accelerator="cpu", logger=False, enable_checkpointing=False)
    trainer.strategy.connect(task)
    trainer.save_checkpoint(path)
    return path


def test_arguments_replace_settings_of_a_checkpoint(tmp_path: Path) -> None:
    path = write_checkpoint(tiny_task(), tmp_path / "last.ckpt")
    with pytest.raises(WeightsError, match=r"scene\.blocks\.2"):  # the weights have four blocks
        colorzoo.create_model(NAME, path, scene_blocks=2)
    with pytest.raises(WeightsError, match=r"scene\.blocks\.2"):
        create_coloring_model(NAME, path, scene_blocks=2)


def test_checkpoint_of_an_untrained_model_stays_untrained(tmp_path: Path) -> None:
    task = tiny_task()
    task.trained = False
    path = write_checkpoint(task, tmp_path / "first.ckpt")
    with pytest.warns(UntrainedWarning, match="first.ckpt"):
        assert not colorzoo.create_model(NAME, path).trained
    assert main(["weights", "convert", NAME, str(path), str(tmp_path / "out.safetensors")]) == 0
    with pytest.warns(UntrainedWarning):
        assert not create_coloring_model(NAME, tmp_path / "out.safetensors").trained


def test_checkpoint_of_a_trained_model_is_trained(tmp_path: Path) -> None:
    path = write_checkpoint(tiny_task(), tmp_path / "last.ckpt")
    task = colorzoo.create_model(NAME, path)
    assert task.trained
    lightness = torch.full((1, 1, 16, 16), 50.0)
    torch.testing.assert_close(task(lightness).ab, tiny_task()(lightness).ab)


def test_checkpoint_of_another_model_names_the_file(tmp_path: Path) -> None:
    path = write_checkpoint(tiny_task(), tmp_path / "last.ckpt")
    with pytest.raises(WeightsError, match=r"last\.ckpt does not match colorzoo2026"):
        create_coloring_model("colorzoo2026", path)
