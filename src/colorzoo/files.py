"""Checks of output files, atomic writing, removal of temporary files of killed processes, and file hashes."""

from __future__ import annotations

import errno
import hashlib
import os
import platform
import stat
import time
import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import lru_cache
from pathlib import Path
from typing import IO, TYPE_CHECKING
from uuid import uuid4

from colorzoo.errors import ColorzooError

if TYPE_CHECKING:
    from filelock import FileLock

try:
    import fcntl
except ImportError:  # Windows, which does not delete open files
    fcntl = None  # type: ignore[assignment]

__all__ = [
    "check_outputs",
    "digest_of",
    "lock_file",
    "megabytes",
    "remove_leftovers",
    "sha256_of",
    "whole_file",
    "write_atomic",
]

_ABANDONED = 3600.0  # seconds without a write after which a temporary file is abandoned


def check_outputs(
    outputs: Iterable[Path],
    inputs: Iterable[str | Path] = (),
    *,
    folders: Sequence[Path] = (),
    overwrite: bool = True,
    error: type[ColorzooError] = ColorzooError,
) -> None:
    """Raise an error if a command must not write its outputs.

    Files are compared by device and inode, so that hard links, symbolic links and different spellings of a
    name are recognized. A symbolic link is never written, because it could lead to a file that a person made.

    Examples:
        >>> check_outputs([Path("photo.png")], inputs=["photo.png"])
        Traceback (most recent call last):
        colorzoo.errors.ColorzooError: photo.png is also an input. Choose another output.

    Args:
        outputs: All files that the command writes or deletes.
        inputs: All files that the command reads; other texts are ignored.
        folders: Input folders that must not contain an output.
        overwrite: Whether existing files may be replaced, except inputs.
        error: Class of the error.
    """
    written = list(outputs)
    # a missing file cannot be an input
    sources = _identities(inputs) if any(map(os.path.lexists, written)) else set()
    names = set[str]()
    for out in written:
        name = os.path.abspath(out).casefold()
        if name in names:
            raise error(f"{out} is also another output. Choose different outputs.")
        names.add(name)
        if not sources.isdisjoint(_identities([out])):
            raise error(f"{out} is also an input. Choose another output.")
        if os.path.islink(out):  # noqa: PTH114 - as below, Path raises an error for long names
            raise error(f"{out} is a symbolic link. Delete the link, or choose another output.")
        if os.path.exists(out) and not os.path.isfile(out):  # noqa: PTH110, PTH113
            raise error(f"{out} is not a regular file. Choose another output.")
        if os.path.lexists(out) and not overwrite:
            raise error(exists_message(out))
    for parent in dict.fromkeys(out.parent for out in written):
        folder = next(each for each in (parent / "file").absolute().parents if os.path.lexists(each))
        above = _identities((folder, *folder.resolve().parents)) if folders else set()
        for closed in folders:
            if not above.isdisjoint(_identities([closed])):
                raise error(
                    f"{str(parent)!r} is inside the input folder {str(closed)!r}. Choose another folder."
                )
        if not (os.path.isdir(folder) and os.access(folder, os.W_OK)):  # noqa: PTH112
            raise error(f"{str(parent)!r} cannot be written, because {folder} is not a writable folder.")


def exists_message(path: Path) -> str:
    """Return the error message for an existing output that must not be replaced."""
    return f"{path} already exists. Set --overwrite (Python: overwrite=True), or choose another output."


def _identities(paths: Iterable[str | Path]) -> set[tuple[int, int]]:
    """Return the device number and the inode of each existing file."""
    found = set()
    for path in paths:
        with suppress(OSError, ValueError):
            status = os.stat(path)  # noqa: PTH116 - also for text that is not a path
            found.add((status.st_dev, status.st_ino))
    return found


@contextmanager
def whole_file(path: Path, *, overwrite: bool = True) -> Iterator[IO[bytes]]:
    """Open a temporary file, which is renamed to the target when the ``with`` block ends.

    Examples:
        >>> with whole_file(Path("copy.png")) as file:
        ...     _ = file.write(Path("photo.png").read_bytes())

    The temporary file is hidden and in the folder of the target. It is deleted if the block raises an error.
    Missing folders are created. The content is flushed to disk before the file is renamed.

    Args:
        path: Target file.
        overwrite: Whether to replace an existing target, including a file that is created during the block.

    Yields:
        Temporary file, opened for writing bytes.

    Raises:
        FileExistsError: The target exists and ``overwrite`` is False, or the parent of the target is a file.
        OSError: The file cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # tempfile is not used, because it creates private files (0600), and groups often share weights
    partial = path.with_name(f".colorzoo-{uuid4().hex}.part")
    try:
        with partial.open("xb") as file:
            with suppress(OSError):  # the file system has no locks
                _lock(file)
            yield file
            file.flush()
            os.fsync(file.fileno())  # without it a power failure could leave an empty file
        if overwrite:
            partial.replace(path)
            return
        try:
            os.link(partial, path)  # never replaces a file, in contrast to a rename
        except OSError:  # the target exists, or the file system does not support hard links
            if os.path.lexists(path):  # created while the content was written
                raise FileExistsError(errno.EEXIST, "already exists", str(path)) from None
            partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def write_atomic(path: Path, data: bytes | memoryview, *, overwrite: bool = True) -> None:
    """Write a file atomically; see `whole_file`, which also writes in several steps.

    Examples:
        >>> write_atomic(Path("notes.txt"), b"two images")

    Raises:
        FileExistsError: The target exists and ``overwrite`` is False, or the parent of the target is a file.
        OSError: The file cannot be written; the error contains the path of the file.
    """
    try:
        with whole_file(path, overwrite=overwrite) as file:
            file.write(data)
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error


def _lock(file: IO[bytes]) -> bool:
    """Lock an open file; return False if another process has locked it.

    The operating system releases the lock when the process ends, even if it is killed. In contrast to a
    process number in the file name, a lock is also correct if numbers are reused or if another machine writes
    to a shared disk.

    Raises:
        OSError: The file system does not support locks.
    """
    try:
        if fcntl is not None:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    except (BlockingIOError, PermissionError):  # some file systems use EACCES
        return False


def lock_file(path: Path, timeout: float = -1) -> FileLock:
    """Lock a file, which is created if it is missing, and write process and host of the owner into it.

    The lock of a killed process ends with the process. On a file system without locks, such as Lustre without
    the option ``flock``, the file is not locked and a warning names it: a substitute, such as a file with the
    process number, would block the run for ever if its machine fails.

    Examples:
        >>> lock_file(Path("job.lock")).release()

    Args:
        path: Path of the lock file.
        timeout: Maximum number of seconds to wait for another process; -1 waits until it ends.

    Returns:
        The lock, whose method ``release`` has no effect if the file system has no locks.

    Raises:
        TimeoutError: Another process has locked the file. The message names the file and the owner.
        OSError: The file cannot be created.
    """
    from filelock import FileLock, Timeout

    lock = FileLock(path)
    try:
        # filelock would replace a missing lock by a file that outlives the process
        with path.open("ab") as file:
            _lock(file)
    except OSError as error:
        if error.filename is not None:  # the file cannot be opened
            raise
        warnings.warn(
            f"{path} cannot be locked ({error.strerror}). Start no other process that writes into "
            f"{path.parent}, because it would not be refused.",
            stacklevel=2,
        )
        return lock
    try:
        lock.acquire(timeout=timeout)
    except Timeout:
        owner = ""
        with suppress(OSError):  # Windows does not read locked files
            owner = path.read_text(encoding="utf-8", errors="replace").strip()
        raise TimeoutError(f"{path} is locked by {owner or 'another process'}") from None
    with suppress(OSError):
        path.write_text(f"process {os.getpid()} on {platform.node()}", encoding="utf-8")
    return lock


def remove_leftovers(folder: Path, *, age: float = _ABANDONED) -> None:
    """Delete temporary files of `whole_file` whose process was killed.

    Examples:
        >>> remove_leftovers(Path("album"))

    The file of a running process is kept, even if it was not modified for a long time.

    Args:
        folder: Folder of the temporary files.
        age: Minimum number of seconds since the last modification.
    """
    with suppress(OSError):  # the folder does not exist or belongs to another user
        for part in folder.glob(f".colorzoo-{'[0-9a-f]' * 32}.part"):
            if time.time() - part.stat().st_mtime >= age:
                with suppress(OSError), part.open("r+b") as file:  # NFS locks only files opened for writing
                    if _lock(file):
                        part.unlink(missing_ok=True)


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file in lower-case hexadecimal.

    Examples:
        >>> len(sha256_of(Path("photo.png")))
        64

    Raises:
        OSError: The file cannot be read, or is a device or pipe.
    """
    if not stat.S_ISREG(path.stat().st_mode):  # reading a device such as /dev/zero would not end
        raise OSError(errno.EINVAL, "not a regular file", str(path))
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def digest_of(source: Path | bytes) -> str:
    """Return the SHA-256 of a file or of bytes in lower-case hexadecimal.

    The hash of a file is cached until its size or modification time changes.

    Examples:
        >>> digest_of(b"")[:8]
        'e3b0c442'

    Raises:
        OSError: The file cannot be read.
    """
    if isinstance(source, bytes):
        return hashlib.sha256(source).hexdigest()
    status = source.stat()
    return _file_digest(source, status.st_mtime_ns, status.st_size)


@lru_cache(maxsize=256)
def _file_digest(path: Path, modified: int, size: int) -> str:
    del modified, size  # used as cache key only
    return sha256_of(path)


def megabytes(size: int) -> str:
    """Format a file size in bytes as text in megabytes (10^6 bytes), such as ``1.5 MB``.

    Examples:
        >>> megabytes(1_500_000)
        '1.5 MB'
    """
    return f"{size / 1e6:.1f} MB"
