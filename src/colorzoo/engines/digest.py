"""Digest of everything that decides the answers of a model, to identify results and graphs."""

from __future__ import annotations

import hashlib
from typing import Any

import torch

from colorzoo import __version__
from colorzoo.model import ColoringModel


def model_digest(model: ColoringModel, *more: Any) -> bytes:
    """Hash a model: the version of colorzoo, class, arguments, and every weight, also borrowed ones.

    Args:
        model: The model.
        more: Further values that decide the answers, with a complete ``repr``.

    Returns:
        32 bytes; the same for a model of the command line and one of `create_model` with the same arguments.
    """
    arguments = sorted(model.hparams.items())
    digest = hashlib.sha256(repr((__version__, type(model).__qualname__, arguments, *more)).encode())
    # weights that are borrowed are parameters, but in no state dict
    weights = {**dict(model.named_parameters()), **model.borrowed_weights(), **model.state_dict()}
    for name, tensor in sorted(weights.items()):
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().data)
    return digest.digest()
