"""Sample formats of TIFF, PNG, JPEG 2000 and other files are read exactly or rejected."""

from __future__ import annotations

import io
import struct
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pytest
import tifffile

from colorzoo.errors import ImageError
from colorzoo.image_io.raster_image import RasterImage
from colorzoo.image_io.read import read_image

GRAY = np.linspace(0, 1, 24 * 32).reshape(24, 32)
COLOR = np.stack([GRAY, GRAY[::-1], np.tile(np.linspace(0.2, 0.8, 32), (24, 1))], axis=-1)
HALF = np.full((24, 32, 1), 0.5)
COVER = np.tile(np.linspace(1, 0.25, 32), (24, 1))[..., None]
IMAGES = {"gray": GRAY, "color": COLOR}


def stored(light: np.ndarray, dtype: str, bits: int | None = None) -> np.ndarray:
    """Convert values in [0, 1] to samples of a type at full scale."""
    if np.dtype(dtype).kind == "f":
        return light.astype(dtype)
    full = float(np.iinfo(dtype).max if bits is None else 2**bits - 1)
    return np.minimum(np.round(light * full), np.nextafter(full, 0) if full > 2**60 else full).astype(dtype)


def max_error(image: RasterImage, light: np.ndarray) -> float:
    """Return the largest difference from the expected values in [0, 1]."""
    return float(np.abs(image.rgb - (light if light.ndim == 3 else light[..., None])).max())


def tiff(path: Path, pixels: np.ndarray, kind: str | int, **options: Any) -> RasterImage:
    tifffile.imwrite(path / "x.tif", pixels, photometric=kind, metadata=None, **options)
    return read_image(path / "x.tif")


KINDS = ("minisblack", "miniswhite", "rgb")
INTEGERS = [f"{sign}int{bits}" for sign in ("u", "") for bits in (8, 16, 32, 64)]


def half_step(dtype: str) -> float:
    """Return the maximum rounding error of a sample, relative to the full scale."""
    return 0.5001 / np.iinfo(dtype).max if "int" in dtype else float(np.finfo(dtype).eps) / 2


@pytest.mark.parametrize(
    ("dtype", "kind"),
    [
        *((dtype, "rgb") for dtype in (*INTEGERS, "float16", "float32", "float64")),
        *((dtype, kind) for dtype in ("uint8", "uint32", "float32") for kind in KINDS[:2]),
    ],
)
def test_read_image_reads_tiff_of_every_sample_type(tmp_path: Path, dtype: str, kind: str) -> None:
    light = COLOR if kind == "rgb" else GRAY
    image = tiff(tmp_path, stored(1 - light if kind == "miniswhite" else light, dtype), kind)
    assert max_error(image, light) < half_step(dtype) + 1e-7
    assert image.bit_depth == (8 if dtype in ("uint8", "int8") else 16)
    is_scaled = dtype not in ("uint8", "uint16") and "float" not in dtype
    notes = (f"range of values assumed to be 0 to {float(np.iinfo(dtype).max):.0f}",) if is_scaled else ()
    assert image.notes == notes


@pytest.mark.parametrize(
    ("bits", "kind"),
    [*((bits, "rgb") for bits in (1, 2, 4, 6, 10, 12, 14)), (1, "minisblack"), (12, "miniswhite")],
)
def test_read_image_reads_tiff_of_every_number_of_bits(tmp_path: Path, bits: int, kind: str) -> None:
    light = COLOR if kind == "rgb" else GRAY
    pixels = stored(1 - light if kind == "miniswhite" else light, "uint8" if bits <= 8 else "uint16", bits)
    image = tiff(tmp_path, pixels, kind, bitspersample=bits)
    assert max_error(image, light) < 0.5001 / (2**bits - 1) + 1e-7
    assert image.bit_depth == (8 if bits <= 8 else 16)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize(("kind", "multiplied"), [("gray", True), ("color", False)])
def test_read_image_reads_tiff_with_alpha(tmp_path: Path, kind: str, dtype: str, multiplied: bool) -> None:
    light = IMAGES[kind]
    color = light[..., None] if light.ndim == 2 else light
    pixels = stored(np.dstack([color * (COVER if multiplied else 1), COVER]), dtype)
    alpha = "assocalpha" if multiplied else "unassalpha"
    photometric = "rgb" if kind == "color" else "minisblack"
    image = tiff(tmp_path, pixels, photometric, extrasamples=[alpha], planarconfig="contig")
    step = half_step(dtype)
    assert max_error(image, light) < (2 * step / COVER.min() if multiplied else step) + 2e-5
    assert image.alpha is not None
    full = np.iinfo(image.alpha.dtype).max
    assert full == (255 if dtype == "uint8" else 65535)
    np.testing.assert_allclose(image.alpha / full, COVER[..., 0], rtol=0, atol=step + 0.51 / full)


@pytest.mark.parametrize(
    ("dtype", "planes", "opacity"),
    [("uint8", "contig", []), ("uint16", "separate", []), ("uint8", "separate", [HALF])],
)
def test_read_image_cmyk_tiff(tmp_path: Path, dtype: str, planes: str, opacity: list[np.ndarray]) -> None:
    pixels = stored(np.dstack([1 - COLOR, 0 * HALF, *opacity]), dtype)
    rows = np.moveaxis(pixels, -1, 0) if planes == "separate" else pixels
    extra = ["unassalpha"] * len(opacity)
    image = tiff(tmp_path, rows, "separated", planarconfig=planes, extrasamples=extra)
    assert max_error(image, COLOR) < 0.005
    assert (image.alpha is not None) == bool(opacity)


@pytest.mark.parametrize(
    ("codec", "dtype"),
    [*((codec, "uint16") for codec in ("zlib", "lzw", "zstd", "jpeg2000")), ("webp", "uint8")],
)
def test_read_image_reads_tiff_of_every_codec(tmp_path: Path, codec: str, dtype: str) -> None:
    options = {"compressionargs": {"level": -1}} if codec == "webp" else {}
    image = tiff(tmp_path, stored(COLOR, dtype), "rgb", compression=codec, **options)
    assert max_error(image, COLOR) < (0.05 if codec == "webp" else 0.005)
    assert image.bit_depth == (8 if dtype == "uint8" else 16)


@pytest.mark.parametrize(
    ("pixels", "kind", "words"),
    [
        (GRAY.astype(np.complex64), "minisblack", "complex numbers"),
        (stored(COLOR, "uint16"), "cielab", "16-bit CIELAB"),
    ],
)
def test_read_image_names_unsupported_tiff(tmp_path: Path, pixels: np.ndarray, kind: str, words: str) -> None:
    with pytest.raises(ImageError, match=words) as caught:
        tiff(tmp_path, pixels, kind)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("values", "light", "note"),
    [
        (np.uint32([0, 50, 1000]), [0, 0.05, 1], "values from 0 to 1000 stretched"),
        (
            np.uint32([0, 50, 60000]),
            [0, 50 / 65535, 60000 / 65535],
            "range of values assumed to be 0 to 65535",
        ),
        (np.int16([0, 100, 255]), [0, 100 / 255, 1], "range of values assumed to be 0 to 255"),
        (np.int16([-300, 0, 300]), [0, 0.5, 1], "values from -300 to 300 stretched"),
        (np.uint16([0, 100, 1023]), [0, 100 / 65535, 1023 / 65535], "very dark: values reach only 1023"),
        (np.float32([0, 100, 255]), [0, 100 / 255, 1], "range of values assumed to be 0 to 255"),
        (np.float32([0, 2, 4]), [0, 0.5, 1], "values from 0 to 4 stretched"),
    ],
)
def test_read_image_estimates_and_notes_undeclared_full_scale(
    tmp_path: Path, values: np.ndarray, light: list[float], note: str
) -> None:
    image = tiff(tmp_path, np.tile(values, (16, 1)), "minisblack")
    np.testing.assert_allclose(image.rgb[0, :, 0], light, atol=1e-5)
    assert note in image.notes[0]


@pytest.mark.parametrize("bits", [4, 8, 12, 16])
@pytest.mark.parametrize(("kind", "alpha", "container"), [("gray", False, "jp2"), ("color", True, "j2k")])
def test_read_image_reads_jpeg_2000_of_every_number_of_bits(
    tmp_path: Path, kind: str, alpha: bool, bits: int, container: str
) -> None:
    light = IMAGES[kind]
    pixels = np.dstack([light, HALF]) if alpha else light
    data = imagecodecs.jpeg2k_encode(
        stored(pixels, "uint8" if bits <= 8 else "uint16", bits),
        level=0,
        codecformat=container,
        bitspersample=bits,
        reversible=True,
        mct=False,
    )
    (tmp_path / "x.jp2").write_bytes(data)
    image = read_image(tmp_path / "x.jp2")
    assert max_error(image, light) < 0.5001 / (2**bits - 1) + 1e-7
    assert image.bit_depth == (8 if bits <= 8 else 16)
    assert (image.alpha is not None) == alpha


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize(
    ("kind", "alpha"), [("gray", False), ("gray", True), ("color", False), ("color", True)]
)
def test_read_image_reads_png_of_8_and_16_bits(kind: str, alpha: bool, bits: int) -> None:
    light = IMAGES[kind]
    pixels = stored(np.dstack([light, HALF]) if alpha else light, f"uint{bits}")
    image = read_image(imagecodecs.png_encode(pixels))
    assert max_error(image, light) < 0.5001 / (2**bits - 1) + 1e-7
    assert image.bit_depth == bits
    np.testing.assert_array_equal(image.alpha, pixels[..., -1] if alpha else None)


def tiff_without(tag: int, pixels: np.ndarray, **options: Any) -> bytes:
    """Return a TIFF whose tag is replaced with a private tag."""
    memory = io.BytesIO()
    tifffile.imwrite(memory, pixels, metadata=None, **options)
    found = struct.pack("<HHL", tag, 3, 1)
    assert memory.getvalue().count(found) == 1
    return memory.getvalue().replace(found, struct.pack("<HHL", 65000, 3, 1))


@pytest.mark.parametrize("shape", [(4, 5), (4, 5, 3)])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_read_image_does_not_invert_tiff_without_photometric_tag(shape: tuple[int, ...], dtype: type) -> None:
    pixels = (np.arange(np.prod(shape)).reshape(shape) % 50).astype(dtype)
    kind = "rgb" if len(shape) == 3 else "minisblack"
    np.testing.assert_array_equal(read_image(tiff_without(262, pixels, photometric=kind)).levels, pixels)


@pytest.mark.parametrize(
    ("unit", "dpi"), [(1, None), (2, (300.0, 200.0)), (3, (762.0, 508.0)), (None, (300.0, 200.0))]
)
def test_read_image_converts_tiff_resolution_only_with_a_unit(
    unit: int | None, dpi: tuple[float, float] | None
) -> None:
    pixels = np.zeros((4, 5), np.uint8)
    data = tiff_without(296 if unit is None else 259, pixels, resolution=(300, 200), resolutionunit=unit or 2)
    assert read_image(data).metadata.dpi == dpi
