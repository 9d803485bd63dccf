"""Evaluation images that were training images of a method."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files
from pathlib import Path

from colorzoo.evaluation.images import Item
from colorzoo.registry import list_models, model_card


@cache
def seen_images(file: str) -> tuple[frozenset[str], frozenset[str]]:
    """Read a table from ``colorzoo/data/subsets``; see `colorzoo.card.Weights.seen`.

    Examples:
        >>> names, hashes = seen_images("seen_colorzoo2026.csv")
        >>> "ILSVRC2012_val_00000293" in names
        True

    Args:
        file: CSV file with the columns ``image`` and ``sha256``; one of the two values can be empty.

    Returns:
        Names without extension, for data sets with unique file names, and SHA-256 of the image files.
    """
    text = (files("colorzoo.data") / "subsets" / file).read_text(encoding="utf-8")
    rows = list(csv.DictReader(text.splitlines()))
    names, hashes = (frozenset(row[column] for row in rows if row[column]) for column in ("image", "sha256"))
    return names, hashes


def count_seen(about: Mapping[str, str], items: Sequence[Item]) -> int:
    """Return the number of evaluation images among the known training images of a method.

    Weights that were trained from contaminated weights are contaminated too.

    Args:
        about: Properties of the method. The value ``sha256`` is the hash of its weight file. The value
            ``trained_on`` is its training record, which contains the hashes of the initial weights.
        items: The evaluation images.
    """
    record = f"{about.get('sha256', '')} {about.get('trained_on', '')}"
    seen_files = set()
    for name in list_models():
        for weights in model_card(name).weights.values():
            if weights.seen and weights.sha256 and weights.sha256 in record:
                seen_files.add(weights.seen)
    lists = [seen_images(file) for file in seen_files]
    return sum(
        any(Path(item.name).stem in names or item.sha256 in hashes for names, hashes in lists)
        for item in items
    )
