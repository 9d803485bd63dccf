"""Seeded random batches and image folders for the contract tests."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import torch
from PIL import Image

from colorzoo.card import ModelCard
from colorzoo.data import Batch
from colorzoo.engines.samples import Size
from colorzoo.guidance.hints import TYPED_KINDS
from colorzoo.guidance.kinds import guidance_kind
from colorzoo.randomness import sample_image


def sample_batch(size: Size, *, batch: int = 2, seed: int = 0, labels: bool = False) -> Batch:
    """Return a training batch on the CPU, in the format of the DataModules.

    The batch contains the keys ``rgb``, ``seed`` and ``name``, and ``label`` if ``labels`` is True. It does
    not contain other optional keys of `Batch`, such as ``reference`` or ``sketch``.

    Examples:
        >>> sample_batch((32, 48), batch=2)["rgb"].shape
        torch.Size([2, 3, 32, 48])

    Args:
        size: Height and width of the images in pixels.
        batch: Number of images.
        seed: Seed of the batch.
        labels: Whether the images have the classes 0 and 1.
    """
    image_seeds = torch.arange(batch) + 1000 * seed  # batches of up to 1000 images share no seed
    names = [f"sample {image_seed}" for image_seed in image_seeds.tolist()]
    samples = Batch(rgb=sample_image(size, batch=batch, seed=seed), seed=image_seeds, name=names)
    if labels:
        samples["label"] = image_seeds % 2
    return samples


def contract_test_batch(card: ModelCard, batch: int, *, seed: int = 0) -> Batch:
    """Return a training batch in the size of the model contract tests.

    The batch contains labels, and hints without an attribute of `Guidance`, if the model accepts them.
    """
    size, labels = (card.contract_test.size,) * 2, "label" in card.guidance
    samples: dict[str, Any] = {**sample_batch(size, batch=batch, seed=seed, labels=labels)}
    for kind in set(card.guidance) - TYPED_KINDS - samples.keys():
        samples[kind] = guidance_kind(kind).sample(size, batch, seed)
    return cast(Batch, samples)


def write_sample_images(folder: Path, count: int = 4, size: Size = (40, 48), classes: int = 0) -> list[Path]:
    """Write random PNG images to the subfolders ``train`` and ``val``; return their paths.

    Each subfolder receives every second image.

    Examples:
        >>> len(write_sample_images(Path("images"), count=4, size=(40, 48)))
        4

    Args:
        folder: Root folder; created if it does not exist.
        count: Number of images.
        size: Height and width of the images in pixels.
        classes: Number of class folders ``class0``, ``class1`` ... in ``train`` and ``val``.
    """
    paths = []
    for index in range(count):
        image_folder = folder / ("train" if index % 2 == 0 else "val")
        if classes:
            image_folder = image_folder / f"class{index // 2 % classes}"
        image_folder.mkdir(parents=True, exist_ok=True)
        path = image_folder / f"sample{index}.png"
        rgb = (sample_image(size, seed=index)[0] * 255).byte().permute(1, 2, 0)
        Image.fromarray(rgb.numpy()).save(path)
        paths.append(path)
    return paths
