"""The number of processes of a run, before its Trainer is made."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lightning.fabric.plugins.environments.slurm import SLURMEnvironment
from lightning.fabric.plugins.environments.torchelastic import TorchElasticEnvironment
from lightning.pytorch.accelerators import CUDAAccelerator


def process_count(trainer: Mapping[str, Any]) -> int:
    """Return how many processes a Trainer will have; whether there are such devices it checks itself.

    Args:
        trainer: Its arguments.
    """
    for environment in (TorchElasticEnvironment, SLURMEnvironment):  # in the Trainer's order
        if environment.detect():
            return int(environment().world_size())
    accelerator, devices = trainer.get("accelerator", "auto"), trainer.get("devices", "auto")
    if devices in ("auto", -1, "-1", None):
        count = CUDAAccelerator.auto_device_count() if accelerator in ("auto", "gpu", "cuda") else 1
    elif isinstance(devices, int):
        count = devices
    else:
        numbers = devices.split(",") if isinstance(devices, str) else list(devices)
        count = len(numbers) if len(numbers) > 1 or isinstance(devices, list) else int(devices)
    return max(1, count) * int(trainer.get("num_nodes") or 1)
