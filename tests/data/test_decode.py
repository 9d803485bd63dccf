"""Training and evaluation decode the same colors that `read_image` reads for colorization."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
import tifffile
from PIL import Image, ImageCms

from colorzoo.data.decode import decode_rgb
from colorzoo.errors import ImageError
from colorzoo.image_io.read import read_image
from odd_inputs import write_odd_inputs

Y, X = np.mgrid[0:64, 0:80]
RGB = np.dstack([220 - 2 * X, 60 + 2 * Y, 40 + X]).clip(0, 255).astype(np.uint8)
ADOBE = bytes(imagecodecs.cms_profile("adobergb"))


def encoded(pixels: np.ndarray, kind: str, **options: object) -> bytes:
    memory = io.BytesIO()
    Image.fromarray(pixels).save(memory, kind, **options)
    return memory.getvalue()


def encoded_tiff(pixels: np.ndarray, **options: object) -> bytes:
    memory = io.BytesIO()
    tifffile.imwrite(memory, pixels, metadata=None, **options)
    return memory.getvalue()


def gray_png(bits: int, transparent: int) -> bytes:
    """Return a 16 x 2 gray PNG: the first row has the transparent level, the second row is black."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">L", len(data)) + name + data + struct.pack(">L", zlib.crc32(name + data))

    level = sum(transparent << shift for shift in range(0, 8, bits))
    rows = b"\0" + bytes([level] * (2 * bits)) + b"\0" + bytes(2 * bits)
    header = struct.pack(">LLBBBBB", 16, 2, bits, 0, 0, 0, 0)
    chunks = {b"IHDR": header, b"tRNS": struct.pack(">H", transparent), b"IDAT": zlib.compress(rows)}
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*item) for item in chunks.items()) + chunk(b"IEND", b"")


@pytest.mark.filterwarnings("ignore")
def test_decode_rgb_returns_the_pixels_of_read_image_for_every_odd_input(tmp_path: Path) -> None:
    differences, refused = {}, set()
    for name in write_odd_inputs(tmp_path):
        path = tmp_path / name
        if not path.is_file():
            continue
        try:
            image = read_image(path)
        except ImageError:
            with pytest.raises(ImageError):
                decode_rgb(path.read_bytes())
            refused.add(name)
            continue
        opacity = 1 if image.alpha is None else (image.alpha / np.iinfo(image.alpha.dtype).max)[..., None]
        decoded = decode_rgb(path.read_bytes()).permute(1, 2, 0).numpy()
        differences[name] = np.abs(decoded - 255 * (image.rgb * opacity + 1 - opacity)).max()
    assert len(differences) > 30
    assert len(refused) > 10
    assert {name: value for name, value in differences.items() if value > 1} == {}


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "WEBP"])
@pytest.mark.parametrize("side", [None, 16])
def test_decode_rgb_applies_color_profiles(kind: str, side: int | None) -> None:
    options = {"quality": 100, "subsampling": 0} if kind == "JPEG" else {"lossless": True}
    given = decode_rgb(encoded(RGB, kind, icc_profile=ADOBE, **options), side)
    adobe = ImageCms.ImageCmsProfile(io.BytesIO(ADOBE))
    converted = ImageCms.profileToProfile(Image.fromarray(RGB), adobe, ImageCms.createProfile("sRGB"))
    expected = decode_rgb(encoded(np.asarray(converted), "PNG"), side)
    assert (given.int() - expected.int()).abs().float().mean() < 1
    assert (given.int() - decode_rgb(encoded(RGB, "PNG"), side).int()).abs().max() > 20


@pytest.mark.parametrize("dtype", [np.float32, np.float16, np.uint16])
def test_decode_rgb_scales_deep_tiff_samples(dtype: type) -> None:
    unit = RGB / 255
    stored = np.round(unit * 65535).astype(dtype) if dtype == np.uint16 else unit.astype(dtype)
    decoded = decode_rgb(encoded_tiff(stored, photometric="rgb")).permute(1, 2, 0).numpy()
    np.testing.assert_allclose(decoded, RGB.astype(float), atol=1)


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
@pytest.mark.parametrize("is_white", [True, False])
def test_transparent_gray_level_is_kept_at_every_bit_depth(bits: int, is_white: bool) -> None:
    level = 2**bits - 1 if is_white else 2**bits // 2
    data = gray_png(bits, level)
    alpha = read_image(data).alpha
    assert alpha is not None
    assert alpha.tolist() == [[0] * 16, [255] * 16]
    assert decode_rgb(data)[:, :, 0].tolist() == [[255, 0]] * 3
