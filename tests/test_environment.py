"""Number of CPU cores."""

from pathlib import Path

import pytest

from colorzoo import environment


@pytest.mark.parametrize(
    ("given", "limit", "expected"), [("2", "max 100000", 2), ("", "150000 100000", 2), ("", "max 100000", 6)]
)
def test_core_count_respects_slurm_and_cgroup_limits(given, limit, expected, tmp_path: Path, monkeypatch):
    (tmp_path / "cpu.max").write_text(limit)
    monkeypatch.setattr(environment, "CPU_LIMIT", tmp_path / "cpu.max")
    monkeypatch.setenv("SLURM_CPUS_PER_TASK", given)
    monkeypatch.setattr("os.sched_getaffinity", lambda _: set(range(6)), raising=False)
    assert environment.core_count() == expected
