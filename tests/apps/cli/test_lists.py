"""Lists of images: ``--from`` and ``--failed``, and results of other images under ``--overwrite``."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from PIL import Image

from colorzoo.files import sha256_of
from colorzoo.image_io.provenance import read_provenance
from colorzoo.pixels.find import read_list
from tiny_model import Run, gray_image


def write_gray(path: Path, height: int) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(gray_image(height, 40)).save(path)
    return path


@pytest.fixture
def album(tmp_path: Path) -> dict[str, Path]:
    """Images with equal names in several folders, by path in the album."""
    names = ("001.png", "1915/001.png", "1936/001.png", "1936/more/002.png")
    return {name: write_gray(tmp_path / "album" / name, 30 + i) for i, name in enumerate(names)}


def strengths(out: Path, album: dict[str, Path]) -> dict[str, str]:
    """Return the strength in each result; the result must be at the path of its source in the album."""
    found = {}
    for path in sorted(out.rglob("*.png")):
        name, record = path.relative_to(out).as_posix(), read_provenance(path)
        assert record is not None
        assert record.source == sha256_of(album[name])
        found[name] = str(json.loads(record.recipe).get("strength"))
    return found


@pytest.mark.parametrize("absolute", [True, False])
def test_listed_images_replace_their_own_results(
    run: Run, tmp_path: Path, album: dict[str, Path], monkeypatch: pytest.MonkeyPatch, absolute: bool
) -> None:
    """A list of a reviewer contains plain paths, and the folder of the first run is not known."""
    monkeypatch.chdir(tmp_path)
    out = tmp_path / "colored"
    assert run("album", "-o", "colored")[0] == 0
    rejected = [album["1915/001.png"], album["1936/more/002.png"]]
    for count in (1, 2):
        lines = [str(path if absolute else path.relative_to(tmp_path)) for path in rejected[:count]]
        Path("reject.txt").write_text("".join(f"{line}\n" for line in lines))
        assert (
            run("--from", "reject.txt", "-o", "colored/", "--overwrite", "--strength", f"0.{count}")[0] == 0
        )
        expected = dict.fromkeys(album, "1.0") | {"1915/001.png": f"0.{count}"}
        expected |= {"1936/more/002.png": "0.2"} if count == 2 else {}
        assert strengths(out, album) == expected


def test_listed_images_replace_results_only_in_their_format(
    run: Run, tmp_path: Path, album: dict[str, Path]
) -> None:
    """A second format is written beside the first result."""
    out = tmp_path / "colored"
    run(tmp_path / "album", "-o", out)
    (tmp_path / "reject.txt").write_text(f"{album['1915/001.png']}\n")
    assert run("--from", tmp_path / "reject.txt", "-o", out, "--overwrite", "--format", "jpg")[0] == 0
    assert {path.relative_to(out).as_posix() for path in out.rglob("*.*")} == {*album, "1915/001.jpg"}


@pytest.mark.parametrize("entry", ["{}/1915/001.png", "{}/./1915/001.png"])
def test_listed_images_keep_the_format_of_their_results(
    run: Run, tmp_path: Path, album: dict[str, Path], entry: str
) -> None:
    """A run without ``--format`` must not write a second result beside the TIFF of an earlier run."""
    out, reject = tmp_path / "colored", tmp_path / "reject.txt"
    run(tmp_path / "album", "-o", out, "--format", "tif")
    files = sorted(out.rglob("*.*"))
    reject.write_text(entry.format(tmp_path / "album") + "\n")
    assert run("--from", reject, "-o", out)[0] == 0  # already done
    assert (
        "already exists but was made with other settings"
        in run("--from", reject, "-o", out, "--strength", "0.5")[2]
    )
    assert run("--from", reject, "-o", out, "--strength", "0.5", "--overwrite")[0] == 0
    assert sorted(out.rglob("*.*")) == files
    record = read_provenance(out / "1915/001.tif")
    assert record is not None
    assert json.loads(record.recipe)["strength"] == 0.5


@pytest.mark.parametrize("form", ["{}/album", "{}/album/*", "{}/al*/**"])
def test_failed_images_are_written_where_the_first_run_would_have_written_them(
    run: Run, tmp_path: Path, album: dict[str, Path], form: str
) -> None:
    out, failed = tmp_path / "out", tmp_path / "failed.txt"
    broken = album["1936/more/002.png"]
    whole = broken.read_bytes()
    broken.write_bytes(b"broken")
    assert run(form.format(tmp_path), "-o", out, "--failed", failed)[0] == 1
    broken.write_bytes(whole)
    (line,) = read_list(failed)
    assert Path(line) == broken
    assert run("--from", failed, "-o", out)[0] == 0
    root = tmp_path if "al*" in form else tmp_path / "album"
    assert {path.relative_to(out) for path in out.rglob("*.png")} == {
        path.relative_to(root) for path in album.values()
    }


def test_listed_images_of_several_folders_keep_their_folders(
    run: Run, tmp_path: Path, album: dict[str, Path]
) -> None:
    """Without earlier results, paths are relative to the common folder of the list."""
    listed = tmp_path / "list.txt"
    listed.write_text("".join(f"{album[name]}\n" for name in ("1936/001.png", "001.png", "1915/001.png")))
    out = tmp_path / "out"
    assert run("--from", listed, "-o", out)[0] == 0
    assert {path.relative_to(out).as_posix() for path in out.rglob("*.png")} == {*album} - {
        "1936/more/002.png"
    }


def test_report_lists_images_with_their_folders(run: Run, tmp_path: Path, album: dict[str, Path]) -> None:
    """The page saves these lines; `--from` writes the results to the paths of the first run."""
    out, report = tmp_path / "out", tmp_path / "r.html"
    album["1915/001.png"].write_bytes(b"broken")
    assert run(tmp_path / "album", "-o", out, "--report", report)[0] == 1
    data = json.loads(re.findall(r'id="data">(.*?)</script>', report.read_text(), re.DOTALL)[0])
    write_gray(album["1915/001.png"], 31)
    lines = {image["source"]: image["listed"] or image["source"] for image in data["images"]}
    assert {Path(line) for line in lines.values()} == set(map(Path, lines)) == set(album.values())
    listed = tmp_path / "reject.txt"
    listed.write_text(f"{lines[str(album['1915/001.png'])]}\n{lines[str(album['1936/001.png'])]}\n")
    assert run("--from", listed, "-o", out, "--overwrite", "--strength", "0.5")[0] == 0
    expected = dict.fromkeys(album, "1.0") | dict.fromkeys(("1915/001.png", "1936/001.png"), "0.5")
    assert strengths(out, album) == expected


def test_overwrite_never_replaces_the_result_of_another_image(
    run: Run, tmp_path: Path, album: dict[str, Path]
) -> None:
    out = tmp_path / "out"
    run(album["001.png"], "-o", out)
    first = (out / "001.png").read_bytes()
    for _ in range(2):  # the second run replaces the numbered result
        assert run(album["1915/001.png"], "-o", out, "--overwrite")[0] == 0
        assert sorted(path.name for path in out.iterdir()) == ["001-2.png", "001.png"]
        assert (out / "001.png").read_bytes() == first
    # beside the sources, x.tif and x.png have the same result name with --format
    tif, png = write_gray(tmp_path / "x" / "x.tif", 50), write_gray(tmp_path / "x" / "x.png", 51)
    run(png, "--format", "png")
    kept = (tmp_path / "x" / "x.color.png").read_bytes()
    assert run(tif, "--format", "png", "--overwrite")[0] == 0
    assert (tmp_path / "x" / "x.color.png").read_bytes() == kept
    # a new version of the same file replaces its result
    write_gray(png, 52)
    assert run(png, "--format", "png", "--overwrite")[0] == 0
    with Image.open(tmp_path / "x" / "x.color.png") as image:
        assert image.height == 52


def test_broken_links_are_listed_and_counted(run: Run, tmp_path: Path) -> None:
    write_gray(tmp_path / "in" / "a.png", 30)
    (tmp_path / "in" / "gone.png").symlink_to(tmp_path / "nowhere.png")
    (tmp_path / "in" / "gone.txt").symlink_to(tmp_path / "nowhere.txt")
    for form in ("in", "in/*", "**"):
        _, _, err = run(tmp_path / form, "-o", tmp_path / "out", "--dry-run")
        assert "gone.png (a link to a missing file)" in err
        assert err.endswith("colorzoo: 1 skipped, 1 planned\n")
        assert "gone.txt" not in err


def test_lists_state_that_zero_bytes_separate_their_paths(run: Run, tmp_path: Path) -> None:
    for name in ("a.png", "b\nc.png"):
        (tmp_path / name).write_bytes(b"broken")
        listed = tmp_path / f"{len(name)}.txt"
        _, _, err = run(tmp_path / "a.png", tmp_path / name, "--failed", listed)
        assert ("separated by zero bytes" in err) == (b"\0" in listed.read_bytes()) == ("\n" in name)
        assert {Path(line).name for line in read_list(listed)} == {"a.png", name}
