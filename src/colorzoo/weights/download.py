"""Fetching weight files: resumable, hashed, from mirrors, one process at a time."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

from colorzoo.card import Weights
from colorzoo.errors import WeightsError
from colorzoo.weights._files import beside, locked, megabytes, quarantine, sha256_of
from colorzoo.weights._transfer import InterruptedTransferError, UnusableAddressError, transfer

ATTEMPTS = 4  # per mirror; what came before a cut is kept, so each of them gets further
BACKOFF = 0.5  # seconds before the second attempt, doubled before each further one
TIMEOUT = 15.0  # seconds without a byte

Report = Callable[[int], None]


def is_offline() -> bool:
    """Say whether the environment variable ``COLORZOO_OFFLINE`` forbids to use the network."""
    return os.environ.get("COLORZOO_OFFLINE", "").lower() not in {"", "0", "false", "no"}


def fetch(weights: Weights, destination: Path, *, progress: bool = True, offline: bool = False) -> Path:
    """Make sure that a weight file is at its place, fetching it if need be.

    An interrupted download goes on where it was cut, also in a later call (``NAME.part``). A file with a
    wrong hash is kept aside as ``NAME.quarantine``, never returned.

    Args:
        weights: Entry of a model card with addresses.
        destination: Path of the finished file; its folder is made.
        progress: Draw a bar on standard error, if that is a terminal.
        offline: Open no connection, as with ``COLORZOO_OFFLINE=1``.

    Returns:
        ``destination``, whose SHA-256 is that of ``weights``.

    Raises:
        WeightsError: The file cannot be had; the message says how to put it there by hand.
    """
    found = _hash_if_there(destination)
    if found == weights.sha256:
        return destination
    if not weights.urls:
        raise WeightsError(_by_hand(weights, destination, "the model card gives no address"))
    if offline or is_offline():
        wrong = f", and the file there has sha256 {found} instead of {weights.sha256}" if found else ""
        raise WeightsError(_by_hand(weights, destination, f"offline{wrong}"))
    try:
        _fetch_alone(weights, destination, progress)
    except OSError as error:
        reason = f"{error.filename or destination}: {error.strerror or error}"
        raise WeightsError(
            f"cannot store {destination.name} ({megabytes(weights.size)}): {reason}; make room there, "
            "or set COLORZOO_HOME to a folder that can be written"
        ) from error
    return destination


def _fetch_alone(weights: Weights, destination: Path, progress: bool) -> None:
    """Fetch while no other process does; who waited finds the finished file."""
    destination.parent.mkdir(parents=True, exist_ok=True)
    with locked(destination.with_name(f".{destination.name}.lock")) as alone:
        found = _hash_if_there(destination)
        if found == weights.sha256:
            return
        if found:
            quarantine(destination)
        # Without locks two processes must not write one unfinished file, so it is private and not resumed.
        part = beside(destination, ".part" if alone else f".{uuid4().hex}.part")
        try:
            with _bar(destination.name, weights.size, progress) as report:
                _from_mirrors(weights, part, destination, report)
        finally:
            if not alone:
                part.unlink(missing_ok=True)


def _from_mirrors(weights: Weights, part: Path, destination: Path, report: Report) -> None:
    failures = []
    for url in weights.urls:
        failure = _from_mirror(url, weights, part, destination, report)
        if failure is None:
            return
        failures.append(f"{url}: {failure}")
    raise WeightsError(_by_hand(weights, destination, "; ".join(failures)))


def _from_mirror(url: str, weights: Weights, part: Path, destination: Path, report: Report) -> str | None:
    """Try one address several times; return why it failed, or None when the file is in its place."""
    failure = ""
    for attempt in range(ATTEMPTS):
        if failure:
            time.sleep(BACKOFF * 2 ** (attempt - 1))
        held = part.stat().st_size if part.exists() else 0
        try:
            if not held or sha256_of(part) != weights.sha256:
                transfer(url, part, size=weights.size, timeout=TIMEOUT, report=report)
        except InterruptedTransferError as error:
            failure = str(error)
            continue
        except UnusableAddressError as error:
            return str(error)
        found = sha256_of(part)
        if found == weights.sha256:
            part.replace(destination)
            return None
        aside = quarantine(part)
        failure = f"expected sha256 {weights.sha256}, found {found}, kept aside as {aside.name}"
        if not held:  # otherwise the older bytes may be the wrong ones: once more from the start
            break
    return failure


def _hash_if_there(path: Path) -> str | None:
    return sha256_of(path) if path.is_file() else None


def _by_hand(weights: Weights, destination: Path, reason: str) -> str:
    source = f" from {weights.urls[0]}" if weights.urls else ""
    return (
        f"cannot fetch {destination.name} ({megabytes(weights.size)}): {reason}; "
        f"download it by hand{source} to {destination}"
    )


@contextmanager
def _bar(name: str, size: int, progress: bool) -> Iterator[Report]:
    """Yield what takes the number of bytes at hand and draws it, if anyone can see it."""
    if not (progress and sys.stderr.isatty()):
        yield lambda _received: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task(name, total=size)
        yield lambda received: bar.update(task, completed=received)
