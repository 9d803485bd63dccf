"""Errors of reading and writing: one line each, and no partial file."""

from __future__ import annotations

import errno
import io
import os
import threading
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from colorzoo.errors import PictureError
from colorzoo.pictures.read import read_picture
from colorzoo.pictures.write import write_picture

NOISE = np.random.default_rng(5).integers(0, 256, (64, 64, 3)).astype(np.uint8)


def refusal(call, *args, **options) -> str:
    with pytest.raises(PictureError) as caught:
        call(*args, **options)
    message = str(caught.value)
    assert "\n" not in message
    return message


def encoded(kind: str) -> bytes:
    memory = io.BytesIO()
    Image.fromarray(NOISE).save(memory, kind)
    return memory.getvalue()


def test_missing_file_folder_and_empty_file(tmp_path):
    (tmp_path / "empty.jpg").touch()
    assert "no such file" in refusal(read_picture, tmp_path / "none.jpg")
    assert "is a folder" in refusal(read_picture, tmp_path)
    assert "is empty" in refusal(read_picture, tmp_path / "empty.jpg")
    assert "cannot be opened" in refusal(read_picture, tmp_path / "empty.jpg" / "x.jpg")
    assert "cannot be opened" in refusal(read_picture, "a\0b.jpg")
    assert refusal(read_picture, b"") == "the picture is empty (0 bytes)"


def test_a_picture_is_read_from_a_pipe(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    writer = threading.Thread(target=(tmp_path / "pipe").write_bytes, args=(encoded("PNG"),))
    writer.start()
    assert read_picture(tmp_path / "pipe").size == (64, 64)
    writer.join()


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_max_pixels_decides_not_the_limit_of_pillow(tmp_path, monkeypatch, kind):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    path = tmp_path / "x.bin"
    path.write_bytes(encoded(kind))
    assert read_picture(path).size == (64, 64)
    assert Image.MAX_IMAGE_PIXELS == 100
    wanted = (
        "has 64 x 64 = 0.0 million pixels, more than the limit of 0.004095 million: shrink it or raise the"
    )
    for source, name in ((path, str(path)), (NOISE, "the array"), (Image.fromarray(NOISE), "the picture")):
        assert read_picture(source, max_pixels=4096).size == (64, 64)
        assert refusal(read_picture, source, max_pixels=4095).startswith(
            f"{name} {wanted} limit (--max-pixels; "
        )


@pytest.mark.parametrize(("name", "width"), [("x.jpg", 65501), ("x.webp", 16384)])
def test_formats_with_a_longest_side(tmp_path, name, width):
    picture = read_picture(np.zeros((1, width), np.uint8))
    assert "write .png or .tif" in refusal(write_picture, tmp_path / name, picture.rgb, picture)
    assert list(tmp_path.iterdir()) == []
    write_picture(tmp_path / "x.png", picture.rgb, picture)


@pytest.fixture
def picture():
    return read_picture(NOISE)


def test_existing_file_is_replaced_only_when_asked(tmp_path, picture):
    path = tmp_path / "x.png"
    path.write_text("mine")
    assert "exists already" in refusal(write_picture, path, picture.rgb, picture)
    assert path.read_text() == "mine"
    write_picture(path, picture.rgb, picture, overwrite=True)
    assert read_picture(path).size == (64, 64)


def test_the_source_is_never_replaced(tmp_path, picture):
    path = write_picture(tmp_path / "x.png", picture.rgb, picture)
    before = path.read_bytes()
    source = read_picture(path)
    (tmp_path / "link.png").symlink_to(path)
    for target in (path, tmp_path / "link.png", tmp_path / "." / "x.png"):
        assert "source itself" in refusal(write_picture, target, source.rgb, source, overwrite=True)
    assert path.read_bytes() == before


def test_a_file_in_place_of_the_folder_and_a_folder_in_place_of_the_file(tmp_path, picture):
    (tmp_path / "file").touch()
    (tmp_path / "x.png").mkdir()
    assert "cannot be written" in refusal(write_picture, tmp_path / "file" / "x.png", picture.rgb, picture)
    assert "is a folder" in refusal(write_picture, tmp_path / "x.png", picture.rgb, picture)


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EACCES, errno.EROFS])
def test_full_or_locked_disk_leaves_no_half_file(tmp_path, monkeypatch, picture, code):
    (tmp_path / "x.png").write_text("old")
    real_open = Path.open

    def open_full(self, *args, **options):
        file = real_open(self, *args, **options)
        if self.name.endswith(".part"):
            with file:
                file.write(b"half")
            raise OSError(code, "the disk says no")
        return file

    monkeypatch.setattr(Path, "open", open_full)
    message = refusal(write_picture, tmp_path / "x.png", picture.rgb, picture, overwrite=True)
    assert "the disk says no" in message
    assert [p.name for p in tmp_path.iterdir()] == ["x.png"]
    assert (tmp_path / "x.png").read_text() == "old"


def test_a_name_of_255_bytes_can_be_written(tmp_path, picture):
    name = "ż" * 125 + "x.png"
    assert len(name.encode()) == 255
    path = write_picture(tmp_path / name, picture.rgb, picture)
    assert [p.name for p in tmp_path.iterdir()] == [name]
    assert read_picture(path).size == (64, 64)


def test_arrays_of_another_size_or_not_finite_raise_value_error(tmp_path, picture):
    broken = picture.rgb.copy()
    broken[3, 3, 1] = np.nan
    for rgb in (picture.rgb[:-1], picture.rgb.astype(np.int64), broken):
        with pytest.raises(ValueError, match="pixels"):
            write_picture(tmp_path / "x.png", rgb, picture)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("head", "kind"),
    [
        (b"v/1\x01", "OpenEXR"),
        (b"SDPX", "DPX"),
        (b"XPDS", "DPX"),
        (b"8BPS", "Photoshop"),
        (b"#?RADIANCE", "HDR"),
    ],
)
@pytest.mark.parametrize("name", ["a.jpg", "a"])
def test_formats_of_other_software_are_named_by_content(tmp_path, head, kind, name):
    (tmp_path / name).write_bytes(head + bytes(200))
    assert kind in refusal(read_picture, tmp_path / name)
