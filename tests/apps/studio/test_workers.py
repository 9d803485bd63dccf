"""Worker queues."""

import threading
from collections.abc import Iterator

import pytest

from colorzoo.apps.studio.protocol import StudioError
from colorzoo.apps.studio.worker_pool import QueuedRequest, Worker


@pytest.fixture
def worker() -> Iterator[Worker]:
    made = Worker("test", max_queued=3, threads=1)
    yield made
    made.close()


class Recorder:
    """Blocks the worker in its first job until `finish` is called, and records the executed jobs."""

    def __init__(self, worker: Worker) -> None:
        self.worker, self.done, self.dropped = worker, [], []
        self.go, self.blocked, self.finished = threading.Event(), threading.Event(), threading.Event()
        worker.submit("hold", QueuedRequest("hold", self._block))
        assert self.blocked.wait(10)

    def _block(self) -> None:
        self.blocked.set()
        self.go.wait(10)

    def submit(self, session: str, name: str, kind: str = "color", rank: int = 1, keep: bool = False) -> None:
        drop = None if keep else lambda: self.dropped.append(name)
        self.worker.submit(session, QueuedRequest(kind, lambda: self.done.append(name), drop, rank))

    def finish(self) -> list[str]:
        self.go.set()
        for session in ("a", "b", "c"):
            try:
                self.worker.submit(session, QueuedRequest("last", lambda: None, rank=9))
            except StudioError:
                continue
        self.worker.submit("z", QueuedRequest("end", self.finished.set))
        assert self.finished.wait(10)
        return self.done


def test_worker_runs_only_the_newest_job_of_a_kind(worker: Worker) -> None:
    record = Recorder(worker)
    for number in range(40):
        record.submit("a", f"{number}")
    assert record.finish() == ["39"]
    assert record.dropped == [f"{number}" for number in range(39)]


def test_worker_alternates_between_sessions(worker: Worker) -> None:
    record = Recorder(worker)
    for number in range(3):
        record.submit("a", f"a{number}", kind=f"kind{number}")
    record.submit("b", "b0")
    record.submit("c", "c0")
    assert record.finish() == ["a0", "b0", "c0", "a1", "a2"]


def test_worker_runs_lower_ranks_first(worker: Worker) -> None:
    record = Recorder(worker)
    record.submit("a", "palette", kind="suggest")
    record.submit("a", "color", rank=0)
    assert record.finish() == ["color", "palette"]


def test_worker_limits_jobs_that_must_not_be_dropped(worker: Worker) -> None:
    record = Recorder(worker)
    for number in range(3):
        record.submit("a", f"{number}", kind="export", keep=True)
    with pytest.raises(StudioError, match="too many requests"):
        record.submit("a", "3", kind="export", keep=True)
    assert record.finish() == ["0", "1", "2"]


def test_worker_continues_after_a_failed_job(worker: Worker) -> None:
    worker.submit("a", QueuedRequest("bad", lambda: 1 / 0))
    after = threading.Event()
    worker.submit("a", QueuedRequest("good", after.set))
    assert after.wait(10)


def test_worker_drops_cancelled_jobs(worker: Worker) -> None:
    record = Recorder(worker)
    record.submit("a", "gone")
    record.submit("b", "stays")
    record.submit("b", "replaced", kind="full")
    record.submit("b", "last", kind="export", keep=True)
    worker.cancel("a")
    worker.cancel("b", "full")
    worker.cancel("nobody")
    assert record.finish() == ["stays", "last"]
    assert record.dropped == ["gone", "replaced"]
