"""A tiny colorizer with seeded weights, for tests that do not depend on color quality."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from colorzoo import create_model
from colorzoo.factory import build_model
from colorzoo.model import ColoringModel
from colorzoo.training.module import ColorizationModule
from colorzoo.weights import save_weights
from colorzoo.zoo.cho2023.model import GuidingPainter

NAME = "zhang2017_local_small"
Run = Callable[..., tuple[int, str, str]]
"""Run a subcommand in this process and return exit code, stdout and stderr."""
Refused = Callable[..., str]
"""Run a command line that fails and return its one-line error."""
HPARAMS = {"width": 0.125, "hint_attention": True, "init_std": None}


def tiny_task(seed: int = 0) -> ColorizationModule:
    """Return the task of `tiny_model`."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        task = create_model(NAME, None, **HPARAMS)
    task.trained = True
    return task


def tiny_model(seed: int = 0) -> ColoringModel:
    """Return a model marked as trained; its ab has a standard deviation of about 10 CIE units."""
    return tiny_task(seed).model


def tiny_painter() -> GuidingPainter:
    """Return a sketch model marked as trained that segments sketches into several regions."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = build_model(GuidingPainter, dict.fromkeys(("width", "segmenter_width"), 0.125))
    model.network.segmenter.head.weight.data.mul_(50)
    model.trained = True
    return model


def write_tiny_weights(path: Path, seed: int = 0) -> Path:
    metadata = {"model": NAME, "hparams": json.dumps(HPARAMS)}
    save_weights(path, tiny_model(seed).state_dict(), metadata)
    return path


def gray_image(height: int, width: int, dtype: type = np.uint8) -> NDArray[np.generic]:
    """Return smooth shapes with an edge and some grain."""
    y, x = np.mgrid[0:height, 0:width]
    waves = 0.5 + 0.3 * np.sin(x / 17 + y / 23) + 0.15 * (x > width / 2)
    grain = np.random.default_rng(0).normal(0, 0.01, (height, width))
    value = np.clip(waves + grain, 0.02, 0.98)
    return (value * np.iinfo(dtype).max).astype(dtype)
