"""Hashes and atomic writes of files."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from uuid import uuid4


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file, or of the hashes of a folder's files, as lower-case hexadecimal."""
    if path.is_dir():
        hashes = "".join(sha256_of(file) for file in sorted(path.iterdir()))
        return hashlib.sha256(hashes.encode()).hexdigest()
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def megabytes(size: int) -> str:
    """Format a number of bytes in units of 10^6 bytes."""
    return f"{size / 1e6:.1f} MB"


def write_atomic(path: Path, data: bytes) -> None:
    """Write a file so that its name never refers to partial content; missing folders are made."""
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
