"""Environment variables, package versions and the number of CPU cores."""

from __future__ import annotations

import math
import os
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

__all__ = ["core_count", "installed_version", "is_on"]

_CPU_LIMIT = Path("/sys/fs/cgroup/cpu.max")
"""File of the control group that contains the CPU limit of a container."""


def is_on(variable: str) -> bool:
    """Return whether an environment variable is set to a value other than 0, false or no.

    Examples:
        >>> is_on("COLORZOO_UNKNOWN")
        False
    """
    return os.environ.get(variable, "").lower() not in {"", "0", "false", "no"}


def core_count() -> int:
    """Return the number of CPU cores available to this process.

    Limits of the Slurm job and of the container are respected.

    Examples:
        >>> core_count() > 0
        True
    """
    available = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    job = os.environ.get("SLURM_CPUS_PER_TASK", "")
    limits = [available, int(job) if job.isdigit() else available]
    with suppress(OSError, ValueError):  # outside a container, or without a limit ("max")
        quota, period = _CPU_LIMIT.read_text(encoding="ascii").split()
        limits.append(math.ceil(int(quota) / int(period)))
    return max(1, min(limits))


def installed_version(package: str) -> str | None:
    """Return the version of a package; None if the package is not installed.

    Examples:
        >>> print(installed_version("not-installed"))
        None
    """
    try:
        return version(package)
    except PackageNotFoundError:
        return None
