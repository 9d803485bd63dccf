"""Seeded random batches and image folders for the contract tests."""

from __future__ import annotations

from pathlib import Path

import torch
from PIL import Image

from colorzoo.data import Batch
from colorzoo.engines.samples import Size, sample_guidance, sample_image, sample_input

__all__ = [
    "Size",
    "sample_batch",
    "sample_guidance",
    "sample_image",
    "sample_input",
    "write_sample_images",
]


def sample_batch(size: Size, *, batch: int = 2, seed: int = 0) -> Batch:
    """Return a training batch on the CPU, in the format of the DataModules.

    Examples:
        >>> sample_batch((32, 48), batch=2)["rgb"].shape
        torch.Size([2, 3, 32, 48])
    """
    seeds = torch.arange(batch) + 1000 * seed
    names = [f"sample {index}" for index in seeds.tolist()]
    return Batch(rgb=sample_image(size, batch=batch, seed=seed), seed=seeds, name=names)


def write_sample_images(folder: Path, count: int = 4, size: Size = (40, 48)) -> list[Path]:
    """Write random PNG images to the subfolders ``train`` and ``val``; return their paths.

    Each subfolder receives every second image.

    Examples:
        >>> len(write_sample_images(Path("images"), count=4, size=(40, 48)))
        4
    """
    paths = []
    for index in range(count):
        path = folder / ("train" if index % 2 == 0 else "val") / f"sample{index}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        rgb = (sample_image(size, seed=index)[0] * 255).byte().permute(1, 2, 0)
        Image.fromarray(rgb.numpy()).save(path)
        paths.append(path)
    return paths
