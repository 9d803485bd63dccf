"""Selection of the device and the precision."""

from __future__ import annotations

import torch

from colorzoo.errors import ColorzooError
from colorzoo.settings import Precision


def choose_device(name: str) -> torch.device:
    """Return a device by name; ``"auto"`` selects CUDA if available, else MPS, else the CPU.

    Examples:
        >>> choose_device("cpu")
        device(type='cpu')

    Raises:
        ColorzooError: The device is not available.
    """
    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(0, device=device)  # raises if the device is not available
    except (RuntimeError, AssertionError) as error:
        raise ColorzooError(
            f"device must be auto or a device of this machine (cpu, and cuda or mps if present), got {name!r}"
        ) from error
    return device


def choose_dtype(precision: Precision, device: torch.device) -> torch.dtype:
    """Return the torch dtype for a precision name.

    The name ``"auto"`` selects bfloat16 if the device has bfloat16 instructions, otherwise float32.
    """
    if precision != "auto":
        return torch.bfloat16 if precision == "bfloat16" else torch.float32
    fast = False
    if device.type == "cuda":
        fast = bool(torch.cuda.is_bf16_supported(including_emulation=False))
    elif device.type == "cpu":
        fast = bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())
    return torch.bfloat16 if fast else torch.float32
