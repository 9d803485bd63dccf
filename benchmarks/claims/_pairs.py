"""Pairs of a target and a reference, all held out."""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from benchmarks.claims._experiment import Item, Setup, spread

COUNT = 24


def find_pairs(setup: Setup) -> Sequence[Item]:
    """Return evenly spaced pairs: target, related reference, and the reference of a pair of another category.

    Pairs in color of ``exemplar/pairs.csv``, then two photos of one category of ``photos/val``.
    """
    pairs = [*_listed(setup.data), *_of_categories(setup.data)]
    order = spread(pairs, COUNT)
    foreign = order[:COUNT]  # of these, so that another number of pairs changes none
    items = []
    for index, (target, reference, category) in enumerate(order[: setup.number(COUNT)]):
        after = foreign[index % COUNT + 1 :] + foreign
        other = next(pair[1] for pair in after if pair[2] != category)
        items.append(Item(f"{category}/{target.stem}", (target, reference, other)))
    return items


def _listed(data: Path) -> list[tuple[Path, Path, str]]:
    with (data / "exemplar" / "pairs.csv").open(newline="", encoding="utf-8") as stream:
        rows = [row for row in csv.DictReader(stream) if row["target_is_gray"] == "0"]
    return [(data / row["target"], data / row["reference"], Path(row["target"]).parent.name) for row in rows]


def _of_categories(data: Path) -> list[tuple[Path, Path, str]]:
    groups: dict[str, list[Path]] = defaultdict(list)
    with (data / "manifest.csv").open(newline="", encoding="utf-8") as stream:
        for row in csv.DictReader(stream):
            if row["path"].startswith("photos/val/") and row["category"] != "bsds":
                groups[row["category"]].append(data / row["path"])
    return [
        (one, other, category)
        for category, paths in groups.items()
        for one, other in zip(paths[::2], paths[1::2], strict=False)
    ]
