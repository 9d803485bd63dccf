"""Sessions: what the server keeps for one pad, for how long, and how much of it."""

from __future__ import annotations

import secrets
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass, field

from torch import Tensor

from colorzoo.studio.coloring import AnswerCache
from colorzoo.studio.errors import StudioError
from colorzoo.studio.limits import Limits
from colorzoo.studio.photo import Photo

_LONGEST_ID = 64
_GIVEN_UP = 16  # remembered; a pad opens one photo at a time


@dataclass
class Session:
    """One pad.

    Attributes:
        id: Random; who knows it owns the session.
        photo: The opened photo.
        reference: ``(1, 3, h, w)`` of the attached exemplar, and its size in pixels.
        stamp: Changes with the reference.
        cache: The last answers.
        touched: When it was last used, by the clock of the store.
        connected: Whether a pad is there now; another one gets a session of its own.
        cancelled: Numbers of requests that the pad has given up, the last ones.
        lock: Around ``photo``, ``reference`` and ``cache``, which several workers use.
    """

    id: str
    photo: Photo | None = None
    reference: tuple[Tensor, tuple[int, int]] | None = None
    stamp: str = ""
    cache: AnswerCache = field(default_factory=AnswerCache)
    touched: float = 0.0
    connected: bool = False
    cancelled: deque[int] = field(default_factory=lambda: deque(maxlen=_GIVEN_UP))
    lock: threading.RLock = field(default_factory=threading.RLock, repr=False)

    def place(self, photo: Photo | None) -> None:
        """Put another photo on the pad; what belonged to the last one goes."""
        with self.lock:
            self.photo = photo
            self.cache = AnswerCache()
            if photo is None:
                self.reference = None

    @property
    def nbytes(self) -> int:
        """Memory that it takes."""
        photo = 0 if self.photo is None else self.photo.nbytes
        reference = 0 if self.reference is None else self.reference[0].nbytes
        return photo + reference + self.cache.nbytes


class SessionStore:
    """All sessions. The idle ones expire, and the longest unused photos go when memory is short.

    A session whose pad is there never goes: of a pad that idles only the photo is put away, which the pad
    sends again when it goes on.

    Args:
        limits: How many, how long, how much.
        clock: Seconds; replaced in tests.
        forget: Called with the id of a session that goes.
    """

    def __init__(
        self,
        limits: Limits,
        clock: Callable[[], float] = time.monotonic,
        forget: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._limits, self._clock, self._forget = limits, clock, forget
        self._sessions: OrderedDict[str, Session] = OrderedDict()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._sessions)

    @property
    def nbytes(self) -> int:
        """Memory that all sessions take."""
        with self._lock:
            return sum(session.nbytes for session in self._sessions.values())

    def find(self, name: str | None) -> Session | None:
        """Return a living session by its id and mark it as used."""
        with self._lock:
            gone = self._expire()
            session = self._sessions.get((name or "")[:_LONGEST_ID])
            if session is not None:
                self._touch(session)
            self._trim()
        self._tell(gone)
        return session

    def new(self) -> Session:
        """Begin a session; if there are too many, the longest unused one without a pad goes.

        Raises:
            StudioError: There is a pad at each of them.
        """
        self.sweep()
        session = Session(secrets.token_urlsafe(24))
        with self._lock:
            gone = self._make_room()
            self._sessions[session.id] = session
            self._touch(session)
        self._tell(gone)
        return session

    def use(self, session: Session) -> None:
        """Mark a session as used.

        Raises:
            StudioError: It has expired.
        """
        if self.find(session.id) is None:
            raise StudioError("expired", "this session was idle for too long; reload to go on")

    def sweep(self) -> None:
        """Forget what is idle for too long, and photos until the rest fits into memory."""
        with self._lock:
            gone = self._expire()
            self._trim()
        self._tell(gone)

    def close(self) -> None:
        """Forget all."""
        with self._lock:
            gone = list(self._sessions)
            self._sessions.clear()
        self._tell(gone)

    def _expire(self) -> list[str]:
        oldest = self._clock() - self._limits.idle_seconds
        idle = [session for session in self._sessions.values() if session.touched < oldest]
        gone = [session.id for session in idle if not session.connected]
        for name in gone:
            del self._sessions[name]
        for session in idle:
            session.place(None)
        return gone

    def _make_room(self) -> list[str]:
        spare = len(self._sessions) + 1 - self._limits.sessions
        left = [session.id for session in self._sessions.values() if not session.connected]
        if len(left) < spare:
            raise StudioError(
                "busy", f"{self._limits.sessions} pads are open here, the limit; close one, then try again"
            )
        gone = left[: max(0, spare)]
        for name in gone:
            del self._sessions[name]
        return gone

    def _trim(self) -> None:
        total = sum(session.nbytes for session in self._sessions.values())
        for session in list(self._sessions.values())[:-1]:  # never of the one in use
            if total <= self._limits.memory_bytes:
                break
            total -= session.nbytes
            session.place(None)

    def _touch(self, session: Session) -> None:
        session.touched = self._clock()
        self._sessions.move_to_end(session.id)

    def _tell(self, gone: list[str]) -> None:
        for name in gone:
            self._forget(name)
