"""Remember which results are done, so that an interrupted coloring of many pictures can be taken up again."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np

_RECORD = np.dtype([("place", "<u8"), ("made_of", "<u8"), ("bytes", "<u8"), ("changed", "<u8")])


class DoneList:
    """The results in a folder: what each was made of, and what its file then looked like.

    Every process appends to a file of its own, 32 bytes a result, after the result is in its place; so a kill
    at any time loses at most the note on one result, which is then made again.

    Args:
        folder: Where the results are.
        process: Number or name of this process.
    """

    def __init__(self, folder: Path, process: int | str = 0) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        files = sorted(folder.glob(".done-*"))
        known = np.concatenate([np.empty(0, _RECORD), *(np.fromfile(path, _RECORD) for path in files)])
        self._known = known[np.argsort(known["place"], kind="stable")]
        self._notes = folder / f".done-{process}"
        if self._notes.exists():  # a kill may have torn the last note
            whole = self._notes.stat().st_size // _RECORD.itemsize * _RECORD.itemsize
            with self._notes.open("r+b") as file:
                file.truncate(whole)

    def has(self, result: Path, made_of: bytes) -> bool:
        """Say whether a result was made of exactly this, and its file is as it was then.

        Args:
            result: Its path below the folder.
            made_of: Everything that decides what it looks like, or a digest of it.
        """
        try:
            note = self._note(result, made_of)
        except OSError:
            return False
        first, last = (
            np.searchsorted(self._known["place"], note["place"], side) for side in ("left", "right")
        )
        return bool((self._known[first:last] == note).any())

    def add(self, result: Path, made_of: bytes) -> None:
        """Note that a result is in its place; arguments as of `has`.

        Raises:
            OSError: It is not there, or the note cannot be written.
        """
        note = self._note(result, made_of)
        with self._notes.open("ab") as file:
            file.write(note.tobytes())

    def _note(self, result: Path, made_of: bytes) -> np.ndarray[tuple[()], np.dtype[np.void]]:
        status = (self.folder / result).stat()
        place = _number(result.as_posix().encode(errors="surrogateescape"))
        return np.array((place, _number(made_of), status.st_size, status.st_mtime_ns), _RECORD)


def _number(data: bytes) -> int:
    return int.from_bytes(hashlib.blake2b(data, digest_size=8).digest(), "little")
