"""Hardware and library versions that can affect the last digits of results."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from dataclasses import dataclass

import torch
import torch.distributed as dist

from colorzoo import __version__
from colorzoo.environment import LIBRARIES, installed_version, processor_name
from colorzoo.errors import DataError


@dataclass(frozen=True)
class Machine:
    """Machine that runs an evaluation.

    The machine is part of the cache key because results can differ between machines.

    Attributes:
        device: Name of the GPU, or ``cpu``.
        threads: Number of CPU threads of torch.
        processor: Name of the CPU.
        instructions: Largest CPU instruction set used by torch, such as ``AVX2``.
        versions: Versions of the packages that affect results.
    """

    device: str
    threads: int
    processor: str
    instructions: str
    versions: Mapping[str, str | None]


def this_machine(device: torch.device) -> Machine:
    """Describe this machine with torch's current number of threads."""
    return Machine(
        device=torch.cuda.get_device_name(device) if device.type == "cuda" else device.type,
        threads=torch.get_num_threads(),
        processor=f"{processor_name()} ({platform.machine()})",
        instructions=torch.backends.cpu.get_cpu_capability(),
        versions={"colorzoo": __version__, **{name: installed_version(name) for name in LIBRARIES}},
    )


def shared_machine(device: torch.device, processes: int) -> Machine:
    """Describe this machine and check that all processes run on identical machines.

    Raises:
        DataError: The processes run on different machines.
    """
    own = this_machine(device)
    if processes == 1:
        return own
    found: list[Machine] = [own] * processes
    dist.all_gather_object(found, own)
    if other := next((each for each in found if each != own), None):
        raise DataError(
            "all processes must run on identical machines, because results can differ between machines; "
            f"got {own} and {other}"
        )
    return own
