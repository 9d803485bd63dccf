"""Pack a folder of pictures into chunk files that a cluster can stream."""

from __future__ import annotations

import json
import multiprocessing
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from itertools import starmap
from pathlib import Path
from typing import Any

import torch

from colorzoo.data.decode import RESIZE_METHOD
from colorzoo.data.litdata_files import INDEX, load_litdata
from colorzoo.data.progress_bar import progress_bar
from colorzoo.data.shard_labels import class_names
from colorzoo.data.shard_work import (
    ChunkJob,
    ChunkRecord,
    ShardItem,
    fingerprint,
    finished_record,
    one_thread,
    verify_chunk,
    write_chunk,
)
from colorzoo.data.sources import Source, find_sources, split_by_content
from colorzoo.errors import DataError
from colorzoo.weights._files import write_atomic

MANIFEST = "shards.json"
"""Name of the file that describes a folder of shards; it is written last."""

SPLITS = ("train", "val")


@dataclass(frozen=True)
class ShardOptions:
    """What decides the content of the shards.

    Attributes:
        short_side: Pictures larger than this are reduced to this shorter side in pixels; others keep their
            size.
        quality: JPEG quality of re-encoded pictures; their color is never subsampled.
        chunk: Pictures per chunk file.
        val_share: Expected share of validation pictures where the input has no ``train`` and ``val``.
        drop_gray: Leave out training pictures without color, as published training code does.
    """

    short_side: int = 256
    quality: int = 92
    chunk: int = 1024
    val_share: float = 0.05
    drop_gray: bool = True


@dataclass(frozen=True)
class ShardReport:
    """What `shard_folder` wrote.

    Attributes:
        pictures: Number of pictures by split.
        chunks: Number of chunk files by split.
        size: Bytes of all chunk files.
        gray: Training pictures left out because they have no color.
        broken: Name and reason of each picture that does not decode.
        classes: Names of the classes, in the order of their numbers.
    """

    pictures: dict[str, int]
    chunks: dict[str, int]
    size: int
    gray: int
    broken: list[tuple[str, str]]
    classes: list[str]


def shard_folder(
    source: Path, out: Path, options: ShardOptions | None = None, *, workers: int | None = None
) -> ShardReport:
    """Pack a folder of pictures into shards, and read every one of them back.

    A run that was killed is started again with the same arguments: it goes on where it stopped, and the
    result is the same, byte for byte. Training pictures are shuffled before they are packed, so that one
    chunk holds all kinds; validation pictures keep their order.

    Args:
        source: Folder of pictures, found recursively, plain or in ``.tar`` files; the name of a picture's
            folder is its class. Subfolders ``train`` and ``val`` are used if both exist.
        out: Folder to write; it gets ``train``, ``val``, ``shards.json`` and ``SHA256SUMS``.
        options: What decides the content.
        workers: Processes; None takes one for each core, 0 works in this process. A script that asks for
            processes needs the guard ``if __name__ == "__main__":``, for they are spawned.

    Raises:
        DataError: The input is missing or empty, or ``out`` holds something else.
    """
    options = options or ShardOptions()
    load_litdata()
    splits, classes = _find_items(source, out, options.val_share)
    jobs = {name: _jobs(out / name, items, options, name == "train") for name, items in splits.items()}
    plan = fingerprint(
        [asdict(options), classes, [[_trace(item) for item in splits[name]] for name in SPLITS]]
    )
    _claim(out, plan)
    with _pool(workers) as pool:
        records = {name: _write(pool, name, jobs[name]) for name in SPLITS}
        for name in SPLITS:
            _write_index(out / name, records[name])
            _verify(pool, out / name, records[name])
    report = _report(records, classes)
    _finish(out, plan, options, records, report)
    return report


def _find_items(source: Path, out: Path, val_share: float) -> tuple[dict[str, list[ShardItem]], list[str]]:
    """Return the pictures of both splits, in their final order, and the names of the classes."""
    if out.resolve().is_relative_to(source.resolve()):
        raise DataError(
            f"{str(out)!r} is inside {str(source)!r} and would be packed too; choose another folder."
        )
    if all((source / name).is_dir() for name in SPLITS):
        found: dict[str, Sequence[Source]] = {name: find_sources(source / name) for name in SPLITS}
        roots = {name: source / name for name in SPLITS}
    else:
        train, val = split_by_content(find_sources(source), val_share)
        found, roots = {"train": train, "val": val}, dict.fromkeys(SPLITS, source)
    for name, pictures in found.items():
        if not len(pictures):
            raise DataError(
                f"no {name} picture in {str(source)!r}; give it train and val folders, or set --val-share."
            )
    names = {name: class_names(found[name], roots[name]) for name in SPLITS}
    classes = sorted({label for labels in names.values() for label in labels if label})
    number = {label: index for index, label in enumerate(classes)}
    items = {
        split: [
            ShardItem(picture, os.path.relpath(picture.name, source), number.get(label, -1))
            for picture, label in zip(found[split], names[split], strict=True)
        ]
        for split in SPLITS
    }
    order = torch.randperm(len(items["train"]), generator=torch.Generator().manual_seed(0)).tolist()
    return {"train": [items["train"][index] for index in order], "val": items["val"]}, classes


def _jobs(folder: Path, items: list[ShardItem], options: ShardOptions, is_train: bool) -> list[ChunkJob]:
    common = (options.short_side, options.quality, options.drop_gray and is_train)
    starts = range(0, len(items), options.chunk)
    return [
        ChunkJob(folder, number, tuple(items[start : start + options.chunk]), *common)
        for number, start in enumerate(starts)
    ]


def _trace(item: ShardItem) -> list[object]:
    """Return what tells one input picture from another without reading it."""
    size = item.source.size if item.source.member else Path(item.source.path).stat().st_size
    return [item.name, item.label, size]


def _claim(out: Path, plan: str) -> None:
    """Note in the output folder what is being made there, or see that it is the same as before."""
    note = out / ".parts.json"
    manifest = out / MANIFEST
    for file in (manifest, note):
        if file.is_file():
            if json.loads(file.read_text()).get("plan") != plan:
                raise DataError(
                    f"{str(out)!r} holds shards of other pictures or options; delete it or choose another."
                )
            return
    if out.exists() and any(out.iterdir()):
        raise DataError(f"{str(out)!r} is not empty and holds no shards; choose another folder.")
    write_atomic(note, json.dumps({"plan": plan}).encode())


@contextmanager
def _pool(workers: int | None) -> Iterator[Executor | None]:
    """Give worker processes; None, to work in this process, for zero of them."""
    if workers == 0:
        yield None
        return
    # Not fork: torch and Pillow may hold locks of threads that a forked child does not have.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers or os.cpu_count(), context, initializer=one_thread) as pool:
        yield pool


def _write(pool: Executor | None, name: str, jobs: list[ChunkJob]) -> list[ChunkRecord]:
    """Write the chunks that are not there yet; return the records of all."""
    records = {job.number: record for job in jobs if (record := finished_record(job)) is not None}
    todo = [job for job in jobs if job.number not in records]
    done = sum(len(job.items) for job in jobs) - sum(len(job.items) for job in todo)
    with progress_bar(f"packing {name}", sum(len(job.items) for job in jobs), done) as advance:
        for job, record in zip(todo, _run(pool, write_chunk, ((job,) for job in todo)), strict=True):
            records[record.number] = record
            advance(len(job.items))
    return [records[job.number] for job in jobs]


def _verify(pool: Executor | None, folder: Path, records: list[ChunkRecord]) -> None:
    starts = [sum(record.count for record in records[:index]) for index in range(len(records))]
    with progress_bar(f"reading back {folder.name}", sum(record.count for record in records)) as advance:
        work = ((folder, start, record) for start, record in zip(starts, records, strict=True))
        for count in _run(pool, verify_chunk, work):
            advance(count)


def _run(pool: Executor | None, task: Callable[..., Any], work: Iterable[tuple[Any, ...]]) -> Iterator[Any]:
    """Yield the results in order; the first error cancels what has not begun."""
    if pool is None:
        yield from starmap(task, work)
        return
    futures = [pool.submit(task, *arguments) for arguments in work]
    try:
        for future in futures:
            yield future.result()
    finally:
        for future in futures:
            future.cancel()


def _write_index(folder: Path, records: list[ChunkRecord]) -> None:
    """Write litdata's index of all chunks of a split."""
    indexes = [record.index for record in records if record.index]
    if not indexes:
        raise DataError(f"no usable picture for {str(folder)!r}: all are broken or gray.")
    index = {
        "chunks": [index["chunks"][0] for index in indexes],
        "config": indexes[0]["config"],
        "updated_at": "0",
    }
    write_atomic(folder / INDEX, json.dumps(index, sort_keys=True).encode())


def _report(records: dict[str, list[ChunkRecord]], classes: list[str]) -> ShardReport:
    files = {name: [record for record in records[name] if record.index] for name in SPLITS}
    every = [record for name in SPLITS for record in records[name]]
    return ShardReport(
        pictures={name: sum(record.count for record in files[name]) for name in SPLITS},
        chunks={name: len(files[name]) for name in SPLITS},
        size=sum(record.file["chunk_bytes"] for record in every if record.file),
        gray=sum(record.gray for record in every),
        broken=[(name, reason) for record in every for name, reason in record.broken],
        classes=classes,
    )


def _finish(
    out: Path, plan: str, options: ShardOptions, records: dict[str, list[ChunkRecord]], report: ShardReport
) -> None:
    """Write the hash list and the manifest, and remove what only an unfinished run needs."""
    hashes = {
        f"{name}/{record.file['filename']}": record.sha256
        for name in SPLITS
        for record in records[name]
        if record.file
    }
    lines = "".join(f"{sha256}  {file}\n" for file, sha256 in hashes.items())
    write_atomic(out / "SHA256SUMS", lines.encode())
    manifest = {"version": 1, "plan": plan, "resize": RESIZE_METHOD, **asdict(options), **asdict(report)}
    write_atomic(out / MANIFEST, json.dumps(manifest, indent=1).encode())
    (out / ".parts.json").unlink(missing_ok=True)
