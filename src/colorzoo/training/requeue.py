"""SLURM's warning before the end of a job: the job comes back, also if nothing is trained yet."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from typing import NoReturn

from colorzoo.training.runs import is_first_process

TERMINATED = 143
"""Exit code of a process that SIGTERM or SIGUSR1 ends, as shells report it."""


def listen_early() -> None:
    """Let SIGUSR1 put a SLURM job back into the queue while its programs are still being loaded.

    Without a handler the signal would kill the process, and the job would not come back. When training starts
    `SignalCheckpoint` takes over.
    """
    in_job = "SLURM_NTASKS" in os.environ and hasattr(signal, "SIGUSR1")  # Windows has none
    in_job = in_job and os.environ.get("SLURM_JOB_NAME") not in ("bash", "interactive")
    if in_job and threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGUSR1, _requeue_and_end)


def requeue_job() -> None:
    """Put this job back into SLURM's queue; print a refusal, as the checkpoint is saved in any case."""
    job, task = os.environ.get("SLURM_ARRAY_JOB_ID"), os.environ.get("SLURM_ARRAY_TASK_ID")
    name = f"{job}_{task}" if job else os.environ.get("SLURM_JOB_ID", "")
    try:
        done = subprocess.run(["scontrol", "requeue", name], capture_output=True, text=True, check=False)
        why = done.stderr.strip() if done.returncode else ""
    except OSError as error:
        why = str(error)
    text = f"job {name} could not be queued again: {why}" if why else f"job {name} is queued again"
    print(f"colorzoo: {text}", file=sys.stderr)


def _requeue_and_end(*_: object) -> NoReturn:
    if is_first_process():
        requeue_job()
    raise SystemExit(TERMINATED)
