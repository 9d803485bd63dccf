"""Runs over folders continue after errors, skip existing results and never overwrite inputs."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from colorzoo.apps.cli.main import main
from colorzoo.batch.runner import FileColorizer
from colorzoo.batch.task import ALREADY_DONE, FileTask
from colorzoo.data.layouts import read_image_list
from colorzoo.errors import ImageError
from colorzoo.evaluation.images import select_images
from colorzoo.evaluation.protocol import load_protocol
from colorzoo.guidance import Recipe
from colorzoo.inference.colorizer import Colorizer
from colorzoo.pixels.find import read_list
from colorzoo.testing import sample_image
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
    assert "is also an input" in err
    _, _, err = run(album.parent, other.parent, "-o", other.parent, "--overwrite")
    assert "is also an input" in err
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
    files = FileColorizer(colorizer=colorizer)
    tasks = [FileTask(source, target, "a.png")] * 2
    assert [result.status for result in files.run(tasks)] == ["colored", "skipped"]
    (result,) = files.run([FileTask(write_gray(tmp_path / "b.png", 50), target, "b.png")])
    assert result.status == "failed"
    assert ALREADY_DONE not in result.notes


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-be", "utf-16-le", "utf-32"])
def test_read_list_reads_windows_encodings_or_refuses_them(tmp_path: Path, encoding: str) -> None:
    """UTF-16 without a byte order mark and UTF-32 must not become paths such as ``.`` and ``/``."""
    path, names = (
        tmp_path / "list.txt",
        ["C:\\photos\\ż 1.jpg", "./b.jpg", "写真/写真写真写真写真写真写真写真写真.jpg"],
    )
    text = "".join(f"{name}\r\n" for name in names)
    path.write_bytes(text.encode(encoding))
    if encoding in ("utf-8", "utf-8-sig", "utf-16"):
        assert read_list(path) == names
    else:
        with pytest.raises(ImageError, match=r"list\.txt .*Save the list as UTF-8"):
            read_list(path)
    path.write_bytes(b"\xfe\xff" + text.encode("utf-16-be"))
    assert read_list(path) == names
    path.write_bytes(b"\xff\xfe" + text.encode("utf-16-le")[:-1])
    with pytest.raises(ImageError, match=r"list\.txt .*UTF-16"):
        read_list(path)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_pair_lists_label_lists_and_recipes_can_have_windows_encodings(tmp_path: Path, encoding: str) -> None:
    write_gray(tmp_path / "ż.png")
    (tmp_path / "pairs.csv").write_text("target,reference\r\nż.png,ż.png\r\n", encoding=encoding)
    (tmp_path / "labels.csv").write_text("image,label\r\nż.png,7\r\n", encoding=encoding)
    (tmp_path / "recipe.json").write_text('{"strength": 0.5}', encoding=encoding)
    (tmp_path / "train.txt").write_text("ż.png 3\r\n", encoding=encoding)
    (items, _) = select_images(tmp_path, replace(load_protocol("automatic"), references="pairs"), None, None)
    assert [(item.name, item.reference_name, item.label) for item in items] == [("ż.png", "ż.png", 7)]
    assert Recipe.from_json(tmp_path / "recipe.json").strength == 0.5
    assert read_image_list(tmp_path / "train.txt", tmp_path).sources[0].path == str(tmp_path / "ż.png")


def test_colorize_prints_the_number_of_images_before_a_large_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first = write_gray(tmp_path / "in" / "0.png")
    for number in range(1, 1001):
        (tmp_path / "in" / f"{number}.png").hardlink_to(first)
    assert main(["colorize", str(tmp_path / "in"), "-o", str(tmp_path / "out"), "--dry-run"]) == 0
    assert "1,001 images" in capsys.readouterr().err


def test_read_list_accepts_unusual_names_and_stdin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = ["ż.jpg", "a\rb.jpg", "a\x85b.jpg", "a\u2028b.jpg", "a\x0bb.jpg"]
    path = tmp_path / "list.txt"
    path.write_bytes(b"\xef\xbb\xbf" + "".join(f"{name}\r\n" for name in names).encode())
    assert read_list(path) == names
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"x.png\n")))
    assert read_list("-") == ["x.png"]


def test_read_list_refuses_reports(tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    path.write_text("<!DOCTYPE html>\n<p>a.png</p>")
    with pytest.raises(ImageError, match=r"is a web page"):
        read_list(path)


@pytest.mark.parametrize("option", ["--reference", "--histogram-of", "--palette", "--classes"])
def test_images_of_guidance_options_are_never_replaced(
    run: Run, tmp_path: Path, option: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_gray(Path("a.png"))
    write_color(Path("warm.png"))
    Path("link.png").hardlink_to("warm.png")
    Path("out").mkdir()
    Path("out/a.png").hardlink_to("warm.png")
    before = contents(tmp_path)
    for out in ("warm.png", "link.png", "out"):
        code, _, err = run("a.png", option, "warm.png", "-o", out, "--overwrite")
        assert (code, "input" in err) == (2, True), err
        assert contents(tmp_path) == before


@pytest.mark.parametrize(("name", "kilobytes"), [("a.bmp", 4), ("a.gif", 4), ("b.gif", 8)])
def test_full_disk_leaves_no_result_without_its_record(
    run: Run, tmp_path: Path, mount: Callable[[str], Path], name: str, kilobytes: int
) -> None:
    """The disk has space for the image, but not for its sidecar file."""
    source = tmp_path / name
    still = Image.fromarray(gray_image(30, 40))
    more = {"save_all": True, "append_images": [still.rotate(180)]} if name == "b.gif" else {}
    still.save(source, **more)
    out = mount(f"size={kilobytes}k")
    code, _, err = run(source, "-o", f"{out}/")
    assert (code, "No space left" in err, list(out.iterdir())) == (2, True, [])
    mount("size=1m")
    assert run(source, "-o", f"{out}/")[0] == 0
    before = contents(out)
    assert {*before} == {name, f"{name}.colorzoo.xmp"}
    # an existing result keeps its record
    mount(f"size={2 * kilobytes + 4}k")
    (out / "other").write_bytes(b"x")
    code, _, err = run(source, "-o", f"{out}/", "--overwrite", "--strength", "0.5")
    assert (code, "No space left" in err) == (2, True)
    (out / "other").unlink()
    assert contents(out) == before
