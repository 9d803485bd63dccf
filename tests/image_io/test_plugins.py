"""HEIC, JPEG XL and raw files, with and without the optional libraries."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from colorzoo.errors import ImageError
from colorzoo.image_io import formats
from colorzoo.image_io.read import check_image, read_image
from raw_files import write_raw

REASON = "the extra formats is not installed: pip install 'colorzoo[formats]'"
Y, X = np.mgrid[0:64, 0:96]
GRAY = (X * 2 + Y).astype(np.uint8)
PROFILE_FREE = Image.fromarray(np.dstack([GRAY] * 3))


def exif(orientation: int) -> bytes:
    tags = Image.Exif()
    tags[274], tags[271] = orientation, "maker of phones"
    return tags.tobytes()


def heic(path: Path, orientation: int = 1) -> Path:
    pillow_heif = pytest.importorskip("pillow_heif", reason=REASON)
    pillow_heif.register_heif_opener()
    PROFILE_FREE.save(path, "HEIF", quality=95, exif=exif(orientation))
    return path


def jxl(path: Path, pixels: np.ndarray, orientation: int = 1) -> Path:
    pytest.importorskip("pillow_jxl", reason=REASON)
    Image.fromarray(pixels).save(path, "JXL", lossless=True, exif=exif(orientation))
    return path


def dng(path: Path) -> Path:
    pytest.importorskip("rawpy", reason=REASON)
    mosaic = (1000 + X * 300 + Y * 100).astype(np.uint16)
    return write_raw(path, mosaic, 65535, (271, "s", 0, "maker of cameras"), (274, "H", 1, 6))


def test_read_image_applies_heic_orientation_and_keeps_exif(tmp_path: Path) -> None:
    image = read_image(heic(tmp_path / "IMG_0001.HEIC"))
    assert image.size == (96, 64)
    assert np.abs(image.rgb[..., 1] * 255 - GRAY).mean() < 3
    assert b"maker of phones" in (image.metadata.exif or b"")
    turned = read_image(heic(tmp_path / "IMG_0002.HEIC", orientation=6))
    assert turned.size == (64, 96)
    assert np.abs(turned.rgb[..., 1] * 255 - np.rot90(GRAY, -1)).mean() < 3


def test_read_image_ignores_exif_orientation_of_jpeg_xl(tmp_path: Path) -> None:
    image = read_image(jxl(tmp_path / "a.jxl", np.dstack([GRAY] * 3), orientation=6))
    assert image.size == (96, 64)
    assert b"maker of phones" in (image.metadata.exif or b"")


def test_read_image_develops_raw_files_to_16_bits_and_rotates_them(tmp_path: Path) -> None:
    image = read_image(dng(tmp_path / "a.dng"))
    assert (image.bit_depth, image.size) == (16, (64, 96))
    assert image.notes == ("developed from raw",)
    gray = image.rgb.mean(axis=2)
    assert np.corrcoef(gray.ravel(), np.rot90(X * 300 + Y * 100, -1).ravel())[0, 1] > 0.95
    assert b"maker of cameras" in (image.metadata.exif or b"")
    with pytest.raises(ImageError, match="--max-pixels"):
        read_image(tmp_path / "a.dng", max_pixels=100)


@pytest.mark.parametrize("name", ["a.heic", "a.jxl", "a.dng"])
def test_read_image_raises_one_line_error_for_truncated_files(tmp_path: Path, name: str) -> None:
    make = {"a.heic": heic, "a.dng": dng, "a.jxl": lambda path: jxl(path, np.dstack([GRAY] * 3))}[name]
    data = make(tmp_path / name).read_bytes()
    for share in (0.02, 0.3, 0.7):
        (tmp_path / name).write_bytes(data[: int(len(data) * share)])
        with pytest.raises(ImageError) as caught:
            read_image(tmp_path / name)
        assert "\n" not in str(caught.value)
        assert name in str(caught.value)


@pytest.mark.parametrize(
    ("name", "data", "module"),
    [
        ("a.heic", b"\0\0\0\x18ftypheic" + bytes(40), "pillow_heif"),
        ("a.jxl", b"\xff\x0a" + bytes(40), "pillow_jxl"),
        ("a.cr3", b"\0\0\0\x18ftypcrx " + bytes(40), "rawpy"),
        ("a.nef", b"MM\0*" + bytes(40), "rawpy"),
    ],
)
def test_missing_plugin_error_contains_the_install_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, data: bytes, module: str
) -> None:
    monkeypatch.setitem(sys.modules, module, None)  # importing it fails
    (tmp_path / name).write_bytes(data)
    expected = r"python -m pip install 'colorzoo\[formats\]'"
    with pytest.raises(ImageError, match=expected):
        read_image(tmp_path / name)
    monkeypatch.setattr(formats.Plugin, "installed", False)
    with pytest.raises(ImageError, match=expected):
        check_image(tmp_path / name)
