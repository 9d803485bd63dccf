"""Service that processes the requests of drawing pads, for the server and the notebook."""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any

from colorzoo.apps.studio.film import Film
from colorzoo.apps.studio.handlers import REQUESTS, Context, suggest
from colorzoo.apps.studio.models import ModelPool
from colorzoo.apps.studio.opened_image import safe_name
from colorzoo.apps.studio.protocol import Limits, Message, Reply, StudioError, error_message
from colorzoo.apps.studio.sessions import Session, SessionStore, TemporaryFile
from colorzoo.apps.studio.worker_pool import QueuedRequest, Worker
from colorzoo.guidance.kinds import guidance_kinds
from colorzoo.inference import Colorizer
from colorzoo.model import ColoringModel
from colorzoo.settings import NonNegativeInt

_FILE_THREADS = 4  # several threads, so that a slow file does not block other drawing pads
_MODEL_THREADS = 2  # several threads, so that a download of a model does not block other drawing pads


class Studio:
    """Service that stores sessions, loads models and processes queued requests.

    All methods are thread-safe and return without blocking.

    Args:
        colorizer: Loaded colorizer, whose model becomes the default model. None uses the registered model
            ``model`` as the default model and loads it on first use.
        model: Name of the default model; ignored if ``colorizer`` is set. None selects the default model for
            color points, and opens drawings in the default model for drawings.
        device: Device of the models that the studio loads. In addition to the default model, the studio loads
            each registered model that a recipe names.
        limits: Limits of the server.
        inline_files: Whether responses contain exported files instead of a download address.

    Attributes:
        recipe: Initial recipe of new drawing pads, or None.
        film: Film to edit, or None.
        network: Usual shorter side of a network input in pixels. The drawing pad specifies brush sizes in
            pixels of an image with this size.
        pool: Cache of loaded models.
        sessions: Sessions of the drawing pads.
        uploading_bytes: Total size in bytes of the uploads in progress.
    """

    def __init__(
        self,
        colorizer: Colorizer | None = None,
        *,
        model: str | None = None,
        device: str = "auto",
        limits: Limits | None = None,
        inline_files: bool = False,
    ) -> None:
        self.limits = limits or Limits()
        self.network = ColoringModel.working_size if colorizer is None else colorizer.size
        size = None if colorizer is None else colorizer.requested_size
        load = partial(Colorizer, device=device, size=size)
        self.pool = ModelPool(load, colorizer, model)
        self.sessions = SessionStore(self.limits, on_remove=self._cancel_requests)
        self.uploading_bytes = 0
        self.recipe: dict[str, Any] | None = None
        self._inline_files = inline_files
        self._model_worker = Worker("models", self.limits.queued, _MODEL_THREADS)
        self._file_worker = Worker("files", self.limits.queued, _FILE_THREADS)
        self._offered: TemporaryFile | None = None  # photo that new drawing pads open
        self.film: Film | None = None

    def offer(self, data: bytes, name: str) -> None:
        """Set the photo that new drawing pads open.

        Args:
            data: Content of the image file.
            name: File name for display.
        """
        self._offered = TemporaryFile(data, name)

    def warm_up(self) -> None:
        """Load the default model in the background before the first request."""

        def load() -> None:
            with suppress(Exception):  # the first request will report the error
                self.pool.get(None)

        self._model_worker.submit("", QueuedRequest("warm up", load))

    def connect(
        self,
        session_id: str | None,
        reply: Reply,
        photo_path: Path | None = None,
    ) -> Session:
        """Resume or start a session and send the ``hello`` message.

        Args:
            session_id: Id of an earlier session, or None.
            reply: Thread-safe function that sends a message to the drawing pad.
            photo_path: Path of the photo to open; None opens the photo set by `offer`.

        Raises:
            StudioError: The photo is too large, there are too many sessions, or another drawing pad edits the
                film.
        """
        photo = self._offered
        if self.film is not None:
            self.film.check_owner(session_id)
        if photo_path is not None:
            self.limits.check_bytes(photo_path.stat().st_size)
            photo = TemporaryFile(photo_path.read_bytes(), photo_path.name)
        session = self.sessions.find(session_id)
        # a connected session belongs to an open tab, so a duplicate of the tab starts a new session
        if session is None or session.connected:
            session = self.sessions.new()
        session.connected = True
        session.connection += 1
        start: dict[str, str] | None = None  # photo that the drawing pad opens
        if photo is not None:
            start = {
                "upload": session.offer(photo.data, photo.name),
                "name": safe_name(photo.name),
                "sha256": sha256(photo.data).hexdigest(),
            }
        hello = {
            "type": "hello",
            "session": session.id,
            "photo": None if session.opened is None else session.opened.describe(self.network),
            "start": start,
            "recipe": self.recipe,
            "film": None if self.film is None else self.film.describe(),
            "models": self.pool.describe(),
            "model_selected": self.pool.is_selected,
            "limits": {"bytes": self.limits.file_bytes},
            "kinds": [
                {"name": kind.name, "widget": kind.widget, "title": kind.title, "choices": kind.choices}
                for kind in guidance_kinds()
                if kind.widget
            ],
        }
        reply(Message(hello))
        if self.film is not None:
            self.film.connect(session, reply)
        return session

    def disconnect(self, session: Session) -> None:
        """Cancel the requests of a session; a drawing pad can reconnect later."""
        session.connected = False
        session.connection += 1
        self._cancel_requests(session.id)

    def handle(self, session: Session, message: Message, reply: Reply) -> None:
        """Queue a request; its responses and errors are passed to ``reply`` later.

        Args:
            session: Session of the drawing pad.
            message: Message with the request.
            reply: Thread-safe function that sends a message to the drawing pad.
        """
        try:
            self.sessions.require(session.id)
            if message.type == "close":  # runs immediately, so that later requests do not use the photo
                self._cancel_requests(session.id)
                session.release()
                return
            if message.type == "cancel":  # runs immediately; in the queue, it would wait for the request
                session.cancelled.append(message.fields().read("re", NonNegativeInt, 0) or 0)
                return
            # queue the request in the worker pool for models or for files
            request = (REQUESTS | (self.film.requests if self.film else {})).get(message.type)
            if request is None or message.id is None:
                raise StudioError(
                    "bad_message", f"a request must have a known type and an id, got {message.type[:40]!r}"
                )
            kind = message.type
            worker = self._model_worker if request.uses_model else self._file_worker
            is_color = message.type == "color"
            if is_color:
                # this request replaces a waiting full-size preview
                self._file_worker.cancel(session.id, "full")
                session.newest_color = message.id
                quality = message.body.get("quality")
                if quality != "drag":
                    session.newest_final = message.id
                if quality == "full":
                    # a full-size preview takes long, so it must not block the requests that run a model
                    kind, worker = "full", self._file_worker
            context = Context(
                session,
                message,
                reply,
                pool=self.pool,
                limits=self.limits,
                inline_files=self._inline_files,
                network=self.network,
            )
            run = partial(context.run, request.handler)
            drop = context.drop if request.newest_only else None
            worker.submit(session.id, QueuedRequest(kind, run, drop, request.rank))
            has_suggest_request = is_color and isinstance(message.body.get("suggest"), dict)
            if has_suggest_request:
                run_suggest = partial(context.run, suggest)
                self._model_worker.submit(session.id, QueuedRequest("suggest", run_suggest, context.drop))
        except Exception as error:  # as in `Context.run`
            reply(error_message(error, message.id))

    def close(self) -> None:
        """Stop all threads and remove all sessions."""
        self.sessions.close()
        if self.film is not None:
            self.film.close()
        self._file_worker.close()
        self._model_worker.close()

    def _cancel_requests(self, session_id: str) -> None:
        """Remove the waiting requests of a session."""
        self._file_worker.cancel(session_id)
        self._model_worker.cancel(session_id)
