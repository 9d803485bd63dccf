"""Atomic file writing, and removal of temporary files of killed processes."""

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
    """Open a temporary file for writing that is renamed to the target when the block ends.

    The temporary file is hidden and in the folder of the target. It is deleted if the block raises an error.
    Missing folders are created. The content is flushed to disk before the file is renamed.

    Args:
        path: Target file.
        overwrite: Whether an existing target may be replaced, including a file created during the block.

    Raises:
        FileExistsError: The target exists and ``overwrite`` is False, or the parent of the target is a file.
        OSError: The file cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # tempfile is not used, because it creates private files (0600), and groups often share weights
    partial = path.with_name(f".colorzoo-{uuid4().hex}.part")
    try:
        with partial.open("xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())  # without it a power failure could leave an empty file
        if overwrite or not _linked(partial, path):
            partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def write_atomic(path: Path, data: bytes | memoryview) -> None:
    """Write a file atomically; missing folders are created.

    Raises:
        OSError: The file cannot be written; the error contains the path of the file.
    """
    try:
        with whole_file(path) as file:
            file.write(data)
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error


def remove_leftovers(folder: Path, *, age: float = _ABANDONED) -> None:
    """Delete temporary files that no process has written to for ``age`` seconds.

    Processes that were killed leave such files behind.
    """
    with suppress(OSError):  # the folder does not exist or belongs to another user
        for part in folder.glob(f".colorzoo-{'[0-9a-f]' * 32}.part"):
            if time.time() - part.stat().st_mtime >= age:
                part.unlink(missing_ok=True)


def _linked(partial: Path, path: Path) -> bool:
    """Create a hard link; return False if the file system does not support hard links.

    Raises:
        FileExistsError: The path of the link exists.
    """
    try:
        os.link(partial, path)
    except OSError:
        if os.path.lexists(path):  # created while the content was written
            raise FileExistsError(f"{path} already exists") from None
        return False
    return True
