"""The Ray example of docs/cluster.md on this machine: killed, restarted, nothing made twice."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import colorzoo

ROOT = Path(__file__).parents[1]
MODEL, COUNT = "zhang2017_local_small", 240


def album(root: Path) -> list[Path]:
    rng, paths = np.random.default_rng(0), []
    for number in range(COUNT):
        paths.append(root / f"{number % 5}" / f"{number:03d}.png")
        paths[-1].parent.mkdir(parents=True, exist_ok=True)
        coarse = Image.fromarray(rng.integers(0, 256, (3, 3), dtype=np.uint8))
        coarse.resize((20, 20), Image.Resampling.BICUBIC).save(paths[-1])
    return paths


def start(script: Path, *words: Path | str) -> subprocess.Popen[str]:
    env = os.environ | {
        "OMP_NUM_THREADS": "1",
        "RAY_USAGE_STATS_ENABLED": "0",
        "PYTHONPATH": ":".join(sys.path),
    }
    command = [sys.executable, str(script), *map(str, words)]
    return subprocess.Popen(command, env=env, text=True, stdout=subprocess.PIPE, start_new_session=True)


def results(out: Path) -> list[Path]:
    return sorted(out.rglob("[!.]*.png"))


@pytest.mark.nightly
@pytest.mark.timeout(1500)
def test_the_example_of_ray_data_goes_on_where_it_was_killed(tmp_path: Path) -> None:
    pytest.importorskip("ray", reason='needs `pip install "ray[data]"`')
    page = (ROOT / "docs" / "cluster.md").read_text()
    script = tmp_path / "job.py"
    script.write_text(
        next(b for b in re.findall(r"```python\n(.*?)```", page, re.DOTALL) if "import ray" in b)
    )
    paths, out = album(tmp_path / "album"), tmp_path / "out"

    running = start(script, tmp_path / "album", out, MODEL)
    while running.poll() is None and len(results(out)) < COUNT // 4:
        time.sleep(0.05)
    assert running.poll() is None, "it ended before it could be killed"
    os.killpg(running.pid, signal.SIGKILL)
    running.communicate()
    early: dict[Path, int] = {}
    while early != (now := {path: path.stat().st_mtime_ns for path in results(out)}) or not early:
        early = now  # its workers end a moment after it
        time.sleep(3)
    assert COUNT // 4 <= len(early) < COUNT

    again = start(script, tmp_path / "album", out, MODEL)
    told, _ = again.communicate()
    assert again.returncode == 0
    assert f"'done': {len(early)}" in told
    assert f"'colored': {COUNT - len(early)}" in told
    assert all(path.stat().st_mtime_ns == made for path, made in early.items())
    alone = colorzoo.colorize_files(paths, tmp_path / "album", tmp_path / "alone", MODEL)
    assert [result.status for result in alone] == ["colored"] * COUNT
    found = {path.relative_to(out): path.read_bytes() for path in results(out)}
    assert found == {
        path.relative_to(tmp_path / "alone"): path.read_bytes() for path in results(tmp_path / "alone")
    }
