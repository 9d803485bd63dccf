"""Download of weight files: resumable, checked by hash, from mirrors, one process at a time."""

from __future__ import annotations

import errno
import os
import re
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen
from uuid import uuid4

from filelock import FileLock

from colorzoo.card import Weights
from colorzoo.environment import is_on
from colorzoo.errors import WeightsError
from colorzoo.weights.file_record import FileState, check_size, inspect_file, size_limits
from colorzoo.weights.files import digest_mismatch, megabytes, sha256_of

ATTEMPTS = 4  # per mirror; received bytes are kept, so each attempt gets further
BACKOFF = 0.5  # seconds before the second attempt, doubled before each further one
TIMEOUT = 15.0  # seconds without a byte

_OFFLINE = "COLORZOO_OFFLINE"
_CHUNK = 1 << 18
_TEMPORARY_ERRORS = frozenset({408, 416, 425, 429, 500, 502, 503, 504})

Report = Callable[[int], None]
"""Called with the number of bytes received so far."""


class _InterruptedTransferError(Exception):
    """The connection was cut or stalled; the same address may work next time."""


class _UnusableAddressError(Exception):
    """This address does not have the file; only another one can help."""


def is_offline() -> bool:
    """Return True if the environment variable ``COLORZOO_OFFLINE`` forbids using the network."""
    return is_on(_OFFLINE)


@contextmanager
def offline_if(offline: bool) -> Iterator[None]:
    """Open no connection within the block if ``offline``, as with ``COLORZOO_OFFLINE=1``."""
    before = os.environ.get(_OFFLINE)
    if offline:
        os.environ[_OFFLINE] = "1"
    try:
        yield
    finally:
        if offline:
            if before is None:
                del os.environ[_OFFLINE]
            else:
                os.environ[_OFFLINE] = before


def fetch(weights: Weights, destination: Path, *, progress: bool = True, offline: bool = False) -> Path:
    """Make sure that a weight file is on this machine, downloading it if necessary.

    An interrupted download is resumed, also by a later call (``NAME.part``). A file with a wrong hash is
    moved to ``NAME.quarantine`` and never returned. Where the authors state no SHA-256, a file of a fitting
    size and digest is returned; it must not be used before its model has loaded it.

    Args:
        weights: Entry of a model card with addresses.
        destination: Path of the finished file; missing folders are made.
        progress: Draw a bar on standard error if that is a terminal.
        offline: Open no connection, as with ``COLORZOO_OFFLINE=1``.

    Returns:
        ``destination``, whose SHA-256 is that of ``weights``.

    Raises:
        WeightsError: The file cannot be downloaded (the message says how to do it by hand), or it has changed
            since its first use.
    """
    state = inspect_file(weights, destination)
    if _is_usable(weights, destination, state):
        return destination
    if not weights.urls:
        raise WeightsError(_manual_steps(weights, destination, "the model card gives no address"))
    if offline or is_offline():
        wrong = "" if state.status == "missing" else f", and of the file there: {state.reason}"
        raise WeightsError(_manual_steps(weights, destination, f"offline{wrong}"))
    try:
        _fetch_locked(weights, destination, progress)
    except OSError as error:
        reason = f"{error.filename or destination}: {error.strerror or error}"
        raise WeightsError(
            f"cannot store {destination.name} ({megabytes(weights.size)}): {reason}; free space there, "
            "or set COLORZOO_HOME to a writable folder"
        ) from error
    return destination


def _is_usable(weights: Weights, path: Path, state: FileState) -> bool:
    """Return True if a file need not be fetched; refuse to replace one that changed since its first use."""
    if state.status == "changed" and weights.sha256 is None:
        raise WeightsError(f"{path} is not used: {state.reason}")
    return state.trusted or state.status == "unchecked"


def _manual_steps(weights: Weights, destination: Path, reason: str) -> str:
    source = f" from {weights.urls[0]}" if weights.urls else ""
    return (
        f"cannot fetch {destination.name} ({megabytes(weights.size)}): {reason}; "
        f"download it by hand{source} to {destination}"
    )


def _fetch_locked(weights: Weights, destination: Path, progress: bool) -> None:
    """Fetch a file while no other process does; a process that waited finds the finished file."""
    destination.parent.mkdir(parents=True, exist_ok=True)
    with locked(destination.with_name(f".{destination.name}.lock")) as alone:
        state = inspect_file(weights, destination)
        if _is_usable(weights, destination, state):
            return
        if state.status != "missing":
            _quarantine(destination)
        # Without locks two processes must not write the same partial file: it is private and not resumed.
        part = destination.with_name(destination.name + (".part" if alone else f".{uuid4().hex}.part"))
        failures = []
        try:
            with _progress_bar(destination.name, weights.size, progress) as report:
                for url in weights.urls:
                    failure = _fetch_from(url, weights, part, destination, report)
                    if failure is None:
                        return
                    failures.append(f"{url}: {failure}")
        finally:
            if not alone:
                part.unlink(missing_ok=True)
    raise WeightsError(_manual_steps(weights, destination, "; ".join(failures)))


def _fetch_from(url: str, weights: Weights, part: Path, destination: Path, report: Report) -> str | None:
    """Try one address several times; return why it failed, or None once the file is in its place."""
    failure = ""
    for attempt in range(ATTEMPTS):
        if failure:
            time.sleep(BACKOFF * 2 ** (attempt - 1))
        resumed = part.stat().st_size if part.exists() else 0
        try:
            if not (resumed and _is_complete(weights, part)):
                least, most = size_limits(weights)
                transfer(url, part, least=least, most=most, timeout=TIMEOUT, report=report)
        except _InterruptedTransferError as error:
            failure = str(error)
            continue
        except _UnusableAddressError as error:
            return str(error)
        wrong = _check_download(weights, part)
        if not wrong:
            part.replace(destination)
            inspect_file(weights, destination)  # records the hash
            return None
        failure = f"{wrong}, kept aside as {_quarantine(part).name}"
        if not resumed:  # otherwise the earlier bytes may be the wrong ones: once more from the start
            break
    return failure


def _is_complete(weights: Weights, part: Path) -> bool:
    if weights.sha256 is not None:
        return sha256_of(part) == weights.sha256
    if weights.digest:
        return not digest_mismatch(part, weights.digest)
    return weights.size_stated and part.stat().st_size == weights.size


def _check_download(weights: Weights, part: Path) -> str:
    """Return why a download is not the file of the card, or an empty string if it is or may be."""
    if weights.sha256 is not None:
        found = sha256_of(part)
        return "" if found == weights.sha256 else f"expected sha256 {weights.sha256}, found {found}"
    with part.open("rb") as file:
        is_page = file.read(64).lstrip().startswith(b"<")
    wrong = check_size(weights, part.stat().st_size)
    wrong = wrong or digest_mismatch(part, weights.digest)
    return f"a web page instead of the file ({wrong})" if is_page and wrong else wrong


def _quarantine(path: Path) -> Path:
    """Rename a file with a wrong hash to ``NAME.quarantine``, replacing an older one."""
    target = path.with_name(path.name.removesuffix(".part") + ".quarantine")
    path.replace(target)
    return target


@contextmanager
def locked(path: Path) -> Iterator[bool]:
    """Hold a lock file, waiting for another process; a killed process never leaves it locked.

    Args:
        path: The lock file, which stays.

    Yields:
        True when the lock is held, False when this file system has no locks.
    """
    lock = FileLock(path)
    try:
        lock.acquire()
    except OSError as error:  # some network file systems
        if error.errno != errno.ENOLCK:
            raise
    try:
        yield lock.is_locked
    finally:
        lock.release()


def transfer(url: str, part: Path, *, least: int, most: int, timeout: float, report: Report) -> None:
    """Append the missing bytes to a partial file, or write it anew if the server cannot resume.

    Args:
        url: Address; redirects are followed.
        part: The partial file; it may be missing.
        least: Least number of bytes of the whole file, for servers that do not announce its length.
        most: Number of bytes after which reading stops.
        timeout: Seconds without a byte after which the server counts as stalled.
        report: Called with the size of ``part``.

    Raises:
        _InterruptedTransferError: Cut, stalled or overloaded; the received bytes are kept in ``part``.
        _UnusableAddressError: No such host, no such file.
        OSError: ``part`` cannot be written.
    """
    offset = part.stat().st_size if part.exists() else 0
    with _open(url, offset, part, timeout) as response:
        start = offset if _resumes(response, offset) else 0
        length = response.headers.get("Content-Length", "")
        whole = min(start + int(length), most) if length.isdecimal() else least
        received = start
        with part.open("ab" if start else "wb") as file:
            while received <= most and (chunk := _read(response)):
                file.write(chunk)
                received += len(chunk)
                report(received)
    if received < whole:
        raise _InterruptedTransferError(f"connection cut after {received} of {whole} bytes")


def _open(url: str, offset: int, part: Path, timeout: float) -> HTTPResponse:
    """Send the request; translate the many errors of urllib into the two of this module."""
    try:
        # A compressed transfer would be hashed and counted in the wrong bytes.
        request = Request(url, headers={"User-Agent": "colorzoo", "Accept-Encoding": "identity"})
        if offset:
            request.add_header("Range", f"bytes={offset}-")
        response: HTTPResponse = urlopen(request, timeout=timeout)
    except HTTPError as error:
        error.close()
        if error.code == 416:  # the partial file is not the beginning of the server's file
            part.unlink(missing_ok=True)
        temporary = error.code in _TEMPORARY_ERRORS
        kind = _InterruptedTransferError if temporary else _UnusableAddressError
        raise kind(f"HTTP {error.code} {error.reason}") from None
    except URLError as error:
        raise _UnusableAddressError(f"unreachable ({error.reason})") from None
    except ValueError as error:
        raise _UnusableAddressError(str(error)) from None
    except (OSError, HTTPException) as error:
        raise _InterruptedTransferError(_reason(error)) from None
    return response


def _resumes(response: HTTPResponse, offset: int) -> bool:
    """Return True if the response continues at ``offset``, False if it is the whole file."""
    first = re.match(r"bytes (\d+)-", response.headers.get("Content-Range", ""))
    if response.status != 206 or first is None:
        return False
    if int(first[1]) != offset:
        raise _UnusableAddressError(f"requested bytes from {offset}, received them from {first[1]}")
    return True


def _read(response: HTTPResponse) -> bytes:
    try:
        # Not `read`, which discards received bytes when the server stalls within the chunk.
        return response.read1(_CHUNK)
    except (OSError, HTTPException) as error:
        raise _InterruptedTransferError(_reason(error)) from None


def _reason(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "the server stalled"
    return f"connection cut ({str(error) or type(error).__name__})"


@contextmanager
def _progress_bar(name: str, size: int, progress: bool) -> Iterator[Report]:
    """Yield a function that draws the number of received bytes, if standard error is a terminal."""
    if not (progress and sys.stderr.isatty()):
        yield lambda _received: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task(name, total=size)
        yield lambda received: bar.update(task, completed=received)
