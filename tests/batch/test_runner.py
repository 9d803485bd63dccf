"""Runs over folders: number of threads, size limit, and partial files of killed runs."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from colorzoo.batch import runner
from colorzoo.batch.task import FileResult, FileTask
from tiny_model import Run, gray_image


def write_images(folder: Path, count: int = 6) -> Path:
    (folder / "sub").mkdir(parents=True)
    for number in range(count):
        name = ("sub/" if number % 2 else "") + f"{number}.png"
        Image.fromarray(gray_image(30 + 7 * number, 64)).save(folder / name)
    return folder


def test_jobs_option_does_not_change_files_and_output(run: Run, tmp_path: Path) -> None:
    source = write_images(tmp_path / "in")
    (source / "3.jpg").write_bytes(b"no image")
    recorded, files = set(), []
    for jobs in (1, 2, 5):
        out = tmp_path / f"out{jobs}"
        code, printed, err = run(source, "-o", out, "--jobs", jobs)
        assert code == 1
        recorded.add((printed.replace(str(out), "OUT"), err))
        files.append({path.relative_to(out): path.read_bytes() for path in out.rglob("*") if path.is_file()})
    assert len(recorded) == 1
    assert len(files[0]) == 6
    assert files[0] == files[1] == files[2]


def test_runner_limits_items_by_pixels(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source, recorded = tmp_path / "in", []
    source.mkdir()
    for name, (width, height) in {"a": (30, 40), "b": (50, 20)}.items():
        Image.new("L", (width, height), 90).save(source / f"{name}.png")
    (source / "c.jpg").write_bytes(b"no image")
    overlapped = runner.overlapped

    def record(items: Iterator[FileTask], *steps: Any, **limits: Any) -> Iterator[FileResult]:
        jobs, size_of = list(items), steps[-1]
        recorded.extend([*map(size_of, jobs), limits["max_size"]])
        yield from overlapped(jobs, *steps, **limits)

    monkeypatch.setattr(runner, "overlapped", record)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 500)  # Pillow refuses more than twice as many pixels
    run(source, "-o", tmp_path / "out", "--jobs", "2")
    assert recorded == [1200, 1000, 0, 200_000_000]


@pytest.mark.parametrize("jobs", ["0", "65"])
def test_jobs_option_rejects_an_invalid_number(run: Run, jobs: str) -> None:
    code, _, err = run("a.png", "--jobs", jobs)
    assert (code, "--jobs" in err) == (2, True)


def test_run_removes_old_partial_files_of_killed_runs(run: Run, tmp_path: Path) -> None:
    source, out = write_images(tmp_path / "in", 2), tmp_path / "out"
    out.mkdir()
    recent, old = (out / f".colorzoo-{digit * 32}.part" for digit in "01")
    others = out / ".colorzoo-notes.part"
    for part in (recent, old, others):
        part.write_bytes(b"half")
    for part in (old, others):
        os.utime(part, (time.time() - 4000,) * 2)
    assert run(source, "-o", out)[0] == 0
    assert {path for path in out.iterdir() if path.name.startswith(".")} == {recent, others}
