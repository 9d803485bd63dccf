"""Environment variables, package versions, and descriptions of machine and run."""

from __future__ import annotations

import ctypes
import math
import os
import platform
import re
import subprocess
import sys
from contextlib import suppress
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
"""Packages whose versions influence numeric results."""
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # numbers in malloc.h
_MAX_TRIM, _MAX_MMAP = 2**27, 2**25  # bytes: free memory at the heap's end, and size of one allocation
CPU_LIMIT = Path("/sys/fs/cgroup/cpu.max")
"""Control group file with the CPU limit of a container."""


def is_on(variable: str) -> bool:
    """Return whether an environment variable is set to a value other than 0, false or no."""
    return os.environ.get(variable, "").lower() not in {"", "0", "false", "no"}


def core_count() -> int:
    """Return the number of cores available to this process, within the limits of its job and container."""
    available = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    job = os.environ.get("SLURM_CPUS_PER_TASK", "")
    limits = [available, int(job) if job.isdigit() else available]
    with suppress(OSError, ValueError):  # no container, or no limit ("max")
        quota, period = CPU_LIMIT.read_text(encoding="ascii").split()
        limits.append(math.ceil(int(quota) / int(period)))
    return max(1, min(limits))


def reuse_memory() -> None:
    """Configure glibc to keep freed memory for later allocations, unless the user configured malloc.

    By default glibc returns large blocks to the system and requests them again page by page, which takes a
    quarter of the inference time.
    """
    configured = {"GLIBC_TUNABLES", "MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_"} & os.environ.keys()
    if configured or sys.platform != "linux":
        return
    library = ctypes.CDLL(None)
    if hasattr(library, "mallopt"):  # missing in other C libraries
        library.mallopt(_MMAP_THRESHOLD, _MAX_MMAP)
        library.mallopt(_TRIM_THRESHOLD, _MAX_TRIM)


def installed_version(package: str) -> str | None:
    """Return the version of an installed package, or None."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def processor_name(cpuinfo: Path = Path("/proc/cpuinfo")) -> str:
    """Return the name of the processor, or its architecture if the name is unknown.

    Args:
        cpuinfo: File with the processor name on Linux; may be missing.
    """
    with suppress(OSError):
        text = cpuinfo.read_text(encoding="utf-8", errors="replace")
        if match := re.search(r"^model name\s*: *(.+)$", text, re.MULTILINE):
            return match[1]
    return platform.processor() or platform.machine()


def describe_run() -> dict[str, Any]:
    """Return command line, versions, platform, and the commit of a git checkout."""
    return {
        "command": sys.argv,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "versions": {name: installed_version(name) for name in ("colorzoo", *LIBRARIES)},
        "git": git_state(Path(__file__).parent),
    }


def git_state(folder: Path) -> dict[str, Any] | None:
    """Return the commit and whether files are modified; None outside a git checkout."""
    command = ["git", "-C", str(folder), "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    commit = done.stdout.strip()
    return {"commit": commit.removesuffix("-dirty"), "changed": commit.endswith("-dirty")}
