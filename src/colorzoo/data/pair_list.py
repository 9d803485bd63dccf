"""Lists of targets and references in CSV files."""

from __future__ import annotations

import csv
import hashlib
from pathlib import Path
from typing import NamedTuple

from colorzoo.data.sources import Source
from colorzoo.errors import DataError


class Pair(NamedTuple):
    """A target and its reference."""

    target: Source
    reference: Source


def read_pairs(
    root: Path, train_file: str, val_file: str | None = None, val_share: float = 0.05
) -> tuple[list[Pair], list[Pair]]:
    """Read pairs of pictures for training and validation.

    A list is a CSV file with a first row that names at least the columns ``target`` and ``reference``; their
    paths are relative to ``root``. An optional column ``split`` says ``train`` or ``val``; other columns are
    passed over. Without it and without a second file, pairs fall on a side by a hash of their target's path,
    so that no target is on both.

    Args:
        root: Folder that paths are relative to.
        train_file: The list, relative to ``root``.
        val_file: A list of validation pairs alone, relative to ``root``.
        val_share: Expected share of validation pairs, where nothing else says which they are.

    Raises:
        DataError: A list is missing or has other columns, or names a picture that does not exist.
    """
    rows = _rows(root, train_file)
    if val_file is not None:
        return [pair for _, pair in rows], [pair for _, pair in _rows(root, val_file)]
    train: list[Pair] = []
    val: list[Pair] = []
    for split, pair in rows:
        is_val = split == "val" if split else _hash(pair.target.path, root) < val_share
        (val if is_val else train).append(pair)
    return train, val


def _rows(root: Path, name: str) -> list[tuple[str, Pair]]:
    file = root / name
    try:
        with file.open(newline="", encoding="utf-8-sig") as stream:
            reader = csv.DictReader(stream)
            missing = {"target", "reference"} - set(reader.fieldnames or ())
            if missing:
                raise DataError(
                    f"{str(file)!r} has no column {min(missing)!r}; its first row names target and reference."
                )
            return [_row(root, file, reader.line_num, row) for row in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"cannot read the list of pairs {str(file)!r} ({error}); see data.pairs.") from error


def _row(root: Path, file: Path, line: int, row: dict[str, str | None]) -> tuple[str, Pair]:
    split = (row.get("split") or "").strip()
    if split not in ("", "train", "val"):
        raise DataError(f"line {line} of {str(file)!r} has the split {split!r}; expected train or val.")
    paths = [root / (row[column] or "").strip() for column in ("target", "reference")]
    for path in paths:
        if not path.is_file():
            raise DataError(f"line {line} of {str(file)!r} names {str(path)!r}, which does not exist.")
    return split, Pair(*(Source(str(path)) for path in paths))


def _hash(path: str, root: Path) -> float:
    """Return a number in [0, 1) that depends on nothing but the path below the root."""
    name = Path(path).relative_to(root).as_posix()
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big") / 2**64
