"""Folders: the same results with any number of threads, and a recipe for each image."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from colorzoo.atomic import part_of
from colorzoo.batch import runner
from colorzoo.batch.task import FileResult, FileTask
from colorzoo.image_io.provenance import read_provenance
from tiny_model import Run, gray_image


def box(folder: Path, count: int = 6) -> Path:
    (folder / "sub").mkdir(parents=True)
    for number in range(count):
        name = ("sub/" if number % 2 else "") + f"{number}.png"
        Image.fromarray(gray_image(30 + 7 * number, 64)).save(folder / name)
    return folder


def test_any_number_of_threads_gives_the_same_files_and_lines(run: Run, tmp_path: Path) -> None:
    source = box(tmp_path / "in")
    (source / "3.jpg").write_bytes(b"no image")
    told, files = set(), []
    for jobs in (1, 2, 5):
        out = tmp_path / f"out{jobs}"
        code, said, err = run(source, "-o", out, "--jobs", jobs)
        assert code == 1
        told.add((said.replace(str(out), "OUT"), err))
        files.append({path.relative_to(out): path.read_bytes() for path in out.rglob("*") if path.is_file()})
    assert len(told) == 1
    assert len(files[0]) == 6
    assert files[0] == files[1] == files[2]


def test_the_threads_make_room_by_pixels(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source, told = tmp_path / "in", []
    source.mkdir()
    for name, (width, height) in {"a": (30, 40), "b": (50, 20)}.items():
        Image.new("L", (width, height), 90).save(source / f"{name}.png")
    (source / "c.jpg").write_bytes(b"no image")
    overlapped = runner.overlapped

    def spied(items: Iterator[FileTask], open_job: Any, size_of: Any, **limits: int) -> Iterator[FileResult]:
        jobs = list(items)
        told.extend([*map(size_of, jobs), limits["max_size"]])
        yield from overlapped(jobs, open_job, size_of, **limits)

    monkeypatch.setattr(runner, "overlapped", spied)
    run(source, "-o", tmp_path / "out", "--jobs", "2")
    assert told == [1200, 1000, 0, 200_000_000]


@pytest.mark.parametrize("jobs", ["0", "65"])
def test_an_invalid_number_of_threads(run: Run, jobs: str) -> None:
    code, _, err = run("a.png", "--jobs", jobs)
    assert (code, "--jobs" in err) == (2, True)


def test_each_image_has_its_own_recipe(run: Run, tmp_path: Path) -> None:
    source, recipes = box(tmp_path / "in", 4), tmp_path / "recipes"
    (recipes / "sub").mkdir(parents=True)
    point = {"x": 30, "y": 15, "radius": 8, "color": "#c04020"}
    (recipes / "0.json").write_text(json.dumps({"points": [point]}))
    (recipes / "sub" / "1.png.recipe.json").write_text(json.dumps({"strength": 0}))
    (recipes / "2.json").write_text("{broken")
    (recipes / "9.json").write_text("{}")
    out = tmp_path / "out"
    code, _, err = run(source, "-o", out, "--recipe-folder", recipes)
    assert code == 1
    assert sorted(path.name for path in out.rglob("*.png")) == ["0.png", "1.png", "3.png"]
    assert f"{recipes / '9.json'} belongs to no image" in err
    assert str(source / "2.png") in err
    red = np.asarray(Image.open(out / "0.png"))[15, 30].astype(int)
    assert red[0] > red[2] + 40
    gray = np.asarray(Image.open(out / "sub" / "1.png"))
    assert np.ptp(gray, axis=2).max() <= 1
    made = read_provenance(out / "0.png")
    assert made is not None
    assert "#c04020" in made.recipe
    again = run(source, "-o", out, "--recipe-folder", recipes)[1]
    assert again.count("is already there") == 3
    (recipes / "0.json").write_text("{}")
    assert "made with other settings" in run(source, "-o", out, "--recipe-folder", recipes)[2]


def test_an_invalid_folder_of_recipes(run: Run, tmp_path: Path) -> None:
    (tmp_path / "r.json").write_text("{}")
    Image.fromarray(gray_image(30, 40)).save(tmp_path / "a.png")
    assert "--recipe-folder" in run(tmp_path / "a.png", "--recipe-folder", tmp_path / "gone")[2]
    both = run(tmp_path / "a.png", "--recipe-folder", tmp_path, "--recipe", tmp_path / "r.json")[2]
    assert "cannot be combined" in both


def test_leftovers_of_killed_runs_are_removed(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, out = box(tmp_path / "in", 2), tmp_path / "out"
    out.mkdir()
    living = part_of(out / "0.png")
    with monkeypatch.context() as patch:
        patch.setattr(os, "getpid", lambda: 2**30)  # more than there can be
        dead = part_of(out / "0.png")
    elsewhere, old = (out / f".colorzoo-{machine * 8}{dead.name[18:]}" for machine in "01")
    others = out / ".colorzoo-notes.part"
    for part in (living, dead, old, elsewhere, others):
        part.write_bytes(b"half")
    for part in (old, others):
        os.utime(part, (time.time() - 4000,) * 2)
    assert run(source, "-o", out)[0] == 0
    assert {path for path in out.iterdir() if path.name.startswith(".")} == {living, elsewhere, others}
