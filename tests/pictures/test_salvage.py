"""Reading of files that were cut short, on request and with a note."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from colorzoo.errors import PictureError
from colorzoo.pictures.read import read_picture
from colorzoo.pictures.salvage import NOTE, completed

NOISE = np.random.default_rng(5).integers(0, 256, (64, 64, 3)).astype(np.uint8)


def cut(kind: str, share: float = 0.6, **options: object) -> bytes:
    memory = io.BytesIO()
    Image.fromarray(NOISE).save(memory, kind, **options)
    return memory.getvalue()[: int(memory.tell() * share)]


@pytest.mark.parametrize(
    ("kind", "options"),
    [("JPEG", {"quality": 95}), ("JPEG", {"progressive": True}), ("PNG", {}), ("BMP", {}), ("TIFF", {})],
)
def test_the_rest_of_a_file_is_read_with_salvage(
    tmp_path: Path, kind: str, options: dict[str, object]
) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(cut(kind, **options))
    with pytest.raises(PictureError, match=r"--salvage .*reads what is left"):
        read_picture(path)
    picture = read_picture(path, salvage=True)
    assert (picture.size, picture.notes[0]) == ((64, 64), NOTE)
    there = slice(44, 64) if kind == "BMP" else slice(0, 20)  # BMP begins at the bottom
    whole = read_picture(cut(kind, 1, **options)).rgb
    if not options.get("progressive"):
        np.testing.assert_array_equal(picture.rgb[there], whole[there])


def test_interlaced_and_deep_pngs_are_salvaged(tmp_path: Path) -> None:
    deep = NOISE.astype(np.uint16) * 257
    import imagecodecs

    (tmp_path / "a.png").write_bytes(imagecodecs.png_encode(deep)[:-9000])
    picture = read_picture(tmp_path / "a.png", salvage=True)
    assert picture.bit_depth == 16
    np.testing.assert_array_equal(np.rint(picture.rgb[:20] * 65535), deep[:20])


def test_deep_tiffs_keep_their_depth(tmp_path: Path) -> None:
    deep = NOISE[..., 0].astype(np.uint16) * 257
    tifffile.imwrite(tmp_path / "a.tif", deep, photometric="minisblack")
    data = (tmp_path / "a.tif").read_bytes()
    (tmp_path / "a.tif").write_bytes(data[:-2000])
    with pytest.raises(PictureError, match="--salvage"):
        read_picture(tmp_path / "a.tif")
    picture = read_picture(tmp_path / "a.tif", salvage=True)
    assert (picture.bit_depth, picture.notes) == (16, (NOTE,))
    np.testing.assert_array_equal(np.rint(picture.rgb[:40, :, 0] * 65535), deep[:40])


@pytest.mark.parametrize("data", [cut("JPEG", 0.01), cut("PNG", 0.002), cut("WEBP"), cut("TIFF", 0.003)])
def test_files_with_nothing_left_are_refused(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "a.bin").write_bytes(data)
    with pytest.raises(PictureError) as caught:
        read_picture(tmp_path / "a.bin", salvage=True)
    assert "\n" not in str(caught.value)


def test_salvage_does_not_change_a_whole_file(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    Image.fromarray(NOISE).save(path)
    picture = read_picture(path, salvage=True)
    assert picture.notes == ()
    np.testing.assert_array_equal(np.rint(picture.rgb * 255), NOISE)


@pytest.mark.parametrize(("share", "filled"), [(0.02, True), (0.009, False)])
def test_a_hundredth_of_a_file_must_be_left(share: float, filled: bool) -> None:
    memory = io.BytesIO()
    Image.new("RGB", (100, 100), "red").save(memory, "BMP")
    rest = memory.getvalue()[: round(share * len(memory.getvalue()))]
    assert (completed(rest) is not None) == filled
