"""Preemption by SLURM: the signal before the time is up, and the job's way back into the queue."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading

from lightning.fabric.plugins.environments.slurm import SLURMEnvironment


class PreemptionNotice:
    """Notes SIGUSR1 in a task that ``srun`` started, for whoever asks between two steps.

    Lightning would save inside the handler: in the middle of a step, whose weights may be half changed, and
    in several processes each at another point, where they wait for each other for ever.

    Attributes:
        awaited: A notice may come.
        given: It came.
    """

    def __init__(self) -> None:
        self.awaited = self.given = False

    def listen(self) -> None:
        """Listen, if this is a task of SLURM; Lightning, whose place it takes, removes it in the end."""
        self.awaited = SLURMEnvironment.detect() and threading.current_thread() is threading.main_thread()
        if self.awaited:
            signal.signal(signal.SIGUSR1, self._note)

    def _note(self, *_: object) -> None:
        self.given = True


def requeue_job() -> None:
    """Ask SLURM to start this job again; a refusal is told, as the checkpoint is there all the same."""
    job, task = os.environ.get("SLURM_ARRAY_JOB_ID"), os.environ.get("SLURM_ARRAY_TASK_ID")
    name = f"{job}_{task}" if job else os.environ.get("SLURM_JOB_ID", "")
    try:
        done = subprocess.run(["scontrol", "requeue", name], capture_output=True, text=True, check=False)
        why = done.stderr.strip() if done.returncode else ""
    except OSError as error:
        why = str(error)
    told = f"job {name} could not be queued again: {why}" if why else f"job {name} is queued again"
    print(f"colorzoo: {told}", file=sys.stderr)
