"""One thread that computes for many sessions: each in its turn, and of a kind only the newest request."""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass

from colorzoo.studio.errors import StudioError

_log = logging.getLogger(__name__)
_LONGEST = 60.0  # seconds; torch aborts a process that ends while one of its threads computes


@dataclass(frozen=True)
class Job:
    """A request that waits.

    Attributes:
        kind: Name of the request.
        run: Does it and answers; it raises nothing that matters.
        drop: Answers that a newer one came first; None for a job that must not be dropped.
        rank: Of a session's jobs the lowest rank is done first.
    """

    kind: str
    run: Callable[[], None]
    drop: Callable[[], None] | None = None
    rank: int = 1


class Worker:
    """A thread with a queue for each session; sessions take turns.

    Args:
        name: Of the thread.
        waiting: Most jobs of one session that wait.
    """

    def __init__(self, name: str, waiting: int = 8) -> None:
        self._queues: OrderedDict[str, deque[Job]] = OrderedDict()
        self._waiting = waiting
        self._changed = threading.Condition()
        self._closed = self._retired = False
        self._thread = threading.Thread(target=self._work, name=f"studio-{name}", daemon=True)
        self._thread.start()

    def submit(self, session: str, job: Job) -> None:
        """Queue a job; one of the same kind that still waits is dropped if it may be.

        Raises:
            StudioError: Too many jobs of this session wait.
        """
        with self._changed:
            if self._closed or self._retired:
                raise StudioError("busy", "this model is being put away; try again in a moment")
            queue = self._queues.setdefault(session, deque())
            older = [old for old in queue if old.kind == job.kind and old.drop is not None]
            if job.drop is not None and older:
                place = queue.index(
                    older[0]
                )  # the newer one inherits the turn, so that a stream never starves
                queue[place] = job
            elif len(queue) >= self._waiting:
                raise StudioError("busy", "too many requests wait already; try again in a moment")
            else:
                older = []
                queue.append(job)
            self._changed.notify()
        for old in older:
            assert old.drop is not None
            old.drop()

    def withdraw(self, session: str, kind: str | None = None) -> None:
        """Drop what waits of a session: of one kind, or all."""
        with self._changed:
            queue = self._queues.get(session, deque())
            gone = [job for job in queue if kind in (None, job.kind)]
            for job in gone:
                queue.remove(job)
            if not queue:
                self._queues.pop(session, None)
        for job in gone:
            if job.drop is not None:
                job.drop()

    def retire(self) -> None:
        """Stop once all that waits is done; later jobs are refused."""
        with self._changed:
            self._retired = True
            self._changed.notify()

    def close(self) -> None:
        """Stop after the job that runs; what waits is forgotten."""
        with self._changed:
            self._closed = True
            self._queues.clear()
            self._changed.notify()
        if threading.current_thread() is not self._thread:
            self._thread.join(timeout=_LONGEST)

    def _work(self) -> None:
        while (job := self._next()) is not None:
            try:
                job.run()
            except Exception:  # whatever it is, the thread must live on for the others
                _log.exception("a job of the studio failed")

    def _next(self) -> Job | None:
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._retired or self._queues)
            if self._closed or not self._queues:
                return None
            session, queue = self._queues.popitem(last=False)
            job = min(queue, key=lambda waiting: waiting.rank)  # the first of the lowest
            queue.remove(job)
            if queue:
                self._queues[session] = queue  # at the end: the others come first
            return job
