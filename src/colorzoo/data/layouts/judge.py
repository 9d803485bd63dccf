"""Say which official layout a folder has, and what is wrong with it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import torch

from colorzoo.data.layouts.coco_stuff import coco_stuff_pictures
from colorzoo.data.layouts.common import Split
from colorzoo.data.layouts.imagenet import imagenet_pictures
from colorzoo.data.layouts.places import places_pictures
from colorzoo.data.picture_table import Pictures
from colorzoo.data.sources import find_sources
from colorzoo.errors import DataError

Find = Callable[[Path, Split], Pictures]


@dataclass(frozen=True)
class Layout:
    """What is known of an official layout.

    Attributes:
        find: Finds the pictures of a split, with all that belongs to them.
        signs: Paths that only this layout has.
        counts: Official numbers of pictures by split.
        classes: Official number of classes, 0 if it has none.
    """

    find: Find
    signs: tuple[str, ...]
    counts: Mapping[Split, int]
    classes: int = 0


@dataclass(frozen=True)
class LayoutJudgment:
    """What was found out about a layout.

    Attributes:
        name: The layout.
        splits: Number of pictures of each split.
        mistakes: What keeps the DataModule from reading it, one line each.
        notes: What differs from the official set, one line each; a part of a set is no mistake.
    """

    name: str
    splits: dict[str, int] = field(default_factory=dict)
    mistakes: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


LAYOUTS: Mapping[str, Layout] = {
    "imagenet": Layout(
        lambda root, split: imagenet_pictures(root, split, labels=True),
        (
            "ILSVRC",
            "ILSVRC2012_devkit_t12",
            "LOC_synset_mapping.txt",
            "train/n01440764",
            "train/n01440764.tar",
        ),
        {"train": 1_281_167, "val": 50_000},
        1000,
    ),
    "places205": Layout(
        lambda root, split: places_pictures(root, split, edition="205", labels=True),
        ("trainvalsplit_places205", "train_places205.csv"),
        {"train": 2_448_873, "val": 20_500},
        205,
    ),
    "places365-challenge": Layout(
        lambda root, split: places_pictures(root, split, edition="365-challenge", labels=True),
        ("data_256_challenge", "data_large_challenge", "filelist_places365-challenge"),
        {"train": 8_026_628, "val": 36_500},
        365,
    ),
    "places365": Layout(
        lambda root, split: places_pictures(root, split, labels=True),
        ("places365_standard", "data_256", "data_large", "val_256", "val_large", "data_256_standard"),
        {"train": 1_803_460, "val": 36_500},
        365,
    ),
    "coco_stuff": Layout(
        lambda root, split: coco_stuff_pictures(root, split, boxes=True, classes=True),
        ("train2017", "val2017", "images/train2017", "images/val2017"),
        {"train": 118_287, "val": 5_000},
    ),
}


def judge_layout(root: Path, name: str | None = None) -> LayoutJudgment:
    """Read both splits of a data set as its DataModule would, and list what is wrong.

    Args:
        root: The folder.
        name: One of ``LAYOUTS`` or ``"folder"``; None looks for the signs of one.

    Raises:
        DataError: No such layout.
    """
    name = name or recognize(root)
    if name == "folder":
        return _judge_folder(root)
    if name not in LAYOUTS:
        raise DataError(f"unknown layout {name!r}; expected folder, {', '.join(LAYOUTS)}.")
    layout, judged = LAYOUTS[name], LayoutJudgment(name)
    splits: tuple[Split, ...] = ("train", "val")
    for split in splits:
        try:
            pictures = layout.find(root, split)
        except DataError as error:
            judged.mistakes.append(str(error))
            continue
        judged.splits[split] = len(pictures)
        judged.notes.extend(_differences(layout, split, pictures))
    return judged


def recognize(root: Path) -> str:
    """Return the name of the layout whose signs are in a folder, or ``"folder"``."""
    for name, layout in LAYOUTS.items():
        if any((root / sign).exists() for sign in layout.signs):
            return name
    return "folder"


def _differences(layout: Layout, split: Split, pictures: Pictures) -> list[str]:
    notes = []
    if len(pictures) != layout.counts[split]:
        notes.append(f"{split}: {len(pictures):,} pictures, the official set has {layout.counts[split]:,}")
    if pictures.labels is not None and layout.classes:
        classes = len(torch.unique(pictures.labels))
        if classes != layout.classes:
            notes.append(f"{split}: {classes} classes, the official set has {layout.classes}")
    return notes


def _judge_folder(root: Path) -> LayoutJudgment:
    judged = LayoutJudgment("folder")
    present = [split for split in ("train", "val") if (root / split).is_dir()]
    if len(present) == 1:
        other = "val" if present == ["train"] else "train"
        judged.notes.append(f"{present[0]!r} but no {other!r}: all pictures would be split by content")
    try:
        for split in present if len(present) == 2 else ["all"]:
            judged.splits[split] = len(find_sources(root if split == "all" else root / split))
    except DataError as error:
        judged.mistakes.append(str(error))
    return judged
