"""Values of kinds of guidance, such as captions and labels, in files beside the images."""

from __future__ import annotations

import json
import logging
import os
import tarfile
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from colorzoo._files import open_text, text_encoding
from colorzoo.color import rgb_to_lab
from colorzoo.data.image_table import HintTable, ImageTable
from colorzoo.data.layouts import read_table, table_columns
from colorzoo.data.sources import StoredImage
from colorzoo.errors import DataError
from colorzoo.guidance import GuidanceKind
from colorzoo.guidance.kinds import guidance_kind
from colorzoo.randomness import stream_seed

log = logging.getLogger(__name__)
METADATA = "metadata.csv", "metadata.jsonl"
"""Names of the tables in image folders of Hugging Face."""
ImageHints = dict[str, list[Any]]
"""Values of an image by kind of guidance; kinds without a value are missing."""


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

    A warning is logged if some images have no value.

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
    hints = require_hints(images.sources, kinds, root)
    return replace(images, hints=HintTable.of(kinds, hints))


def require_hints(
    images: Sequence[StoredImage], kinds: Sequence[GuidanceKind], root: Path
) -> list[ImageHints]:
    """Return the result of `read_hints`; log a warning if some images have no value of a kind.

    Raises:
        DataError: No image has a value of a kind, or a file is malformed.
        GuidanceError: A value is invalid.
    """
    hints = read_hints(images, kinds, root)
    for kind in kinds:
        lacking = sum(kind.name not in each for each in hints)
        if lacking == len(hints):
            raise DataError(
                f"no image below {str(root)!r} has a value of {kind.name}; expected {kind.name}.csv, "
                f"metadata.csv or metadata.jsonl with the column {kind.name}, or files such as "
                f"NAME{_suffix(kind)} beside NAME.jpg"
            )
        if lacking:
            log.warning("%d of %d images below %s have no value of %s", lacking, len(hints), root, kind.name)
    return hints


def read_hints(images: Sequence[StoredImage], kinds: Sequence[GuidanceKind], root: Path) -> list[ImageHints]:
    """Return the values of each image, as `GuidanceKind.parse` accepts them.

    The values of an image come from the first of these files that contains a value for it:

    - ``NAME.csv``, where NAME is the kind, with the columns ``image`` and NAME;
    - ``metadata.csv`` with the columns ``file_name`` and NAME, or ``metadata.jsonl`` with these keys;
    - a file beside the image, or beside the member of a tar, with its name and the extension of the kind,
      such as ``.txt``.

    A kind with a `GuidanceKind.table`, such as the label, is read from this table instead of the first two,
    because a column ``label`` of ``metadata.csv`` often contains names.

    An image has several values if a table lists it several times, or if the file beside it has several lines.
    The tables are in the folder of the image or in a parent folder up to ``root``, and list paths relative to
    their folder.

    Raises:
        DataError: A file is malformed, or tables contain values of a kind only for other images.
        GuidanceError: A value is invalid.
    """
    # the folders of the images, and their parents
    folders: set[Path] = set()
    for name in {os.path.dirname(image.path) for image in images}:  # noqa: PTH120 - called per image
        folder = Path(name)
        folders |= {each for each in (folder, *folder.parents) if each == root or root in each.parents}
    # the tables; values of earlier tables have priority
    paths = [os.path.normpath(image.name) for image in images]
    known = set(paths)
    listed: dict[str, dict[str, list[Any]]] = {}
    unused: dict[str, Path] = {}  # a table without any of the images
    for kind in kinds:
        of_kind = listed[kind.name] = {}
        for name in (kind.table,) if kind.table else (f"{kind.name}.csv", *METADATA):
            for folder in sorted(folders):
                rows = defaultdict[str, list[Any]](list)
                for image_name, value in _table_values(folder / name, kind.name):
                    rows[os.path.normpath(folder / image_name)].append(value)
                of_kind |= {path: values for path, values in rows.items() if path not in of_kind}
                if rows and known.isdisjoint(rows):
                    unused[kind.name] = folder / name
    # the files beside the images
    members: dict[str, dict[str, list[str]]] = {}  # texts in each tar, by name
    hints: list[ImageHints] = []
    for image, path in zip(images, paths, strict=True):
        if image.member and image.path not in members:
            members[image.path] = dict(_tar_texts(image.path, {_suffix(kind) for kind in kinds}))
        stem = os.path.splitext(image.member or image.path)[0]  # noqa: PTH122 - called per image
        found: ImageHints = {}
        for kind in kinds:
            values: Sequence[Any] = listed[kind.name].get(path, ())
            if not values and image.member:
                values = members[image.path].get(stem + _suffix(kind), ())
            elif not values:
                values = _read_lines(Path(stem + _suffix(kind)))
            for value in values:
                kind.parse(value, f"{kind.name} of {image.name!r}")  # raises an error for an invalid value
            if values:
                found[kind.name] = list(values)
        hints.append(found)
    for name, file in unused.items():
        if not any(name in each for each in hints):
            example = os.path.relpath(paths[0], file.parent).replace(os.sep, "/")
            raise DataError(
                f"{str(file)!r} must list images relative to its folder, such as {example!r}, got none of "
                "the images"
            )
    return hints


def hint_tensors(
    kinds: Sequence[GuidanceKind], values: Mapping[str, Sequence[Any]], rgb: Tensor, seed: int | None
) -> dict[str, Tensor]:
    """Return the tensors of an image by kind; zeros for a kind without a value.

    Args:
        kinds: Kinds of guidance of the data set.
        values: Values of the image by kind.
        rgb: ``(3, H, W)`` uint8 image.
        seed: Seed that selects one of several values; None selects the first.
    """
    tensors = {}
    height, width = rgb.shape[1:]
    lightness = rgb_to_lab(rgb[None].float() / 255)[:, :1] if values else torch.empty(0)
    for kind in kinds:
        if found := values.get(kind.name):
            # the same number for all kinds, because a row of a table can contain values of several kinds
            number = 0 if seed is None else stream_seed("value", seed) % len(found)
            value = kind.parse(found[number], kind.name)
            tensors[kind.name] = kind.tensors(value, lightness, (width, height))[0]
        else:
            tensors[kind.name] = torch.zeros_like(kind.sample((height, width), 1, 0)[0])
    return tensors


def _suffix(kind: GuidanceKind) -> str:
    return kind.suffix or f".{kind.name}"


def _table_values(file: Path, column: str) -> Iterator[tuple[str, Any]]:
    """Yield the image name and the value of each row of a table of values; rows without a value are skipped.

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
                if value := (row[column] or "").strip():
                    yield row[name_column], value
        return
    with open_text(file) as lines:
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
                if row.get(column) not in (None, ""):
                    yield str(row[name_column]), row[column]
            except (ValueError, AttributeError, KeyError) as error:
                raise DataError(
                    f"line {number} of {str(file)!r} must be a JSON object with the key {name_column!r}"
                ) from error


def _read_lines(path: Path) -> list[str]:
    """Return the lines of a text file that are not empty; no lines if the file does not exist."""
    try:
        return _lines(path.read_bytes())
    except FileNotFoundError:
        return []
    except (OSError, UnicodeError) as error:
        raise DataError(f"{str(path)!r} cannot be read as UTF-8 text ({error})") from error


def _lines(data: bytes) -> list[str]:
    lines = data.decode(text_encoding(data[:2])).splitlines()
    return [line.strip() for line in lines if line.strip()]


def _tar_texts(path: str, suffixes: set[str]) -> Iterator[tuple[str, list[str]]]:
    """Yield the name and the lines of each member of a tar with one of the extensions."""
    with tarfile.open(path, "r:") as archive:
        for member in archive:
            extension = os.path.splitext(member.name)[1]  # noqa: PTH122
            if member.isfile() and extension in suffixes and (stream := archive.extractfile(member)):
                try:
                    yield member.name, _lines(stream.read())
                except UnicodeError as error:
                    raise DataError(f"{path}/{member.name} cannot be read as UTF-8 text ({error})") from error
