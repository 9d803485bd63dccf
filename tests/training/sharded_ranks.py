"""One of two processes of a training with sharded weights; torchrun starts it."""

import sys
from pathlib import Path
from typing import Any

import torch
import yaml
from harness import small_data, small_model, small_trainer
from jsonargparse import ArgumentParser
from lightning.pytorch import Trainer, seed_everything
from lightning.pytorch.strategies import Strategy

from colorzoo.training.callbacks import (
    LastCheckpoint,
    NonFiniteGuard,
    ResumeGuard,
    SignalCheckpoint,
    StepSeed,
)
from colorzoo.training.configs import find_config


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
    trainer.fit(small_model(hint_attention=False), small_data(root), ckpt_path=resume)
    return trainer


if __name__ == "__main__":
    torch.set_num_threads(1)
    train(Path(sys.argv[1]), Path(sys.argv[2]), steps=2, devices=2)
