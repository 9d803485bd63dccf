"""State of the weight files on this machine, recorded so that large files are not hashed at every start.

Each file in the cache has a record beside it, ``.NAME.json``: its SHA-256, and its size and modification time
when it was hashed. While size and time are unchanged, the hash counts as known. For files whose authors state
no SHA-256 the record of the first use is the reference (trust on first use), and their digest, if they state
one, is checked before.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from colorzoo.atomic import write_atomic
from colorzoo.card import Weights
from colorzoo.errors import ColorzooError, WeightsError
from colorzoo.weights.catalog import WeightFile
from colorzoo.weights.files import digest_mismatch, megabytes, sha256_of

Status = Literal["embedded", "verified", "recorded", "unchecked", "changed", "refused", "missing"]

# A stated size such as "130.5 MiB" may be rounded up by this factor.
_ROUNDING = 0.98
# Factors on a size computed from the tensors: half precision; an optimizer of three times the weights.
_LEAST, _MOST = 0.3, 4


@dataclass(frozen=True)
class FileState:
    """State of one weight file.

    Attributes:
        status: ``"embedded"``: ships with the package; ``"verified"``: has the hash on the card;
            ``"recorded"``: has the hash of its first use; ``"unchecked"``: never used, no SHA-256 is stated;
            ``"changed"``: has another hash; ``"refused"``: is not the file of the card; ``"missing"``.
        sha256: Its hash, where it was needed.
        reason: What is wrong, for use after a colon in a message; empty if nothing is.
    """

    status: Status
    sha256: str | None = None
    reason: str = ""

    @property
    def trusted(self) -> bool:
        """True if the file may be used without further checks."""
        return self.status in ("embedded", "verified", "recorded")


@dataclass(frozen=True)
class FileRecord:
    """Result of an earlier check of a file.

    Attributes:
        sha256: Hash of the whole file.
        size: Bytes.
        changed: Modification time in nanoseconds.
        since: Time of the check, ISO 8601.
        refused: Why it is not the file of the card; empty if it is.
    """

    sha256: str
    size: int
    changed: int
    since: str
    refused: str = ""


def inspect_file(weights: Weights, path: Path, *, rehash: bool = False) -> FileState:
    """Return the state of a weight file; it is hashed only if it differs from its record.

    Args:
        weights: Entry of the model's card.
        path: Path of the file; it may be missing.
        rehash: Hash the file in any case, embedded files too.
    """
    if not path.is_file():
        return FileState("missing", reason="missing")
    if weights.file is not None and not rehash:
        return FileState("embedded", weights.sha256)
    record = read_record(path)
    if weights.sha256 is None:
        return _inspect_without_hash(weights, path, record, rehash)
    current = _hash_file(path, None if rehash else record)
    if weights.file is None and current != record:
        _write_record(path, current)
    if current.sha256 != weights.sha256:
        reason = f"expected sha256 {weights.sha256}, found {current.sha256}"
        return FileState("changed", current.sha256, reason)
    return FileState("verified" if weights.file is None else "embedded", current.sha256)


def _inspect_without_hash(weights: Weights, path: Path, record: FileRecord | None, rehash: bool) -> FileState:
    """Return the state of a file whose authors state no hash."""
    status = path.stat()
    same = record is not None and (record.size, record.changed) == (status.st_size, status.st_mtime_ns)
    if record is None or (record.refused and not same):
        reason = check_size(weights, status.st_size) or digest_mismatch(path, weights.digest)
        return FileState("refused" if reason else "unchecked", reason=reason)
    if record.refused:
        return FileState("refused", record.sha256, record.refused)
    current = _hash_file(path, None if rehash else record)
    if current.sha256 != record.sha256:
        reason = (
            f"changed since its first use on {record.since[:10]}: expected sha256 {record.sha256}, found "
            f"{current.sha256}; to trust the new file, remove {record_path(path)}"
        )
        return FileState("changed", current.sha256, reason)
    if not same:
        _write_record(path, FileRecord(record.sha256, current.size, current.changed, record.since))
    return FileState("recorded", record.sha256)


@contextmanager
def record_first_use(path: Path) -> Iterator[None]:
    """Record the hash of an unchecked file if the block loads it, and the reason if the block raises.

    Args:
        path: The weight file that the block loads.

    Raises:
        WeightsError: As the block does.
    """
    record = _hash_file(path)  # before it is read: the hash must be of what was loaded
    try:
        yield
    except WeightsError as error:
        _write_record(path, _hash_file(path, refused=" ".join(str(error).split())))
        raise
    _write_record(path, record)


def check_first_use(file: WeightFile, create: Callable[..., object]) -> FileState:
    """Load an unchecked file into its model and return its new state; the hash is recorded if it fits.

    Args:
        file: The file.
        create: `colorzoo.create_model`, or another builder that calls `record_first_use`.
    """
    try:
        create(file.model, file.tag, offline=True)
    except ColorzooError as error:
        return FileState("refused", reason=str(error))
    return inspect_file(file.weights, file.path)


def read_record(path: Path) -> FileRecord | None:
    """Return the record of a file, or None if there is no readable one."""
    try:
        return FileRecord(**json.loads(record_path(path).read_bytes()))
    except (OSError, ValueError, TypeError):
        return None


def record_path(path: Path) -> Path:
    """Return the path of a file's record."""
    return path.with_name(f".{path.name}.json")


def check_size(weights: Weights, size: int) -> str:
    """Return why a file of this many bytes cannot be the one of a card, or an empty string if it can."""
    least, most = size_limits(weights)
    if least <= size <= most:
        return ""
    if weights.size_stated:
        return f"has {size} bytes instead of {weights.size}"
    return f"has {megabytes(size)} instead of about {megabytes(weights.size)}"


def size_limits(weights: Weights) -> tuple[int, int]:
    """Return the least and the most bytes that a file of a card may have."""
    if weights.size_stated:
        return weights.size, weights.size
    if weights.sha256 is not None:  # the hash decides; the limits only stop a server that sends without end
        return int(_ROUNDING * weights.size), 2 * weights.size
    return int(_LEAST * weights.size), _MOST * weights.size


def _hash_file(path: Path, known: FileRecord | None = None, *, refused: str = "") -> FileRecord:
    """Return a new record of a file; the known one if size and time are unchanged."""
    status = path.stat()
    size, changed = status.st_size, status.st_mtime_ns
    if known is not None and (known.size, known.changed) == (size, changed) and known.refused == refused:
        return known
    return FileRecord(
        sha256_of(path), size, changed, datetime.now(UTC).isoformat(timespec="seconds"), refused
    )


def _write_record(path: Path, record: FileRecord) -> None:
    try:
        write_atomic(record_path(path), json.dumps(asdict(record)).encode())
    except OSError:  # a read-only cache: the file is checked again next time
        return
