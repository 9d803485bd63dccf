"""Hash of a model, which shows whether a result or a cached graph belongs to the model."""

from __future__ import annotations

import hashlib
from typing import Any

import torch

from colorzoo import __version__
from colorzoo.model import ColoringModel


def model_digest(model: ColoringModel, *more: Any) -> bytes:
    """Return a hash of colorzoo's version and a model's class, arguments and weights.

    Args:
        model: Model to identify.
        *more: Additional values that determine the predictions. Values with equal ``repr`` are considered
            equal.

    Returns:
        32 bytes.
    """
    arguments = sorted(model.hparams.items())
    digest = hashlib.sha256(repr((__version__, type(model).__qualname__, arguments, *more)).encode())
    weights = {**model.borrowed_weights(), **model.state_dict()}
    for name, tensor in sorted(weights.items()):
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().data)
    return digest.digest()
