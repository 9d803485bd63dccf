"""File chores of the weights: hashes, whole or absent writes, a lock between processes."""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file in lower-case hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def megabytes(size: int) -> str:
    """Return a number of bytes as people read it, in units of 10^6 bytes."""
    return f"{size / 1e6:.1f} MB"


def beside(path: Path, ending: str) -> Path:
    """Return the path of the same folder whose name has ``ending`` added."""
    return path.with_name(path.name + ending)


def quarantine(path: Path) -> Path:
    """Rename a file whose hash is wrong to ``NAME.quarantine``, replacing an older one."""
    aside = beside(path.with_name(path.name.removesuffix(".part")), ".quarantine")
    path.replace(aside)
    return aside


def write_atomic(path: Path, data: bytes) -> None:
    """Write a file so that its name never shows a half-written content."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # Not tempfile: its files are private (0600), and weights are often shared in a group's folder.
    temporary = path.with_name(f".{path.name}.{uuid4().hex}.tmp")
    try:
        with temporary.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def locked(path: Path) -> Iterator[bool]:
    """Hold a lock file; waits for another process, and a killed one never leaves it locked.

    Args:
        path: The lock file; it stays (empty), since removing it would race with who waits for it.

    Yields:
        True when the lock is held, False when this file system knows no locks.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        yield _lock(descriptor)
    finally:
        os.close(descriptor)  # the kernel lifts the lock here, also when the process is killed


def _lock(descriptor: int) -> bool:
    if sys.platform == "win32":
        while True:
            try:
                msvcrt.locking(descriptor, msvcrt.LK_LOCK, 1)
                return True
            except OSError:  # gives up after 10 s by itself
                continue
    else:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        except OSError:  # ENOLCK or ENOSYS: some network file systems
            return False
        return True
