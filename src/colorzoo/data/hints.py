"""Values of kinds of guidance, such as captions, in files beside the images."""

from __future__ import annotations

import json
import os
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from colorzoo.color import rgb_to_lab
from colorzoo.data.image_table import HintTable, ImageTable
from colorzoo.data.layouts import read_table, table_columns
from colorzoo.data.sources import StoredImage
from colorzoo.errors import DataError
from colorzoo.guidance import GuidanceKind
from colorzoo.guidance.kinds import guidance_kind

METADATA = "metadata.csv", "metadata.jsonl"
"""Names of the tables in image folders of Hugging Face."""


def hint_kinds(names: Sequence[str], option: str) -> tuple[GuidanceKind, ...]:
    """Return the kinds of guidance that a data set contains.

    Args:
        names: Names of kinds whose values are text.
        option: Name of the option for error messages.

    Raises:
        GuidanceError: A kind is not registered.
        DataError: The values of a kind are not text, or the kind is ``seed``, which batches always contain.
    """
    kinds = tuple(guidance_kind(name) for name in names)
    for kind in kinds:
        if not kind.help or kind.name == "seed":
            raise DataError(
                f"{option} must contain kinds of guidance with text values, such as text, got {kind.name}"
            )
    return kinds


def with_hints(images: ImageTable, kinds: Sequence[GuidanceKind], root: Path) -> ImageTable:
    """Return a table of images with the values of kinds of guidance; see `read_hints`.

    Args:
        images: Images of a split.
        kinds: Kinds of guidance; the table is returned unchanged if there are none.
        root: Folder of the data set.

    Raises:
        DataError: No image has a value of a kind, or a file is malformed.
        GuidanceError: A value is invalid.
    """
    if not kinds:
        return images
    columns = {}
    for kind in kinds:
        columns[kind.name] = read_hints(kind, images.sources, root)
        if not any(value is not None for value in columns[kind.name]):
            suffix = kind.suffix or f".{kind.name}"
            raise DataError(
                f"no image below {str(root)!r} has a value of {kind.name}; expected {kind.name}.csv, "
                f"metadata.csv or metadata.jsonl with the column {kind.name}, or files such as NAME{suffix} "
                "beside NAME.jpg"
            )
    rows = zip(*columns.values(), strict=True)
    values = (
        {name: value for name, value in zip(columns, row, strict=True) if value is not None} for row in rows
    )
    return replace(images, hints=HintTable.of(kinds, values))


def read_hints(kind: GuidanceKind, images: Sequence[StoredImage], root: Path) -> list[Any]:
    """Return the value of each image, as `GuidanceKind.parse` accepts it; None for an image without a value.

    The value comes from the first of these files that contains the image:

    - ``NAME.csv``, where NAME is the kind, with the columns ``image`` and NAME;
    - ``metadata.csv`` with the columns ``file_name`` and NAME, or ``metadata.jsonl`` with these keys;
    - a file beside the image, or beside the member of a tar, with its name and the extension of the kind,
      such as ``.txt``.

    The tables are in the folder of the image or in a parent folder up to ``root``, and list paths relative to
    their folder.

    Raises:
        DataError: A file is malformed.
        GuidanceError: A value is invalid.
    """
    # the folders of the images, and their parents
    folders: set[Path] = set()
    for name in {os.path.dirname(image.path) for image in images}:  # noqa: PTH120 - called per image
        folder = Path(name)
        folders |= {each for each in (folder, *folder.parents) if each == root or root in each.parents}
    # the tables; values of earlier tables have priority
    listed: dict[str, Any] = {}
    for name in (f"{kind.name}.csv", *METADATA):
        for folder in sorted(folders):
            for image_name, value in table_values(folder / name, kind.name):
                listed.setdefault(os.path.normpath(folder / image_name), value)
    # one value for each image
    suffix = kind.suffix or f".{kind.name}"
    members: dict[str, dict[str, str]] = {}  # texts in each tar, by name without extension
    found: list[Any] = []
    for image in images:
        value = listed.get(os.path.normpath(image.name))
        if value in (None, "") and image.member:
            if image.path not in members:
                members[image.path] = dict(_tar_texts(image.path, suffix))
            value = members[image.path].get(os.path.splitext(image.member)[0])  # noqa: PTH122
        elif value in (None, ""):
            value = _read_text(os.path.splitext(image.path)[0] + suffix)  # noqa: PTH122
        if value in (None, ""):
            found.append(None)
            continue
        kind.parse(value, f"{kind.name} of {image.name!r}")  # raises an error for an invalid value
        found.append(value)
    return found


def hint_tensors(kinds: Sequence[GuidanceKind], values: Mapping[str, Any], rgb: Tensor) -> dict[str, Tensor]:
    """Return the tensors of an image by kind; zeros for a kind without a value.

    Args:
        kinds: Kinds of guidance of the data set.
        values: Values of the image by kind.
        rgb: ``(3, H, W)`` uint8 image.
    """
    tensors = {}
    height, width = rgb.shape[1:]
    lightness = rgb_to_lab(rgb[None].float() / 255)[:, :1] if values else torch.empty(0)
    for kind in kinds:
        if kind.name in values:
            value = kind.parse(values[kind.name], kind.name)
            tensors[kind.name] = kind.tensors(value, lightness, (width, height))[0]
        else:
            tensors[kind.name] = torch.zeros_like(kind.sample((height, width), 1, 0)[0])
    return tensors


def table_values(file: Path, column: str) -> Iterator[tuple[str, Any]]:
    """Yield the image name and the value of each row of a table of values.

    Args:
        file: ``NAME.csv`` or one of `METADATA`, which can lack the column; the file can be missing.
        column: Name of a kind of guidance.

    Raises:
        DataError: The file is malformed.
    """
    if not file.is_file():
        return
    name_column = "file_name" if file.name in METADATA else "image"
    if file.suffix == ".csv":
        if file.name not in METADATA or column in table_columns(file):
            for _, row in read_table(file, (name_column, column)):
                yield row[name_column], row[column]
        return
    with file.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
                if column in row:
                    yield row[name_column], row[column]
            except (ValueError, TypeError, KeyError) as error:
                raise DataError(
                    f"line {number} of {str(file)!r} must be a JSON object with the key {name_column!r}"
                ) from error


def _read_text(path: str) -> str | None:
    """Return the text of a file without surrounding white space; None if the file does not exist."""
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        return None
    except (OSError, UnicodeError) as error:
        raise DataError(f"{path!r} cannot be read as UTF-8 text ({error})") from error


def _tar_texts(path: str, suffix: str) -> Iterator[tuple[str, str]]:
    """Yield the name without extension and the text of each member of a tar with this extension."""
    with tarfile.open(path, "r:") as archive:
        for member in archive:
            stem, extension = os.path.splitext(member.name)  # noqa: PTH122
            if member.isfile() and extension == suffix and (stream := archive.extractfile(member)):
                try:
                    yield stem, stream.read().decode().strip()
                except UnicodeError as error:
                    raise DataError(f"{path}/{member.name} cannot be read as UTF-8 text ({error})") from error
