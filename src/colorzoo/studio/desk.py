"""The studio behind every pad: takes messages, queues the work, answers. It knows no transport."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from typing import Any

import colorzoo
from colorzoo.inference.colorizer import Colorizer
from colorzoo.studio.errors import StudioError
from colorzoo.studio.files import Shelf
from colorzoo.studio.limits import Limits
from colorzoo.studio.messages import Message, Reply, failure
from colorzoo.studio.models import ModelPool
from colorzoo.studio.photo import plain_name
from colorzoo.studio.requests import REQUESTS, Context, Handler, suggestions
from colorzoo.studio.session import Session, SessionStore
from colorzoo.studio.threads import ThreadChooser
from colorzoo.studio.worker import Job, Worker
from colorzoo.tasks import ColorizationModule


class Studio:
    """Sessions, models and queues. Every method may be called from any thread and returns at once.

    Args:
        colorizer: A model that is there already; by default the registry's are loaded as they are asked for.
        model: Name of the default model.
        device: On which models run.
        limits: What is granted.
        inline_files: Exports travel in the message instead of waiting for a download.
        tune: Set torch's number of threads as it proves best; for a process that does nothing else.
    """

    def __init__(
        self,
        colorizer: Colorizer | None = None,
        *,
        model: str | None = None,
        device: str = "auto",
        limits: Limits | None = None,
        inline_files: bool = False,
        tune: bool = False,
    ) -> None:
        self.limits = limits = limits or Limits()
        self.network = ColorizationModule.working_size if colorizer is None else colorizer.size
        asked = None if colorizer is None else colorizer.asked_size
        self.pool = ModelPool(
            lambda name: Colorizer(name, device=device, size=asked), colorizer, model, limits.waiting
        )
        self.pool.threads = ThreadChooser() if tune else None
        self.sessions = SessionStore(limits, forget=self._forget)
        self.uploads = Shelf(limits.upload_seconds, limits.memory_bytes // 4)
        self.downloads = Shelf(limits.download_seconds, limits.memory_bytes // 2)
        self._inline_files = inline_files
        self._side = Worker("files", limits.waiting)
        self._start: dict[str, str] | None = None
        self._models: list[dict[str, Any]] | None = None

    def offer(self, data: bytes, name: str) -> None:
        """Offer a photo that every new pad opens at once."""
        upload = self.uploads.put(data, name, None)
        self._start = {"upload": upload, "name": plain_name(name), "sha256": sha256(data).hexdigest()}

    def warm_up(self) -> None:
        """Load the default model in its thread, so that the first photo need not wait for it."""
        bench = self.pool.bench(None)
        bench.worker.submit("", Job("warm up", lambda: _quietly(bench.abilities)))

    def greet(self, name: str | None, reply: Reply, recipe: dict[str, Any] | None = None) -> Session:
        """Find or begin a session and say hello.

        Args:
            name: Id of an earlier session.
            reply: Takes the messages to this pad, from any thread.
            recipe: A document to begin with.
        """
        found = self.sessions.find(name)
        if found is not None and found.connected:  # a copied tab
            found = None
        session = found or self.sessions.new()
        session.connected = True
        photo = session.photo
        if self._models is None:
            self._models = self.pool.describe()
        hello = {
            "type": "hello",
            "session": session.id,
            "version": colorzoo.__version__,
            "resumed": found is not None,
            "photo": None if photo is None else photo.describe(self.network),
            "start": self._start,
            "recipe": recipe,
            "models": self._models,
            "limits": self.limits.to_dict(),
        }
        reply(Message(hello))
        return session

    def handle(self, session: Session, message: Message, reply: Reply) -> None:
        """Queue a request; its answers come through ``reply``, errors too."""
        try:
            self.sessions.use(session)
            if message.type == "close":  # at once: nothing that is asked later may still see the photo
                self._forget(session.id)
                session.place(None)
            elif message.type == "cancel":  # at once too, or it would wait for what it ends
                session.cancelled.append(message.fields().integer("re", 0, low=0) or 0)
            else:
                self._queue(session, message, reply)
        except Exception as error:  # of whatever kind: told in one line, and the next request is served
            reply(failure(error, message.id))

    def leave(self, session: Session) -> None:
        """Forget what waits of a session whose pad has gone; the session itself stays for its return."""
        session.connected = False
        self._side.withdraw(session.id)
        self.pool.withdraw(session.id)

    def close(self) -> None:
        """Stop all threads and forget all sessions."""
        self.sessions.close()
        self._side.close()
        self.pool.close()

    def _forget(self, session: str) -> None:
        self._side.withdraw(session)
        self.pool.withdraw(session)
        self.uploads.forget(session)
        self.downloads.forget(session)

    def _queue(self, session: Session, message: Message, reply: Reply) -> None:
        request = REQUESTS.get(message.type)
        if request is None or message.id is None:
            raise StudioError(
                "bad_message", f"a request has a known type and an id, got {message.type[:40]!r}."
            )
        context = Context(
            session=session,
            message=message,
            pool=self.pool,
            limits=self.limits,
            uploads=self.uploads,
            downloads=None if self._inline_files else self.downloads,
            network=self.network,
        )
        job = Job(
            message.type,
            lambda: _serve(request.run, context, reply),
            _dropper(message.id, reply) if request.newest else None,
            request.rank,
        )
        full = message.type == "color" and message.body.get("quality") == "full"
        if message.type == "color":  # a picture at full size for the last recipe is of no use any more
            self._side.withdraw(session.id, "full")
        worker = self._worker(message) if request.where == "model" and not full else self._side
        worker.submit(session.id, replace(job, kind="full") if full else job)
        if message.type == "color" and isinstance(message.body.get("suggest"), dict):
            palette = Job("suggest", lambda: _serve(suggestions, context, reply), _dropper(message.id, reply))
            self._worker(message).submit(session.id, palette)

    def _worker(self, message: Message) -> Worker:
        recipe = message.body.get("recipe")
        name = message.body.get("name") if message.type == "model" else None
        if isinstance(recipe, dict):
            name = recipe.get("model")
        if name is not None and not isinstance(name, str):
            raise StudioError("bad_message", "the name of a model must be a text.")
        return self.pool.bench(name).worker


def _serve(run: Handler, context: Context, reply: Reply) -> None:
    try:
        for answer in run(context):
            reply(answer)
    except Exception as error:  # as in `handle`
        reply(failure(error, context.message.id))


def _dropper(number: int, reply: Reply) -> Callable[[], None]:
    return lambda: reply(Message({"type": "dropped", "re": number}))


def _quietly(call: Callable[[], object]) -> None:
    try:
        call()
    except Exception:  # the first request will say what is wrong
        return
