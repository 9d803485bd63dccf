"""Packing of a folder of pictures into shards that a cluster can stream."""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from io import BytesIO
from itertools import accumulate, starmap
from pathlib import Path
from typing import Any, NamedTuple

import torch
from PIL import Image

from colorzoo.atomic import write_atomic
from colorzoo.data.check import is_gray
from colorzoo.data.decode import RESIZE_METHOD, UNREADABLE, decode_rgb, why_unreadable
from colorzoo.data.layouts import class_names
from colorzoo.data.shards import INDEX, MANIFEST, Record, load_litdata, open_chunks
from colorzoo.data.sources import StoredPicture, byte_count, find_sources
from colorzoo.data.splits import split_by_content
from colorzoo.environment import core_count
from colorzoo.errors import DataError
from colorzoo.pictures.formats import open_picture
from colorzoo.progress import progress_bar
from colorzoo.weights.files import sha256_of

SPLITS = ("train", "val")


@dataclass(frozen=True)
class ShardOptions:
    """Options that determine the content of shards.

    Attributes:
        short_side: Larger pictures are reduced to this shorter side in pixels; others keep their size.
        quality: JPEG quality of re-encoded pictures; their color is not subsampled.
        chunk: Pictures per chunk file.
        val_share: Expected share of validation pictures if the input has no ``train`` and ``val``.
        drop_gray: Leave out training pictures without color, as published training code does.
    """

    short_side: int = 256
    quality: int = 92
    chunk: int = 1024
    val_share: float = 0.05
    drop_gray: bool = True


@dataclass(frozen=True)
class ShardReport:
    """Result of `shard_folder`.

    Attributes:
        pictures: Number of pictures by split.
        chunks: Number of chunk files by split.
        size: Bytes of all chunk files.
        gray: Number of training pictures left out for having no color.
        broken: Name and reason of each tar file that ends too early, and each picture that does not decode.
        classes: Names of the classes, in the order of their numbers.
    """

    pictures: dict[str, int]
    chunks: dict[str, int]
    size: int
    gray: int
    broken: list[tuple[str, str]]
    classes: list[str]


class _Item(NamedTuple):
    """A picture to store."""

    source: StoredPicture
    name: str  # below the input folder
    label: int  # or -1


@dataclass(frozen=True)
class _Job:
    """A chunk to write."""

    folder: Path  # of the split
    number: int
    items: tuple[_Item, ...]
    options: ShardOptions

    @property
    def record_file(self) -> Path:
        """File of the chunk's record, written after the chunk."""
        return self.folder / ".parts" / f"{self.number:06d}.json"


@dataclass
class _ChunkRecord:
    """Result of writing a chunk, as stored in its ``record_file``."""

    number: int
    count: int = 0  # pictures in it
    sha256: str = ""  # of its file; empty if it has no picture
    index: dict[str, Any] = field(default_factory=dict)  # litdata's, of this chunk
    gray: int = 0  # pictures left out
    broken: list[tuple[str, str]] = field(default_factory=list)  # name and reason

    @property
    def file(self) -> dict[str, Any] | None:
        """Litdata's entry of the chunk's file, or None."""
        return self.index["chunks"][0] if self.index else None


def shard_folder(
    source: Path, out: Path, options: ShardOptions | None, *, workers: int | None
) -> ShardReport:
    """Pack a folder of pictures into shards, and verify every one of them.

    A killed run continues when started again with the same arguments, with the same bytes as result. Training
    pictures are shuffled, so that each chunk is mixed; validation pictures keep their order.

    Args:
        source: Folder of pictures, found recursively, plain or in ``.tar`` files; the name of a picture's
            folder is its class. Subfolders ``train`` and ``val`` are used if both exist.
        out: Folder to write, with ``train``, ``val``, ``shards.json`` and ``SHA256SUMS``.
        options: Options that determine the content.
        workers: Number of processes; None is one per core, 0 works in this process. Scripts that use
            processes need the guard ``if __name__ == "__main__":``, because they are spawned.

    Raises:
        DataError: The input is missing or empty, or ``out`` contains something else.
    """
    options = options or ShardOptions()
    load_litdata()
    bad_tars: list[tuple[str, str]] = []
    splits, classes = _find_items(source, out, options.val_share, bad_tars)
    of_split = {"train": options, "val": replace(options, drop_gray=False)}
    jobs = {name: _jobs(out / name, items, of_split[name]) for name, items in splits.items()}
    stamps = [[[item.name, item.label, byte_count(item.source)] for item in splits[name]] for name in SPLITS]
    content = json.dumps([asdict(options), classes, stamps], sort_keys=True)
    plan = hashlib.sha256(content.encode()).hexdigest()
    _claim(out, plan)
    with _pool(workers) as pool:
        records = {name: _write(pool, name, jobs[name]) for name in SPLITS}
        for name in SPLITS:
            _write_index(out / name, records[name])
            _verify(pool, out / name, records[name])
    report = _report(records, classes, bad_tars)
    _finish(out, plan, options, records, report)
    return report


def _find_items(
    source: Path, out: Path, val_share: float, bad_tars: list[tuple[str, str]]
) -> tuple[dict[str, list[_Item]], list[str]]:
    """Return the pictures of both splits, in their final order, and the names of the classes.

    Name and reason of tar files that end too early are added to ``bad_tars``.
    """

    def note(path: str, error: DataError) -> None:
        bad_tars.append((os.path.relpath(path, source), str(error)))

    if out.resolve().is_relative_to(source.resolve()):
        raise DataError(
            f"{str(out)!r} is inside {str(source)!r} and would be packed too; choose another folder."
        )
    if all((source / name).is_dir() for name in SPLITS):
        found: dict[str, Sequence[StoredPicture]] = {
            name: find_sources(source / name, note) for name in SPLITS
        }
        roots = {name: source / name for name in SPLITS}
    else:
        train, val = split_by_content(find_sources(source, note), val_share)
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
            _Item(picture, os.path.relpath(picture.name, source), number.get(label, -1))
            for picture, label in zip(found[split], names[split], strict=True)
        ]
        for split in SPLITS
    }
    order = torch.randperm(len(items["train"]), generator=torch.Generator().manual_seed(0)).tolist()
    return {"train": [items["train"][index] for index in order], "val": items["val"]}, classes


def _jobs(folder: Path, items: list[_Item], options: ShardOptions) -> list[_Job]:
    return [
        _Job(folder, number, tuple(items[start : start + options.chunk]), options)
        for number, start in enumerate(range(0, len(items), options.chunk))
    ]


def _claim(out: Path, plan: str) -> None:
    """Record the plan in the output folder, or check that it is the one recorded there."""
    note = out / ".parts.json"
    for file in (out / MANIFEST, note):
        if file.is_file():
            if json.loads(file.read_text()).get("plan") != plan:
                raise DataError(
                    f"{str(out)!r} contains shards of other pictures or options; delete it or choose another."
                )
            return
    if out.exists() and any(out.iterdir()):
        raise DataError(f"{str(out)!r} is not empty and contains no shards; choose another folder.")
    write_atomic(note, json.dumps({"plan": plan}).encode())


@contextmanager
def _pool(workers: int | None) -> Iterator[Executor | None]:
    """Yield worker processes, or None for zero of them."""
    if workers == 0:
        yield None
        return
    # not fork: a forked child may inherit locks of torch's and Pillow's threads. One thread a process.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(
        workers or core_count(), context, initializer=torch.set_num_threads, initargs=(1,)
    ) as pool:
        yield pool


def _run(pool: Executor | None, task: Callable[..., Any], work: Iterable[tuple[Any, ...]]) -> Iterator[Any]:
    """Yield the results in order; the first error cancels the pending tasks."""
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


def _write(pool: Executor | None, name: str, jobs: list[_Job]) -> list[_ChunkRecord]:
    """Write the missing chunks; return the records of all."""
    records = {job.number: record for job in jobs if (record := _finished_record(job)) is not None}
    todo = [job for job in jobs if job.number not in records]
    done = sum(len(job.items) for job in jobs) - sum(len(job.items) for job in todo)
    with progress_bar(f"packing {name}", sum(len(job.items) for job in jobs), done=done) as advance:
        for job, record in zip(todo, _run(pool, _write_chunk, ((job,) for job in todo)), strict=True):
            records[record.number] = record
            advance(len(job.items))
    return [records[job.number] for job in jobs]


def _finished_record(job: _Job) -> _ChunkRecord | None:
    """Return the record of a chunk that an earlier run finished, if its file is complete."""
    try:
        record = _ChunkRecord(**json.loads(job.record_file.read_text()))
        entry = record.file
        whole = entry is None or (job.folder / entry["filename"]).stat().st_size == entry["chunk_bytes"]
    except (FileNotFoundError, ValueError, TypeError):
        return None
    return record if whole else None


def _write_chunk(job: _Job) -> _ChunkRecord:
    """Encode the pictures of a chunk; write its file and then its record, each atomically."""
    record = _ChunkRecord(job.number)
    scratch = job.folder / f".writing-{job.number:06d}"
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(parents=True)
    try:
        index = _write_records(scratch, job.number, _records(job, record))
        if index is not None:
            written = scratch / index["chunks"][0]["filename"]
            record.index, record.sha256 = index, sha256_of(written)
            written.replace(job.folder / written.name)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    write_atomic(job.record_file, json.dumps(asdict(record)).encode())
    return record


def _records(job: _Job, record: _ChunkRecord) -> Iterator[Record]:
    """Yield the pictures to store, and count in ``record`` those left out."""
    for item in job.items:
        try:
            data = item.source.read()
            gray = job.options.drop_gray and is_gray(decode_rgb(data, short_side=32))
            jpeg = b"" if gray else encode(data, job.options.short_side, job.options.quality)
        except UNREADABLE as error:
            record.broken.append((item.name, why_unreadable(error)))
            continue
        record.gray += gray
        if not gray:
            record.count += 1
            yield jpeg, item.label, item.name


def encode(data: bytes, short_side: int, quality: int) -> bytes:
    """Return the JPEG to store for a picture.

    Small JPEGs are stored unchanged. Others are decoded as in training, and encoded without subsampling the
    color, which is the training target.

    Args:
        data: Encoded picture of any format.
        short_side: Upper bound of the shorter side in pixels; smaller pictures are not enlarged.
        quality: JPEG quality, up to 100.

    Raises:
        OSError: The bytes are not a picture, or truncated.
    """
    with open_picture(BytesIO(data)) as image:
        small, is_jpeg = min(image.size) <= short_side, image.format == "JPEG"
    rgb = decode_rgb(data, None if small else short_side)
    if small and is_jpeg:
        return data
    stream = BytesIO()
    Image.fromarray(rgb.permute(1, 2, 0).numpy()).save(stream, "JPEG", quality=quality, subsampling=0)
    return stream.getvalue()


def _write_records(folder: Path, number: int, records: Iterable[Record]) -> dict[str, Any] | None:
    """Write a chunk file into an empty folder; return litdata's index of it, or None without records."""
    writer = load_litdata("litdata.streaming.writer").BinaryWriter(
        str(folder), chunk_bytes=1 << 40, chunk_index=number
    )
    count = 0
    for record in records:  # tuples: for dicts litdata adds a second copy if pyarrow is installed
        writer[count] = record
        count += 1
    if not count:
        return None
    writer.done()
    writer.merge()
    index: dict[str, Any] = json.loads((folder / INDEX).read_text())
    return {"chunks": index["chunks"], "config": index["config"]}  # without the time of day


def _write_index(folder: Path, records: list[_ChunkRecord]) -> None:
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


def _verify(pool: Executor | None, folder: Path, records: list[_ChunkRecord]) -> None:
    starts = accumulate((record.count for record in records), initial=0)
    with progress_bar(f"reading back {folder.name}", sum(record.count for record in records)) as advance:
        work = ((folder, start, record) for start, record in zip(starts, records, strict=False))
        for count in _run(pool, _verify_chunk, work):
            advance(count)


def _verify_chunk(folder: Path, start: int, record: _ChunkRecord) -> int:
    """Verify the hash of the chunk that begins with picture ``start``, and decode it; return its size."""
    entry = record.file
    if entry is None:
        return 0
    path = folder / entry["filename"]
    advice = "delete it and run `colorzoo data shard` again to write it anew."
    if not path.is_file() or sha256_of(path) != record.sha256:
        raise DataError(f"shard {str(path)!r} does not have the hash it was written with; {advice}")
    reader = open_chunks(folder)
    for index in range(start, start + record.count):
        try:
            decode_rgb(bytes(reader[index][0]))
        except UNREADABLE as error:
            raise DataError(
                f"picture {index} in shard {str(path)!r} does not decode ({error}); {advice}"
            ) from error
    return record.count


def _report(
    records: dict[str, list[_ChunkRecord]], classes: list[str], bad_tars: list[tuple[str, str]]
) -> ShardReport:
    files = {name: [record for record in records[name] if record.index] for name in SPLITS}
    every = [record for name in SPLITS for record in records[name]]
    return ShardReport(
        pictures={name: sum(record.count for record in files[name]) for name in SPLITS},
        chunks={name: len(files[name]) for name in SPLITS},
        size=sum(record.file["chunk_bytes"] for record in every if record.file),
        gray=sum(record.gray for record in every),
        broken=[*bad_tars, *((name, reason) for record in every for name, reason in record.broken)],
        classes=classes,
    )


def _finish(
    out: Path, plan: str, options: ShardOptions, records: dict[str, list[_ChunkRecord]], report: ShardReport
) -> None:
    """Write the list of hashes and the manifest, and remove the plan of the unfinished run."""
    lines = [
        f"{record.sha256}  {name}/{record.file['filename']}\n"
        for name in SPLITS
        for record in records[name]
        if record.file
    ]
    write_atomic(out / "SHA256SUMS", "".join(lines).encode())
    manifest = {"version": 1, "plan": plan, "resize": RESIZE_METHOD, **asdict(options), **asdict(report)}
    write_atomic(out / MANIFEST, json.dumps(manifest, indent=1).encode())
    (out / ".parts.json").unlink(missing_ok=True)
