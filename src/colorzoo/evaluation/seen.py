"""Evaluated images that belong to the training images of a method."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from typing import NamedTuple

from torch.nn import functional as F

from colorzoo.color import rgb_to_gray
from colorzoo.data.decode import UNREADABLE, decode_rgb
from colorzoo.evaluation.images import Item
from colorzoo.registry import list_models, model_card

NEAR_BITS = 5
"""Largest number of different bits between the perceptual hashes of an image and its copy.

Copies of 256 x 256 pixels differ by at most 5 bits for 300 of 300 images, and copies of half the size for 299
of 300. None of 1,373 other photos is that near. The table leaves out the hashes of images with flat areas.
"""


class SeenImages(NamedTuple):
    """Training images of weights.

    Attributes:
        names: Names without extension, for data sets with unique file names.
        sha256: SHA-256 of the image files.
        hashes: Values of `perceptual_hash`.
    """

    names: frozenset[str]
    sha256: frozenset[str]
    hashes: frozenset[int]

    def contains_copy(self, value: int | None) -> bool:
        """Return whether a perceptual hash differs by at most `NEAR_BITS` bits from a training image."""
        return value is not None and any((value ^ each).bit_count() <= NEAR_BITS for each in self.hashes)


def perceptual_hash(data: bytes) -> int:
    """Return a hash of 64 bits that resizing and recompression change only slightly.

    The bits compare horizontal neighbors in the gray image, which is resized to 9 x 8 pixels.

    Args:
        data: Bytes of an image file.

    Raises:
        ImageError: The bytes are not an image.
    """
    gray = rgb_to_gray(decode_rgb(data, short_side=72)[None].float() / 255)
    small = F.interpolate(gray, (8, 9), mode="area")[0, 0]
    bits = (small[:, 1:] > small[:, :-1]).flatten().int().tolist()
    return int("".join(map(str, bits)), 2)


@lru_cache
def seen_images(file: str) -> SeenImages:
    """Read a table from ``colorzoo/data/subsets``; see `colorzoo.card.Weights.seen`.

    Examples:
        >>> "ILSVRC2012_val_00000293" in seen_images("seen_colorzoo2026.csv").names
        True

    Args:
        file: CSV file with the columns ``image``, ``sha256`` and ``hash`` (hexadecimal); values can be empty.
    """
    text = (files("colorzoo.data") / "subsets" / file).read_text(encoding="utf-8")
    rows = list(csv.DictReader(text.splitlines()))
    names, sha256, hashes = (
        frozenset(row[column] for row in rows if row[column]) for column in ("image", "sha256", "hash")
    )
    return SeenImages(names, sha256, frozenset(int(value, 16) for value in hashes))


def count_seen(methods: Mapping[str, Mapping[str, str]], items: Sequence[Item]) -> dict[str, int]:
    """Return the number of evaluation images among the known training images of each method.

    Weights that were trained from contaminated weights are contaminated too. Methods without such images are
    omitted.

    Args:
        methods: Properties of each method by name. The value ``sha256`` is the hash of its weight file. The
            value ``trained_on`` is its training record, which contains the hashes of the initial weights.
        items: The evaluation images.
    """
    files_of: dict[str, str] = {}  # SHA-256 of weights, and their tables
    for name in list_models():
        weights = model_card(name).weights.values()
        files_of |= {each.sha256: each.seen for each in weights if each.seen and each.sha256}
    hashes: list[int | None] = []
    counts = {}
    for method, about in methods.items():
        record = f"{about.get('sha256', '')} {about.get('trained_on', '')}"
        lists = [seen_images(file) for file in {files_of[sha256] for sha256 in files_of if sha256 in record}]
        if lists and not hashes:
            hashes = [_hash_of(item) for item in items]
        count = 0
        for item, value in zip(items, hashes or [None] * len(items), strict=True):
            count += any(
                Path(item.name).stem in seen.names or item.sha256 in seen.sha256 or seen.contains_copy(value)
                for seen in lists
            )
        if count:
            counts[method] = count
    return counts


def _hash_of(item: Item) -> int | None:
    try:
        return perceptual_hash(item.source.read())
    except UNREADABLE:
        return None
