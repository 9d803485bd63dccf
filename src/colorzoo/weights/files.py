"""Hashes of files."""

from __future__ import annotations

import errno
import hashlib
import stat
from functools import lru_cache
from pathlib import Path


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file in lower-case hexadecimal.

    Raises:
        OSError: The file cannot be read, or is a device or pipe.
    """
    if not stat.S_ISREG(path.stat().st_mode):  # reading a device such as /dev/zero would not end
        raise OSError(errno.EINVAL, "not a regular file", str(path))
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def digest_of(source: Path | bytes) -> str:
    """Return the SHA-256 of a file or bytes; file hashes are cached until the file changes.

    Raises:
        OSError: The file cannot be read.
    """
    if isinstance(source, bytes):
        return hashlib.sha256(source).hexdigest()
    status = source.stat()
    return _file_digest(source, status.st_mtime_ns, status.st_size)


def digest_or_empty(path: Path) -> str:
    """Return the SHA-256 of a file (`digest_of`), or an empty string if reading fails.

    The code that later reads the file reports the error.
    """
    try:
        return digest_of(path)
    except OSError:
        return ""


@lru_cache(maxsize=256)
def _file_digest(path: Path, modified: int, size: int) -> str:
    del modified, size  # used as cache key only
    return sha256_of(path)


def begins_with(path: Path, *starts: bytes) -> bool:
    """Return True if a file starts with one of the byte strings."""
    with path.open("rb") as file:
        return file.read(max(map(len, starts))).startswith(starts)


def megabytes(size: int) -> str:
    """Format a number of bytes in units of 10^6 bytes."""
    return f"{size / 1e6:.1f} MB"
