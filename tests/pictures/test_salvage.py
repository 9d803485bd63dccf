"""Reading of files that were cut short, on request and with a note."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from colorzoo.errors import PictureError
from colorzoo.pictures.png import SIGNATURE, png_chunk, read_chunks
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


@pytest.mark.parametrize("interlaced", [False, True])
@pytest.mark.parametrize(("width", "height"), [(1, 1), (3, 5), (13, 10)])
@pytest.mark.parametrize(("color", "channels"), [(0, 1), (2, 3), (3, 1), (4, 2), (6, 4)])
def test_the_missing_rows_of_a_png_are_zeros(
    width: int, height: int, color: int, channels: int, interlaced: bool
) -> None:
    """Of the seven passes of an interlaced one (Adam7) too, each row with the number of its filter."""
    starts = [
        (0, 0, 8, 8),
        (4, 0, 8, 8),
        (0, 4, 4, 8),
        (2, 0, 4, 4),
        (0, 2, 2, 4),
        (1, 0, 2, 2),
        (0, 1, 1, 2),
    ]
    for bits in (8, 16) if color in (2, 4, 6) else (1, 4, 8):
        size = 0
        for x, y, step_x, step_y in starts if interlaced else [(0, 0, 1, 1)]:
            columns = len(range(x, width, step_x))
            rows = len(range(y, height, step_y)) if columns else 0
            size += rows * len(np.packbits(np.zeros(columns * channels * bits + 8, np.uint8)))
        header = struct.pack(">LLBBBBB", width, height, bits, color, 0, 0, interlaced)
        begun = bytes(n % 251 + 1 for n in range(size // 2))
        bodies = (zlib.compress(begun)[:-4], b"damage", b"more")
        chunks = [
            (b"IHDR", header),
            (b"gAMA", bytes(4)),
            *((b"IDAT", body) for body in bodies),
            (b"IEND", b""),
        ]
        whole = completed(SIGNATURE + b"".join(png_chunk(*chunk) for chunk in chunks))
        found = list(read_chunks((whole or b"").removeprefix(SIGNATURE)))
        assert [name for name, _ in found] == [b"IHDR", b"gAMA", b"IDAT", b"IEND"]
        assert zlib.decompress(found[2][1]) == begun.ljust(size, b"\0")


def test_deep_pngs_are_salvaged(tmp_path: Path) -> None:
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
