"""Files that are written whole or not at all."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO
from uuid import uuid4

PART = ".colorzoo-"
"""Beginning of the names of unfinished files; twelve hexadecimal digits and ``.part`` follow."""


@contextmanager
def whole_file(path: Path, *, overwrite: bool = True, temporary: Path | None = None) -> Iterator[IO[bytes]]:
    """Write to a temporary file beside the target and rename it at the end; an error removes it.

    Missing folders are made, and the content is on the disk before the name refers to it.

    Args:
        path: The target.
        overwrite: Replace a file of that name, also one that appears meanwhile.
        temporary: Name of the temporary file; None makes one.

    Raises:
        FileExistsError: A file of the name is there, and ``overwrite`` is false; or the parent is a file.
        OSError: The file cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = temporary or path.with_name(f"{PART}{secrets.token_hex(6)}.part")
    try:
        with partial.open("xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())  # else a power cut might leave the name without the content
        if overwrite or not _linked(partial, path):
            partial.replace(path)
        sync(path.parent)
    finally:
        partial.unlink(missing_ok=True)


def write_atomic(path: Path, data: bytes | memoryview) -> None:
    """Write a file so that its name never refers to partial content; missing folders are made.

    Raises:
        OSError: The file cannot be written; the error names it.
    """
    try:
        with whole_file(path, temporary=temporary_name(path)) as file:
            file.write(data)
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error


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


def _linked(partial: Path, path: Path) -> bool:
    """Give a file a second name that must be new; return False where the file system has no hard links."""
    try:
        os.link(partial, path)
    except OSError:
        if os.path.lexists(path):  # it came while the content was being made
            raise FileExistsError(f"{path} exists already") from None
        return False
    return True
