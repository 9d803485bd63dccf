"""Atomic writing of files, and removal of temporary files of killed processes."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO
from uuid import uuid4

_ABANDONED = 3600.0  # seconds without a write after which a temporary file is abandoned


@contextmanager
def whole_file(path: Path, *, overwrite: bool = True) -> Iterator[IO[bytes]]:
    """Write a hidden temporary file beside the target and rename it at the end; an error deletes it.

    Missing folders are created. The content is flushed to disk before the file is renamed.

    Args:
        path: The target.
        overwrite: Whether to replace an existing file, including a file created meanwhile.

    Raises:
        FileExistsError: The target exists and ``overwrite`` is false, or its parent is a file.
        OSError: The file cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # tempfile creates private files (0600), but weights are often shared in the folder of a group
    partial = path.with_name(f".colorzoo-{uuid4().hex}.part")
    try:
        with partial.open("xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())  # otherwise a power failure could leave an empty file
        if overwrite or not _linked(partial, path):
            partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def write_atomic(path: Path, data: bytes | memoryview) -> None:
    """Write a file atomically; missing folders are created.

    Raises:
        OSError: The file cannot be written; the error contains its path.
    """
    try:
        with whole_file(path) as file:
            file.write(data)
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error


def remove_leftovers(folder: Path, *, age: float = _ABANDONED) -> None:
    """Delete temporary files of killed processes: those not written for ``age`` seconds (an hour)."""
    with suppress(OSError):  # the folder does not exist or belongs to another user
        for part in folder.glob(f".colorzoo-{'[0-9a-f]' * 32}.part"):
            if time.time() - part.stat().st_mtime >= age:
                part.unlink(missing_ok=True)


def _linked(partial: Path, path: Path) -> bool:
    """Create a hard link to a file; return False if the file system does not support hard links."""
    try:
        os.link(partial, path)
    except OSError:
        if os.path.lexists(path):  # created while the content was written
            raise FileExistsError(f"{path} already exists") from None
        return False
    return True
