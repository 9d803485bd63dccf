"""Hardware and library versions that can affect the last digits of results."""

from __future__ import annotations

import platform
from typing import Any

import torch
import torch.distributed as dist

from colorzoo import __version__
from colorzoo.environment import LIBRARIES, installed_version, processor_name
from colorzoo.errors import DataError


def describe_machine(device: torch.device) -> dict[str, Any]:
    """Return a dict with the hardware and the package versions that affect results.

    The keys are ``device`` (name of the GPU, or ``cpu``), ``threads`` (number of CPU threads of torch),
    ``processor``, ``instructions`` (largest CPU instruction set used by torch) and ``versions``.
    """
    return {
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else device.type,
        "threads": torch.get_num_threads(),
        "processor": f"{processor_name()} ({platform.machine()})",
        "instructions": torch.backends.cpu.get_cpu_capability(),
        "versions": {"colorzoo": __version__, **{name: installed_version(name) for name in LIBRARIES}},
    }


def require_identical_machines(machine: dict[str, Any], processes: int) -> None:
    """Raise an error unless all processes run on identical machines.

    Args:
        machine: Result of `describe_machine` in this process.
        processes: Number of processes.

    Raises:
        DataError: The processes run on different machines.
    """
    machines = [machine] * processes
    if processes > 1:
        dist.all_gather_object(machines, machine)
    for other in machines:
        if other != machine:
            raise DataError(
                "all processes must run on identical machines, because results can differ between machines; "
                f"got {machine} and {other}"
            )
