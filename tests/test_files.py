"""Atomic files, and temporary files of running and of killed processes."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from colorzoo.files import remove_leftovers, whole_file

WRITER = """
import sys
from pathlib import Path
from colorzoo.files import whole_file
with whole_file(Path(sys.argv[1])) as file:
    file.write(b"half")
    file.flush()
    print("open", flush=True)
    sys.stdin.readline()
    file.write(b" and half")
"""


def start_writing(target: Path) -> tuple[subprocess.Popen[str], Path]:
    """Start a process that writes a file, and return its temporary file, which looks two hours old."""
    process = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(target)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "open\n"
    (part,) = target.parent.glob(".*.part")
    os.utime(part, (time.time() - 7200,) * 2)
    return process, part


@pytest.mark.parametrize("age", [3600.0, 0.0])
def test_temporary_files_of_running_processes_are_kept(tmp_path: Path, age: float) -> None:
    process, part = start_writing(tmp_path / "x.gif")
    remove_leftovers(tmp_path, age=age)
    assert part.exists()
    process.communicate("\n", timeout=60)
    assert (tmp_path / "x.gif").read_bytes() == b"half and half"


def test_temporary_files_of_killed_processes_are_deleted(tmp_path: Path) -> None:
    process, part = start_writing(tmp_path / "x.gif")
    process.kill()
    process.communicate(timeout=60)
    assert part.exists()
    remove_leftovers(tmp_path, age=8000)
    assert part.exists()
    remove_leftovers(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_temporary_files_of_this_process_are_kept(tmp_path: Path) -> None:
    with whole_file(tmp_path / "x.gif") as file:
        file.write(b"whole")
        remove_leftovers(tmp_path, age=0)
    assert (tmp_path / "x.gif").read_bytes() == b"whole"


@pytest.mark.skipif(os.name == "nt", reason="no flock")
def test_temporary_files_are_kept_on_disks_without_locks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The writer may run on another machine."""
    (tmp_path / f".colorzoo-{'0' * 32}.part").touch()

    def refuse(*_: object) -> None:
        raise OSError("no locks available")

    monkeypatch.setattr("fcntl.flock", refuse)
    with whole_file(tmp_path / "x.gif") as file:
        file.write(b"whole")
    remove_leftovers(tmp_path, age=0)
    assert len(list(tmp_path.iterdir())) == 2
