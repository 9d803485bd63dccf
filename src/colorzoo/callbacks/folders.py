"""Where a run keeps its files."""

from __future__ import annotations

from pathlib import Path

from lightning.pytorch import Trainer


def run_folder(trainer: Trainer) -> Path:
    """Return the folder of the run: that of the first logger, or the default one.

    All processes must call this together: the folder's name is broadcast.
    """
    return Path(trainer.log_dir or trainer.default_root_dir)
