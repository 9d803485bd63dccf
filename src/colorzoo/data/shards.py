"""Reading of shards by picture number, from a local folder or through a cache from a remote one.

Shards are litdata's chunk files. litdata stores, reads and downloads; its order of samples is not used,
because a run under Lightning that was killed in the middle of an epoch does not resume with it exactly (tried
on 0.2.76). The order is `colorzoo.data.streaming.ShardSampler`.
"""

from __future__ import annotations

import hashlib
import importlib
import json
import os
from bisect import bisect_right
from collections import deque
from itertools import accumulate
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from colorzoo.errors import DataError, first_words
from colorzoo.weights.catalog import cache_home

INDEX = "index.json"
"""Name of litdata's list of chunks."""
MANIFEST = "shards.json"
"""Name of the file that describes a folder of shards; it is written last."""

_PATIENCE = 30  # seconds without an answer of a store

Record = tuple[bytes, int, str]
"""A stored picture: encoded bytes, class number or -1, name."""


def load_litdata(module: str = "litdata") -> Any:
    """Import a module of litdata.

    Raises:
        DataError: litdata is not installed.
    """
    os.environ.setdefault("LITDATA_DISABLE_VERSION_CHECK", "1")  # else each start contacts a package index
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise DataError(
            f'shards need litdata ({error}); install it with: pip install "colorzoo[streaming]"'
        ) from error


def open_chunks(folder: Path) -> Any:
    """Return a reader of a local folder of chunks, indexed by picture number."""
    # batch_decode: else it decodes 256 neighboring records for each that is read
    return load_litdata().StreamingDataset(str(folder), shuffle=False, drop_last=False, batch_decode=0)


def read_manifest(root: str, cache: str | None = None) -> dict[str, Any]:
    """Read the ``shards.json`` of a folder of shards.

    Args:
        root: Local folder, or an address such as ``s3://bucket/folder``.
        cache: Folder for downloads; None is one in colorzoo's cache.

    Raises:
        DataError: The folder has no finished shards.
    """
    folder = _local_folder(root, cache)
    try:
        if _is_remote(root):
            _download(root, folder, MANIFEST)
        manifest: dict[str, Any] = json.loads((folder / MANIFEST).read_text())
    except (OSError, ValueError) as error:
        raise DataError(
            f"no {MANIFEST} in {root!r} ({type(error).__name__}); "
            "make it with: colorzoo data shard PICTURES FOLDER"
        ) from error
    return manifest


class ShardReader:
    """The pictures of one split, by number. It can be pickled: each worker process opens its own files.

    Args:
        root: Folder written by `colorzoo.data.shard_writer.shard_folder`, or the address of a copy.
        split: ``"train"`` or ``"val"``.
        cache: Folder for downloads; None is one in colorzoo's cache.
        cache_gigabytes: Size beyond which the oldest downloads are deleted; None keeps all.
        bad: Local chunks that may be missing or cut; their pictures raise the error.

    Attributes:
        sizes: Number of pictures in each chunk.

    Raises:
        DataError: A file of a local folder is missing or truncated, or the index cannot be downloaded.
    """

    def __init__(
        self,
        root: str,
        split: str,
        *,
        cache: str | None = None,
        cache_gigabytes: float | None = None,
        bad: int = 0,
    ) -> None:
        self._bad = bad
        self._remote = f"{root.rstrip('/')}/{split}" if _is_remote(root) else None
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
        """Return encoded bytes, class number (-1: none) and name of a picture."""
        chunk = bisect_right(self._ends, index)
        path = self._folder / self._chunks[chunk]["filename"]
        if self._remote is not None and not path.exists():
            size = self._chunks[chunk]["chunk_bytes"]
            if self._limit is not None:
                _make_room(self._folder, self._limit - size)
            _download(self._remote, self._folder, path.name)
            _require(path, size)
        if chunk not in self._ahead:
            _require(path, self._chunks[chunk]["chunk_bytes"])
            self._ahead.append(chunk)
            _read_ahead(path)
        if self._open is None:
            self._open = open_chunks(self._folder)
        data, label, name = self._open[index]
        return bytes(data), int(label), str(name)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_open": None}  # open files and threads cannot be pickled

    def _read_index(self) -> list[dict[str, Any]]:
        if self._remote is not None:
            _download(self._remote, self._folder, INDEX)
        try:
            chunks: list[dict[str, Any]] = json.loads((self._folder / INDEX).read_text())["chunks"]
        except (OSError, ValueError, KeyError) as error:
            raise DataError(
                f"no shards in {str(self._folder)!r} ({type(error).__name__} on {INDEX}); "
                "make them with: colorzoo data shard PICTURES FOLDER"
            ) from error
        if self._remote is None:
            problems = 0
            for chunk in chunks:
                try:
                    _require(self._folder / chunk["filename"], chunk["chunk_bytes"])
                except DataError:
                    problems += 1
                    if problems > self._bad:
                        raise
        return chunks


def _is_remote(root: str) -> bool:
    return "://" in root or root.startswith("local:")


def _local_folder(root: str, cache: str | None) -> Path:
    if not _is_remote(root):
        return Path(root)
    base = Path(cache) if cache else cache_home() / "shards"
    return base / hashlib.sha256(root.encode()).hexdigest()[:16]


def _download(remote: str, folder: Path, name: str) -> None:
    """Download a file that is not there yet; several processes may do so at once. Tests use ``local:``."""
    path = folder / name
    if path.exists():
        return
    try:
        # where no other process looks: litdata's lock makes one that comes second go on without the file
        folder.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(prefix=f".{name}.", dir=folder) as partial:
            file = Path(partial) / name
            _fetch(remote, name, file)
            file.replace(path)
    except DataError:
        raise
    except Exception as error:  # each kind of store has its own exceptions
        reason = f"{type(error).__name__}: {first_words(error)}"
        raise DataError(f"cannot download {name!r} from {remote!r} ({reason}).") from error


def _fetch(remote: str, name: str, file: Path) -> None:
    downloaders = load_litdata("litdata.streaming.downloader")
    if not remote.startswith("s3://"):
        downloaders.get_downloader(remote, str(file.parent), []).download_file(f"{remote}/{name}", str(file))
        return
    downloader = downloaders.get_downloader(remote, str(file.parent), [], {"config": _s3_config()})
    with file.open("wb") as target:  # by boto3: litdata's other way takes no http:// endpoint
        downloader.download_fileobj(f"{remote}/{name}", target)


def s3_client() -> Any:
    """Return a client of the S3 server that the environment names (``AWS_ENDPOINT_URL`` and keys).

    Raises:
        DataError: boto3 is not installed.
    """
    try:
        return importlib.import_module("boto3").client("s3", config=_s3_config())
    except ImportError as error:
        raise DataError(
            f's3:// needs boto3 ({error}); install it with: pip install "colorzoo[s3]"'
        ) from error


def _s3_config() -> Any:
    """Return limits on waiting; litdata's own tries a thousand times."""
    return importlib.import_module("botocore.config").Config(
        connect_timeout=_PATIENCE, read_timeout=_PATIENCE, retries={"max_attempts": 5, "mode": "standard"}
    )


def _require(path: Path, size: int) -> None:
    if not path.is_file() or path.stat().st_size != size:
        state = "is truncated" if path.is_file() else "is missing"
        raise DataError(
            f"shard {str(path)!r} {state} (expected {size} bytes); copy or make the folder again."
        )


def _make_room(folder: Path, limit: int) -> None:
    """Delete the oldest chunks until the rest is within the limit."""
    chunks = sorted(folder.glob("*.bin"), key=lambda path: path.stat().st_mtime)
    total = sum(path.stat().st_size for path in chunks)
    while chunks and total > limit:
        total -= chunks[0].stat().st_size
        chunks.pop(0).unlink(missing_ok=True)


def _read_ahead(path: Path) -> None:
    """Ask the operating system to prefetch a chunk, whose pictures will be read soon in any order."""
    if hasattr(os, "posix_fadvise"):
        handle = os.open(path, os.O_RDONLY)
        try:
            os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_WILLNEED)
        finally:
            os.close(handle)
