"""Switches that users set in the environment, and the versions of the installed packages."""

from __future__ import annotations

import os
from importlib.metadata import PackageNotFoundError, version

LIBRARIES = (
    "torch",
    "torchvision",
    "lightning",
    "torchmetrics",
    "kornia",
    "timm",
    "numpy",
    "scipy",
    "scikit-image",
    "pillow",
)
"""Packages on whose versions numbers depend."""


def is_on(variable: str) -> bool:
    """Return True if an environment variable is set to anything but nothing, 0, false or no."""
    return os.environ.get(variable, "").lower() not in {"", "0", "false", "no"}


def installed_version(package: str) -> str | None:
    """Return the version of an installed package, or None."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None
