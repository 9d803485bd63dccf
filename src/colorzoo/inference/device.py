"""Where and in which precision to run."""

from __future__ import annotations

from typing import Literal

import torch

from colorzoo.errors import ColorzooError

Precision = Literal["auto", "float32", "bfloat16", "int8"]
"""int8 is of the engine onnxruntime alone."""


def choose_device(name: str = "auto") -> torch.device:
    """Return the device of a name; ``"auto"`` takes CUDA, then Apple's MPS, then the CPU.

    Raises:
        ColorzooError: No such device here.
    """
    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        raise ColorzooError(f"device {name!r} is not available here; use auto, cpu, cuda or mps.") from error
    return device


def choose_dtype(precision: Precision, device: torch.device) -> torch.dtype:
    """Return the dtype to run in; ``"auto"`` takes bfloat16 where the hardware multiplies it."""
    if precision == "auto":
        return torch.bfloat16 if _multiplies_bfloat16(device) else torch.float32
    return torch.bfloat16 if precision == "bfloat16" else torch.float32


def _multiplies_bfloat16(device: torch.device) -> bool:
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if device.type == "cpu":
        return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())
    return False


def multiplies_matrices(dtype: torch.dtype) -> bool:
    """Return whether the CPU has a unit for whole matrices of a type: Intel's AMX, for bfloat16."""
    return dtype == torch.bfloat16 and bool(torch.cpu._is_amx_tile_supported())
