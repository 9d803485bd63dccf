"""Random numbers that belong to an image, not to its batch: the same image gets the same draws anywhere.

So two processes with half a batch each see what one process with the whole batch sees, on any device.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import torch
from torch import Tensor

Generators = torch.Generator | Sequence[torch.Generator]
"""One generator for a whole batch, or one for each image."""

_PLAIN = 7  # bytes


def image_generators(seeds: Tensor, purpose: str) -> list[torch.Generator]:
    """Return a CPU generator for each image.

    Examples:
        >>> seeds = torch.tensor([7, 8])
        >>> draw_uniform(image_generators(seeds, "flip"), 2, 1, torch.device("cpu")).shape
        torch.Size([2, 1])

    Args:
        seeds: ``(B,)`` int64, the images' own seeds: ``batch["seed"]``.
        purpose: What the numbers are for, in a word or two; different purposes draw independent numbers.
    """
    salt = _salt(purpose)
    return [torch.Generator().manual_seed((seed ^ salt) & (2**62 - 1)) for seed in seeds.tolist()]


def _salt(purpose: str) -> int:
    """Return a number for a purpose: its bytes where they fit, by which 0.1.0 drew, else a hash."""
    name = purpose.encode()
    if len(name) > _PLAIN:
        return int.from_bytes(hashlib.sha256(name).digest()[:8], "big")
    return int.from_bytes(name.ljust(_PLAIN, b"."), "big")


def draw_uniform(generators: Generators, batch: int, columns: int, device: torch.device) -> Tensor:
    """Return ``(batch, columns)`` float32 uniform on [0, 1).

    Args:
        generators: One for the batch, or one for each image.
        batch: Number of images.
        columns: Numbers for each image.
        device: Where the result lives; the generators may live elsewhere.
    """
    if isinstance(generators, torch.Generator):
        return torch.rand(batch, columns, generator=generators, device=generators.device).to(device)
    if len(generators) != batch:
        raise ValueError(f"{len(generators)} generators for {batch} images; one for each is needed")
    return torch.stack([torch.rand(columns, generator=each) for each in generators]).to(device)


def draw_normal(generators: Generators, batch: int, shape: tuple[int, ...], device: torch.device) -> Tensor:
    """Return ``(batch, *shape)`` float32 of the standard normal distribution; arguments as `draw_uniform`."""
    if isinstance(generators, torch.Generator):
        return torch.randn(batch, *shape, generator=generators, device=generators.device).to(device)
    if len(generators) != batch:
        raise ValueError(f"{len(generators)} generators for {batch} images; one for each is needed")
    return torch.stack([torch.randn(shape, generator=each) for each in generators]).to(device)
