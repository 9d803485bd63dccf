"""Sharded checkpoints: written by two processes and resumed with one."""

import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml
from harness import BATCH, small_data, small_model, small_trainer
from jsonargparse import ArgumentParser
from lightning.pytorch import Trainer, seed_everything
from lightning.pytorch.callbacks import EMAWeightAveraging
from lightning.pytorch.strategies import Strategy
from torch import distributed

from colorzoo.cli.main import run_lightning as run
from colorzoo.errors import ColorzooError, WeightsError
from colorzoo.testing.processes import in_processes
from colorzoo.training.callbacks import (
    LastCheckpoint,
    NonFiniteGuard,
    ResumeGuard,
    SignalCheckpoint,
    StepSeed,
)
from colorzoo.training.checkpoint_lookup import find_checkpoint
from colorzoo.training.configs import find_config
from colorzoo.weights import read_weights

pytestmark = pytest.mark.nightly


def strategy_of_overlay() -> Strategy:
    """Build the strategy of ``cluster/fsdp.yaml``."""
    content = yaml.safe_load(find_config("cluster/fsdp.yaml").read_text())["trainer"]
    parser = ArgumentParser()
    parser.add_argument("--strategy", type=Strategy)
    return parser.instantiate_classes(parser.parse_object({"strategy": content["strategy"]})).strategy


def train(root: Path, folder: Path, steps: int, devices: int, resume: str | None = None) -> Trainer:
    seed_everything(0)
    last = LastCheckpoint(every_n_train_steps=1)
    last.dirpath = str(folder)
    callbacks: list[Any] = [last, SignalCheckpoint(str(folder)), NonFiniteGuard(), ResumeGuard(), StepSeed()]
    trainer = small_trainer(
        folder,
        *callbacks,
        devices=devices,
        strategy=strategy_of_overlay(),
        use_distributed_sampler=False,
        max_epochs=-1,
        max_steps=steps,
        gradient_clip_val=1.0,
    )
    trainer.fit(
        small_model(hint_attention=False), small_data(root, batch_size=devices * BATCH), ckpt_path=resume
    )
    return trainer


def train_two_steps(root: Path, folder: Path) -> None:
    """Train as one of two processes."""
    train(root, folder, steps=2, devices=2)
    distributed.destroy_process_group()


@pytest.fixture(scope="module")
def sharded(images, tmp_path_factory):
    """Return the checkpoint of two processes after two steps."""
    folder = tmp_path_factory.mktemp("sharded")
    assert in_processes(train_two_steps, images, folder, processes=2) == [0, 0]
    assert [path.name for path in folder.glob("*.ckpt")] == ["last.ckpt"]  # the earlier one is deleted
    return folder / "last.ckpt"


def resume_alone(sharded: Path, images: Path, folder: Path) -> None:
    """Resume in a process of its own: one that has sharded weights cannot fork processes that train."""
    resumed = train(images, folder, steps=2, devices=1, resume=str(sharded))  # at its end already
    assert resumed.global_step == 2
    distributed.destroy_process_group()
    longer = train(images, folder, steps=3, devices=1, resume=str(sharded))
    assert longer.global_step == 3
    assert {float(state["step"]) for state in longer.optimizers[0].state.values()} == {3.0}
    distributed.destroy_process_group()


def test_a_sharded_checkpoint_is_resumed_with_one_process(sharded, images, tmp_path):
    assert len(list(sharded.glob("*.distcp"))) == 2
    assert find_checkpoint(str(sharded.parent), begins=True) == str(sharded)
    assert in_processes(resume_alone, sharded, images, tmp_path) == [0]
    assert (tmp_path / "last.ckpt" / "meta.pt").is_file()
    with pytest.raises(WeightsError, match="consolidate_checkpoint"):
        read_weights(sharded)


def test_an_incomplete_or_foreign_sharded_checkpoint_is_not_taken(sharded, tmp_path):
    copy = shutil.copytree(sharded, tmp_path / "last.ckpt")
    (copy / "meta.pt").unlink()  # written last
    assert find_checkpoint(str(tmp_path), begins=True) is None
    with pytest.raises(WeightsError, match=r"cluster/fsdp\.yaml"):
        run(["fit", "--config", "zhang2017/local_small.yaml", f"--ckpt_path={sharded}", "--data.root=x"])


def be_refused(images: Path, folder: Path) -> None:
    """Try to shard what cannot be sharded, in a process of its own."""
    averaging = [EMAWeightAveraging(decay=0.9)]
    for callbacks, model, message in [
        (averaging, small_model(hint_attention=False), "weight averaging"),
        ([], small_model(), "scalar weights"),
    ]:
        trainer = small_trainer(folder, *callbacks, devices=1, strategy=strategy_of_overlay())
        with pytest.raises(ColorzooError, match=message):
            trainer.fit(model, small_data(images))
        distributed.destroy_process_group()


def test_what_cannot_be_sharded_is_refused(images, tmp_path):
    assert in_processes(be_refused, images, tmp_path) == [0]
