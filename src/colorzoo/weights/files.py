"""Hashes and atomic writes of files."""

from __future__ import annotations

import hashlib
import os
from functools import lru_cache
from pathlib import Path
from uuid import uuid4


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file, or of the hashes of a folder's files, as lower-case hexadecimal."""
    if path.is_dir():
        hashes = "".join(sha256_of(file) for file in sorted(path.iterdir()))
        return hashlib.sha256(hashes.encode()).hexdigest()
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def digest_of(source: Path | bytes) -> str:
    """Return the SHA-256 of a file or of bytes; for a file it is cached until the file changes.

    Raises:
        OSError: The file cannot be read.
    """
    if isinstance(source, bytes):
        return hashlib.sha256(source).hexdigest()
    status = source.stat()
    return _file_digest(source, status.st_mtime_ns, status.st_size)


@lru_cache(maxsize=256)
def _file_digest(path: Path, modified: int, size: int) -> str:
    del modified, size  # part of the key only
    return sha256_of(path)


def megabytes(size: int) -> str:
    """Format a number of bytes in units of 10^6 bytes."""
    return f"{size / 1e6:.1f} MB"


def write_atomic(path: Path, data: bytes | memoryview) -> None:
    """Write a file so that its name never refers to partial content; missing folders are made.

    Raises:
        OSError: The file cannot be written; the error names it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = temporary_name(path)
    try:
        with temporary.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
        sync(path.parent)
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error
    finally:
        temporary.unlink(missing_ok=True)


def temporary_name(path: Path) -> Path:
    """Return a new name beside a path, for content that will be renamed to it when it is complete."""
    # Not tempfile: its files are private (0600), and weights are often shared in a group's folder.
    return path.with_name(f".{path.name}.{uuid4().hex}.tmp")


def sync(path: Path) -> None:
    """Wait until a file, or the names in a folder, are on the disk."""
    if os.name == "nt" and path.is_dir():
        return  # Windows opens no folders
    number = os.open(path, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)
