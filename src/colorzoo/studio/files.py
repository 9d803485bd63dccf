"""Files that wait in memory for a while: uploads until they are opened, exports until they are fetched."""

from __future__ import annotations

import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from colorzoo.studio.errors import StudioError


@dataclass(frozen=True)
class WaitingFile:
    """A file in memory.

    Attributes:
        data: Its content.
        name: For display.
        owner: The session that may have it; None for any.
        until: When it goes, by the clock of its shelf.
    """

    data: bytes
    name: str
    owner: str | None
    until: float


class Shelf:
    """Files under random ids, for one session each, for some seconds, within a bound of bytes.

    Args:
        seconds: How long a file waits.
        capacity: Most bytes in all; the oldest goes first.
        each: Most files of one session; the oldest goes first.
        clock: Seconds; replaced in tests.
    """

    def __init__(
        self, seconds: float, capacity: int, each: int = 4, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._seconds, self._capacity, self._each, self._clock = seconds, capacity, each, clock
        self._files: OrderedDict[str, WaitingFile] = OrderedDict()
        self._lock = threading.Lock()

    @property
    def nbytes(self) -> int:
        """Memory that the files take."""
        with self._lock:
            return sum(len(file.data) for file in self._files.values())

    def put(self, data: bytes, name: str, owner: str | None) -> str:
        """Keep a file; returns its id. One without owner stays for good and for all."""
        until = self._clock() + self._seconds if owner is not None else float("inf")
        key = secrets.token_urlsafe(24)
        with self._lock:
            self._files[key] = WaitingFile(data, name, owner, until)
            self._shrink(owner)
        return key

    def take(self, key: object, owner: str, *, keep: bool = False) -> WaitingFile:
        """Return a file, and forget it unless it is to be kept or has no owner.

        Raises:
            StudioError: There is no such file, or it is another session's.
        """
        with self._lock:
            self._shrink(None)
            file = self._files.get(key) if isinstance(key, str) else None
            if file is None or file.owner not in (None, owner):
                raise StudioError("expired", "this file is not here any more; send it again")
            if not keep and file.owner is not None:
                del self._files[str(key)]
            return file

    def forget(self, owner: str) -> None:
        """Drop the files of a session."""
        with self._lock:
            for key in [key for key, file in self._files.items() if file.owner == owner]:
                del self._files[key]

    def _shrink(self, owner: str | None) -> None:
        now = self._clock()
        owned = [key for key, file in self._files.items() if file.owner is not None]
        mine = [key for key in owned if self._files[key].owner == owner]
        gone = {key for key in owned if self._files[key].until < now} | set(mine[: -self._each])
        total = sum(len(self._files[key].data) for key in owned if key not in gone)
        for key in owned[:-1]:
            if total <= self._capacity:
                break
            if key not in gone:
                gone.add(key)
                total -= len(self._files[key].data)
        for key in gone:
            del self._files[key]
