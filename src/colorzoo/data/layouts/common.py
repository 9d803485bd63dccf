"""What all layouts share: the first of several usual places, list files, the error for a missing piece."""

from __future__ import annotations

import os
import re
from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from colorzoo.data.packed import tensor_of
from colorzoo.data.picture_table import Pictures
from colorzoo.data.sources import Source, Sources, find_sources
from colorzoo.errors import DataError

Split = Literal["train", "val"]


def missing(what: str, places: Iterable[Path], how: str) -> DataError:
    """Return the one-line error for a piece of a data set that is not there.

    Args:
        what: The piece, with the name of its set.
        places: Where it was looked for.
        how: How to get it.
    """
    return DataError(f"{what} not found; expected {' or '.join(map(str, places))}; {how}.")


def require(what: str, places: Sequence[Path], how: str) -> Path:
    """Return the first of several places that exists.

    Raises:
        DataError: None of them does.
    """
    found = first_existing(places)
    if found is None:
        raise missing(what, places, how)
    return found


def first_existing(places: Iterable[Path]) -> Path | None:
    """Return the first of several places that exists, or None."""
    return next((place for place in places if place.exists()), None)


def below(root: Path, *names: str) -> list[Path]:
    """Return ``root`` joined with each name."""
    return [root / name for name in names]


def labeled_by_folder(folder: Path, classes: Sequence[str] | None = None) -> Pictures:
    """Return the pictures below a folder, labeled by the first folder (or tar) on the way to each.

    Args:
        folder: Holds one folder per class.
        classes: Names of the classes in the order of their numbers; None numbers the folders by name.

    Raises:
        DataError: A folder is none of the classes.
    """
    sources = find_sources(folder)
    names = class_folders(folder) if classes is None else classes
    number = {name: index for index, name in enumerate(names)}
    labels = array("q", (_number_of(source, folder, number) for source in sources))
    return Pictures(sources, labels=tensor_of(labels, torch.int64))


def class_folders(folder: Path) -> list[str]:
    """Return the sorted names of the folders (or tars, without their suffix) directly below a folder."""
    with os.scandir(folder) as entries:
        return sorted(
            entry.name.removesuffix(".tar")
            for entry in entries
            if entry.is_dir() or entry.name.endswith(".tar")
        )


def from_list(file: Path, folder: Path) -> Pictures:
    """Return the pictures that a list file names, with the labels it gives.

    Args:
        file: Lines of ``path/of/picture.jpg 17``; a leading slash means nothing.
        folder: What the paths are relative to.

    Raises:
        DataError: A line has another form, or the first picture is not there.
    """
    labels = array("q")
    sources = Sources.of(_listed(file, folder, labels), folder)
    if not sources:
        raise DataError(f"{str(file)!r} names no picture; expected lines like 'a/abbey/1.jpg 0'.")
    if not Path(sources[0].path).is_file():
        raise DataError(
            f"{sources[0].path!r}, the first picture of {str(file)!r}, does not exist; unpack the set there."
        )
    return Pictures(sources, labels=tensor_of(labels, torch.int64))


def read_lines(file: Path) -> list[str]:
    """Return the lines of a small text file that are not blank."""
    return [line for line in map(str.strip, file.read_text(encoding="utf-8").splitlines()) if line]


def basename(source: Source) -> str:
    """Return the bare file name of a picture."""
    return os.path.basename(source.member or source.path)  # noqa: PTH119 - called per picture


def file_number(name: str) -> int | None:
    """Return the number at the end of a file name such as ``ILSVRC2012_val_00000293.JPEG``, or None."""
    match = re.search(r"(\d+)\.\w+$", name)
    return int(match[1]) if match else None


def order_by(sources: Sources, key: Callable[[Source], str]) -> Tensor:
    """Return the rows of ``sources`` in the order of a key."""
    keys = [key(source) for source in sources]
    return torch.tensor(sorted(range(len(keys)), key=keys.__getitem__), dtype=torch.int64)


def _number_of(source: Source, folder: Path, number: dict[str, int]) -> int:
    relative = source.path.removeprefix(f"{folder}{os.sep}")
    name = relative.split(os.sep, 1)[0].removesuffix(".tar")
    if name not in number:
        raise DataError(
            f"{source.name!r} is in no folder of a class; expected {str(folder / 'CLASS' / 'picture')!r}."
        )
    return number[name]


def _listed(file: Path, folder: Path, labels: array[int]) -> Iterator[Source]:
    with file.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            name, _, label = line.replace(",", " ").strip().rpartition(" ")
            if not name or not label.isdigit():
                raise DataError(
                    f"line {number} of {str(file)!r} is {line.strip()!r}; expected 'path.jpg 17'."
                )
            labels.append(int(label))
            yield Source(os.path.join(folder, name.strip().lstrip("/")))  # noqa: PTH118 - called per picture
