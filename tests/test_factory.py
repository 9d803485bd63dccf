"""Settings and the training state of models that are created from checkpoints."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import lightning
import pytest
import torch

import colorzoo
from colorzoo.apps.cli.main import main
from colorzoo.errors import ColorzooError, UntrainedWarning, WeightsError
from colorzoo.factory import create_coloring_model
from colorzoo.training.module import ColorizationModule
from colorzoo.zoo.zhang2017.extended_unet import LocalExtensions
from tiny_model import NAME, tiny_task


def write_checkpoint(task: ColorizationModule, path: Path) -> Path:
    """Write a checkpoint as Lightning does, before the first training step."""
    trainer = lightning.Trainer(accelerator="cpu", logger=False, enable_checkpointing=False)
    trainer.strategy.connect(task)
    trainer.save_checkpoint(path)
    return path


@pytest.mark.parametrize(
    "arguments", [{"scene_blocks": 2}, {"extensions": {"scene_blocks": 2}}], ids=["flat", "grouped"]
)
def test_arguments_replace_settings_of_a_checkpoint(arguments: dict[str, Any], tmp_path: Path) -> None:
    path = write_checkpoint(tiny_task(), tmp_path / "last.ckpt")
    with pytest.raises(WeightsError, match=r"scene\.blocks\.2"):  # the weights have four blocks
        colorzoo.create_model(NAME, path, **arguments)
    with pytest.raises(WeightsError, match=r"scene\.blocks\.2"):
        create_coloring_model(NAME, path, **arguments)


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
    with pytest.raises(WeightsError, match=r"last\.ckpt does not match colorzoo2026: .*--model"):
        create_coloring_model("colorzoo2026", path)


def test_a_group_that_is_no_mapping_raises_one_line() -> None:
    with pytest.raises(ColorzooError, match="architecture must be a mapping of settings, got 3"):
        create_coloring_model("zhang2017_local", None, architecture=3)


def test_flat_argument_replaces_a_setting_of_a_group() -> None:
    group = LocalExtensions(hint_attention=True, scene_blocks=1)
    model = create_coloring_model("zhang2017_local", None, extensions=group, scene_blocks=2, width=0.125)
    assert (model.hparams["extensions"]["scene_blocks"], model.hparams["extensions"]["hint_attention"]) == (
        2,
        True,
    )
