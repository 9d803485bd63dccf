"""A digest of all that decides the answers of a model: by it results and graphs are known again."""

from __future__ import annotations

import hashlib
from typing import Any

import torch

from colorzoo import __version__
from colorzoo.tasks import ColoringModel


def model_digest(model: ColoringModel, *more: Any) -> bytes:
    """Hash a model: the version of colorzoo, class, arguments, and every weight, also those it borrows.

    Args:
        model: The model.
        more: What else decides, as values whose ``repr`` says all.

    Returns:
        32 bytes; the same for a model of the command line and one of `create_model` with the same arguments.
    """
    kind = type(model)
    # Lightning's command line adds these two; so what it colored is known again whoever asks
    noted = {
        "_class_path": f"{kind.__module__}.{kind.__qualname__}",
        "_instantiator": "lightning.pytorch.cli.instantiate_module",
    }
    arguments = sorted({**noted, **model.hparams}.items())
    digest = hashlib.sha256(repr((__version__, kind.__qualname__, arguments, *more)).encode())
    # weights that are borrowed are parameters, but in no state dict
    weights = {**dict(model.named_parameters()), **model.borrowed_weights(), **model.state_dict()}
    for name, tensor in sorted(weights.items()):
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().data)
    return digest.digest()
