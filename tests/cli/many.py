"""Two processes of ``colorzoo predict`` over a folder, as a program that can be killed."""

import sys
from pathlib import Path

import torch
from lightning.pytorch import Trainer

from colorzoo.data import FolderDataModule
from colorzoo.training.predicting import FullSizePrediction
from tiny_model import tiny_task


def main(root: str, out: str, processes: str) -> None:
    """Color everything below ``root`` into ``out``."""
    torch.set_num_threads(1)
    task = FullSizePrediction(tiny_task(), FolderDataModule(root, num_workers=0), out)
    shared = {"strategy": "ddp", "devices": 2} if processes == "2" else {"devices": 1}
    quiet = {"logger": False, "enable_progress_bar": False, "enable_checkpointing": False}
    trainer = Trainer(accelerator="cpu", default_root_dir=Path(out).parent, **shared, **quiet)
    trainer.predict(task, return_predictions=False)


if __name__ == "__main__":
    main(*sys.argv[1:])
