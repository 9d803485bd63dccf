"""Evaluation images that were training images of a method."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path

from colorzoo.evaluation.images import Item
from colorzoo.registry import list_models, model_card


@dataclass(frozen=True)
class SeenImages:
    """Images of data sets among the training images of a weight file.

    Examples:
        >>> "ILSVRC2012_val_00000293" in seen_images("seen_colorzoo2026.csv").names
        True

    Attributes:
        names: Names without extension, for data sets with unique file names.
        hashes: SHA-256 of the image files.
    """

    names: frozenset[str]
    hashes: frozenset[str]

    def count(self, items: Sequence[Item]) -> int:
        """Return the number of evaluation images that were training images."""
        return sum(Path(item.name).stem in self.names or item.sha256 in self.hashes for item in items)


@cache
def seen_images(file: str) -> SeenImages:
    """Read a table from ``colorzoo/data/subsets``; see `colorzoo.card.Weights.seen`.

    Args:
        file: CSV file with the columns ``image`` and ``sha256``; one of the two values can be empty.
    """
    text = (files("colorzoo.data") / "subsets" / file).read_text(encoding="utf-8")
    rows = list(csv.DictReader(text.splitlines()))
    names, hashes = (frozenset(row[column] for row in rows if row[column]) for column in ("image", "sha256"))
    return SeenImages(names, hashes)


def count_seen(about: Mapping[str, str], items: Sequence[Item]) -> int:
    """Return the number of evaluation images among the known training images of a method.

    Weights that were trained from contaminated weights are contaminated too.

    Args:
        about: Properties of the method. The value ``sha256`` is the hash of its weight file. The value
            ``trained_on`` is its training record, which contains the hashes of the initial weights.
        items: The evaluation images.
    """
    record = f"{about.get('sha256', '')} {about.get('trained_on', '')}"
    cards = (model_card(name) for name in list_models())
    known = {
        weights.seen
        for card in cards
        for weights in card.weights.values()
        if weights.seen and weights.sha256 and weights.sha256 in record
    }
    return max((seen_images(file).count(items) for file in known), default=0)
