"""HEIC files, with and without the optional library."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from colorzoo.errors import ImageError
from colorzoo.image_io.read import check_image, read_image

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


def test_read_image_applies_heic_orientation_and_keeps_exif(tmp_path: Path) -> None:
    image = read_image(heic(tmp_path / "IMG_0001.HEIC"))
    assert image.size == (96, 64)
    assert np.abs(image.rgb[..., 1] * 255 - GRAY).mean() < 3
    assert b"maker of phones" in (image.metadata.exif or b"")
    turned = read_image(heic(tmp_path / "IMG_0002.HEIC", orientation=6))
    assert turned.size == (64, 96)
    assert np.abs(turned.rgb[..., 1] * 255 - np.rot90(GRAY, -1)).mean() < 3


def test_read_image_raises_one_line_error_for_truncated_files(tmp_path: Path) -> None:
    data = heic(tmp_path / "a.heic").read_bytes()
    for share in (0.02, 0.3, 0.7):
        (tmp_path / "a.heic").write_bytes(data[: int(len(data) * share)])
        with pytest.raises(ImageError) as caught:
            read_image(tmp_path / "a.heic")
        assert "\n" not in str(caught.value)
        assert "a.heic" in str(caught.value)


def test_missing_package_error_contains_the_install_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pillow_heif", None)  # importing it fails
    (tmp_path / "a.heic").write_bytes(b"\0\0\0\x18ftypheic" + bytes(40))
    for read in (read_image, check_image):
        with pytest.raises(ImageError, match=r"python -m pip install 'colorzoo\[formats\]'"):
            read(tmp_path / "a.heic")
