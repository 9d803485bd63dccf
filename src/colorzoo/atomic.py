"""Atomic writing of files, and removal of temporary files of killed processes."""

from __future__ import annotations

import hashlib
import os
import re
import secrets
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import IO
from uuid import uuid4

_ABANDONED = 3600.0  # seconds without a write after which a file of another machine is abandoned
_MACHINE, _PROCESS, _RANDOM = 8, 8, 12  # hexadecimal digits
_NAME = re.compile(rf"\.colorzoo-([0-9a-f]{{{_MACHINE}}})([0-9a-f]{{{_PROCESS}}})[0-9a-f]{{{_RANDOM}}}\.part")


@contextmanager
def whole_file(path: Path, *, overwrite: bool = True, temporary: Path | None = None) -> Iterator[IO[bytes]]:
    """Write a temporary file beside the target and rename it at the end; an error deletes it.

    Missing folders are created. The content is flushed to disk before the file is renamed.

    Args:
        path: The target.
        overwrite: Whether to replace an existing file, including a file created meanwhile.
        temporary: Path of the temporary file; None uses `part_of`.

    Raises:
        FileExistsError: The target exists and ``overwrite`` is false, or its parent is a file.
        OSError: The file cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = temporary or part_of(path)
    try:
        with partial.open("xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())  # otherwise a power failure could leave an empty file
        if overwrite or not _linked(partial, path):
            partial.replace(path)
        sync(path.parent)
    finally:
        partial.unlink(missing_ok=True)


def write_atomic(path: Path, data: bytes | memoryview) -> None:
    """Write a file atomically; missing folders are created.

    Raises:
        OSError: The file cannot be written; the error contains its path.
    """
    try:
        with whole_file(path, temporary=temporary_name(path)) as file:
            file.write(data)
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error


def temporary_name(path: Path) -> Path:
    """Return the path for a new temporary file in the folder of ``path``."""
    # tempfile creates private files (0600), but weights are often shared in the folder of a group
    return path.with_name(f".{path.name}.{uuid4().hex}.tmp")


def part_of(path: Path) -> Path:
    """Return the path of a new hidden temporary file, whose name identifies machine and process."""
    name = f"{_machine()}{os.getpid():0{_PROCESS}x}{secrets.token_hex(_RANDOM // 2)}"
    return path.with_name(f".colorzoo-{name}.part")


def remove_leftovers(folder: Path) -> None:
    """Delete temporary files of ended processes; files of other machines an hour after the last write."""
    with suppress(OSError):  # the folder does not exist or belongs to another user
        for part in folder.glob(".colorzoo-*.part"):
            found = _NAME.fullmatch(part.name)
            if found and (_is_gone(*found.groups()) or time.time() - part.stat().st_mtime > _ABANDONED):
                part.unlink(missing_ok=True)


def sync(path: Path) -> None:
    """Flush a file or folder to disk."""
    if os.name == "nt" and path.is_dir():
        return  # Windows cannot open folders
    number = os.open(path, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)


def _linked(partial: Path, path: Path) -> bool:
    """Create a hard link to a file; return False if the file system does not support hard links."""
    try:
        os.link(partial, path)
    except OSError:
        if os.path.lexists(path):  # created while the content was written
            raise FileExistsError(f"{path} already exists") from None
        return False
    return True


def _is_gone(machine: str, process: str) -> bool:
    """Return whether a process of this machine has ended; False if unknown."""
    if machine != _machine() or sys.platform != "linux":
        return False
    return not Path("/proc", str(int(process, 16))).exists()


@cache
def _machine() -> str:
    """Return an identifier of this machine since boot; it differs between containers."""
    try:
        start = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii")
        space = str(Path("/proc/self/ns/pid").readlink())
    except OSError:
        return "0" * _MACHINE
    return hashlib.blake2b((start + space).encode(), digest_size=_MACHINE // 2).hexdigest()
