"""Switches that users set in the environment."""

from __future__ import annotations

import os


def is_on(variable: str) -> bool:
    """Return True if an environment variable is set to anything but nothing, 0, false or no."""
    return os.environ.get(variable, "").lower() not in {"", "0", "false", "no"}
