"""What a process takes from its environment."""

import platform
import subprocess
import sys
from pathlib import Path

import pytest

from colorzoo import environment

_FAULTS = """
import resource
import sys

import numpy as np
from colorzoo.environment import reuse_memory

def work():
    held = [np.ones(20_000_000, np.uint8) for _ in range(5)]
    del held

if "reuse" in sys.argv:
    reuse_memory()
work()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
work()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.nightly
@pytest.mark.skipif(
    platform.libc_ver()[0] != "glibc", reason="other C libraries keep memory by their own rules"
)
@pytest.mark.parametrize(
    ("words", "decided", "is_kept"),
    [(("reuse",), {}, True), ((), {}, False), (("reuse",), {"MALLOC_TRIM_THRESHOLD_": "131072"}, False)],
)
def test_freed_memory_is_kept_unless_the_user_decides(
    words: tuple[str, ...], decided: dict[str, str], is_kept: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("GLIBC_TUNABLES", "MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_"):
        monkeypatch.delenv(name, raising=False)
    for name, value in decided.items():
        monkeypatch.setenv(name, value)
    run = subprocess.run(
        [sys.executable, "-c", _FAULTS, *words], stdout=subprocess.PIPE, text=True, check=True
    )
    assert (int(run.stdout) < 50) == is_kept  # pages that came from the system


@pytest.mark.parametrize(
    ("given", "limit", "expected"), [("2", "max 100000", 2), ("", "150000 100000", 2), ("", "max 100000", 6)]
)
def test_cores_are_those_of_the_job(given, limit, expected, tmp_path: Path, monkeypatch):
    (tmp_path / "cpu.max").write_text(limit)
    monkeypatch.setattr(environment, "CPU_LIMIT", tmp_path / "cpu.max")
    monkeypatch.setenv("SLURM_CPUS_PER_TASK", given)
    monkeypatch.setattr("os.sched_getaffinity", lambda _: set(range(6)), raising=False)
    assert environment.core_count() == expected
