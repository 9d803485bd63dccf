"""Send a picture to the loggers that can show one; a logger that fails never stops a training."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
from lightning.pytorch.loggers import Logger
from PIL import Image

_warned: set[str] = set()


def log_picture(loggers: Sequence[Logger], tag: str, picture: Image.Image, step: int) -> None:
    """Log a picture to wandb-like and TensorBoard-like loggers; others, such as CSV, are passed over.

    Args:
        loggers: The loggers of the trainer.
        tag: Name under which the picture appears.
        picture: What to show.
        step: Number of the optimizer step.
    """
    for logger in loggers:
        try:
            _send(logger, tag, picture, step)
        except Exception as error:  # a broken disk, connection or account of somebody else's library
            _warn_once(type(logger).__name__, error)


def _send(logger: Any, tag: str, picture: Image.Image, step: int) -> None:
    if hasattr(logger, "log_image"):
        logger.log_image(tag, [picture], step=step)
    elif hasattr(logger.experiment, "add_image"):
        logger.experiment.add_image(tag, np.asarray(picture), step, dataformats="HWC")


def _warn_once(name: str, error: Exception) -> None:
    if name not in _warned:
        _warned.add(name)
        warnings.warn(
            f"{name} takes no pictures ({type(error).__name__}: {error}); training goes on", stacklevel=2
        )
