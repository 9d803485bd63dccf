"""Read and write errors are one-line messages, and no partial file is left."""

from __future__ import annotations

import errno
import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from colorzoo.errors import ImageError
from colorzoo.image_io.read import read_image
from colorzoo.image_io.write import write_image

NOISE = np.random.default_rng(5).integers(0, 256, (64, 64, 3)).astype(np.uint8)


def error_message(call, *args, **options) -> str:
    with pytest.raises(ImageError) as caught:
        call(*args, **options)
    message = str(caught.value)
    assert "\n" not in message
    return message


def encoded(kind: str) -> bytes:
    memory = io.BytesIO()
    Image.fromarray(NOISE).save(memory, kind)
    return memory.getvalue()


def test_read_image_reports_missing_empty_and_folder_paths(tmp_path):
    (tmp_path / "empty.jpg").touch()
    assert "no such file" in error_message(read_image, tmp_path / "none.jpg")
    assert "is a folder" in error_message(read_image, tmp_path)
    assert "is empty" in error_message(read_image, tmp_path / "empty.jpg")
    assert "cannot be opened" in error_message(read_image, tmp_path / "empty.jpg" / "x.jpg")
    assert error_message(read_image, b"") == "the image is empty (0 bytes)"


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_read_image_max_pixels_replaces_the_pillow_limit(tmp_path, monkeypatch, kind):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    path = tmp_path / "x.bin"
    path.write_bytes(encoded(kind))
    assert read_image(path).size == (64, 64)
    assert Image.MAX_IMAGE_PIXELS == 100
    for source, name in ((path, str(path)), (NOISE, "the array"), (Image.fromarray(NOISE), "the image")):
        assert read_image(source, max_pixels=4096).size == (64, 64)
        message = error_message(read_image, source, max_pixels=4095)
        assert message.startswith(name)
        assert "64 x 64" in message


@pytest.fixture
def image():
    return read_image(NOISE)


def test_write_image_replaces_existing_files_only_with_overwrite(tmp_path, image):
    path = tmp_path / "x.png"
    path.write_text("mine")
    assert "already exists" in error_message(write_image, path, image.rgb, image)
    assert path.read_text() == "mine"
    write_image(path, image.rgb, image, overwrite=True)
    assert read_image(path).size == (64, 64)


@pytest.mark.parametrize("wrong", [NOISE[:60], NOISE[..., :2], NOISE.astype(np.int32), NOISE > 9])
def test_write_image_rejects_results_of_another_shape_or_dtype(tmp_path, image, wrong):
    with pytest.raises(ValueError, match="rgb"):
        write_image(tmp_path / "x.png", wrong, image)
    assert not list(tmp_path.iterdir())


def test_write_image_never_replaces_the_source(tmp_path, image):
    path = write_image(tmp_path / "x.png", image.rgb, image)
    before = path.read_bytes()
    source = read_image(path)
    (tmp_path / "link.png").symlink_to(path)
    for target in (path, tmp_path / "link.png", tmp_path / "." / "x.png"):
        assert "also an input" in error_message(write_image, target, source.rgb, source, overwrite=True)
    assert path.read_bytes() == before


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EACCES, errno.EROFS])
def test_write_image_leaves_no_partial_file_on_disk_errors(tmp_path, monkeypatch, image, code):
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
    message = error_message(write_image, tmp_path / "x.png", image.rgb, image, overwrite=True)
    assert "the disk says no" in message
    assert [p.name for p in tmp_path.iterdir()] == ["x.png"]
    assert (tmp_path / "x.png").read_text() == "old"
