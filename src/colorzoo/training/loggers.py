"""The folder of a run, its loggers and its images in them."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
from lightning.fabric.utilities.cloud_io import get_filesystem
from lightning.pytorch import Trainer
from lightning.pytorch.loggers import CSVLogger, Logger
from PIL import Image

RUNS = "runs"
"""Folder of all runs below ``trainer.default_root_dir``."""
RECORD, TABLE = "run.json", "metrics.csv"
"""Two files of each run."""


def run_folder(trainer: Trainer) -> str:
    """Return the folder of the run: that of the first logger, or the default one.

    All processes must call this together: the folder's name is broadcast.
    """
    return str(trainer.log_dir or trainer.default_root_dir)


def write_text(path: str, text: str) -> None:
    """Write a file on a disk or in a bucket; missing folders are made."""
    with fsspec.open(path, "w", encoding="utf-8") as file:
        file.write(text)


def run_version(root: str, checkpoint: str | None) -> str | None:
    """Return the name of the folder of a resumed run if it is below the root; None for a new folder."""
    runs = f"{_full(root)}/{RUNS}/"
    if checkpoint is None or not _full(checkpoint).startswith(runs):
        return None
    return _full(checkpoint).removeprefix(runs).partition("/")[0]


def default_loggers(root: str, version: str | None) -> list[Logger]:
    """Return the loggers of a run: CSV, and TensorBoard if it is installed and the run is on a disk.

    Args:
        root: The folder of all runs is below it.
        version: Folder of the run below that of all runs; None takes a new number.
    """
    from lightning.pytorch.loggers.tensorboard import TensorBoardLogger

    table = CSVLogger(root, name=RUNS, version=version)
    if "://" not in root:
        try:
            board = TensorBoardLogger(root, name=RUNS, version=table.version, sub_dir="tensorboard")
        except ModuleNotFoundError:
            return [table]
        return [table, board]
    return [table]


def keep_table(folder: str) -> None:
    """Rename the table of numbers of an earlier part of a run, which Lightning's logger would delete."""
    fs = get_filesystem(folder)
    earlier = f"{folder}/{TABLE}"
    if fs.isfile(earlier):
        number = len(fs.glob(f"{folder}/metrics-*.csv")) + 1
        fs.mv(earlier, f"{folder}/metrics-{number}.csv")


def log_image(loggers: Sequence[Logger], tag: str, image: Image.Image, step: int) -> None:
    """Log an image to wandb-like and TensorBoard-like loggers; others, such as CSV, are skipped.

    Args:
        loggers: The loggers of the trainer.
        tag: Name under which the image appears.
        image: The image.
        step: Number of the optimizer step.
    """
    logger: Any
    for logger in loggers:
        try:
            if hasattr(logger, "log_image"):
                logger.log_image(tag, [image], step=step)
            elif hasattr(logger.experiment, "add_image"):
                logger.experiment.add_image(tag, np.asarray(image), step, dataformats="HWC")
        except Exception as error:  # a full disk, a lost connection: an image must not end a run
            warnings.warn(f"{type(logger).__name__} did not log {tag}: {error}", stacklevel=2)


def _full(place: str) -> str:
    return place.rstrip("/") if "://" in place else str(Path(place).resolve())
