"""The few parts of litdata that are used: its chunk files, its readers and its downloads.

litdata's own order of samples is not used: a run under Lightning that was killed in the middle of an epoch
does not resume with it, or not exactly (tried on 0.2.76; see ``docs/data_streaming.md``). So litdata stores
and reads, and `colorzoo.data.streaming.ShardSampler` says what is read when.
"""

from __future__ import annotations

import importlib
import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from colorzoo.errors import DataError

INDEX = "index.json"
"""Name of litdata's list of chunks."""

Record = tuple[bytes, int, str]
"""One stored picture: encoded bytes, number of its class or -1, name."""


def load_litdata(module: str = "litdata") -> Any:
    """Import a module of litdata.

    Raises:
        DataError: litdata is not installed.
    """
    os.environ.setdefault("LITDATA_DISABLE_VERSION_CHECK", "1")  # else it asks a package index at each start
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise DataError(
            f'shards need litdata ({error}); install it with: pip install "colorzoo[streaming]"'
        ) from error


def write_chunk_file(folder: Path, number: int, records: Iterable[Record]) -> dict[str, Any] | None:
    """Write pictures as one chunk file.

    Args:
        folder: An empty folder; it gets the chunk file and an index of that chunk alone.
        number: Number of the chunk, part of its file name.
        records: Tuples, not dicts: for dicts litdata adds a second copy in another format where pyarrow is
            installed.

    Returns:
        litdata's index of the chunk: ``{"chunks": [...], "config": {...}}``; None when there was no record.
    """
    writer = load_litdata("litdata.streaming.writer").BinaryWriter(
        str(folder), chunk_bytes=1 << 40, chunk_index=number
    )
    count = 0
    for record in records:
        writer[count] = record
        count += 1
    if not count:
        return None
    writer.done()
    writer.merge()
    index: dict[str, Any] = json.loads((folder / INDEX).read_text())
    return {"chunks": index["chunks"], "config": index["config"]}  # the rest is the time of day


def open_chunks(folder: Path) -> Any:
    """Return a reader of a local folder of chunks, indexable by the number of the picture."""
    # batch_decode: else it takes 256 records apart for each that is read, since neighbors are not read next
    return load_litdata().StreamingDataset(str(folder), shuffle=False, drop_last=False, batch_decode=0)


def downloader(remote: str, cache: Path, chunks: list[dict[str, Any]]) -> Any:
    """Return what fetches files of a remote folder: s3://, gs://, azure://, hf://, or local: for trials."""
    return load_litdata("litdata.streaming.downloader").get_downloader(remote, str(cache), chunks)
