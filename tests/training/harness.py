"""A small training run that records every step."""

import json
import os
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning.pytorch import Callback, LightningModule, Trainer, seed_everything
from lightning.pytorch.callbacks import EMAWeightAveraging, ModelCheckpoint
from PIL import Image
from torch.optim import AdamW

from colorzoo.data import FolderDataModule
from colorzoo.factory import build_model
from colorzoo.training.callbacks.checkpoints import CheckpointFile, SignalCheckpoint
from colorzoo.training.callbacks.guards import ResumeGuard, StepSeed
from colorzoo.zoo.zhang2017.task import Zhang2017Local

EPOCHS, BATCH = 3, 3


class Trace(Callback):
    """Appends loss, names and a random number of each batch, and each validation, to a JSON lines file.

    Optionally ends the process or run at a step.

    Args:
        path: The file.
        stop: The run ends after the checkpoint of this step.
        how: ``"raise"``, or the number of a signal that the process sends itself.
    """

    def __init__(self, path: Path, stop: int | None = None, how: int | str = "raise") -> None:
        self.path, self.stop, self.how = path, stop, how

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
        names = [Path(name).name for name in batch["name"]]
        row = {"step": trainer.global_step, "loss": float(outputs["loss"]), "names": names}
        self._write(self.path, row | {"drawn": float(torch.rand(()))})

    def on_validation_end(self, trainer, pl_module):
        values = {
            name: float(value)
            for name, value in sorted(trainer.callback_metrics.items())
            if name[:3] == "val"
        }
        self._write(self.path.with_name("validations.jsonl"), {"step": trainer.global_step, **values})

    def _write(self, path: Path, row: dict[str, Any]) -> None:
        with path.open("a") as stream:
            stream.write(json.dumps(row) + "\n")

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
        if trainer.global_step == self.stop:
            if isinstance(self.how, int):
                os.kill(os.getpid(), self.how)
            else:
                raise InterruptedError("the test ends the run here")


def small_model(*, lr: float = 1e-3, eps: float = 1e-8, **overrides: Any) -> Zhang2017Local:
    small = {"width": 0.125, "init_std": None, "hint_attention": True, "stage": "regression"}
    return build_model(Zhang2017Local, {**small, "optimizer": partial(AdamW, lr=lr, eps=eps), **overrides})


def small_data(root: Path, **overrides: Any) -> FolderDataModule:
    base = {"batch_size": BATCH, "crop": 32, "val_size": 32, "val_batch_size": 2, "num_workers": 0}
    return FolderDataModule(str(root), **{**base, **overrides})


def small_trainer(folder: Path, *callbacks: Callback, **overrides: Any) -> Trainer:
    quiet = {"logger": False, "enable_progress_bar": False, "enable_model_summary": False}
    base = {"accelerator": "cpu", "max_epochs": EPOCHS, "deterministic": True, "num_sanity_val_steps": 0}
    base["plugins"] = [CheckpointFile()]
    return Trainer(default_root_dir=folder, callbacks=list(callbacks), **{**quiet, **base, **overrides})


def fit(root: Path, folder: Path, *, workers: int = 0, stop: int | None = None, how: int | str = "raise",
        resume: str | None = None, saved: Path | None = None, batch: int = BATCH,
        more: list[Callback] | None = None, eps: float = 1e-8, **overrides: Any) -> Trainer:  # fmt: skip
    """Train with a checkpoint after every step; ``folder/trace.jsonl`` records the steps.

    Checkpoints are written to ``saved``, by default the same folder. ``eps`` is a setting of AdamW.
    """
    folder.mkdir(parents=True, exist_ok=True)
    seed_everything(0)
    torch.use_deterministic_algorithms(True)
    trainer = small_trainer(
        folder,
        EMAWeightAveraging(decay=0.9),
        Trace(folder / "trace.jsonl", stop, how),
        ModelCheckpoint(saved or folder, save_last=True, save_top_k=0, every_n_train_steps=1),
        SignalCheckpoint(str(saved or folder)),
        ResumeGuard(),
        StepSeed(),
        *(more or []),
        **overrides,
    )
    data = small_data(root, num_workers=workers, batch_size=batch)
    trainer.fit(small_model(eps=eps), data, ckpt_path=resume)
    return trainer


class Rates(Callback):
    """Records the learning rates of all optimizers at each batch."""

    def __init__(self) -> None:
        self.seen: list[list[float]] = []

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
        self.seen.append([each.param_groups[0]["lr"] for each in trainer.optimizers])


def rates(root: Path, folder: Path, model: LightningModule, **options: Any) -> list[list[float]]:
    """Train and return the learning rates of all optimizers for each batch."""
    seen = Rates()
    options = {"max_epochs": 2, "enable_checkpointing": False, "limit_val_batches": 0, **options}
    small_trainer(folder, seen, **options).fit(model, small_data(root))
    return seen.seen


def trace(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "trace.jsonl").read_text().splitlines()]


def make_images(folder: Path, count: int, *, side: int = 48, seed: int = 0) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    for index in range(count):
        coarse = rng.integers(0, 256, (3, 3, 3), dtype=np.uint8)
        Image.fromarray(coarse).resize((side, side), Image.Resampling.BICUBIC).save(
            folder / f"p{index:02d}.png"
        )
    return folder
