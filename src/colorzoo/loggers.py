"""Loggers of a training."""

from __future__ import annotations

import os
import socket
import sys
from netrc import NetrcParseError, netrc
from typing import Any
from urllib.parse import urlsplit

from lightning.pytorch import loggers

_SERVER = "https://api.wandb.ai"
_PATIENCE = 5.0  # seconds


class WandbLogger(loggers.WandbLogger):
    """Lightning's logger for Weights & Biases, which goes on offline where its server does not answer.

    A server that is down, or a node without a way out, would else end the training before its first step.
    What was logged offline is sent later by ``wandb sync``; ``WANDB_MODE`` decides, if set.

    Args:
        offline: Do not look for the server.
        **kwargs: Of Lightning's logger, and of `wandb.init`.
    """

    def __init__(self, *, offline: bool = False, **kwargs: Any) -> None:
        if not offline and "WANDB_MODE" not in os.environ and (why := unreachable()):
            print(
                f"colorzoo: wandb goes on offline: {why}; send the run later by `wandb sync`", file=sys.stderr
            )
            offline = True
        super().__init__(offline=offline, **kwargs)


def unreachable() -> str | None:
    """Say why the server of Weights & Biases cannot be talked to, or return None if it can.

    The server is that of ``WANDB_BASE_URL``; the account is looked for where wandb looks: in
    ``WANDB_API_KEY`` and ``~/.netrc``.
    """
    address = urlsplit(os.environ.get("WANDB_BASE_URL", _SERVER))
    host, port = address.hostname or "", address.port or (80 if address.scheme == "http" else 443)
    if not (os.environ.get("WANDB_API_KEY") or _is_known(host)):
        return "no account on this machine (`wandb login`, or WANDB_API_KEY)"
    try:
        socket.create_connection((host, port), timeout=_PATIENCE).close()
    except OSError as error:
        return f"{host}:{port} does not answer ({error.strerror or error})"
    return None


def _is_known(host: str) -> bool:
    """Say whether there is a key for a host in the user's ``.netrc``."""
    try:
        return netrc().authenticators(host) is not None
    except (OSError, NetrcParseError):
        return False
