"""Runs over folders continue after errors, skip existing results and never overwrite inputs."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest
from PIL import Image

from colorzoo.batch.runner import run_tasks
from colorzoo.batch.task import ALREADY_DONE, FileTask
from colorzoo.image_io.find import read_list
from colorzoo.inference.colorizer import Colorizer
from colorzoo.testing.samples import sample_image
from tiny_model import Refused, Run, gray_image


def write_gray(path: Path, side: int = 30) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(gray_image(side, 40)).save(path)
    return path


def write_color(path: Path, seed: int = 0) -> Path:
    rgb = (sample_image((40, 48), seed=seed)[0] * 255).byte().permute(1, 2, 0).numpy()
    Image.fromarray(rgb).save(path)
    return path


def contents(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@pytest.mark.parametrize("extra", [(), ("--format", "png")])
def test_second_run_skips_all_results(run: Run, tmp_path: Path, extra: tuple[str, ...]) -> None:
    """Outputs whose names differ only in case or extension are numbered; results are never sources."""
    for name in ("1.png", "1.tif", "1.PNG", "sub/1.png"):
        write_gray(tmp_path / name, 30 + len(name))
    runs = [(tmp_path,), (tmp_path, "-o", tmp_path / "new"), (f"{tmp_path}/*", "-o", tmp_path / "two")]
    for words in runs:
        assert run(*words, *extra)[0] == 0
        before = contents(tmp_path)
        assert run(*words, *extra)[0] == 0
        assert contents(tmp_path) == before


def test_no_input_of_colorize_is_overwritten(run: Run, tmp_path: Path) -> None:
    album, other = write_gray(tmp_path / "album" / "a.png"), write_gray(tmp_path / "other" / "a.png", 50)
    reference = write_color(tmp_path / "warm.png")
    before = contents(tmp_path)
    _, _, err = run(album, "--reference", reference, "-o", reference, "--overwrite")
    assert "is an input of this run" in err
    _, _, err = run(album.parent, other.parent, "-o", other.parent, "--overwrite")
    assert "is an input of this run" in err
    assert {name: contents(tmp_path)[name] for name in before} == before


def test_no_command_overwrites_an_input(here: Path, refused: Refused) -> None:
    write_color(Path("x.png"))
    write_color(Path("warm.png"), seed=1)
    Path("in.mp4").write_bytes(b"video")
    Path("link.png").hardlink_to("warm.png")
    before = contents(here)
    for words in (
        "stylize x.png warm.png -o warm.png",
        "stylize x.png warm.png -o link.png",
        "video in.mp4 warm.png --reference warm.png",
        "video in.mp4 warm.png --key 3=warm.png",
    ):
        assert "is also an input" in refused(*words.split(), "--overwrite")
    assert contents(here) == before


def test_results_written_by_another_run_are_skipped(weights: Path, tmp_path: Path) -> None:
    colorizer = Colorizer("zhang2017_local_small", weights=weights, device="cpu")
    source, target = write_gray(tmp_path / "a.png"), tmp_path / "out.png"
    tasks = [FileTask(source, target, "a.png", colorizer=colorizer) for _ in range(2)]
    assert [result.status for result in run_tasks(tasks)] == ["colored", "skipped"]
    other = FileTask(write_gray(tmp_path / "b.png", 50), target, "b.png", colorizer=colorizer)
    (result,) = run_tasks([other])
    assert result.status == "failed"
    assert ALREADY_DONE not in result.notes


def test_read_list_accepts_unusual_names_and_stdin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = ["ż.jpg", "a\rb.jpg", "a\x85b.jpg", "a\u2028b.jpg", "a\x0bb.jpg"]
    path = tmp_path / "list.txt"
    path.write_bytes(b"\xef\xbb\xbf" + "".join(f"{name}\r\n" for name in names).encode())
    assert read_list(path) == names
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"x.png\n")))
    assert read_list("-") == ["x.png"]
