"""Read pictures of shards by their number, from a local folder or through a cache from a remote one."""

from __future__ import annotations

import hashlib
import json
import os
from bisect import bisect_right
from collections import deque
from itertools import accumulate
from pathlib import Path
from typing import Any

from colorzoo.data.litdata_files import INDEX, Record, downloader, open_chunks
from colorzoo.data.shard import MANIFEST
from colorzoo.errors import DataError
from colorzoo.weights.catalog import cache_home


def is_remote(root: str) -> bool:
    """Say whether a folder's files must be fetched before they can be read."""
    return "://" in root or root.startswith("local:")


def read_manifest(root: str, cache: str | None = None) -> dict[str, Any]:
    """Return what ``shards.json`` says of a folder of shards.

    Args:
        root: Local folder, or an address such as ``s3://bucket/folder``.
        cache: Folder for fetched files; None takes one below colorzoo's cache.

    Raises:
        DataError: There is no finished folder of shards.
    """
    folder = _local_folder(root, cache)
    try:
        if is_remote(root):
            _fetch(root, folder, MANIFEST)
        manifest: dict[str, Any] = json.loads((folder / MANIFEST).read_text())
    except (OSError, ValueError) as error:
        raise DataError(
            f"no {MANIFEST} in {root!r} ({type(error).__name__}); "
            "make it with: colorzoo data shard PICTURES FOLDER"
        ) from error
    return manifest


class ShardReader:
    """The pictures of one split, by number.

    It can be handed to worker processes: each opens files of its own.

    Args:
        root: Folder that `colorzoo.data.shard.shard_folder` wrote, or the address of a copy of it.
        split: ``"train"`` or ``"val"``.
        cache: Folder for fetched files; None takes one below colorzoo's cache.
        cache_gigabytes: Delete the chunks fetched first beyond this size; None keeps all.

    Attributes:
        sizes: Number of pictures in each chunk.

    Raises:
        DataError: A file of a local folder is missing or cut off, or the index cannot be fetched.
    """

    def __init__(
        self, root: str, split: str, *, cache: str | None = None, cache_gigabytes: float | None = None
    ) -> None:
        self._remote = f"{root.rstrip('/')}/{split}" if is_remote(root) else None
        self._folder = _local_folder(root, cache) / split
        self._limit = None if cache_gigabytes is None else int(cache_gigabytes * 1e9)
        self._chunks = self._read_index()
        self.sizes = [int(chunk["chunk_size"]) for chunk in self._chunks]
        self._ends = list(accumulate(self.sizes))
        self._open: Any = None
        self._ahead: deque[int] = deque(maxlen=32)

    def __len__(self) -> int:
        return self._ends[-1]

    def __getitem__(self, index: int) -> Record:
        """Return encoded bytes, number of the class (-1: none) and name of a picture."""
        chunk = bisect_right(self._ends, index)
        if self._remote is not None:
            self._provide(chunk)
        if chunk not in self._ahead:
            self._ahead.append(chunk)
            _read_ahead(self._folder / self._chunks[chunk]["filename"])
        if self._open is None:
            self._open = open_chunks(self._folder)
        data, label, name = self._open[index]
        return bytes(data), int(label), str(name)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_open": None}  # open files and threads do not travel to another process

    def _read_index(self) -> list[dict[str, Any]]:
        if self._remote is not None:
            _fetch(self._remote, self._folder, INDEX)
        try:
            chunks: list[dict[str, Any]] = json.loads((self._folder / INDEX).read_text())["chunks"]
        except (OSError, ValueError, KeyError) as error:
            raise DataError(
                f"no shards in {str(self._folder)!r} ({type(error).__name__} on {INDEX}); "
                "make them with: colorzoo data shard PICTURES FOLDER"
            ) from error
        if self._remote is None:
            for chunk in chunks:
                _require(self._folder / chunk["filename"], chunk["chunk_bytes"])
        return chunks

    def _provide(self, chunk: int) -> None:
        """Have a remote chunk in the cache."""
        entry = self._chunks[chunk]
        path = self._folder / entry["filename"]
        if path.exists():
            return
        if self._limit is not None:
            _make_room(self._folder, self._limit - entry["chunk_bytes"])
        assert self._remote is not None, "only remote chunks are fetched"
        _fetch(self._remote, self._folder, entry["filename"])
        _require(path, entry["chunk_bytes"])


def _local_folder(root: str, cache: str | None) -> Path:
    if not is_remote(root):
        return Path(root)
    base = Path(cache) if cache else cache_home() / "shards"
    return base / hashlib.sha256(root.encode()).hexdigest()[:16]


def _fetch(remote: str, folder: Path, name: str) -> None:
    """Fetch one file; several processes may ask for it at once."""
    folder.mkdir(parents=True, exist_ok=True)
    try:
        downloader(remote, folder, []).download_file(f"{remote}/{name}", str(folder / name))
    except DataError:
        raise
    except Exception as error:  # each kind of store has its own exceptions
        raise DataError(
            f"cannot fetch {name!r} from {remote!r} ({type(error).__name__}: {error})."
        ) from error


def _require(path: Path, size: int) -> None:
    if not path.is_file() or path.stat().st_size != size:
        state = "is cut off" if path.is_file() else "is missing"
        raise DataError(
            f"shard {str(path)!r} {state} (expected {size} bytes); copy or make the folder again."
        )


def _make_room(folder: Path, limit: int) -> None:
    """Delete the chunks that were fetched first until the rest is within the limit."""
    chunks = sorted(folder.glob("*.bin"), key=lambda path: path.stat().st_mtime)
    total = sum(path.stat().st_size for path in chunks)
    while chunks and total > limit:
        total -= chunks[0].stat().st_size
        chunks.pop(0).unlink(missing_ok=True)


def _read_ahead(path: Path) -> None:
    """Ask the system to read a whole chunk at once: its pictures are wanted soon, in any order."""
    if hasattr(os, "posix_fadvise"):
        handle = os.open(path, os.O_RDONLY)
        try:
            os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_WILLNEED)
        finally:
            os.close(handle)
