"""Pairs of pictures with true label maps, each with a reference that shares a class with it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from benchmarks._photos import pictures_in
from benchmarks.claims._experiment import Item, Setup, spread
from benchmarks.claims._pictures import read_square

LEAST = 0.05  # share of a picture that a shared class covers in both, and a missing one at all
COUNT = 24


def find_pairs(setup: Setup) -> Sequence[Item]:
    """Return some pictures of COCO, each with a reference that shares a class with it, drawn by a seed."""
    folder = setup.data / "coco_sample"
    files = pictures_in(folder / "images")
    classes = {path: _large_classes(labels_of(path)) for path in files}
    generator = np.random.default_rng(0)
    items = []
    for target in spread(files, COUNT):
        others = [path for path in files if path != target and classes[path] & classes[target]]
        if others:
            reference = others[int(generator.choice(len(others)))]
            items.append(Item(target.stem, (target, reference)))
    return items[: setup.number(COUNT)]


def labels_of(picture: Path) -> Path:
    """Return the label map of a picture."""
    return picture.parents[1] / "semantic" / f"{picture.stem}.png"


def read_labels(picture: Path, side: int) -> Tensor:
    """Return the true classes of the central square: ``(1, 1, side, side)``, -1 unlabeled."""
    with Image.open(labels_of(picture)) as image:
        labels = torch.from_numpy(np.array(image)).long()[None, None]
    edge = min(labels.shape[-2:])
    top, left = ((length - edge) // 2 for length in labels.shape[-2:])
    square = labels[..., top : top + edge, left : left + edge].float()
    small = F.interpolate(square, size=(side, side), mode="nearest").long()
    return torch.where(small == 0, -1, small)


def read_pair(item: Item, side: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return target, its classes, reference and its classes."""
    target, reference = item.files
    return (
        read_square(target, side),
        read_labels(target, side),
        read_square(reference, side),
        read_labels(reference, side),
    )


def _large_classes(path: Path) -> set[int]:
    with Image.open(path) as image:
        names, counts = np.unique(np.array(image), return_counts=True)
    return {
        int(name) for name, share in zip(names, counts / counts.sum(), strict=True) if name and share >= LEAST
    }
