"""Switches that users set in the environment, versions of packages, and descriptions of machine and run."""

from __future__ import annotations

import ctypes
import math
import os
import platform
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

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
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # numbers in malloc.h
_MOST_KEPT, _LARGEST_KEPT = 2**27, 2**25  # bytes, of all free ones at the end of the heap and of one piece
CPU_LIMIT = Path("/sys/fs/cgroup/cpu.max")
"""File of a container's limit of cores."""


def is_on(variable: str) -> bool:
    """Return True if an environment variable is set to anything but nothing, 0, false or no."""
    return os.environ.get(variable, "").lower() not in {"", "0", "false", "no"}


def core_count() -> int:
    """Return how many cores this process may use: those of its job or container, not of the machine."""
    available = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    given = os.environ.get("SLURM_CPUS_PER_TASK", "")
    limits = [available, int(given) if given.isdigit() else available, _container_cores() or available]
    return max(1, min(limits))


def _container_cores() -> int | None:
    """Return the limit that a container's control group sets, or None."""
    try:
        quota, period = CPU_LIMIT.read_text(encoding="ascii").split()
        return None if quota == "max" else math.ceil(int(quota) / int(period))
    except (OSError, ValueError):
        return None


def reuse_memory() -> None:
    """Let glibc keep freed memory for what comes next, unless the user has decided that; else do nothing.

    By default it returns the memory of large maps to the system and asks for it again, page by page, which
    takes a quarter of the time of a network.
    """
    decided = {"GLIBC_TUNABLES", "MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_"} & os.environ.keys()
    if decided or sys.platform != "linux":
        return
    library = ctypes.CDLL(None)
    if hasattr(library, "mallopt"):  # other C libraries have none
        library.mallopt(_MMAP_THRESHOLD, _LARGEST_KEPT)
        library.mallopt(_TRIM_THRESHOLD, _MOST_KEPT)


def installed_version(package: str) -> str | None:
    """Return the version of an installed package, or None."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def processor_name(cpuinfo: Path = Path("/proc/cpuinfo")) -> str:
    """Return the name of the processor, its architecture if the system does not tell more.

    Args:
        cpuinfo: File in which Linux describes the processor; it may be missing.
    """
    if cpuinfo.is_file():
        for line in cpuinfo.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def describe_run() -> dict[str, Any]:
    """Return command line, versions, platform, and commit of the source code if it is a git checkout."""
    return {
        "command": sys.argv,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "versions": {name: installed_version(name) for name in ("colorzoo", *LIBRARIES)},
        "git": git_state(Path(__file__).parent),
    }


def git_state(folder: Path) -> dict[str, Any] | None:
    """Return commit and whether files differ from it; None outside a checkout or without git."""
    commit = _git(folder, "rev-parse", "HEAD")
    if commit is None:
        return None
    return {"commit": commit, "changed": bool(_git(folder, "status", "--porcelain", "--untracked-files=no"))}


def _git(folder: Path, *words: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *words], capture_output=True, text=True, timeout=10, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()
