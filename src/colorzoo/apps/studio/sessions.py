"""Sessions of drawing pads, stored in memory for a limited time."""

from __future__ import annotations

import secrets
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass, field

from torch import Tensor

from colorzoo.apps.studio.opened_image import OpenedImage, safe_name
from colorzoo.apps.studio.protocol import Limits, StudioError
from colorzoo.batch import UsedFile
from colorzoo.guidance import Recipe

_MAX_CANCELLED = 16  # maximum number of stored cancelled request ids
_MAX_FILES = 4  # maximum number of uploads and exports of a session


@dataclass(frozen=True)
class AttachedReference:
    """Reference image uploaded by a drawing pad.

    Attributes:
        rgb: Downscaled image ``(1, 3, h, w)`` in [0, 1].
        size: Width and height of the original image in pixels.
        file: Name and hash of the file.
        gray: Whether the image is gray.
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
    """State of one drawing pad.

    Attributes:
        id: Secret random id, which gives a client access to the session.
        opened: Open photo of the drawing pad, or None.
        reference: Attached reference image, or None.
        files: Uploads and exports by random key.
        offered: Photo that a new drawing pad opens, by key; its content is shared by all sessions.
        uploads: Number of uploads in progress.
        last_used: Time of the last use in seconds, by the clock of `SessionStore`.
        connected: Whether a drawing pad is connected. A second drawing pad that requests this session gets a
            new session.
        connection: Number of the current connection; requests of earlier connections are cancelled.
        newest_color: Id of the newest ``color`` request.
        newest_final: Id of the newest ``color`` request that is not a preview during a drag.
        cancelled: Ids of the requests that the drawing pad cancelled most recently.
        lock: Lock for ``files``, which several threads access.
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
    lock: threading.Lock = field(default_factory=threading.Lock)

    def reference_for(self, recipe: Recipe) -> AttachedReference | None:
        """Return the attached reference; None if the recipe names no reference or another reference.

        A drawing pad can change its recipe before it attaches or detaches the reference, for example after a
        lost connection.
        """
        attached, files = self.reference, recipe.exemplar.files
        if attached is None or not files or safe_name(files[0].path) != attached.file.name:
            return None
        if files[0].sha256 not in (None, attached.file.sha256):
            return None
        return attached

    def set_opened(self, opened: OpenedImage | None) -> None:
        """Set the open photo and remove the reference of the previous photo."""
        self.opened = opened
        self.reference = None

    def release(self) -> None:
        """Close the photo and delete all files."""
        self.set_opened(None)
        with self.lock:
            self.files.clear()

    def add_file(self, data: bytes, name: str) -> str:
        """Store an upload or export and return its key; drop the oldest file if necessary."""
        key = secrets.token_urlsafe(24)
        with self.lock:
            self.files[key] = TemporaryFile(data, name)
            if len(self.files) > _MAX_FILES:
                self.files.popitem(last=False)
        return key

    def offer(self, data: bytes, name: str) -> str:
        """Store a photo that the session can open any number of times; return its key."""
        key = secrets.token_urlsafe(24)
        self.offered = {key: TemporaryFile(data, name)}
        return key

    def file(self, key: str | None, *, drop: bool = False) -> TemporaryFile:
        """Return an uploaded or exported file.

        Args:
            key: Key of the file.
            drop: Whether to remove the file from the session.

        Raises:
            StudioError: The file does not exist in this session.
        """
        with self.lock:
            file = self.offered.get(key or "") or self.files.get(key or "")
            if file is None:
                raise StudioError("expired", "this file has expired. Upload the file again.")
            if drop:
                self.files.pop(key or "", None)
            return file

    @property
    def nbytes(self) -> int:
        """Memory used by the session, in bytes."""
        opened = 0 if self.opened is None else self.opened.nbytes
        reference = 0 if self.reference is None else self.reference.rgb.nbytes
        return opened + reference + sum(len(file.data) for file in list(self.files.values()))


class SessionStore:
    """Store of all sessions, with limits on their number, idle time and memory.

    Idle sessions expire. If a drawing pad is connected to an idle session, only the photo is removed, and the
    drawing pad uploads the photo again when necessary. If the memory limit is exceeded, the least recently
    used photos are removed.

    Args:
        limits: Limits on the number of sessions, the idle time and the memory.
        clock: Function that returns the time in seconds; replaced in tests.
        on_remove: Function that is called with the id of a removed session.
    """

    def __init__(
        self,
        limits: Limits,
        clock: Callable[[], float] = time.monotonic,
        on_remove: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._limits, self._clock, self._on_remove = limits, clock, on_remove
        self._sessions: OrderedDict[str, Session] = OrderedDict()
        self._lock = threading.RLock()

    def find(self, session_id: str | None) -> Session | None:
        """Return the session with an id and update its last use; None if the id is unknown."""
        with self._lock:
            self._expire()
            session = self._sessions.get(session_id or "")
            if session is not None:
                self._touch(session)
            self._meet_memory_limit()
        return session

    def require(self, session_id: str | None) -> Session:
        """Return the session with an id and update its last use.

        Raises:
            StudioError: The session has expired.
        """
        session = self.find(session_id)
        if session is None:
            raise StudioError("expired", "this session has expired. Reload the page.")
        return session

    def new(self) -> Session:
        """Create a session.

        If there are too many sessions, the least recently used session without a connected drawing pad is
        removed first.

        Raises:
            StudioError: There are too many sessions, all with connected drawing pads.
        """
        session = Session(secrets.token_urlsafe(24))
        with self._lock:
            self.remove_expired()
            # remove sessions until another session fits into the limit
            excess = len(self._sessions) + 1 - self._limits.sessions
            idle = [other.id for other in self._sessions.values() if not other.connected]
            if len(idle) < excess:
                raise StudioError(
                    "busy",
                    f"too many photos are open on this server (at most {self._limits.sessions}). Close a "
                    "browser tab, then try again.",
                )
            for session_id in idle[: max(0, excess)]:
                self._remove(session_id)
            self._sessions[session.id] = session
            self._touch(session)
        return session

    def remove_expired(self) -> None:
        """Remove idle sessions, and remove photos until the memory limit is met."""
        with self._lock:
            self._expire()
            self._meet_memory_limit()

    def close(self) -> None:
        """Remove all sessions."""
        with self._lock:
            for session_id in list(self._sessions):
                self._remove(session_id)

    def _expire(self) -> None:
        """Release idle sessions, and remove idle sessions without a connected drawing pad."""
        oldest = self._clock() - self._limits.idle_seconds
        for session in list(self._sessions.values()):
            if session.last_used < oldest:
                session.release()
                if not session.connected:
                    self._remove(session.id)

    def _meet_memory_limit(self) -> None:
        """Release the least recently used sessions until the memory limit is met."""
        total = sum(session.nbytes for session in self._sessions.values())
        for session in list(self._sessions.values())[:-1]:  # except the most recently used session
            if total <= self._limits.memory_bytes:
                break
            total -= session.nbytes
            session.release()

    def _touch(self, session: Session) -> None:
        session.last_used = self._clock()
        self._sessions.move_to_end(session.id)

    def _remove(self, session_id: str) -> None:
        del self._sessions[session_id]
        self._on_remove(session_id)
