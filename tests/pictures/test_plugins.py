"""HEIC, JPEG XL and raw files, with their libraries and without."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from colorzoo.errors import PictureError
from colorzoo.pictures import formats
from colorzoo.pictures.read import examine_picture, read_picture

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
    if pixels.dtype == np.uint16:
        import imagecodecs

        path.write_bytes(imagecodecs.jpegxl_encode(pixels, lossless=True))
    else:
        Image.fromarray(pixels).save(path, "JXL", lossless=True, exif=exif(orientation))
    return path


def dng(path: Path, orientation: int = 6) -> Path:
    """Write what a camera with a linear sensor saw: a ramp under four filters."""
    pytest.importorskip("rawpy", reason=REASON)
    seen = (1000 + X * 300 + Y * 100).astype(np.uint16)
    matrix = [32406, -15372, -4986, -9689, 18758, 415, 557, -2040, 10570]
    rationals = tuple(value for number in matrix for value in (number, 10000))
    tags = [
        (33421, "H", 2, (2, 2)),  # a pattern of 2 x 2 filters, red, green, green, blue
        (33422, "B", 4, (0, 1, 1, 2)),
        (50706, "B", 4, (1, 4, 0, 0)),
        (50708, "s", 0, "a test"),
        (50721, "2i", 9, rationals),
        (50717, "H", 1, 65535),
        (50728, "2I", 3, (1, 1) * 3),
        (50778, "H", 1, 21),
        (271, "s", 0, "maker of cameras"),
        (274, "H", 1, orientation),
    ]
    tifffile.imwrite(path, seen, photometric=32803, extratags=[(*tag, True) for tag in tags])
    return path


def test_heic_of_a_phone_is_read_upright_with_its_exif(tmp_path: Path) -> None:
    picture = read_picture(heic(tmp_path / "IMG_0001.HEIC"))
    assert picture.size == (96, 64)
    assert np.abs(picture.rgb[..., 1] * 255 - GRAY).mean() < 3
    assert b"maker of phones" in (picture.metadata.exif or b"")
    turned = read_picture(heic(tmp_path / "IMG_0002.HEIC", orientation=6))
    assert turned.size == (64, 96)
    assert np.abs(turned.rgb[..., 1] * 255 - np.rot90(GRAY, -1)).mean() < 3


def test_heic_is_recognized_by_content_and_in_memory(tmp_path: Path) -> None:
    data = heic(tmp_path / "a.heic").read_bytes()
    (tmp_path / "b.jpg").write_bytes(data)
    assert read_picture(tmp_path / "b.jpg").size == read_picture(data).size == (96, 64)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_jpeg_xl_is_read_with_all_its_bits(tmp_path: Path, dtype: type) -> None:
    pixels = np.dstack([GRAY] * 3).astype(dtype) * (1 if dtype == np.uint8 else 257)
    picture = read_picture(jxl(tmp_path / "a.jxl", pixels))
    assert picture.bit_depth == (8 if dtype == np.uint8 else 16)
    light = pixels / np.iinfo(dtype).max
    if dtype == np.uint16:  # which this encoder marks as linear; 8 bits as sRGB
        light = np.where(light <= 0.0031308, light * 12.92, 1.055 * light ** (1 / 2.4) - 0.055)
    np.testing.assert_allclose(picture.rgb, light, atol=0.0005)
    assert len(np.unique(picture.rgb)) > (200 if dtype == np.uint8 else 250)


def test_jpeg_xl_is_upright_whatever_its_exif_says(tmp_path: Path) -> None:
    picture = read_picture(jxl(tmp_path / "a.jxl", np.dstack([GRAY] * 3), orientation=6))
    assert picture.size == (96, 64)
    assert b"maker of phones" in (picture.metadata.exif or b"")


@pytest.mark.parametrize("size", [(96, 64), (640, 480), (1920, 1080), (7, 400), (4000, 3), (256, 256)])
def test_the_size_of_a_jpeg_xl_is_read_without_decoding(tmp_path: Path, size: tuple[int, int]) -> None:
    width, height = size
    path = jxl(tmp_path / "a.jxl", np.zeros((height, width, 3), np.uint8))
    with path.open("rb") as file:
        assert formats.jxl_size(file) == size
    with pytest.raises(PictureError, match=f"{width} x {height} = .*--max-pixels"):
        read_picture(path, max_pixels=width * height - 1)


def test_raw_files_are_developed_to_16_bits_and_upright(tmp_path: Path) -> None:
    picture = read_picture(dng(tmp_path / "a.dng"))
    assert (picture.bit_depth, picture.size) == (16, (64, 96))
    assert picture.notes == ("developed from raw",)
    gray = picture.rgb.mean(axis=2)
    assert np.corrcoef(gray.ravel(), np.rot90(X * 300 + Y * 100, -1).ravel())[0, 1] > 0.95
    assert b"maker of cameras" in (picture.metadata.exif or b"")
    with pytest.raises(PictureError, match="--max-pixels"):
        read_picture(tmp_path / "a.dng", max_pixels=100)


@pytest.mark.parametrize("name", ["a.heic", "a.jxl", "a.dng"])
def test_files_cut_short_are_refused_in_one_line(tmp_path: Path, name: str) -> None:
    make = {"a.heic": heic, "a.dng": dng, "a.jxl": lambda path: jxl(path, np.dstack([GRAY] * 3))}[name]
    data = make(tmp_path / name).read_bytes()
    for share in (0.02, 0.3, 0.7):
        (tmp_path / name).write_bytes(data[: int(len(data) * share)])
        with pytest.raises(PictureError) as caught:
            read_picture(tmp_path / name)
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
def test_without_the_library_the_error_has_the_install_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, data: bytes, module: str
) -> None:
    monkeypatch.setitem(sys.modules, module, None)  # importing it fails
    (tmp_path / name).write_bytes(data)
    told = r"python -m pip install 'colorzoo\[formats\]' reads it"
    with pytest.raises(PictureError, match=told):
        read_picture(tmp_path / name)
    monkeypatch.setattr(formats.Plugin, "installed", False)
    with pytest.raises(PictureError, match=told):
        examine_picture(tmp_path / name)


def test_the_libraries_are_imported_only_for_their_files() -> None:
    import subprocess

    code = (
        "import io, sys; from PIL import Image; from colorzoo.pictures.read import read_picture; "
        "m = io.BytesIO(); Image.new('L', (8, 8)).save(m, 'PNG'); read_picture(m.getvalue()); "
        "sys.exit(bool({'pillow_heif', 'pillow_jxl', 'rawpy', 'torch'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_avif_needs_no_library() -> None:
    memory = io.BytesIO()
    PROFILE_FREE.save(memory, "AVIF")
    assert formats.plugin_for(memory, ".avif") is None
