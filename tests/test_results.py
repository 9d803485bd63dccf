"""The commands that measure the page *Results* and how far models follow their references."""

from pathlib import Path

import pytest
from benchmarks.results import __main__ as results

from tiny_evaluation import write_picture

BEGIN, END = "<!-- automatic: written by `python -m benchmarks.results` -->", "<!-- end of automatic -->"


def test_one_command_measures_a_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for index in range(3):
        write_picture(tmp_path / "photos" / f"{index}.png", index)
    table = results.Table("automatic", ("gray",), "automatic", ("psnr",), "photos")
    monkeypatch.setattr(results, "TABLES", (table,))
    page = tmp_path / "page.md"
    page.write_text(f"{BEGIN}{END}")
    words = ["--data", str(tmp_path), "--limit", "2", "--cache", str(tmp_path / "cache"), "--page", str(page)]
    assert results.main(words) == 0
    text = page.read_text()
    assert "| gray | 0 | " in text
    assert "Colored as colorize does" in text
    assert "The first 2 pictures of `photos`, by name (digest " in text
    assert results.main(["none"]) == 2
