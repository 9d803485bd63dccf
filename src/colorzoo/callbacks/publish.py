"""Send pictures and settings to loggers; one that fails never stops a training."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
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


def log_settings(loggers: Sequence[Logger], settings: Mapping[str, Any]) -> None:
    """Log what a run is to all loggers, beside the arguments of model and data.

    Args:
        loggers: The loggers of the trainer.
        settings: Plain values by name.
    """
    for logger in loggers:
        try:
            logger.log_hyperparams(dict(settings))
        except Exception as error:  # as above
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
            f"{name} does not take part ({type(error).__name__}: {error}); training goes on", stacklevel=2
        )
