"""Random numbers seeded for each image.

The numbers do not depend on batch, process or device. Two processes with half of a batch each draw the same
numbers as one process with the whole batch.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

__all__ = [
    "Generators",
    "copy_to",
    "draw_normal",
    "draw_uniform",
    "image_generators",
    "sample_image",
    "stream_seed",
]

Generators = torch.Generator | Sequence[torch.Generator]
"""A generator for the whole batch, or a generator for each image."""


def stream_seed(name: str, *numbers: int) -> int:
    """Return a 64-bit seed for a stream of random numbers.

    The seed is a hash, because the CPU generator of torch uses only the low 32 bits of a seed. Seeds of
    different names or numbers give independent random numbers.

    Examples:
        >>> stream_seed("flip", 7) != stream_seed("crop", 7)
        True

    Args:
        name: Name of the stream, such as ``"flip"``.
        numbers: Numbers that select one of the streams with this name, such as a run seed and an epoch.
    """
    return int.from_bytes(hashlib.sha256(repr((name, *numbers)).encode()).digest()[:8], "big")


def image_generators(seeds: Tensor, name: str) -> list[torch.Generator]:
    """Return a seeded random generator on the CPU for each image of a batch.

    Examples:
        >>> seeds = torch.tensor([7, 8])
        >>> draw_uniform(image_generators(seeds, "flip"), 2, 1, torch.device("cpu")).shape
        torch.Size([2, 1])

    Args:
        seeds: Seeds of the images, ``(B,)`` int64, such as ``batch["seed"]``.
        name: Name of the random variable, such as ``"flip"``. Equal seeds with different names give
            independent random numbers.
    """
    return [torch.Generator().manual_seed(stream_seed(name, seed)) for seed in seeds.tolist()]


def draw_uniform(generators: Generators, batch: int, columns: int, device: torch.device) -> Tensor:
    """Draw a ``(batch, columns)`` float32 tensor from the uniform distribution on [0, 1).

    Args:
        generators: A random generator for the batch, or a generator for each image.
        batch: Number of images.
        columns: Number of random numbers per image.
        device: Device of the result; the generators may be on another device.
    """
    if isinstance(generators, torch.Generator):
        return torch.rand(batch, columns, generator=generators, device=generators.device).to(device)
    if len(generators) != batch:
        raise ValueError(f"generators must have one entry per image ({batch}), got {len(generators)}")
    return copy_to(torch.stack([torch.rand(columns, generator=each) for each in generators]), device)


def draw_normal(generators: Generators, batch: int, shape: tuple[int, ...], device: torch.device) -> Tensor:
    """Draw a ``(batch, *shape)`` float32 tensor from the standard normal distribution.

    The arguments are described in `draw_uniform`.
    """
    if isinstance(generators, torch.Generator):
        return torch.randn(batch, *shape, generator=generators, device=generators.device).to(device)
    if len(generators) != batch:
        raise ValueError(f"generators must have one entry per image ({batch}), got {len(generators)}")
    return copy_to(torch.stack([torch.randn(shape, generator=each) for each in generators]), device)


def copy_to(drawn: Tensor, device: torch.device) -> Tensor:
    """Copy a CPU tensor to a device without waiting until the GPU has finished its earlier work."""
    return drawn.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else drawn.to(device)


def sample_image(size: tuple[int, int], *, batch: int = 1, seed: int = 0) -> Tensor:
    """Return random images of colored blobs, ``(batch, 3, *size)`` RGB in [0, 1].

    Examples:
        >>> sample_image((32, 48)).shape
        torch.Size([1, 3, 32, 48])
    """
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand(batch, 3, 4, 4, generator=generator)
    blobs = F.interpolate(coarse, size=size, mode="bicubic", align_corners=False)
    return (blobs + 0.05 * torch.randn(blobs.shape, generator=generator)).clamp(0, 1)
