"""Reports of runs: order of entries, tables, pages, and errors."""

from __future__ import annotations

import csv
import os
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from colorzoo.batch.report import COLUMNS, ReportEntry, read_entries, write_report
from colorzoo.batch.task import ALREADY_DONE, FileResult
from colorzoo.errors import ColorzooError
from colorzoo.files import digest_of
from colorzoo.image_io.provenance import ImageProvenance, embed_provenance, update_sidecar
from colorzoo.image_io.read import read_image
from colorzoo.image_io.write import write_image
from tiny_model import Run, gray_image

ORIGIN = ImageProvenance("ab" * 32, "cd" * 32, "zhang2016")


def nothing() -> None:
    pass


def result(
    path: Path, *, uncertainty: str = "", border: str = "", crop: str = "", color: str = "#808080"
) -> FileResult:
    """Write a result of one color within a gray border, and return its `FileResult`."""
    levels = Image.new("RGB", (60, 40), "#808080")
    levels.paste(Image.new("RGB", (30, 20), color), (10, 10))
    levels.save(path.with_suffix(".bmp"))
    image = read_image(path.with_suffix(".bmp"))
    origin = replace(ORIGIN, uncertainty=uncertainty, border=border, crop=crop)
    like, not_embedded = embed_provenance(image, path, origin)
    write_image(path, image.rgb, like, overwrite=True)
    update_sidecar(path, image.metadata, not_embedded)
    return FileResult(str(path.with_suffix(".bmp")), str(path), "colored", ("a note",), "zhang2016")


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_read_entries_sorts_failures_first_and_then_by_uncertainty(tmp_path: Path) -> None:
    results = [
        result(tmp_path / "a.png", uncertainty="3.5"),
        result(tmp_path / "b.png"),
        FileResult(str(tmp_path / "gone.png"), "", "failed", ("no such file",)),
        result(tmp_path / "c.png", uncertainty="12.0", border="10,10,30,20", color="#c04020"),
        FileResult(str(tmp_path / "album.mp4"), "", "skipped", ("a film",)),
        FileResult(str(tmp_path / "lost.png"), str(tmp_path / "lost"), "skipped", (ALREADY_DONE,)),
    ]
    advanced: list[None] = []
    entries = read_entries(results, lambda: advanced.append(None))
    assert len(advanced) == 6
    assert [Path(entry.source).stem for entry in entries] == ["gone", "lost", "c", "a", "b"]
    gone, lost, uncertain, *_ = entries
    assert gone == ReportEntry(str(tmp_path / "gone.png"), notes="no such file")
    assert lost == ReportEntry(str(tmp_path / "lost.png"), notes=lost.notes)
    assert lost.notes.startswith(str(tmp_path / "lost"))
    assert (uncertain.uncertainty, uncertain.border, uncertain.model) == (12.0, "10,10,30,20", "zhang2016")
    assert (uncertain.source_sha256, uncertain.result_sha256) == ("ab" * 32, digest_of(tmp_path / "c.png"))
    assert uncertain.chroma == pytest.approx(63, abs=6)  # inside the border; a quarter in the whole image
    assert [(entry.chroma, entry.notes, entry.border) for entry in entries[3:]] == [(0, "a note", "")] * 2


def test_read_entries_ignores_the_source_border_of_cropped_results(tmp_path: Path) -> None:
    made = [
        result(tmp_path / name, border="0,0,9,9", crop=crop, color="#c04020")
        for name, crop in (("a.png", ""), ("b.png", "100,100,60,40"))
    ]
    whole, cropped = read_entries(made, nothing)
    assert whole.chroma == 0
    assert cropped.chroma == pytest.approx(63 / 4, abs=3)
    assert cropped.border == "0,0,9,9"


def test_second_run_reports_existing_results_equally(run: Run, tmp_path: Path) -> None:
    album, table = tmp_path / "album", tmp_path / "r.csv"
    (album / "sub").mkdir(parents=True)
    for name in ("a.png", "sub/b, 2.png"):
        Image.fromarray(gray_image(30, 40)).save(album / name)
    (album / "broken.png").write_bytes(b"broken")
    reported = []
    for words in ((), ("--report", tmp_path / "r.html")):
        assert run(album, "-o", tmp_path / "out", "--report", table, *words)[0] == 1
        reported.append([{**row, "notes": ""} for row in rows(table)])
        assert not any(ALREADY_DONE in row["notes"] for row in rows(table))
    assert reported[0] == reported[1]
    assert [Path(row["source"]).name for row in reported[0]] == ["broken.png", "a.png", "b, 2.png"]
    assert tuple(reported[0][0]) == COLUMNS
    assert (tmp_path / "r.html").read_text().count('"source"') == 3


@pytest.mark.skipif(sys.platform == "darwin", reason="file names of macOS are text")
def test_reports_keep_file_names_that_are_not_text(tmp_path: Path) -> None:
    name = os.fsdecode(os.fsencode(tmp_path) + b"/\xff.png")
    entries = read_entries([FileResult(name, "", "failed", ("</script>",))], nothing)
    write_report(tmp_path / "r.csv", entries)
    assert b"/\xff.png," in (tmp_path / "r.csv").read_bytes()
    write_report(tmp_path / "r.html", entries)
    assert (tmp_path / "r.html").read_text().count("</script>") == 2


@pytest.mark.parametrize(("count", "sizes"), [(0, [0]), (1000, [1000]), (2001, [1000, 1000, 1])])
def test_html_report_has_at_most_1000_images_per_page(tmp_path: Path, count: int, sizes: list[int]) -> None:
    failed = [FileResult(f"{n:04}.png", "", "failed") for n in range(count)]
    pages = write_report(tmp_path / "r.html", read_entries(failed, nothing))
    assert [page.name for page in pages] == ["r.html", "r-2.html", "r-3.html"][: len(sizes)]
    texts = [page.read_text() for page in pages]
    assert [text.count('"source"') for text in texts] == sizes
    assert all(f'"{page.name}"' in text for page in pages for text in texts)
    assert [f"{n:04}.png" for text in texts for n in range(count) if f'/{n:04}.png"' in text] == [
        Path(result.source).name for result in failed
    ]
    pages[-1].write_text("of somebody else")
    with pytest.raises(ColorzooError, match=f"{pages[-1].name} already exists and is not a report"):
        write_report(tmp_path / "r.html", read_entries(failed, nothing))


@pytest.mark.parametrize(
    ("name", "words", "message"),
    [
        ("r.txt", (), r"--report"),
        ("photo.csv", (), "is not a report"),
        ("folder.html", (), "is not a report"),
        ("r.html", ("--dry-run",), "--dry-run"),
    ],
)
def test_report_option_rejects_invalid_paths_before_the_run(
    run: Run, tmp_path: Path, name: str, words: tuple[str, ...], message: str
) -> None:
    Image.fromarray(gray_image(30, 40)).save(tmp_path / "a.png")
    (tmp_path / "photo.csv").write_text("date,place\n")
    (tmp_path / "folder.html").mkdir()
    code, _, err = run(tmp_path / "a.png", "--report", tmp_path / name, *words)
    assert code == 2
    assert message in err
    assert not (tmp_path / "a.color.png").exists()
