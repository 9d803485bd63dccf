"""What the worker processes of `colorzoo.data.shard` do: encode pictures into one chunk, and read it back."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any

import torch
from PIL import Image, UnidentifiedImageError

from colorzoo.data.check import is_gray
from colorzoo.data.decode import decode_rgb
from colorzoo.data.litdata_files import Record, open_chunks, write_chunk_file
from colorzoo.data.sources import Source
from colorzoo.errors import DataError
from colorzoo.picture_formats import open_picture
from colorzoo.weights._files import sha256_of, write_atomic

UNREADABLE = (OSError, ValueError, SyntaxError)
"""What Pillow raises for files that are no pictures."""


@dataclass(frozen=True)
class ShardItem:
    """A picture to store.

    Attributes:
        source: Where its bytes are.
        name: Its name below the input folder.
        label: Number of its class, or -1.
    """

    source: Source
    name: str
    label: int


@dataclass(frozen=True)
class ChunkJob:
    """One chunk to write.

    Attributes:
        folder: Folder of the split.
        number: Number of the chunk.
        items: Its pictures.
        short_side: Larger pictures are reduced to this shorter side in pixels.
        quality: JPEG quality.
        drop_gray: Leave out pictures without color.
    """

    folder: Path
    number: int
    items: tuple[ShardItem, ...]
    short_side: int
    quality: int
    drop_gray: bool

    @property
    def record_file(self) -> Path:
        """Where the finished chunk's record is; its being there says that the chunk is whole."""
        return self.folder / ".parts" / f"{self.number:06d}.json"


@dataclass
class ChunkRecord:
    """What became of a chunk.

    Attributes:
        number: Number of the chunk.
        count: Pictures in it.
        sha256: Hash of its file, "" when it holds no picture.
        index: litdata's index of this chunk.
        gray: Pictures left out because they have no color.
        broken: Name and reason of each picture that does not decode.
    """

    number: int
    count: int = 0
    sha256: str = ""
    index: dict[str, Any] = field(default_factory=dict)
    gray: int = 0
    broken: list[tuple[str, str]] = field(default_factory=list)

    @property
    def file(self) -> dict[str, Any] | None:
        """Litdata's entry of the chunk's file, None when there is none."""
        return self.index["chunks"][0] if self.index else None


def one_thread() -> None:
    """Prepare a worker process: there is one for each core already."""
    torch.set_num_threads(1)


def finished_record(job: ChunkJob) -> ChunkRecord | None:
    """Return the record of a chunk that an earlier run finished, if its file is still there in full."""
    try:
        record = ChunkRecord(**json.loads(job.record_file.read_text()))
        entry = record.file
        whole = entry is None or (job.folder / entry["filename"]).stat().st_size == entry["chunk_bytes"]
    except (FileNotFoundError, ValueError, TypeError):
        return None
    return record if whole else None


def write_chunk(job: ChunkJob) -> ChunkRecord:
    """Encode the pictures of a chunk, and put its file and then its record in place, each at once."""
    record = ChunkRecord(job.number)
    scratch = job.folder / f".writing-{job.number:06d}"
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(parents=True)
    try:
        index = write_chunk_file(scratch, job.number, _records(job, record))
        if index is not None:
            written = scratch / index["chunks"][0]["filename"]
            record.index, record.sha256 = index, sha256_of(written)
            written.replace(job.folder / written.name)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    write_atomic(job.record_file, json.dumps(asdict(record)).encode())
    return record


def encode(data: bytes, short_side: int, quality: int) -> bytes:
    """Return a picture as the JPEG to store.

    A JPEG that is small enough already is stored as it is. Others are decoded as in training, and encoded
    without subsampling their color, which is what will be learned.

    Args:
        data: Encoded picture of any format.
        short_side: Upper bound of the shorter side in pixels; smaller pictures are not enlarged.
        quality: JPEG quality, up to 100.

    Raises:
        OSError: The bytes are no picture, or are cut off.
    """
    with open_picture(BytesIO(data)) as image:
        small, is_jpeg = min(image.size) <= short_side, image.format == "JPEG"
    rgb = decode_rgb(data, None if small else short_side)
    if small and is_jpeg:
        return data
    stream = BytesIO()
    Image.fromarray(rgb.permute(1, 2, 0).numpy()).save(stream, "JPEG", quality=quality, subsampling=0)
    return stream.getvalue()


def verify_chunk(folder: Path, start: int, record: ChunkRecord) -> int:
    """Read a chunk back: its hash, and that every picture decodes.

    Args:
        folder: Folder of the split, with the index of all its chunks.
        start: Number of the chunk's first picture.
        record: What was written.

    Returns:
        Number of pictures in the chunk.

    Raises:
        DataError: The file changed since it was written, or a picture does not decode.
    """
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


def fingerprint(value: object) -> str:
    """Return a SHA-256 of something that JSON can hold."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def _records(job: ChunkJob, record: ChunkRecord) -> Iterator[Record]:
    """Yield what to store; what is left out goes into the record."""
    for item in job.items:
        try:
            data = item.source.read()
            gray = job.drop_gray and is_gray(decode_rgb(data, short_side=32))
            jpeg = b"" if gray else encode(data, job.short_side, job.quality)
        except UNREADABLE as error:
            record.broken.append((item.name, _reason(error)))
            continue
        record.gray += gray
        if not gray:
            record.count += 1
            yield jpeg, item.label, item.name


def _reason(error: Exception) -> str:
    """Say why a picture does not decode, in the same words each time (Pillow adds an address)."""
    if isinstance(error, UnidentifiedImageError):
        return "no picture format that Pillow knows"
    return f"{type(error).__name__}: {error}"
