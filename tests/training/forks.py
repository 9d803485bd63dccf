"""Work in forks of this process, which have what it has imported: a new process takes seconds for that."""

import os
import socket
from collections.abc import Callable
from multiprocessing import get_context

PATIENCE = 200  # seconds; far beyond what a run takes, so that a deadlock ends


def in_forks(work: Callable[[], int | None], processes: int = 1) -> list[int | None]:
    """Do work in each of some forks and return their exit codes.

    Several are told of each other as torchrun does it.

    Args:
        work: Returns an exit code, or None for 0.
        processes: Number of forks.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    context = get_context("fork")
    started = [context.Process(target=_work, args=(work, rank, processes, port)) for rank in range(processes)]
    for each in started:
        each.start()
    for each in started:
        each.join(PATIENCE)
    for each in started:
        each.kill()  # one that has ended before the others leaves them waiting
        each.join()
    return [each.exitcode for each in started]


def _work(work: Callable[[], int | None], rank: int, processes: int, port: int) -> None:
    if processes > 1:
        names = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": processes, "LOCAL_WORLD_SIZE": processes}
        names |= {"TORCHELASTIC_RUN_ID": "test", "GROUP_RANK": 0}
        names |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
        os.environ |= {name: str(value) for name, value in names.items()}
    raise SystemExit(work())
