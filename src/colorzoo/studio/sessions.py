"""Sessions of the pads and temporary files in memory, bounded in time and bytes."""

from __future__ import annotations

import secrets
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass, field

from torch import Tensor

from colorzoo.batch.origin import UsedFile
from colorzoo.studio.opened_image import OpenedImage
from colorzoo.studio.protocol import Limits, StudioError

_MAX_CANCELLED = 16  # remembered requests; a pad opens one photo at a time


@dataclass(frozen=True)
class AttachedReference:
    """A reference image that a pad has sent.

    Attributes:
        rgb: ``(1, 3, h, w)`` in [0, 1].
        size: Width and height of the image in pixels.
        file: Its name and hash.
        gray: Whether it has no colors.
        id: Random id of this attachment.
    """

    rgb: Tensor
    size: tuple[int, int]
    file: UsedFile
    gray: bool
    id: str = field(default_factory=lambda: secrets.token_hex(8))


@dataclass
class Session:
    """State of one pad.

    Attributes:
        id: Secret random id; a client with this id owns the session.
        opened: The opened photo.
        reference: The attached reference image.
        last_used: Time of the last use, by the clock of the store.
        connected: Whether a pad is connected; a second pad with this id starts a new session.
        connection: Number of the connection; requests of earlier connections are cancelled.
        newest_color: Id of the newest request ``color``.
        newest_final: Id of the newest request ``color`` that is not a preview during a drag.
        cancelled: Ids of the last requests that the pad cancelled.
        lock: Guards ``opened`` and ``reference``, which several workers use.
    """

    id: str
    opened: OpenedImage | None = None
    reference: AttachedReference | None = None
    last_used: float = 0.0
    connected: bool = False
    connection: int = 0
    newest_color: int = 0
    newest_final: int = 0
    cancelled: deque[int] = field(default_factory=lambda: deque(maxlen=_MAX_CANCELLED))
    lock: threading.RLock = field(default_factory=threading.RLock)

    def set_opened(self, opened: OpenedImage | None) -> None:
        """Replace the photo and remove the reference; None closes the photo."""
        with self.lock:
            self.opened = opened
            self.reference = None

    @property
    def nbytes(self) -> int:
        """Memory in use."""
        opened = 0 if self.opened is None else self.opened.nbytes
        reference = 0 if self.reference is None else self.reference.rgb.nbytes
        return opened + reference


class SessionStore:
    """All sessions, bounded in number, idle time and memory.

    Idle sessions without a pad expire. A session with a connected pad only loses its photo, which the pad
    uploads again. If memory is short, the least recently used photos are dropped.

    Args:
        limits: Number of sessions, idle time and memory.
        clock: Returns the time in seconds; replaced in tests.
        on_remove: Called with the id of a removed session.
    """

    def __init__(
        self,
        limits: Limits,
        clock: Callable[[], float] = time.monotonic,
        on_remove: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._limits, self._clock, self._on_remove = limits, clock, on_remove
        self._sessions: OrderedDict[str, Session] = OrderedDict()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._sessions)

    @property
    def nbytes(self) -> int:
        """Memory of all sessions."""
        with self._lock:
            return sum(session.nbytes for session in self._sessions.values())

    def find(self, session_id: str | None) -> Session | None:
        """Return a session by its id and mark it as used, or None if there is none."""
        with self._lock:
            removed = self._expire()
            session = self._sessions.get(session_id or "")
            if session is not None:
                self._touch(session)
            self._drop_opened()
        self._report(removed)
        return session

    def new(self) -> Session:
        """Create a session; at the limit, it replaces the least recently used session without a pad.

        Raises:
            StudioError: All sessions have a connected pad.
        """
        self.remove_expired()
        session = Session(secrets.token_urlsafe(24))
        with self._lock:
            excess = len(self._sessions) + 1 - self._limits.sessions
            idle = [other.id for other in self._sessions.values() if not other.connected]
            if len(idle) < excess:
                count = self._limits.sessions
                raise StudioError(
                    "busy", f"at most {count} pads can be open on this server; close a pad, then try again"
                )
            removed = idle[: max(0, excess)]
            for session_id in removed:
                del self._sessions[session_id]
            self._sessions[session.id] = session
            self._touch(session)
        self._report(removed)
        return session

    def touch(self, session: Session) -> None:
        """Mark a session as used.

        Raises:
            StudioError: The session has expired.
        """
        if self.find(session.id) is None:
            raise StudioError("expired", "this session has expired; reload the page")

    def remove_expired(self) -> None:
        """Remove idle sessions, and drop photos until the rest fits into memory."""
        with self._lock:
            removed = self._expire()
            self._drop_opened()
        self._report(removed)

    def close(self) -> None:
        """Remove all sessions."""
        with self._lock:
            removed = list(self._sessions)
            self._sessions.clear()
        self._report(removed)

    def _expire(self) -> list[str]:
        oldest = self._clock() - self._limits.idle_seconds
        idle = [session for session in self._sessions.values() if session.last_used < oldest]
        removed = [session.id for session in idle if not session.connected]
        for session_id in removed:
            del self._sessions[session_id]
        for session in idle:
            session.set_opened(None)
        return removed

    def _drop_opened(self) -> None:
        total = sum(session.nbytes for session in self._sessions.values())
        for session in list(self._sessions.values())[:-1]:  # all but the one in use
            if total <= self._limits.memory_bytes:
                break
            total -= session.nbytes
            session.set_opened(None)

    def _touch(self, session: Session) -> None:
        session.last_used = self._clock()
        self._sessions.move_to_end(session.id)

    def _report(self, removed: list[str]) -> None:
        for session_id in removed:
            self._on_remove(session_id)


@dataclass(frozen=True)
class TemporaryFile:
    """A file in memory.

    Attributes:
        data: The content.
        name: Name for display.
        owner: Id of the only session with access; None for all sessions.
        expires: Expiry time on the clock of the store.
    """

    data: bytes
    name: str
    owner: str | None
    expires: float


class TemporaryFiles:
    """Uploads and exports in memory by random keys, each accessible to one session for a limited time.

    Args:
        seconds: Time for which a file is kept.
        capacity: Bytes of all files; the oldest is dropped first.
        per_session: Files of one session; the oldest is dropped first.
        clock: Returns the time in seconds; replaced in tests.
    """

    def __init__(
        self,
        seconds: float,
        capacity: int,
        per_session: int = 4,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._seconds, self._capacity, self._per_session = seconds, capacity, per_session
        self._clock = clock
        self._files: OrderedDict[str, TemporaryFile] = OrderedDict()
        self._lock = threading.Lock()

    @property
    def nbytes(self) -> int:
        """Memory of all files."""
        with self._lock:
            return sum(len(file.data) for file in self._files.values())

    def add(self, data: bytes, name: str, owner: str | None) -> str:
        """Add a file and return its key; a file without an owner never expires and is accessible to all."""
        expires = self._clock() + self._seconds if owner is not None else float("inf")
        key = secrets.token_urlsafe(24)
        with self._lock:
            self._files[key] = TemporaryFile(data, name, owner, expires)
            self._shrink(owner)
        return key

    def get(self, key: object, owner: str) -> TemporaryFile:
        """Return a file.

        Raises:
            StudioError: The file does not exist, or belongs to another session.
        """
        with self._lock:
            return self._find(key, owner)

    def pop(self, key: object, owner: str) -> TemporaryFile:
        """Return a file and drop it unless it has no owner; see `get` for errors."""
        with self._lock:
            file = self._find(key, owner)
            if file.owner is not None:
                del self._files[str(key)]
            return file

    def remove(self, owner: str) -> None:
        """Drop all files of a session."""
        with self._lock:
            for key in [key for key, file in self._files.items() if file.owner == owner]:
                del self._files[key]

    def _find(self, key: object, owner: str) -> TemporaryFile:
        self._shrink(None)
        file = self._files.get(key) if isinstance(key, str) else None
        if file is None or file.owner not in (None, owner):
            raise StudioError("expired", "this file has expired; upload it again")
        return file

    def _shrink(self, owner: str | None) -> None:
        now = self._clock()
        owned = [key for key, file in self._files.items() if file.owner is not None]
        of_owner = [key for key in owned if self._files[key].owner == owner]
        removed = {key for key in owned if self._files[key].expires < now}
        removed |= set(of_owner[: -self._per_session])
        total = sum(len(self._files[key].data) for key in owned if key not in removed)
        for key in owned[:-1]:
            if total <= self._capacity:
                break
            if key not in removed:
                removed.add(key)
                total -= len(self._files[key].data)
        for key in removed:
            del self._files[key]
