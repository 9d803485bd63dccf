"""Generated images, and short training runs that log the images of each process."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import ModelCheckpoint
from PIL import Image
from torch import nn


def colorful(rng: np.random.Generator, size: tuple[int, int] = (48, 48)) -> Image.Image:
    coarse = rng.integers(0, 256, (3, 3, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC)


class Tiny(LightningModule):
    """Minimal model that trains on a batch."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(3, 1)

    def training_step(self, batch: dict[str, Any], batch_idx: int) -> torch.Tensor:
        return self.layer(batch["rgb"].mean((2, 3))).square().mean()

    def validation_step(self, batch: dict[str, Any], batch_idx: int) -> None:
        """Do nothing; only the loader is tested."""

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=0.1)


class Trace(Callback):
    """Logs epoch and names of each batch to a file per process, and optionally interrupts the run."""

    def __init__(self, folder: Path, stop: int | None = None) -> None:
        self.folder, self.stop = folder, stop

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
        if trainer.global_step == self.stop:
            raise InterruptedError("the test ends the run here")

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
        row = {"epoch": trainer.current_epoch, "names": batch["name"], "mean": float(batch["rgb"].mean())}
        with (self.folder / f"{trainer.global_rank}.jsonl").open("a") as stream:
            stream.write(json.dumps(row) + "\n")


def fit(
    data: Any, folder: Path, *, stop: int | None = None, resume: Path | None = None, **overrides: Any
) -> None:
    """Train two epochs with a checkpoint after each step."""
    folder.mkdir(exist_ok=True)
    saving = ModelCheckpoint(folder, save_last=True, save_top_k=0, every_n_train_steps=1)
    base = {"accelerator": "cpu", "max_epochs": 2, "logger": False, "enable_progress_bar": False}
    quiet = {"enable_model_summary": False, "num_sanity_val_steps": 0, "limit_val_batches": 0}
    trainer = Trainer(callbacks=[Trace(folder, stop), saving], **{**base, **quiet, **overrides})
    trainer.fit(Tiny(), data, ckpt_path=resume)


def logged_batches(folder: Path, rank: int = 0) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / f"{rank}.jsonl").read_text().splitlines()]


def names(rows: list[dict[str, Any]], epoch: int) -> list[str]:
    return [name for row in rows if row["epoch"] == epoch for name in row["names"]]


def optimize_in_process(
    fn: Callable[[int], Any], inputs: list[int], output_dir: str, chunk_size: int, **_: Any
) -> None:
    """Write chunks as `litdata.optimize` does, but in this process, because its workers start in 10 s."""
    from litdata.streaming.writer import BinaryWriter

    Path(output_dir).mkdir(parents=True, exist_ok=True)
    writer = BinaryWriter(output_dir, chunk_size=chunk_size)
    for index in inputs:
        writer[index] = fn(index)
    writer.done()
    writer.merge()
