"""Worker threads with one request queue per session."""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from colorzoo.apps.studio.protocol import StudioError

_log = logging.getLogger(__name__)
_CLOSE_SECONDS = 60.0  # torch aborts a process that exits while a thread computes
_local = threading.local()


class RequestCancelledError(Exception):
    """Exception that stops the processing of a cancelled request.

    A request is cancelled if a newer request replaces it or the drawing pad disconnects.
    """


def stop_if_cancelled(*_: object) -> None:
    """Raise `RequestCancelledError` if the request of this thread has been cancelled.

    Models call this function as a forward hook.
    """
    is_cancelled: Callable[[], bool] | None = getattr(_local, "is_cancelled", None)
    if is_cancelled is not None and is_cancelled():
        raise RequestCancelledError


@contextmanager
def cancellable(is_cancelled: Callable[[], bool]) -> Iterator[None]:
    """Within a ``with`` block, let `stop_if_cancelled` check whether a request is cancelled.

    Args:
        is_cancelled: Function that returns whether the request of this thread is cancelled.
    """
    _local.is_cancelled = is_cancelled
    try:
        yield
    finally:
        _local.is_cancelled = None


@dataclass(frozen=True)
class QueuedRequest:
    """Job of a `Worker`: the processing of one request.

    Attributes:
        kind: Type of the request, such as ``"color"``.
        run: Function that processes the request and sends its responses.
        drop: Function that is called if a newer request replaces this request; None if the request must not
            be replaced.
        rank: Priority among the requests of a session; the lowest rank runs first.
    """

    kind: str
    run: Callable[[], None]
    drop: Callable[[], None] | None = None
    rank: int = 1


def _drop(jobs: Iterable[QueuedRequest]) -> None:
    """Call the functions ``drop`` of jobs that do not run."""
    for job in jobs:
        if job.drop is not None:
            job.drop()


class Worker:
    """Pool of threads that run jobs (`QueuedRequest`), with one queue per session.

    The pool serves the sessions in turn and runs at most one job of a session at a time.

    Args:
        name: Name of the threads.
        max_queued: Maximum number of waiting jobs per session.
        threads: Number of threads.
    """

    def __init__(self, name: str, max_queued: int, threads: int) -> None:
        self._queues: OrderedDict[str, deque[QueuedRequest]] = OrderedDict()
        self._max_queued = max_queued
        self._changed = threading.Condition()
        self._closed = False
        self._running: set[str] = set()  # sessions
        self._threads = [
            threading.Thread(target=self._work, name=f"studio-{name}", daemon=True) for _ in range(threads)
        ]
        for thread in self._threads:
            thread.start()

    def submit(self, session: str, job: QueuedRequest) -> None:
        """Queue a job, and drop waiting jobs of the same kind that can be replaced.

        Raises:
            StudioError: Too many jobs of this session are waiting.
        """
        with self._changed:
            queue = self._queues.setdefault(session, deque())
            replaced = [
                waiting
                for waiting in queue
                if waiting.kind == job.kind and waiting.drop is not None and job.drop is not None
            ]
            if replaced:
                # the newer job takes the position of the older job; at the end of the queue, frequent
                # requests would never run
                queue[queue.index(replaced[0])] = job
            elif len(queue) < self._max_queued:
                queue.append(job)
            else:
                raise StudioError("busy", "too many requests are waiting. Try again in a moment.")
            self._changed.notify_all()
        _drop(replaced)

    def cancel(self, session: str, kind: str | None = None) -> None:
        """Remove the waiting jobs of a session; None for ``kind`` removes jobs of all kinds."""
        with self._changed:
            queue = self._queues.get(session, deque())
            dropped = [job for job in queue if kind in (None, job.kind)]
            for job in dropped:
                queue.remove(job)
            if not queue:
                self._queues.pop(session, None)
        _drop(dropped)

    def close(self) -> None:
        """Remove all waiting jobs, and wait for running jobs to finish."""
        with self._changed:
            self._closed = True
            self._queues.clear()
            self._changed.notify_all()
        for thread in self._threads:
            if thread is not threading.current_thread():  # a notebook can delete its pad in any thread
                thread.join(timeout=_CLOSE_SECONDS)

    def _work(self) -> None:
        while (session_and_job := self._next()) is not None:
            session, job = session_and_job
            try:
                job.run()
            except Exception:  # the thread must continue with other jobs
                _log.exception("a studio job failed")
            with self._changed:
                self._running.discard(session)
                self._changed.notify_all()

    def _next(self) -> tuple[str, QueuedRequest] | None:
        """Wait for the next job; return None if the pool is closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._queues.keys() - self._running)
            if self._closed:
                return None
            session = next(session for session in self._queues if session not in self._running)
            queue = self._queues.pop(session)
            # first job among the jobs with the lowest rank
            job = min(queue, key=lambda waiting: waiting.rank)
            queue.remove(job)
            if queue:
                self._queues[session] = queue  # move the session to the end of the order
            self._running.add(session)
            return session, job
