"""Execution of functions in new processes.

The processes are forked from a server that has imported large packages.
"""

from __future__ import annotations

import multiprocessing
import os
import socket
from collections.abc import Callable
from multiprocessing.context import ForkServerContext, SpawnContext
from pathlib import Path
from typing import Any

import torch

_TIMEOUT = 300.0  # seconds; ends deadlocks
_PRELOADED = ("timm", "torchvision", "kornia", "torchmetrics")  # imported once for all processes


def in_processes(work: Callable[..., int | None], *args: Any, processes: int = 1) -> list[int | None]:
    """Run a function in new single-threaded processes and return their exit codes.

    If ``processes`` exceeds 1, the processes receive the environment variables of torchrun. A process that
    exceeds the timeout is killed; its exit code is the negative signal number.

    Args:
        work: Module-level function that returns an exit code, or None for 0.
        *args: Arguments of the function, which are pickled.
        processes: Number of processes.
    """
    # Forking this process could copy locks held by its threads, so processes are forked from a new server
    # that has imported large packages. The server starts once per test run. Windows does not support forking.
    context: ForkServerContext | SpawnContext
    if "forkserver" in multiprocessing.get_all_start_methods():
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload([__name__, *_PRELOADED])
    else:
        context = multiprocessing.get_context("spawn")
    # find a free port for the connection between the processes
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    workers = []
    for rank in range(processes):
        # PYTEST_CURRENT_TEST can change while it is read
        environment = {name: value for name, value in os.environ.items() if name != "PYTEST_CURRENT_TEST"}
        if processes > 1:
            environment |= {  # as torchrun on a single machine
                "WORLD_SIZE": str(processes),
                "LOCAL_WORLD_SIZE": str(processes),
                "RANK": str(rank),
                "LOCAL_RANK": str(rank),
                "GROUP_RANK": "0",
                "MASTER_ADDR": "127.0.0.1",
                "MASTER_PORT": str(port),
                "TORCHELASTIC_RUN_ID": "test",  # prevents Lightning from starting processes
            }
        workers.append(context.Process(target=_work, args=(environment, Path.cwd(), work, args)))
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(_TIMEOUT)
    for worker in workers:
        worker.kill()  # a process hangs if another process ended early
        worker.join()
    return [worker.exitcode for worker in workers]


def _work(
    environment: dict[str, str], folder: Path, work: Callable[..., int | None], args: tuple[Any, ...]
) -> None:
    torch.set_num_threads(1)
    os.environ.clear()  # remove the environment of the server
    os.environ.update(environment)
    os.chdir(folder)
    raise SystemExit(work(*args))
