"""Ten thousand small files, colored by two processes that are killed at a third and started again."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

SCRIPT = Path(__file__).with_name("many.py")
COUNT, SIDE, FOLDERS = 10_000, 20, 50


def make_album(root: Path, count: int) -> Path:
    rng = np.random.default_rng(0)
    for number in range(count):
        folder = root / f"{number % FOLDERS:02d}"
        folder.mkdir(parents=True, exist_ok=True)
        coarse = Image.fromarray(rng.integers(0, 256, (3, 3), dtype=np.uint8))
        coarse.resize((SIDE, SIDE), Image.Resampling.BICUBIC).save(folder / f"{number:05d}.png")
    return root


def start(root: Path, out: Path, processes: int) -> subprocess.Popen[bytes]:
    env = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(sys.path)}
    words = [sys.executable, str(SCRIPT), str(root), str(out), str(processes)]
    return subprocess.Popen(words, env=env, start_new_session=True, stderr=subprocess.DEVNULL)


def results(out: Path) -> dict[str, bytes]:
    return {path.relative_to(out).as_posix(): path.read_bytes() for path in out.rglob("*.png")}


@pytest.mark.nightly
@pytest.mark.timeout(9000)
def test_ten_thousand_files_are_colored_once_despite_a_kill(tmp_path: Path) -> None:
    album = make_album(tmp_path / "album", COUNT)
    out, whole = tmp_path / "two", tmp_path / "one"
    running = start(album, out, 2)
    while running.poll() is None and sum(1 for _ in out.rglob("*.png")) < COUNT // 3:
        time.sleep(0.5)
    assert running.poll() is None, "it ended before it could be killed"
    os.killpg(running.pid, signal.SIGKILL)
    running.wait()
    early = {path: path.stat().st_mtime_ns for path in out.rglob("*.png")}
    assert COUNT // 3 <= len(early) < COUNT
    assert start(album, out, 2).wait() == 0
    again = [path for path, made in early.items() if path.stat().st_mtime_ns != made]
    assert len(again) <= 2  # at most what each of both had in hand
    assert start(album, whole, 1).wait() == 0
    found, expected = results(out), results(whole)
    assert len(expected) == COUNT
    assert found == expected
    assert not list(out.rglob("*.part"))  # what each of both had in hand was removed by the second run
