"""Work in new processes, which share what a fresh server has imported."""

import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from colorzoo.testing.distributed import fork_server

PATIENCE = 200  # seconds; far beyond what a run takes, so that a deadlock ends


def in_processes(work: Callable[..., int | None], *args: Any, processes: int = 1) -> list[int | None]:
    """Do work in each of some new processes and return their exit codes.

    Several are told of each other as torchrun does it.

    Args:
        work: A function of a module. It returns an exit code, or None for 0.
        *args: Its arguments. They are pickled.
        processes: Number of processes.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    context = fork_server()
    shared = {name: value for name, value in os.environ.items() if name != "PYTEST_CURRENT_TEST"}
    if processes > 1:
        shared |= {"WORLD_SIZE": str(processes), "LOCAL_WORLD_SIZE": str(processes)}
        shared |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
        shared |= {"TORCHELASTIC_RUN_ID": "test", "GROUP_RANK": "0"}
    started = []
    for rank in range(processes):
        own = {"RANK": str(rank), "LOCAL_RANK": str(rank)} if processes > 1 else {}
        started.append(context.Process(target=_work, args=(shared | own, Path.cwd(), work, args)))
    for each in started:
        each.start()
    for each in started:
        each.join(PATIENCE)
    for each in started:
        each.kill()  # one that has ended before the others leaves them waiting
        each.join()
    return [each.exitcode for each in started]


def _work(
    environment: dict[str, str], folder: Path, work: Callable[..., int | None], args: tuple[Any, ...]
) -> None:
    torch.set_num_threads(1)
    os.environ.clear()  # the server's is that of its start
    os.environ.update(environment)
    os.chdir(folder)
    raise SystemExit(work(*args))
