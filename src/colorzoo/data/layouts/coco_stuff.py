"""COCO 2017 and COCO-Stuff: pictures, boxes of ``instances_*.json`` and class maps."""

from __future__ import annotations

import json
import mmap
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from colorzoo.data.layouts.common import Split, basename, below, first_existing, missing, require
from colorzoo.data.picture_table import BoxTable, ClassMaps, Pictures
from colorzoo.data.sources import Source, Sources, find_sources
from colorzoo.errors import DataError

UNLABELED = 0
HOW = "COCO is had from cocodataset.org"
HOW_MAPS = "COCO-Stuff is had from github.com/nightrome/cocostuff"

# Polygons and run lengths are nine tenths of the file, and nothing here needs them.
_OUTLINE = re.compile(rb'("segmentation"\s*:\s*)(?:\{[^{}]*\}|\[[][0-9.,eE+\-\s]*\])')


def coco_stuff_pictures(
    root: Path, split: Split, *, boxes: bool = False, classes: bool = False, only_with_boxes: bool = False
) -> Pictures:
    """Find the pictures of one split.

    Args:
        root: Holds ``train2017`` and ``val2017`` (or ``images/train2017`` ...), for boxes
            ``annotations/instances_*.json``, and for class maps ``stuffthingmaps/{train,val}2017`` (or
            unpacked into ``annotations``, as its authors tell) or ``stuff_{train,val}2017_pixelmaps``.
        split: Which split.
        boxes: Also read the boxes of things; crowds are left out.
        classes: Also find the class maps. Their values become COCO's category ids: 1 to 91 are things, 92 to
            182 stuff, 183 "other" (maps of stuff alone), 0 unlabeled.
        only_with_boxes: Leave out pictures without a box, as Su et al. 2020 did.

    Raises:
        DataError: Something is missing; the line says what, where it was expected and how to get it.
    """
    year = f"{split}2017"
    places = below(root, year, f"images/{year}")
    sources = find_sources(require(f"COCO pictures {year!r}", places, f"unpack {year}.zip there; {HOW}"))
    pictures = Pictures(
        sources,
        classes=_class_maps(root, year, sources) if classes else None,
        boxes=read_boxes(_instances(root, year), sources) if boxes or only_with_boxes else None,
    )
    if only_with_boxes and pictures.boxes is not None:
        pictures = pictures.select(pictures.boxes.counts().nonzero()[:, 0])
    return pictures


def read_boxes(file: Path, sources: Sources) -> BoxTable:
    """Read the boxes of things from an ``instances_*.json``.

    Args:
        file: The official file, or one of its form.
        sources: Pictures to read them for; a picture that the file does not know has none.

    Raises:
        DataError: The file is no such JSON.
    """
    try:
        content = _load_without_outlines(file)
        boxes = _boxes_by_name(content)
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(
            f"{str(file)!r} is no instances JSON of COCO ({type(error).__name__}: {error}); unpack it again."
        ) from error
    none = torch.empty(0, 4)
    return BoxTable.of(boxes.get(basename(source), none) for source in sources)


def _load_without_outlines(file: Path) -> dict[str, Any]:
    with _mapped(file) as content:
        loaded: dict[str, Any] = json.loads(_OUTLINE.sub(rb"\g<1>0", content))
    return loaded


@contextmanager
def _mapped(file: Path) -> Iterator[mmap.mmap | bytes]:
    """Map a file, so that the half gigabyte of the training set is never in memory twice."""
    if not file.stat().st_size:
        yield b""
        return
    with file.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as content:
        yield content


def _boxes_by_name(content: dict[str, Any]) -> dict[str, Tensor]:
    """Return ``(K, 4)`` corners by file name, as shares of the picture's sides."""
    pictures = {picture["id"]: picture for picture in content["images"]}
    corners: dict[str, list[tuple[float, float, float, float]]] = {}
    for note in content["annotations"]:
        if note.get("iscrowd"):
            continue
        picture = pictures[note["image_id"]]
        (left, top, wide, high), width, height = note["bbox"], picture["width"], picture["height"]
        corner = (left / width, top / height, (left + wide) / width, (top + high) / height)
        corners.setdefault(picture["file_name"], []).append(corner)
    return {name: torch.tensor(each).clamp(0, 1) for name, each in corners.items()}


def _instances(root: Path, year: str) -> Path:
    name = f"instances_{year}.json"
    places = below(root, f"annotations/{name}", name)
    return require(f"COCO boxes {name!r}", places, f"unpack annotations_trainval2017.zip there; {HOW}")


def _class_maps(root: Path, year: str, sources: Sources) -> ClassMaps:
    both = below(root, f"stuffthingmaps/{year}", f"annotations/{year}", f"stuffthingmaps_trainval2017/{year}")
    stuff = below(root, f"annotations/stuff_{year}_pixelmaps", f"stuff_{year}_pixelmaps")
    folder = first_existing([*both, *stuff])
    if folder is None:
        how = f"unpack stuffthingmaps_trainval2017.zip into {str(root / 'stuffthingmaps')!r}; {HOW_MAPS}"
        raise missing(f"COCO-Stuff maps of {year!r}", [both[0], both[1], stuff[0]], how)
    maps = Sources.of((Source(str(folder / _png(source))) for source in sources), folder)
    absent = [source.path for source in maps if not Path(source.path).is_file()]
    if absent:
        raise DataError(
            f"{len(absent)} of {len(maps)} COCO-Stuff maps are missing, {absent[0]!r} first; "
            f"unpack stuffthingmaps_trainval2017.zip again; {HOW_MAPS}."
        )
    return ClassMaps(maps, _category_table(shifted=folder in both))


def _png(source: Source) -> str:
    return f"{basename(source).rpartition('.')[0]}.png"


def _category_table(*, shifted: bool) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """Return the category id of each stored value; maps of things and stuff are one lower."""
    values = np.arange(256)
    ids = (
        np.where(values < 182, values + 1, UNLABELED)
        if shifted
        else np.where(values < 184, values, UNLABELED)
    )
    return ids.astype(np.uint8)
