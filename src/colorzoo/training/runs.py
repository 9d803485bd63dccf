"""Names of the files of a run, and the lines that its first process prints."""

from __future__ import annotations

import os
import sys

RUNS = "runs"
"""Name of the folder of all runs."""
SUFFIX = ".ckpt"
"""End of the names of checkpoints."""
LOCK = "run.lock"
"""Name of the file that a run in progress holds in its folder."""


def report(text: str) -> None:
    """Print a line in the first process only."""
    if is_first_process():
        print(f"colorzoo: {text}", file=sys.stderr)


def is_first_process() -> bool:
    """Return whether this is the first process of a run, before the processes are connected."""
    return all(os.environ.get(name, "0") == "0" for name in ("RANK", "LOCAL_RANK", "SLURM_PROCID"))
