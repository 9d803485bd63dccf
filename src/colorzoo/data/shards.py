"""Shards written by ``colorzoo data shard`` with `litdata.optimize` and read by index.

Two features of litdata 0.2.76 are not used:

- The sampler of litdata does not resume exactly under Lightning: if the DataLoader uses workers, the epoch
  after a resumed epoch is truncated.
- The downloader of litdata does not support S3 endpoints with ``http://``, and indexed access downloads
  each sample again in each epoch. fsspec downloads the chunks instead.
"""

from __future__ import annotations

import importlib
import json
import os
import shutil
from bisect import bisect_right
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import partial
from io import BytesIO
from itertools import accumulate, chain
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from fsspec.core import url_to_fs
from PIL import Image

from colorzoo.console import first_words
from colorzoo.data.check import (
    ValueCache,
    cache_file,
    check_images,
    require_usable,
    short_hash,
    split_by_content,
)
from colorzoo.data.decode import RESIZE_METHOD, decode_rgb
from colorzoo.data.hints import ImageHints, hint_kinds, with_hints
from colorzoo.data.image_table import ImageTable
from colorzoo.data.layouts import SPLITS, Split, class_names, split_folders
from colorzoo.data.sources import digest_of, find_sources
from colorzoo.environment import core_count
from colorzoo.errors import DataError
from colorzoo.files import check_outputs, megabytes, write_atomic
from colorzoo.pixels.decode import open_pil
from colorzoo.weights.catalog import cache_home

INDEX = "index.json"
"""Name of litdata's list of chunks."""

MANIFEST = "shards.json"
"""Name of the description file of a shard folder; it is written last."""

HINTS_VERSION = 3
"""Version of `MANIFEST`, and the first version whose records contain lists of values of kinds of guidance."""

_SAMPLED = 16  # images that are encoded to estimate the size of all chunks

# fields with which stores describe the content of a file, the most specific first
_VERSION_FIELDS = ("ETag", "md5Hash", "generation", "mtime", "LastModified", "last_modified", "created")

Record = tuple[bytes, int, str, ImageHints]
"""Stored image: encoded bytes, class number or -1, name, and values of kinds of guidance by kind."""


@dataclass(frozen=True)
class ShardOptions:
    """Options for the content of shards.

    Attributes:
        short_side: Maximum shorter side of stored images in pixels; larger images are downscaled.
        quality: JPEG quality of re-encoded images, which are stored without chroma subsampling.
        chunk: Number of images per chunk file.
        val_fraction: Expected fraction of validation images if the input has no folders ``train`` and
            ``val``.
        drop_gray: Whether to exclude training images without color, as in published training code.
        hints: Names of the kinds of guidance to store, such as ``text`` for captions.
    """

    short_side: int = 256
    quality: int = 92
    chunk: int = 1024
    val_fraction: float = 0.05
    drop_gray: bool = True
    hints: tuple[str, ...] = ()


@dataclass(frozen=True)
class ShardReport:
    """Result of `shard_folder`.

    Attributes:
        images: Number of images in each split (``train`` and ``val``).
        chunks: Number of chunk files in each split.
        size: Total size of all chunk files in bytes.
        gray: Number of training images that were excluded because they have no color.
        broken: Name of each image that cannot be decoded, and the reason.
        classes: Class names in the order of the class numbers.
        digest: Number of the training images, and a hash of their names and file sizes.
    """

    images: dict[str, int]
    chunks: dict[str, int]
    size: int
    gray: int
    broken: list[tuple[str, str]]
    classes: list[str]
    digest: dict[str, Any]


def shard_folder(
    source: Path, out: Path, options: ShardOptions | None = None, *, workers: int | None = None
) -> ShardReport:
    """Pack a folder of images into shards with `litdata.optimize`.

    Training images are shuffled, so each chunk file is a random sample. Validation images keep their order.

    Args:
        source: Folder that is searched recursively for images, as files or in ``.tar`` files. The folder of
            an image is its class, or the ``.tar`` file for images at the top level
            of a tar. Subfolders ``train`` and ``val`` are the splits; see `split_folders`.
        out: Output folder for ``train``, ``val`` and ``shards.json``.
        options: Options for the content.
        workers: Number of processes; None uses one process per core. Scripts need the guard
            ``if __name__ == "__main__":``, because processes are spawned.

    Raises:
        DataError: The input is missing or empty, ``out`` is not empty, or its disk is too small.
    """
    options = options or ShardOptions()
    load_litdata()  # raises an error before the images are checked
    check_outputs([out / MANIFEST], folders=[source])
    if out.exists() and any(out.iterdir()):
        raise DataError(f"the output folder {str(out)!r} must be empty. Delete it, or choose another folder.")
    kinds = hint_kinds(options.hints, "--hints")
    tables, classes = _find_splits(source, options.val_fraction)
    tables = {split: with_hints(table, kinds, source) for split, table in tables.items()}
    cache = ValueCache(cache_file(source, "checks"))
    # gray images are dropped only from the training split, as in training without shards
    train_check = check_images(tables["train"].sources, drop_gray=options.drop_gray, cache=cache)
    val_check = check_images(tables["val"].sources, drop_gray=False, cache=cache)
    train = tables["train"].select(train_check.rows)
    train = train.select(torch.randperm(len(train), generator=torch.Generator().manual_seed(0)))
    val = tables["val"].select(val_check.rows)
    require_usable(train, "train", source)
    require_usable(val, "val", source)
    # litdata blocks on a full disk, so the size is estimated from some images; `train` is shuffled
    sampled = [
        len(encode(each.read(), options.short_side, options.quality)) for each in train.sources[:_SAMPLED]
    ]
    needed = sum(sampled) * (len(train) + len(val)) // len(sampled)
    free = shutil.disk_usage(next(each for each in (out, *out.absolute().parents) if each.exists())).free
    if needed > free:
        raise DataError(
            f"{out} cannot be written: No space left on device. The shards need about {megabytes(needed)}; "
            f"{megabytes(free)} are free. Choose another folder."
        )
    try:
        (out / "train").mkdir(parents=True)  # succeeds in only one of several processes with the same output
    except FileExistsError as error:
        raise DataError(f"another process writes to the output folder {str(out)!r}") from error
    processes = workers or core_count()
    train_chunks = _pack(train, source, out / "train", options, processes)
    val_chunks = _pack(val, source, out / "val", options, processes)
    broken = train_check.broken + val_check.broken
    report = ShardReport(
        images={"train": len(train), "val": len(val)},
        chunks={"train": len(train_chunks), "val": len(val_chunks)},
        size=sum(chunk["chunk_bytes"] for chunk in train_chunks + val_chunks),
        gray=len(train_check.gray),
        broken=[(os.path.relpath(name, source), reason) for name, reason in broken],
        classes=classes,
        digest=digest_of(train.sources, source),
    )
    manifest = {"version": HINTS_VERSION, "resize": RESIZE_METHOD, **asdict(options), **asdict(report)}
    write_atomic(out / MANIFEST, json.dumps(manifest, indent=1).encode())
    return report


def _find_splits(source: Path, val_fraction: float) -> tuple[dict[Split, ImageTable], list[str]]:
    """Return the images of both splits with their class numbers, and the class names."""
    roots = split_folders(source)
    if roots:
        found = {split: find_sources(roots[split]) for split in SPLITS}
    else:
        found = dict(zip(SPLITS, split_by_content(find_sources(source), val_fraction, source), strict=True))
        roots = dict.fromkeys(SPLITS, source)
    for split, sources in found.items():
        if not sources:
            raise DataError(
                f"--val-fraction {val_fraction:g} selects no {split} image from {str(source)!r}. Change "
                "--val-fraction, or add folders named train and val."
            )
    names_by_split = {split: class_names(found[split], roots[split]) for split in SPLITS}
    # images outside class folders have the name "" and the number -1, and so do validation images whose class
    # no training image has, such as the images in an official tar of all validation images
    training = names_by_split["train"] if roots["train"] != roots["val"] else chain(*names_by_split.values())
    classes = sorted({*training} - {""})
    number = {name: index for index, name in enumerate(classes)}
    tables = {}
    for split, names in names_by_split.items():
        labels = torch.tensor([number.get(name, -1) for name in names])
        tables[split] = ImageTable(found[split], labels=labels)
    return tables, classes


def _pack(
    images: ImageTable, source: Path, out: Path, options: ShardOptions, workers: int
) -> list[dict[str, Any]]:
    """Write the images of a split to chunk files and return litdata's descriptions of the chunks."""
    try:
        load_litdata().optimize(
            fn=partial(_record, images, str(source), options),
            inputs=list(range(len(images))),
            output_dir=str(out),
            chunk_size=options.chunk,
            num_workers=min(workers, len(images)),
            keep_data_ordered=True,
            reorder_files=False,
            start_method="spawn",  # a fork can inherit locks held by threads of torch and Pillow
            verbose=False,
        )
    except RuntimeError as error:
        # litdata's message contains the traceback of a worker, whose last line is the reason
        reason = str(error).strip(" .\n").splitlines()[-1]
        raise DataError(f"litdata cannot pack {str(source)!r}: {reason}") from error
    return _read_chunks(out, str(out))


def _record(images: ImageTable, root: str, options: ShardOptions, index: int) -> tuple[Any, ...]:
    """Return the record as a tuple, because with pyarrow, litdata stores dicts twice.

    Only records with values of kinds of guidance have a fourth entry, a JSON object.
    """
    found, labels = images.sources[index], images.labels
    assert labels is not None
    jpeg = encode(found.read(), options.short_side, options.quality)
    record = jpeg, int(labels[index]), os.path.relpath(found.name, root)
    return record if images.hints is None else (*record, json.dumps(images.hints[index]))


def encode(data: bytes, short_side: int, quality: int) -> bytes:
    """Encode an image as a JPEG for storage.

    Small JPEGs are stored unchanged. Other images are decoded as in training and encoded without chroma
    subsampling, because color is the training target.

    Args:
        data: Encoded image of any format.
        short_side: Maximum shorter side in pixels; smaller images are not enlarged.
        quality: JPEG quality, up to 100.
    """
    with open_pil(BytesIO(data), "image") as image:
        is_small, is_jpeg = min(image.size) <= short_side, image.format == "JPEG"
    if is_small and is_jpeg:
        return data
    rgb = decode_rgb(data, None if is_small else short_side)
    stream = BytesIO()
    Image.fromarray(rgb.permute(1, 2, 0).numpy()).save(stream, "JPEG", quality=quality, subsampling=0)
    return stream.getvalue()


def load_litdata() -> Any:
    """Import litdata.

    Raises:
        DataError: litdata is not installed.
    """
    os.environ.setdefault("LITDATA_DISABLE_VERSION_CHECK", "1")  # else each start contacts PyPI
    try:
        return importlib.import_module("litdata")
    except ImportError as error:
        raise DataError(
            f'shards require litdata ({error}). Run `python -m pip install "colorzoo[streaming]"`.'
        ) from error


def read_manifest(root: str, cache: str | None = None) -> dict[str, Any]:
    """Return the content of ``shards.json``, which describes a folder of shards.

    Args:
        root: Local folder, or an address such as ``s3://bucket/folder``.
        cache: Folder for downloads; None selects a folder in colorzoo's cache.

    Raises:
        DataError: The folder does not contain a complete set of shards.
    """
    folder = _local_folder(root, cache)
    if _is_remote(root):
        _download(root, folder, MANIFEST)
    manifest: dict[str, Any] = _read_json(folder / MANIFEST, root)
    return manifest


def _read_chunks(folder: Path, address: str) -> list[dict[str, Any]]:
    """Return litdata's descriptions of the chunk files of a split.

    Args:
        folder: Local folder of the split.
        address: Folder or address of the split in error messages.
    """
    try:
        chunks: list[dict[str, Any]] = _read_json(folder / INDEX, address)["chunks"]
    except (KeyError, TypeError) as error:
        raise _unreadable(INDEX, address, error) from error
    return chunks


def _read_json(path: Path, address: str) -> Any:
    """Read a JSON file; ``address`` is the folder of the file in error messages."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise _unreadable(path.name, address, error) from error


def _unreadable(name: str, address: str, error: Exception) -> DataError:
    return DataError(
        f"{address!r} must be a folder with shards, but {name} cannot be read "
        f"({type(error).__name__}). Create shards with `colorzoo data shard IN OUT`."
    )


class ShardReader:
    """Sequence of the encoded images of a split, read from shards.

    The reader can be pickled for worker processes.

    Args:
        root: Folder written by `shard_folder`, or the address of a copy.
        split: ``"train"`` or ``"val"``.
        cache: Folder for downloads; None selects a folder in colorzoo's cache.
        cache_gigabytes: Maximum size of the downloads in GB. The oldest downloads are deleted first. None
            keeps all downloads.

    Attributes:
        sizes: Number of images in each chunk.

    Raises:
        DataError: A file of a local folder is missing or truncated, or the index cannot be downloaded.
    """

    def __init__(
        self, root: str, split: str, *, cache: str | None = None, cache_gigabytes: float | None = None
    ) -> None:
        self._remote = f"{root.rstrip('/')}/{split}" if _is_remote(root) else None
        self._root = _local_folder(root, cache)
        self._folder = self._root / split
        self._limit = None if cache_gigabytes is None else int(cache_gigabytes * 1e9)
        if self._remote is not None:
            _download(self._remote, self._folder, INDEX)
        self._address = self._remote or str(self._folder)
        self._chunks = _read_chunks(self._folder, self._address)
        if self._remote is None:
            for chunk in self._chunks:
                self._require(chunk)
        self.sizes = [int(chunk["chunk_size"]) for chunk in self._chunks]
        self._ends = list(accumulate(self.sizes))
        self._open: Any = None

    def __len__(self) -> int:
        return self._ends[-1]

    def __getitem__(self, index: int) -> Record:
        """Return the record of an image."""
        chunk = self._chunks[bisect_right(self._ends, index)]
        path = self._folder / chunk["filename"]
        if self._remote is not None and not path.exists():
            if self._limit is not None:
                _evict_chunks(self._root.parent, self._limit - chunk["chunk_bytes"])
            _download(self._remote, self._folder, path.name)
        self._require(chunk)
        if self._open is None:
            # without batch_decode=0, 256 neighboring records are decoded for each record that is read
            dataset = load_litdata().StreamingDataset
            self._open = dataset(str(self._folder), shuffle=False, drop_last=False, batch_decode=0)
        data, label, name, *hints = self._open[index]
        return bytes(data), int(label), str(name), json.loads(hints[0]) if hints else {}

    def _require(self, chunk: Mapping[str, Any]) -> None:
        """Raise `DataError` if a chunk file is missing or truncated."""
        path, size = self._folder / chunk["filename"], chunk["chunk_bytes"]
        if path.is_file() and path.stat().st_size == size:
            return
        state = "is truncated" if path.is_file() else "is missing"
        downloaded = "" if self._remote is None else f", downloaded to {str(path)!r},"
        raise DataError(
            f"shard '{self._address}/{path.name}'{downloaded} {state} (expected {size} bytes). Copy or "
            "create the folder again."
        )

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_open": None}  # open files and threads cannot be pickled


def _is_remote(root: str) -> bool:
    return "://" in root


def _local_folder(root: str, cache: str | None) -> Path:
    """Return ``root``, or the download folder of the current version of a remote folder.

    Raises:
        DataError: The files of the remote folder cannot be listed.
    """
    if not _is_remote(root):
        return Path(root)
    base = Path(cache) if cache else cache_home() / "shards"
    try:
        file_system, folder = url_to_fs(root)
        files = sorted(file_system.find(folder, detail=True).items())
    except Exception as error:  # each kind of store has its own exceptions
        reason = f"{type(error).__name__}: {first_words(error)}"
        raise DataError(f"the shards in {root!r} cannot be listed ({reason})") from error
    # The version changes if a file is added, removed or replaced: it consists of the size of each file and
    # the first of `_VERSION_FIELDS` that the store lists.
    described = []
    for name, info in files:
        version = next((info[key] for key in _VERSION_FIELDS if info.get(key)), "")
        described.append((name, info["size"], str(version)))
    return base / short_hash(root) / short_hash(str(described))


def _download(remote: str, folder: Path, name: str) -> None:
    """Download a file if it is missing; safe for concurrent processes."""
    path = folder / name
    if path.exists():
        return
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(prefix=f".{name}.", dir=folder) as partial:
            file_system, source = url_to_fs(f"{remote}/{name}")
            file_system.get_file(source, f"{partial}/{name}")
            Path(partial, name).replace(path)
    except Exception as error:  # each kind of store has its own exceptions
        reason = f"{type(error).__name__}: {first_words(error)}"
        raise DataError(f"{name!r} cannot be downloaded from {remote!r} ({reason})") from error


def _evict_chunks(folder: Path, limit: int) -> None:
    """Delete the oldest chunks of all versions and splits until at most ``limit`` bytes remain.

    Args:
        folder: Download folder of an address, with files such as ``VERSION/train/chunk-0-0.bin``.
        limit: Maximum total size in bytes.
    """
    chunks = []
    for path in folder.glob("*/*/*.bin"):
        with suppress(FileNotFoundError):  # another process has deleted the file
            status = path.stat()
            chunks.append((status.st_mtime, status.st_size, path))
    total = sum(size for _, size, _ in chunks)
    for _, size, path in sorted(chunks):
        if total <= limit:
            return
        path.unlink(missing_ok=True)
        total -= size
