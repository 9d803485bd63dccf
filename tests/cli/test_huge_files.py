"""Files of very many frames and of very large metadata."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from colorzoo.batch import file as batch_file
from tiny_model import Run, gray_image


def pages(path: Path, count: int) -> Path:
    images = [Image.fromarray(gray_image(24, 32 + number)) for number in range(count)]
    images[0].save(path, save_all=True, append_images=images[1:])
    return path


def test_too_many_frames_are_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run: Run) -> None:
    monkeypatch.setattr(batch_file, "MOST_FRAMES", 3)
    assert run(pages(tmp_path / "a.tif", 3))[0] == 0
    code, _, said = run(pages(tmp_path / "b.tif", 4))
    assert code == 2
    assert "must have at most 3 pages, got 4" in said
    assert run(tmp_path / "b.tif", "--frames", "first")[0] == 0
