"""Run folders and loggers."""

from __future__ import annotations

import shutil
import warnings
from collections.abc import Sequence
from itertools import count
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
from fsspec.core import url_to_fs
from lightning.pytorch import Trainer
from lightning.pytorch.loggers import CSVLogger, Logger
from lightning.pytorch.loggers.tensorboard import TensorBoardLogger
from PIL import Image

RUNS = "runs"
"""Name of the folder of all runs in ``trainer.default_root_dir``."""
RECORD, TABLE, LOCK = "run.json", "metrics.csv", "run.lock"
"""File names of the training record, the metrics table and the lock in a run folder."""


def run_folder(trainer: Trainer) -> str:
    """Return the folder of the first logger, or ``default_root_dir`` without loggers.

    All processes must call this function together, because the folder name is broadcast.
    """
    return str(trainer.log_dir or trainer.default_root_dir)


def write_text(path: str, text: str) -> None:
    """Write a text file to a disk or bucket, and create missing folders."""
    with fsspec.open(path, "w", encoding="utf-8") as file:
        file.write(text)


def run_version(root: str, checkpoint: str | None) -> str | None:
    """Return the folder name of the run that contains a checkpoint, or None.

    Args:
        root: ``trainer.default_root_dir``.
        checkpoint: Checkpoint to resume from; None for a new run.
    """
    runs = f"{_absolute(root)}/{RUNS}/"
    if checkpoint is None or not _absolute(checkpoint).startswith(runs):
        return None
    return _absolute(checkpoint).removeprefix(runs).partition("/")[0]


def default_loggers(root: str, version: str | None) -> list[Logger]:
    """Return a CSV logger and, for a local run, a TensorBoard logger if it is installed.

    Args:
        root: ``trainer.default_root_dir``.
        version: Folder name of the run; None selects the next unused number.
    """
    table = CSVLogger(root, name=RUNS, version=version)
    if "://" in root:
        return [table]
    try:
        board = TensorBoardLogger(root, name=RUNS, version=table.version, sub_dir="tensorboard")
    except ModuleNotFoundError:
        return [table]
    return [table, board]


def keep_tables(loggers: Sequence[Logger]) -> None:
    """Rename each ``metrics.csv`` of an earlier run, because the CSV logger deletes it."""
    for logger in loggers:
        if isinstance(logger, CSVLogger):
            fs, path = url_to_fs(logger.log_dir)
            earlier = f"{path}/{TABLE}"
            if fs.isfile(earlier):
                # not the number of files, because some can be missing
                numbered = (f"{path}/metrics-{number}.csv" for number in count(1))
                fs.mv(earlier, next(file for file in numbered if not fs.exists(file)))


def remove_unstarted_run(loggers: Sequence[Logger]) -> None:
    """Delete the folder of a run that failed before its configuration was saved, such as without images.

    The lock and TensorBoard create the folder before the data is read. The next run then has the number of
    this run.
    """
    for logger in loggers:
        logger.finalize("failed")
        if isinstance(logger, TensorBoardLogger | CSVLogger):
            board = isinstance(logger, TensorBoardLogger) and logger.sub_dir
            folder = Path(logger.log_dir).parent if board else Path(logger.log_dir)
            if folder.is_dir() and {each.name for each in folder.iterdir()} <= {LOCK, "tensorboard"}:
                shutil.rmtree(folder, ignore_errors=True)  # Windows deletes no open lock


def log_image(loggers: Sequence[Logger], tag: str, image: Image.Image, step: int) -> None:
    """Log an image to Weights & Biases and TensorBoard loggers.

    Args:
        loggers: Loggers of the Trainer.
        tag: Name of the image in the logger.
        image: Pillow image to log.
        step: Number of the optimizer step.
    """
    logger: Any
    for logger in loggers:
        try:
            if hasattr(logger, "log_image"):
                logger.log_image(tag, [image], step=step)
            elif hasattr(logger.experiment, "add_image"):
                logger.experiment.add_image(tag, np.asarray(image), step, dataformats="HWC")
        except Exception as error:  # a full disk or a lost connection must not end the run
            warnings.warn(f"{type(logger).__name__} could not log the image {tag}: {error}", stacklevel=2)


def _absolute(path: str) -> str:
    return path.rstrip("/") if "://" in path else str(Path(path).resolve())
