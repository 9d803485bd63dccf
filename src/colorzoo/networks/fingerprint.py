"""A short hash of weights, by which files say with which weights they were made."""

from __future__ import annotations

from hashlib import sha256

from torch import nn


def fingerprint(module: nn.Module) -> str:
    """Return a hash of a module's state dict, in the half precision in which weights are shipped."""
    digest = sha256()
    for name, value in sorted(module.state_dict().items()):
        digest.update(name.encode())
        digest.update(value.detach().cpu().half().contiguous().numpy().tobytes())
    return digest.hexdigest()[:16]
