"""Number of CPU cores and state of the git checkout."""

import subprocess
from pathlib import Path

import pytest

from colorzoo import environment
from colorzoo._machine import git_state


@pytest.mark.parametrize(
    ("given", "limit", "expected"), [("2", "max 100000", 2), ("", "150000 100000", 2), ("", "max 100000", 6)]
)
def test_core_count_respects_slurm_and_cgroup_limits(given, limit, expected, tmp_path: Path, monkeypatch):
    (tmp_path / "cpu.max").write_text(limit)
    monkeypatch.setattr(environment, "_CPU_LIMIT", tmp_path / "cpu.max")
    monkeypatch.setenv("SLURM_CPUS_PER_TASK", given)
    monkeypatch.setattr("os.sched_getaffinity", lambda _: set(range(6)), raising=False)
    assert environment.core_count() == expected


def test_git_state_counts_untracked_source_as_a_change(tmp_path: Path) -> None:
    def git(*words: str) -> str:
        author = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
        command = ["git", "-C", str(tmp_path), *author, *words]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    assert git_state(tmp_path) is None
    git("init")
    (tmp_path / ".gitignore").write_text("*.log\n")
    source = tmp_path / "package" / "model.py"
    source.parent.mkdir()
    source.write_text("a = 1\n")
    git("add", ".")
    git("commit", "-m", "first")
    commit = git("rev-parse", "HEAD")
    (tmp_path / "run.log").write_text("ignored")
    assert git_state(source.parent) == {"commit": commit, "changed": False}
    new = source.with_name("loss.py")
    new.write_text("b = 1\n")
    assert git_state(source.parent) == {"commit": commit, "changed": True}
    new.unlink()
    source.write_text("a = 2\n")
    assert git_state(source.parent) == {"commit": commit, "changed": True}
