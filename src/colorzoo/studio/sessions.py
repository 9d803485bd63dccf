"""Sessions of the pads with their files in memory, bounded in time and bytes."""

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
_MAX_FILES = 4  # uploads and exports of a session


@dataclass(frozen=True)
class AttachedReference:
    """A reference image that a pad has sent.

    Attributes:
        rgb: ``(1, 3, h, w)`` in [0, 1].
        size: Width and height of the image in pixels.
        file: Its name and hash.
        gray: Whether it has no colors.
    """

    rgb: Tensor
    size: tuple[int, int]
    file: UsedFile
    gray: bool


@dataclass(frozen=True)
class TemporaryFile:
    """Content and name of an upload or export."""

    data: bytes
    name: str


@dataclass
class Session:
    """State of one pad.

    Attributes:
        id: Secret random id; a client with this id owns the session.
        opened: The opened photo.
        reference: The attached reference image.
        files: Uploads and exports by random keys.
        offered: The photo of the command line by its key; it is shared by all sessions.
        uploads: Number of uploads in progress.
        last_used: Time of the last use, by the clock of the store.
        connected: Whether a pad is connected; a second pad with this id starts a new session.
        connection: Number of the connection; requests of earlier connections are cancelled.
        newest_color: Id of the newest request ``color``.
        newest_final: Id of the newest request ``color`` that is not a preview during a drag.
        cancelled: Ids of the last requests that the pad cancelled.
        lock: Guards ``opened``, ``reference`` and ``files``, which several workers use.
    """

    id: str
    opened: OpenedImage | None = None
    reference: AttachedReference | None = None
    files: OrderedDict[str, TemporaryFile] = field(default_factory=OrderedDict)
    offered: dict[str, TemporaryFile] = field(default_factory=dict)
    uploads: int = 0
    last_used: float = 0.0
    connected: bool = False
    connection: int = 0
    newest_color: int = 0
    newest_final: int = 0
    cancelled: deque[int] = field(default_factory=lambda: deque(maxlen=_MAX_CANCELLED))
    lock: threading.RLock = field(default_factory=threading.RLock)

    def set_opened(self, opened: OpenedImage | None) -> None:
        """Replace the photo and remove its reference."""
        with self.lock:
            self.opened = opened
            self.reference = None

    def release(self) -> None:
        """Close the photo and drop all files."""
        with self.lock:
            self.set_opened(None)
            self.files.clear()

    def add_file(self, data: bytes, name: str) -> str:
        """Store an upload or export and return its key; the oldest file is dropped first."""
        key = secrets.token_urlsafe(24)
        with self.lock:
            self.files[key] = TemporaryFile(data, name)
            if len(self.files) > _MAX_FILES:
                self.files.popitem(last=False)
        return key

    def offer(self, data: bytes, name: str) -> str:
        """Offer a photo that can be opened repeatedly, and return its key."""
        key = secrets.token_urlsafe(24)
        self.offered = {key: TemporaryFile(data, name)}
        return key

    def file(self, key: str | None, *, drop: bool = False) -> TemporaryFile:
        """Return a file, and drop it if it will not be used again.

        Raises:
            StudioError: The file does not exist in this session.
        """
        with self.lock:
            found = self.offered.get(key or "") or self.files.get(key or "")
            if found is None:
                raise StudioError("expired", "this file has expired; upload it again")
            if drop:
                self.files.pop(key or "", None)
            return found

    @property
    def nbytes(self) -> int:
        """Memory in use."""
        opened = 0 if self.opened is None else self.opened.nbytes
        reference = 0 if self.reference is None else self.reference.rgb.nbytes
        return opened + reference + sum(len(file.data) for file in list(self.files.values()))


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
            session.release()
        return removed

    def _drop_opened(self) -> None:
        total = sum(session.nbytes for session in self._sessions.values())
        for session in list(self._sessions.values())[:-1]:  # all but the one in use
            if total <= self._limits.memory_bytes:
                break
            total -= session.nbytes
            session.release()

    def _touch(self, session: Session) -> None:
        session.last_used = self._clock()
        self._sessions.move_to_end(session.id)

    def _report(self, removed: list[str]) -> None:
        for session_id in removed:
            self._on_remove(session_id)
