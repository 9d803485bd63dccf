"""How soon a user sees something: ``import colorzoo`` and ``colorzoo --help`` against ``import torch``."""

from __future__ import annotations

import resource
import statistics
import subprocess
import sys

from benchmarks._harness import Options, Row, share_of, where

RUNS = 5
COMMANDS = {
    "import torch": ["-c", "import torch"],
    "import colorzoo": ["-c", "import colorzoo"],
    "colorzoo --help": ["-m", "colorzoo", "--help"],
}


def run(options: Options) -> list[Row]:
    """Compare CPU seconds of fresh processes, in turn, at most a tenth of it: neither loads torch."""
    del options
    spent: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for _ in range(RUNS):
        for name, words in COMMANDS.items():
            spent[name].append(_seconds(words))
    median = {name: statistics.median(seconds) for name, seconds in spent.items()}
    torch = median.pop("import torch")
    return [
        share_of(f"{name}, CPU seconds, against import torch", ours, torch, 0.1, where())
        for name, ours in median.items()
    ]


def _seconds(words: list[str]) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, *words], check=True, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
