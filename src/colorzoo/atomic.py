"""Files that are written whole or not at all; what a killed process left of one is recognized and removed."""

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

_ABANDONED = 3600.0  # seconds without a write, after which a process of another machine counts as dead
_MACHINE, _PROCESS, _RANDOM = 8, 8, 12  # hexadecimal digits
_NAME = re.compile(rf"\.colorzoo-([0-9a-f]{{{_MACHINE}}})([0-9a-f]{{{_PROCESS}}})[0-9a-f]{{{_RANDOM}}}\.part")


@contextmanager
def whole_file(path: Path, *, overwrite: bool = True, temporary: Path | None = None) -> Iterator[IO[bytes]]:
    """Write to a temporary file beside the target and rename it at the end; an error removes it.

    Missing folders are made, and the content is on the disk before the name refers to it.

    Args:
        path: The target.
        overwrite: Replace a file of that name, also one that appears meanwhile.
        temporary: Name of the temporary file; None takes that of `part_of`.

    Raises:
        FileExistsError: A file of the name is there, and ``overwrite`` is false; or the parent is a file.
        OSError: The file cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = temporary or part_of(path)
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


def part_of(path: Path) -> Path:
    """Return a new temporary file beside a file, hidden, and named by machine and process."""
    name = f"{_machine()}{os.getpid():0{_PROCESS}x}{secrets.token_hex(_RANDOM // 2)}"
    return path.with_name(f".colorzoo-{name}.part")


def remove_leftovers(folder: Path) -> None:
    """Remove temporary files of processes that are gone; of other machines an hour after the last write."""
    with suppress(OSError):  # there is no folder yet, or it is another user's
        for part in folder.glob(".colorzoo-*.part"):
            found = _NAME.fullmatch(part.name)
            if found and (_is_gone(*found.groups()) or time.time() - part.stat().st_mtime > _ABANDONED):
                part.unlink(missing_ok=True)


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


def _is_gone(machine: str, process: str) -> bool:
    """Return whether a process is known to be gone."""
    if machine != _machine() or sys.platform != "linux":
        return False
    return not Path("/proc", str(int(process, 16))).exists()


@cache
def _machine() -> str:
    """Return a number of this machine since its start; containers have others."""
    try:
        start = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii")
        space = str(Path("/proc/self/ns/pid").readlink())
    except OSError:
        return "0" * _MACHINE
    return hashlib.blake2b((start + space).encode(), digest_size=_MACHINE // 2).hexdigest()
