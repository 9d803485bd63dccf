"""Training images among the evaluation images, and the split of the characters.

Weights trained from the list ``more_photos`` before 2026-11-26 used the images of ``seen_in_training.txt``.
Benchmarks exclude them, because errors on training images are not errors on new images.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from io import BytesIO
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from colorzoo.data.sources import StoredImage

Name = TypeVar("Name", str, Path)

NEAR_BITS = 20
"""Largest number of different bits, of 256, between the difference hashes of an image and its copy."""

SEEN = frozenset(Path(__file__).with_name("seen_in_training.txt").read_text(encoding="utf-8").split())
"""Paths of the images below the folder of the data."""


def unseen(images: Iterable[Name]) -> list[Name]:
    """Return the images that were not training images, in their order.

    Args:
        images: Paths whose last parts are the path below the folder of the data.
    """
    return [image for image in images if not {_last_parts(image, count) for count in (3, 4)} & SEEN]


def _last_parts(image: str | Path, count: int) -> str:
    return "/".join(Path(image).parts[-count:])


def near_copies(training: Iterable[StoredImage], images: Iterable[StoredImage]) -> list[tuple[str, str]]:
    """Return the names of training images that look like one of some images, with the name of that image.

    The 256-bit difference hashes of an image, mirrored or not, and of its copy differ in few bits.
    """
    names, bits = _hashes(images, mirrored=True)
    found = []
    for name, row in zip(*_hashes(training, mirrored=False), strict=True):
        distance = (bits != row).sum(1)
        if distance.min() <= NEAR_BITS:
            found.append((name, names[int(distance.argmin())]))
    return found


def _hashes(sources: Iterable[StoredImage], *, mirrored: bool) -> tuple[list[str], NDArray[np.bool_]]:
    names, rows = [], []
    for source in sources:
        gray = Image.open(BytesIO(source.read())).convert("L").resize((17, 16), Image.Resampling.BOX)
        levels = np.asarray(gray, np.int16)
        for each in (levels, levels[:, ::-1])[: 1 + mirrored]:
            names.append(source.name)
            rows.append((each[:, 1:] > each[:, :-1]).ravel())
    return names, np.array(rows)


def is_held_out_group(group: str) -> bool:
    """Return whether the characters of a group are excluded from training.

    One group in eight is held out, chosen by the SHA-256 hash of its name. All images of a character belong
    to one group.
    """
    return int.from_bytes(hashlib.sha256(group.encode()).digest()[:4], "big") % 8 == 0
