"""Fetching weight files: resumable, hashed, from mirrors, one process at a time."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

from colorzoo.card import Weights
from colorzoo.environment import is_on
from colorzoo.errors import WeightsError
from colorzoo.weights._files import beside, locked, megabytes, quarantine, sha256_of
from colorzoo.weights._transfer import InterruptedTransferError, UnusableAddressError, transfer
from colorzoo.weights.ledger import FileState, inspect, size_limits, wrong_size

ATTEMPTS = 4  # per mirror; what came before a cut is kept, so each of them gets further
BACKOFF = 0.5  # seconds before the second attempt, doubled before each further one
TIMEOUT = 15.0  # seconds without a byte

Report = Callable[[int], None]


def is_offline() -> bool:
    """Say whether the environment variable ``COLORZOO_OFFLINE`` forbids to use the network."""
    return is_on("COLORZOO_OFFLINE")


def fetch(weights: Weights, destination: Path, *, progress: bool = True, offline: bool = False) -> Path:
    """Make sure that a weight file is at its place, fetching it if need be.

    An interrupted download goes on where it was cut, also in a later call (``NAME.part``). A file with a
    wrong hash is kept aside as ``NAME.quarantine``, never returned. Where the authors state no hash, one of a
    fitting size is returned, which is not to be used before the model has accepted it.

    Args:
        weights: Entry of a model card with addresses.
        destination: Path of the finished file; its folder is made.
        progress: Draw a bar on standard error, if that is a terminal.
        offline: Open no connection, as with ``COLORZOO_OFFLINE=1``.

    Returns:
        ``destination``, whose SHA-256 is that of ``weights``.

    Raises:
        WeightsError: The file cannot be had; the message says how to put it there by hand. Or it is another
            one than on its first use.
    """
    state = inspect(weights, destination)
    if _may_stay(weights, destination, state):
        return destination
    if not weights.urls:
        raise WeightsError(_by_hand(weights, destination, "the model card gives no address"))
    if offline or is_offline():
        wrong = "" if state.verdict == "missing" else f", and of the file there: {state.reason}"
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
        state = inspect(weights, destination)
        if _may_stay(weights, destination, state):
            return
        if state.verdict != "missing":
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
            if not (held and _is_whole(weights, part)):
                least, most = size_limits(weights)
                transfer(url, part, least=least, most=most, timeout=TIMEOUT, report=report)
        except InterruptedTransferError as error:
            failure = str(error)
            continue
        except UnusableAddressError as error:
            return str(error)
        wrong = _what_is_wrong(weights, part)
        if not wrong:
            part.replace(destination)
            inspect(weights, destination)  # while it is known to be whole, its hash is noted
            return None
        failure = f"{wrong}, kept aside as {quarantine(part).name}"
        if not held:  # otherwise the older bytes may be the wrong ones: once more from the start
            break
    return failure


def _may_stay(weights: Weights, path: Path, state: FileState) -> bool:
    """Say whether a file needs no fetching; one that was trusted and changed is not replaced by itself."""
    if state.verdict == "changed" and weights.sha256 is None:
        raise WeightsError(f"{path} is not used: {state.reason}")
    return state.trusted or state.verdict == "unchecked"


def _is_whole(weights: Weights, part: Path) -> bool:
    """Say whether an unfinished file is known to be finished."""
    if weights.sha256 is not None:
        return sha256_of(part) == weights.sha256
    return weights.size_stated and part.stat().st_size == weights.size


def _what_is_wrong(weights: Weights, part: Path) -> str:
    """Say why what was fetched is not the file, empty if it is or may be."""
    if weights.sha256 is not None:
        found = sha256_of(part)
        return "" if found == weights.sha256 else f"expected sha256 {weights.sha256}, found {found}"
    with part.open("rb") as file:
        page = file.read(64).lstrip().startswith(b"<")
    wrong = wrong_size(weights, part.stat().st_size)
    return f"a web page instead of the file ({wrong})" if page and wrong else wrong


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
