"""Files of very many frames and of very large metadata."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from colorzoo.batch import file as batch_file
from colorzoo.cli import colorize
from colorzoo.cli.main import main
from colorzoo.pictures import read
from colorzoo.pictures.frames import read_frames
from colorzoo.pictures.metadata import upright_exif
from colorzoo.pictures.png import png_chunk
from colorzoo.pictures.read import read_picture
from frames_in import frames_in
from tiny_model import gray_picture, write_tiny_weights


def pages(path: Path, count: int) -> Path:
    images = [Image.fromarray(gray_picture(24, 32 + number)) for number in range(count)]
    images[0].save(path, save_all=True, append_images=images[1:])
    return path


def test_too_many_frames_are_refused_with_a_way_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(batch_file, "MOST_FRAMES", 2)
    weights = write_tiny_weights(tmp_path / "tiny.safetensors")
    words = ["colorize", str(pages(tmp_path / "a.tif", 3)), "--weights", str(weights), "--device", "cpu"]
    assert main(words) == 2
    said = capsys.readouterr().err
    assert "holds 3 pages, more than the limit of 2; --frames first colors the first one" in said
    assert main([*words, "--frames", "first"]) == 0


def test_progress_of_many_frames_is_told_into_a_pipe_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(colorize, "FRAME_SECONDS", 0)
    weights = write_tiny_weights(tmp_path / "tiny.safetensors")
    path = pages(tmp_path / "a.tif", 3)
    assert main(["colorize", str(path), "--weights", str(weights), "--device", "cpu"]) == 0
    said = capsys.readouterr().err
    assert "a.color.tif: frame 2 of 3" in said
    assert "a.color.tif: frame 3 of 3" in said


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
    assert upright_exif(block).block is not None
    memory = io.BytesIO()
    Image.fromarray(np.zeros((4, 4), np.uint8)).save(memory, "PNG")
    data = memory.getvalue()
    large = block.removeprefix(b"Exif\0\0") + bytes(2**24)
    picture = read_picture(data[:33] + png_chunk(b"eXIf", large) + data[33:])
    assert picture.metadata.exif is None
    assert "EXIF of 17 MB was dropped" in picture.notes
