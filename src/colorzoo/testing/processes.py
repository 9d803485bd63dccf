"""Run work in new processes, which share what a fresh server has imported."""

from __future__ import annotations

import multiprocessing
import os
import socket
from collections.abc import Callable
from multiprocessing.context import ForkServerContext, SpawnContext
from pathlib import Path
from typing import Any

import torch

_PATIENCE = 300.0  # seconds; far beyond what the work takes, so that a deadlock ends
_PRELOADED = ("timm", "torchvision", "kornia", "torchmetrics")  # imported once for all processes


def in_processes(work: Callable[..., int | None], *args: Any, processes: int = 1) -> list[int | None]:
    """Do work in each of some new processes of one thread, and return their exit codes.

    Several are told of each other as torchrun does it. One that does not end is killed, and its exit code is
    that of the signal.

    Args:
        work: A function of a module. It returns an exit code, or None for 0.
        *args: Its arguments. They are pickled.
        processes: Number of processes.
    """
    context = _fork_server()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    started = []
    for rank in range(processes):
        # PYTEST_CURRENT_TEST may change while it is read
        environment = {name: value for name, value in os.environ.items() if name != "PYTEST_CURRENT_TEST"}
        if processes > 1:
            environment |= {"WORLD_SIZE": str(processes), "LOCAL_WORLD_SIZE": str(processes)}
            environment |= {"RANK": str(rank), "LOCAL_RANK": str(rank), "GROUP_RANK": "0"}
            environment |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
            environment |= {"TORCHELASTIC_RUN_ID": "test"}  # so that Lightning starts no processes itself
        started.append(context.Process(target=_work, args=(environment, Path.cwd(), work, args)))
    for each in started:
        each.start()
    for each in started:
        each.join(_PATIENCE)
    for each in started:
        each.kill()  # one that has ended before the others leaves them waiting
        each.join()
    return [each.exitcode for each in started]


def _fork_server() -> ForkServerContext | SpawnContext:
    """Return a context that starts processes with torch and the packages of most models imported.

    A fork of this process could inherit locks of its threads; a fork of a fresh server cannot. The server is
    started once per test run. Windows has no forks.
    """
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__, *_PRELOADED])
    return context


def _work(
    environment: dict[str, str], folder: Path, work: Callable[..., int | None], args: tuple[Any, ...]
) -> None:
    torch.set_num_threads(1)
    os.environ.clear()  # the server's is that of its start
    os.environ.update(environment)
    os.chdir(folder)
    raise SystemExit(work(*args))
