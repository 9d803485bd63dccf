"""Checksums of results, read by the Library of Congress's `bagit`."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import bagit
import pytest
from PIL import Image

import colorzoo
from colorzoo.batch.bag import write_bag
from colorzoo.errors import ColorzooError
from tiny_model import Run, gray_picture


@pytest.fixture
def album(tmp_path: Path) -> Path:
    (tmp_path / "in" / "sub").mkdir(parents=True)
    for name in ("a.png", "sub/50 % \u00fc.png", "sub/b.bmp"):  # of the last the record lies beside it
        Image.fromarray(gray_picture(30, 40)).save(tmp_path / "in" / name)
    return tmp_path / "in"


def test_a_bag_is_valid_and_a_change_is_found(run: Run, album: Path, tmp_path: Path) -> None:
    out = tmp_path / "bag" / "data"
    code, _, err = run(album, "-o", out, "--checksums")
    assert (code, err.splitlines()[-1]) == (0, f"colorzoo: checksums: {out.parent / 'manifest-sha256.txt'}")
    bag = bagit.Bag(str(out.parent))
    assert bag.validate()
    assert sorted(bag.payload_entries()) == [
        "data/a.png",
        "data/sub/50 % \u00fc.png",
        "data/sub/b.bmp",
        "data/sub/b.bmp.xmp",
    ]
    size = sum(path.stat().st_size for path in out.rglob("*") if path.is_file())
    assert bag.info == {
        "Bag-Software-Agent": f"colorzoo {colorzoo.__version__}",
        "Bagging-Date": "2026-01-01",
        "Payload-Oxum": f"{size}.4",
    }
    assert bag.version_info < (1, 0)  # from which on readers decode the percent sign of a name
    for path in (out.parent / "bag-info.txt", out / "a.png"):
        kept = path.read_bytes()
        path.write_bytes(kept + b"\n")
        with pytest.raises(bagit.BagValidationError):
            bagit.Bag(str(out.parent)).validate()
        path.write_bytes(kept)


def test_a_later_run_keeps_what_an_archive_added(run: Run, album: Path, tmp_path: Path) -> None:
    out = tmp_path / "bag" / "data"
    assert run(album / "a.png", "-o", f"{out}/", "--checksums")[0] == 0
    with (out.parent / "bag-info.txt").open("a") as file:
        file.write("Source-Organization: An archive\n")
    assert run(album / "sub", "-o", out, "--checksums")[0] == 0
    bag = bagit.Bag(str(out.parent))
    assert bag.validate()
    assert bag.info["Source-Organization"] == "An archive"
    assert (bag.info["Payload-Oxum"].endswith(".4"), len(bag.info)) == (True, 4)


@pytest.mark.skipif(sys.platform == "win32", reason="its file names have no line breaks")
def test_a_line_break_in_a_name_is_kept(tmp_path: Path) -> None:
    payload = tmp_path / "data"
    payload.mkdir()
    (payload / "a\nb\rc.png").write_bytes(b"x")
    counted: list[None] = []
    write_bag(payload, lambda: counted.append(None))
    assert bagit.Bag(str(tmp_path)).validate()
    assert len(counted) == 1


@pytest.mark.skipif(sys.platform != "linux", reason="its file names are text")
def test_a_name_that_is_no_text_is_refused(tmp_path: Path) -> None:
    payload = tmp_path / "data"
    payload.mkdir()
    (payload / os.fsdecode(b"\xff.png")).write_bytes(b"x")
    with pytest.raises(ColorzooError, match="only names in UTF-8"):
        write_bag(payload, lambda: None)


def test_a_bag_whose_making_was_cut_short_is_incomplete(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    payload = tmp_path / "data"
    payload.mkdir()
    (payload / "a.png").write_bytes(b"x")
    write_bag(payload, lambda: None)
    monkeypatch.setattr("colorzoo.batch.bag.write_whole", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        write_bag(payload, lambda: None)
    assert not (tmp_path / "tagmanifest-sha256.txt").exists()


@pytest.mark.parametrize("words", [(), ("-o", "colored"), ("-o", "-")])
def test_results_that_are_no_payload_are_refused_before_the_work(
    run: Run, album: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]
) -> None:
    monkeypatch.chdir(album)
    code, _, err = run("a.png", "--checksums", *words)
    assert (code, "-o BAG/data" in err) == (2, True)
    assert sorted(path.name for path in album.iterdir()) == ["a.png", "sub"]


def test_checksums_of_another_kind_are_not_outdated(run: Run, album: Path, tmp_path: Path) -> None:
    (tmp_path / "bag").mkdir()
    (tmp_path / "bag" / "manifest-md5.txt").touch()
    code, _, err = run(album, "-o", tmp_path / "bag" / "data", "--checksums")
    assert (code, "manifest-md5.txt" in err) == (2, True)
