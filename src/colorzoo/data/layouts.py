"""Helpers for data set layouts: required paths, labels from folders, list files, and pairs of files."""

from __future__ import annotations

import csv
import os
import re
from array import array
from collections.abc import Iterable, Iterator, Sequence
from io import StringIO
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from colorzoo._files import open_text, text_encoding
from colorzoo.data.image_table import ImageTable, Partners
from colorzoo.data.sources import Sources, StoredImage, find_sources, tensor_of
from colorzoo.errors import DataError
from colorzoo.pixels.find import is_hidden

Split = Literal["train", "val"]
SPLITS: tuple[Split, ...] = ("train", "val")


SPLIT_NAMES = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("val", "valid", "validation"), "val"),
    **dict.fromkeys(("test", "testing"), "test"),
}
"""Split that a folder name or a value in a table stands for, by the name in lowercase."""


def split_folder(root: Path, split: str) -> Path:
    """Return the folder of a split; without subfolders for the splits, ``root / split``."""
    return split_folders(root).get(split, root / split)


def split_folders(root: Path) -> dict[str, Path]:
    """Return the subfolders of a data folder that contain the splits ``train`` and ``val``.

    The names ``training``, ``valid`` and ``validation`` and names in capital letters are recognized, too. A
    folder ``test`` is in no split. The result is empty if the folder has no subfolders for the splits.

    Raises:
        DataError: Only one of the splits exists beside a folder ``test``, or a split has two folders.
    """
    found: dict[str, Path] = {}
    for path in sorted(root.iterdir()) if root.is_dir() else ():
        split = SPLIT_NAMES.get(path.name.lower())
        if split is None or not path.is_dir():
            continue
        if split in found:
            names = f"{found[split].name} and {path.name}"
            raise DataError(f"{str(root)!r} must contain one folder for the split {split!r}, got {names}")
        found[split] = path
    missing = next((split for split in SPLITS if split not in found), None)
    if missing is None:
        return {split: found[split] for split in SPLITS}
    if len(found) > 1:  # the test images would be trained on
        names = " and ".join(path.name for path in found.values())
        raise DataError(f"{str(root)!r} must also contain the folder {missing!r}, got only {names}")
    return {}


def require_path(name: str, paths: Sequence[Path], help_text: str) -> Path:
    """Return the first path that exists.

    Args:
        name: Name of the file or folder in the error message.
        paths: Possible locations.
        help_text: Download instruction in the error message.

    Raises:
        DataError: No path exists.
    """
    found = next((path for path in paths if path.exists()), None)
    if found is None:
        raise DataError(f"{name} not found; expected {' or '.join(map(str, paths))}. {help_text}.")
    return found


def labeled_by_folder(folder: Path, classes: Sequence[str]) -> ImageTable:
    """Return the images below a folder, labeled by their top-level subfolder or tar.

    Args:
        folder: Folder with one subfolder per class.
        classes: Class names in order.

    Raises:
        DataError: An image is not in any class folder.
    """
    sources = find_sources(folder)
    return ImageTable(sources, labels=labels_by_folder(sources, folder, classes))


def labels_by_folder(sources: Sources, folder: Path, classes: Sequence[str], depth: int = 1) -> Tensor:
    """Return the class numbers ``(N,)`` int64 of images, determined by their folders or tar files.

    Args:
        sources: The images.
        folder: Folder with one subfolder per class.
        classes: Class names in order, as paths below ``folder``.
        depth: Number of path components of a class name.

    Raises:
        DataError: An image is not in any class folder.
    """
    number = {name: index for index, name in enumerate(classes)}
    prefix = f"{folder}{os.sep}"
    labels = array("q")
    for source in sources:
        path = source.path.removeprefix(prefix)
        class_path = path.split(os.sep, depth)[:depth]
        name = "/".join(class_path).removesuffix(".tar")
        if name not in number:
            raise DataError(
                f"{source.name!r} is not in a class folder; expected {str(folder / 'CLASS' / 'IMAGE')!r}"
            )
        labels.append(number[name])
    return tensor_of(labels, torch.int64)


def class_folders(folder: Path) -> list[str]:
    """Return the sorted names of a folder's subfolders and tar files, without ``.tar``."""
    with os.scandir(folder) as entries:
        return sorted(
            entry.name.removesuffix(".tar")
            for entry in entries
            if (entry.is_dir() or entry.name.endswith(".tar")) and not is_hidden(entry.name)
        )


def class_names(sources: Iterable[StoredImage], root: Path) -> list[str]:
    """Return each image's folder relative to ``root`` or to its tar file, as the class name.

    For an image at the top level of a tar file, the class name is the path of the tar without ``.tar``.
    """
    names = []
    for source in sources:
        path = source.member.lstrip("./")
        if "/" not in path:  # an image file, or an image at the top level of a tar
            path = os.path.relpath(source.path, root)
            if source.member:
                names.append(path.removesuffix(".tar").replace(os.sep, "/"))
                continue
        names.append(os.path.dirname(path).replace(os.sep, "/"))  # noqa: PTH120 - called per image
    return names


def read_table(file: Path, columns: Sequence[str]) -> list[tuple[int, dict[str, str]]]:
    """Return the line numbers and rows of a CSV file, each row by column names.

    The file contains commas, semicolons or tabs, in UTF-8 or UTF-16, because spreadsheet programs write all
    of these.

    Args:
        file: The file; its first line is the header.
        columns: Required columns, which also determine the separator.

    Raises:
        DataError: The file cannot be read or lacks a column.
    """
    try:
        data = file.read_bytes()
        encoding = text_encoding(data[:2])
        if 0 in data[:2]:  # UTF-16 without a byte order mark
            encoding = "utf-16-le" if data[1:2] == b"\0" else "utf-16-be"
        text = data.decode(encoding)
        header = text.partition("\n")[0]
        found = {separator: next(csv.reader([header], delimiter=separator), []) for separator in ",;\t"}
        separator = max(found, key=lambda each: len(set(columns) & {*map(str.strip, found[each])}))
        reader = csv.DictReader(StringIO(text, newline=""), delimiter=separator)
        reader.fieldnames = [name.strip() for name in reader.fieldnames or ()]
        if missing := set(columns) - set(reader.fieldnames):
            raise DataError(
                f"the header of {str(file)!r} must contain the columns {', '.join(map(repr, columns))}, but "
                f"{min(missing)!r} is missing"
            )
        return [(reader.line_num, row) for row in reader]
    except (OSError, UnicodeError, csv.Error) as error:
        raise DataError(
            f"{str(file)!r} cannot be read as a table ({error}). Save it as CSV in UTF-8."
        ) from error


def table_columns(file: Path) -> set[str]:
    """Return the columns of a CSV file; none if the file does not exist."""
    if not file.is_file():
        return set()
    rows = read_table(file, ())
    return set(rows[0][1]) if rows else set()


def read_image_list(file: Path, folder: Path) -> ImageTable:
    """Read the images and labels of a list file.

    Args:
        file: Text file with lines such as ``path/to/image.jpg 17``; a leading slash in a path is ignored.
        folder: Folder that contains the paths.

    Raises:
        DataError: A line is malformed, or the first image does not exist.
    """
    try:  # the file is read twice, because a list of its images could need hundreds of MB
        labels = array("q", (label for _, label in _labeled_paths(file)))
        images = (StoredImage(os.path.join(folder, path)) for path, _ in _labeled_paths(file))  # noqa: PTH118
        sources = Sources.of(images, folder)
    except UnicodeError as error:
        raise DataError(f"the image list {str(file)!r} cannot be read ({error})") from error
    if not sources:
        raise DataError(
            f"{str(file)!r} lists no image; each line must contain a path and a class number, such as "
            "'a/abbey/1.jpg 0'"
        )
    first_path = sources[0].path
    if not Path(first_path).is_file():
        raise DataError(
            f"{first_path!r}, the first image listed in {str(file)!r}, does not exist. Unpack the data "
            f"set into {str(folder)!r}."
        )
    return ImageTable(sources, labels=tensor_of(labels, torch.int64))


def _labeled_paths(file: Path) -> Iterator[tuple[str, int]]:
    """Yield the path and the class number of each line of a list file."""
    with open_text(file) as lines:
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            path, _, label = line.replace(",", " ").strip().rpartition(" ")
            if not path or not label.isdigit():
                raise DataError(
                    f"line {number} of {str(file)!r} is {line.strip()!r}; expected a path and a class "
                    "number, such as 'path.jpg 17'"
                )
            yield path.strip().lstrip("/"), int(label)


def basename(source: StoredImage) -> str:
    """Return the file name of an image without folders."""
    return os.path.basename(source.member or source.path)  # noqa: PTH119 - called per image


def file_number(name: str) -> int | None:
    """Return the number at the end of a file name such as ``val_00000293.JPEG``, or None."""
    match = re.search(r"(\d+)\.\w+$", name)
    return int(match[1]) if match else None


def pair_sketches(colors: Path, sketches: Sequence[Path], *, required: bool = True) -> ImageTable:
    """Return a table of color images with their sketches, matched by the file name.

    The extensions of the files can differ.

    Args:
        colors: Folder of color images.
        sketches: Folders of sketches.
        required: Whether each image needs a sketch in at least one folder.

    Raises:
        DataError: An image has no sketch.
    """
    folders = [folder for folder in sketches if required or folder.is_dir()]
    sketches_by_stem = [
        {_stem(sketch, folder): sketch for sketch in find_sources(folder)} for folder in folders
    ]
    images: list[StoredImage] = []
    partners: list[list[StoredImage]] = []  # sketches of each image
    for image in find_sources(colors):
        stem = _stem(image, colors)
        image_sketches = [by_stem[stem] for by_stem in sketches_by_stem if stem in by_stem]
        if required and not image_sketches:
            where = " or ".join(repr(str(folder)) for folder in sketches)
            raise DataError(f"{image.name!r} has no sketch; expected an image named {stem!r} in {where}")
        images.append(image)
        partners.append(image_sketches)
    return ImageTable(Sources.of(images, colors), partners=Partners.of(partners))


def _stem(source: StoredImage, folder: Path) -> str:
    return str(Path(source.name).relative_to(folder).with_suffix(""))
