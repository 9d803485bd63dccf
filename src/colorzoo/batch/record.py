"""Record of finished results: each file holds its origin, and an index saves opening every file again.

The origin (`colorzoo.pictures.provenance`) names the source picture and all settings by their hashes, so a
result is recognized wherever it was made, and is not confused with that of another picture of the same name.
"""

from __future__ import annotations

import hashlib
import threading
from pathlib import Path
from typing import Literal, Protocol

import numpy as np

from colorzoo.pictures.formats import open_picture
from colorzoo.pictures.provenance import PictureProvenance, read_provenance

ResultState = Literal["done", "changed", "foreign", "unknown"]

_ENTRY = np.dtype([("path", "<u8"), ("origin", "<u8"), ("bytes", "<u8"), ("modified", "<u8")])


def result_state(path: Path, origin: PictureProvenance) -> ResultState:
    """Compare a file with the result that would be written there.

    Returns:
        ``"done"``: a result of the same picture with the same settings; ``"changed"``: of the same picture
        with other settings; ``"foreign"``: of another picture; ``"unknown"``: the file holds no origin.
    """
    found = read_provenance(path)
    if found is None:
        return "unknown"
    if found.source != origin.source:
        return "foreign"
    return "done" if found.settings == origin.settings else "changed"


class Results(Protocol):
    """A store of the results of a run, which recognizes them by their origin."""

    def is_done(self, result: Path, origin: PictureProvenance) -> bool:
        """Return whether a result of exactly this origin is in its place."""
        ...

    def add(self, result: Path, origin: PictureProvenance) -> None:
        """Add a result that was written; from any thread."""


class DoneIndex:
    """Index of the results in a folder, for runs over more pictures than are to be opened again.

    Every process appends to a file of its own (``.done-PROCESS``), 32 bytes a result, after the result is in
    its place. A kill at any time loses at most the entries of the results that were being written; the files
    themselves hold the same information.

    Args:
        folder: Folder of the results; it is made if it does not exist.
        process: Number or name of this process, unique among those that write at the same time.
    """

    def __init__(self, folder: Path, process: int | str = 0) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        files = sorted(folder.glob(".done-*"))
        entries = np.concatenate([np.empty(0, _ENTRY), *(np.fromfile(path, _ENTRY) for path in files)])
        self._entries = entries[np.argsort(entries["path"], kind="stable")]
        self._file, self._lock = folder / f".done-{process}", threading.Lock()
        if self._file.exists():  # a kill may have torn the last entry
            whole = self._file.stat().st_size // _ENTRY.itemsize * _ENTRY.itemsize
            with self._file.open("r+b") as file:
                file.truncate(whole)

    def is_done(self, result: Path, origin: PictureProvenance) -> bool:
        """Return whether a result of exactly this origin is in its place.

        Files without an entry (lost by a kill, left out of a copy, or written by another process a moment
        ago) are read to their end; their own origin counts if they are whole.

        Args:
            result: Path of the file, in the folder.
            origin: Provenance that the result must have, with its source.
        """
        try:
            entry = self._entry(result, origin)
        except OSError:
            return False
        first, last = (
            np.searchsorted(self._entries["path"], entry["path"], side) for side in ("left", "right")
        )
        if (self._entries[first:last] == entry).any():
            return True
        if result_state(result, origin) != "done" or not _is_whole(result):
            return False
        self.add(result, origin)
        return True

    def add(self, result: Path, origin: PictureProvenance) -> None:
        """Add a result that is in its place; from any thread.

        Raises:
            OSError: It is not there, or the index cannot be written.
        """
        entry = self._entry(result, origin)
        with self._lock, self._file.open("ab") as file:
            file.write(entry.tobytes())

    def _entry(self, result: Path, origin: PictureProvenance) -> np.ndarray[tuple[()], np.dtype[np.void]]:
        status = result.stat()
        path = result.relative_to(self.folder).as_posix().encode(errors="surrogateescape")
        made_of = bytes.fromhex(origin.settings) + bytes.fromhex(origin.source)
        return np.array((_number(path), _number(made_of), status.st_size, status.st_mtime_ns), _ENTRY)


def _is_whole(path: Path) -> bool:
    try:
        with open_picture(path) as picture:
            picture.load()
    except Exception:  # a torn file raises whatever the parser of its format stumbles on
        return False
    return True


def _number(data: bytes) -> int:
    return int.from_bytes(hashlib.blake2b(data, digest_size=8).digest(), "little")
