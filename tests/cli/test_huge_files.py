"""Files of very many frames and of very large metadata."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from colorzoo.batch import file as batch_file
from colorzoo.cli import colorize
from colorzoo.pictures import read
from colorzoo.pictures.frames import read_frames
from colorzoo.pictures.metadata import clean_exif
from colorzoo.pictures.read import read_picture
from frames_in import frames_in
from png_files import png_chunk
from tiny_model import Run, gray_picture


def pages(path: Path, count: int) -> Path:
    images = [Image.fromarray(gray_picture(24, 32 + number)) for number in range(count)]
    images[0].save(path, save_all=True, append_images=images[1:])
    return path


def test_too_many_frames_are_refused_with_a_way_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run: Run
) -> None:
    monkeypatch.setattr(batch_file, "MOST_FRAMES", 3)
    assert run(pages(tmp_path / "a.tif", 3))[0] == 0
    code, _, said = run(pages(tmp_path / "b.tif", 4))
    assert code == 2
    assert "holds 4 pages, more than the limit of 3; --frames first colors the first one" in said
    assert run(tmp_path / "b.tif", "--frames", "first")[0] == 0


def test_progress_of_many_frames_is_told_into_a_pipe_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run: Run
) -> None:
    monkeypatch.setattr(colorize, "FRAME_SECONDS", 0)
    said = run(pages(tmp_path / "a.tif", 3))[2]
    name = tmp_path / "a.color.tif"
    assert said == "".join(f"colorzoo: {name}: frame {number} of 3\n" for number in (2, 3))
    monkeypatch.setattr(colorize, "FRAME_SECONDS", 600)
    assert run(tmp_path / "a.tif", "--overwrite")[2] == ""


def test_the_pages_behind_a_page_are_not_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = pages(tmp_path / "a.tif", 4)
    frames = frames_in(path)
    assert frames is not None
    monkeypatch.setattr(read, "frame_notes", lambda _: pytest.fail("the pages were counted"))
    assert len(list(read_frames(path, frames))) == 4


def test_exif_that_is_too_large_is_dropped_with_a_note() -> None:
    exif = Image.Exif()
    exif[270] = "A cat"
    block = exif.tobytes()
    assert clean_exif(block).block is not None
    memory = io.BytesIO()
    Image.fromarray(np.zeros((4, 4), np.uint8)).save(memory, "PNG")
    data = memory.getvalue()
    large = block.removeprefix(b"Exif\0\0") + bytes(2**24)
    picture = read_picture(data[:33] + png_chunk(b"eXIf", large) + data[33:])
    assert picture.metadata.exif is None
    assert "EXIF of 17 MB was dropped" in picture.notes
