"""Kills while writing, full disks and folders that turn read-only: the same command completes the run."""

from __future__ import annotations

import json
import os
import random
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tiny_model import gray_picture

_TESTS = Path(__file__).parents[1]
PICTURES = 12
# the program with a stub for a model, and with a disk so slow that most of its time is spent writing
CHILD = f"""
import os, sys, time
sys.path.insert(0, {str(_TESTS)!r})
import colorzoo.inference.write as write
from colorzoo.cli import main as program

slow = float(os.environ.get("SLOW", "0"))

def write_slowly(path, content):
    with write.whole_file(path) as file:
        for start in range(0, len(content), max(1, len(content) // 20)):
            file.write(content[start : start + max(1, len(content) // 20)])
            file.flush()
            time.sleep(slow / 20)

write.write_whole = write_slowly
import colorzoo.cli._album as album
from tiny_model import tiny_model

class Stub(album.Colorizer):
    def __init__(self, name, **settings):
        super().__init__(tiny_model(), device="cpu")
        self.name = name

album.Colorizer = Stub
print("ready", flush=True)
sys.exit(program.main(sys.argv[1:]))
"""


def make_box(folder: Path) -> Path:
    box = folder / "box"
    box.mkdir()
    for number in range(PICTURES):
        Image.fromarray(gray_picture(40 + number, 60)).save(box / f"{number:02}.png")
    return box


def start(box: Path, out: Path, slow: float = 0.0, **options: object) -> subprocess.Popen[str]:
    words = ["colorize", str(box), "-o", str(out), "--fast", "--jobs", "2", "--json"]
    return subprocess.Popen(
        [sys.executable, "-c", CHILD, *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "SLOW": str(slow)},
        **options,  # type: ignore[call-overload]
    )


def finish(box: Path, out: Path) -> dict[str, int]:
    """Run to the end, and return how many pictures had which fate."""
    child = start(box, out)
    said, err = child.communicate(timeout=240)
    assert child.returncode == 0, err
    fates = [entry["status"] for entry in json.loads(said.partition("ready\n")[2])]
    return {fate: fates.count(fate) for fate in fates}


def whole_results(out: Path) -> set[str]:
    """Open every result; a torn one is an error. What a kill left is hidden and no result."""
    found = set()
    for path in sorted(out.iterdir()) if out.exists() else []:
        if path.name.startswith("."):
            assert path.suffix == ".part"
            continue
        with Image.open(path) as image:
            image.load()
        found.add(path.name)
    return found


def kill_while_writing(folder: Path, moments: int, seed: int) -> None:
    """Kill runs at random moments of writing; each next run goes on where the last one was."""
    box, out = make_box(folder), folder / "out"
    generator = random.Random(seed)
    before: set[str] = set()
    stamps: dict[str, int] = {}
    for _ in range(moments):
        if len(before) == PICTURES:
            for name in sorted(before):
                (out / name).unlink()
            before, stamps = set(), {}
        child = start(box, out, slow=0.4)
        assert child.stdout is not None
        child.stdout.readline()
        while child.poll() is None and not list(out.glob(".colorzoo-*.part")):
            time.sleep(0.002)
        time.sleep(generator.random() * 0.8)
        child.send_signal(signal.SIGKILL)
        child.communicate()
        now = whole_results(out)
        assert before <= now
        assert all((out / name).stat().st_mtime_ns == stamp for name, stamp in stamps.items())
        before, stamps = now, {name: (out / name).stat().st_mtime_ns for name in now}
        for part in out.glob(".*.part"):  # so that the next wait sees a new one
            part.unlink()
    fates = finish(box, out)
    assert fates.get("skipped", 0) == len(before)
    assert fates.get("colored", 0) == PICTURES - len(before)
    assert len(whole_results(out)) == PICTURES


def test_a_kill_while_writing(tmp_path: Path) -> None:
    kill_while_writing(tmp_path, 1, seed=0)


@pytest.mark.slow
def test_twenty_kills_while_writing(tmp_path: Path) -> None:
    kill_while_writing(tmp_path, 20, seed=1)


@pytest.mark.slow
def test_a_file_that_may_not_grow_ends_the_run_and_the_rest_comes_later(tmp_path: Path) -> None:
    """A limit of the process on the size of files (EFBIG) stands for a quota: no half file, one line each."""
    box, out = make_box(tmp_path), tmp_path / "out"
    noise = np.random.default_rng(0).integers(0, 256, (400, 400), dtype=np.uint8)
    Image.fromarray(noise).save(box / "05.png")

    def limit() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))

    child = start(box, out, preexec_fn=limit)
    said, err = child.communicate(timeout=240)
    fates = {Path(e["source"]).name: e["status"] for e in json.loads(said.partition("ready\n")[2])}
    assert child.returncode == 1
    assert fates.pop("05.png") in ("failed", "full")
    assert "Traceback" not in err
    assert not list(out.glob(".*.part"))
    left = PICTURES - len(whole_results(out))
    assert left >= 1
    assert finish(box, out)["colored"] == left


@pytest.mark.slow
@pytest.mark.skipif(os.geteuid() != 0 or sys.platform != "linux", reason="only the superuser mounts a disk")
def test_a_full_disk_and_one_that_turns_read_only(tmp_path: Path) -> None:
    box, disk = make_box(tmp_path), tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(disk)], capture_output=True
    )
    if mounted.returncode:
        pytest.skip(f"no disk can be mounted here: {mounted.stderr.decode().strip()}")
    try:
        out = disk / "out"
        child = start(box, out)
        _, err = child.communicate(timeout=240)
        assert child.returncode in (1, 2)
        assert err.count("No space left on device") == 1
        done = whole_results(out)
        assert 0 < len(done) < PICTURES
        assert not list(out.glob(".*.part"))
        subprocess.run(["mount", "-o", "remount,size=16m", str(disk)], check=True)
        child = start(box, out, slow=0.3)
        while child.poll() is None and whole_results(out) == done:
            time.sleep(0.01)
        remounted = subprocess.run(["mount", "-o", "remount,ro", str(disk)], capture_output=True)
        while remounted.returncode:  # busy while a file is open for writing
            time.sleep(0.01)
            remounted = subprocess.run(["mount", "-o", "remount,ro", str(disk)], capture_output=True)
            if child.poll() is not None:
                break
        _, err = child.communicate(timeout=240)
        assert "Traceback" not in err
        subprocess.run(["mount", "-o", "remount,rw", str(disk)], check=True)
        done = whole_results(out)
        fates = finish(box, out)
        assert fates.get("skipped", 0) == len(done)
        assert len(whole_results(out)) == PICTURES
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)
