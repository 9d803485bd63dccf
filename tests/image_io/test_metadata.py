"""EXIF, color profiles, XMP and resolution are kept; orientation is applied once."""

from __future__ import annotations

import struct
import warnings
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image, ImageOps, PngImagePlugin

from colorzoo.image_io.raster_image import RasterImage
from colorzoo.image_io.read import read_image
from colorzoo.image_io.write import write_image, write_notes

NOISE = np.random.default_rng(3).integers(0, 256, (6, 9, 3)).astype(np.uint8)
XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><d tiff:Orientation="6" dc:title="Kot \xc5\xbb"/></x:xmpmeta>'
FORMATS = ("jpg", "png", "tif", "webp", "avif")


def exif_of(orientation: int | None = None) -> Image.Exif:
    exif = Image.Exif()
    exif[0x010E] = "A cat"
    exif[0x8298] = "Me"
    exif.get_ifd(0x8769)[0x9003] = "1950:01:02 03:04:05"
    exif.get_ifd(0x8825)[1] = "N"
    exif.get_ifd(0x8825)[2] = (1.5, 2.0, 3.25)
    if orientation is not None:
        exif[274] = orientation
    loaded = Image.Exif()  # Pillow writes nested TIFF directories only from a loaded block
    loaded.load(exif.tobytes())
    return loaded


def rewritten(path: Path, name: str) -> tuple[RasterImage, Image.Image]:
    raster = read_image(path)
    with Image.open(write_image(path.with_name(name), raster.rgb, raster)) as image:
        exif = image.getexif()
        exif.get_ifd(0x8769), exif.get_ifd(0x8825)
        image.load()
    return raster, image


@pytest.mark.parametrize(
    ("orientation", "name"),
    [
        *((number, "x.tif") for number in range(1, 9)),
        *((6, f"x.{kind}") for kind in ("png", "jpg", "webp", "avif")),
    ],
)
def test_read_image_applies_orientation_once(tmp_path, orientation, name):
    path = tmp_path / name
    Image.fromarray(NOISE).save(path, exif=exif_of(orientation))
    with Image.open(path) as image:
        upright = np.asarray(ImageOps.exif_transpose(image))
    raster, image = rewritten(path, f"out-{name}")
    np.testing.assert_array_equal(np.rint(raster.rgb * 255), upright)
    assert image.getexif().get(274, 1) == 1
    assert image.size == raster.size
    if name in ("x.png", "x.tif"):
        np.testing.assert_array_equal(np.asarray(image), upright)


@pytest.mark.parametrize(
    ("source", "extension"),
    [*(("jpg", extension) for extension in FORMATS), ("png", "tif"), ("tif", "jpg"), ("webp", "png")],
)
def test_write_image_keeps_exif_except_orientation(tmp_path, source, extension):
    path = tmp_path / f"x.{source}"
    Image.fromarray(NOISE).save(path, exif=exif_of(6), quality=95)
    exif = rewritten(path, f"y.{extension}")[1].getexif()
    assert (exif[0x010E], exif[0x8298]) == ("A cat", "Me")
    assert exif.get_ifd(0x8769)[0x9003] == "1950:01:02 03:04:05"
    assert tuple(map(float, exif.get_ifd(0x8825)[2])) == (1.5, 2.0, 3.25)
    assert exif.get(274, 1) == 1


@pytest.mark.parametrize("cut", [1, 9, 40, 100])
def test_read_image_ignores_damaged_exif(tmp_path, cut):
    path = tmp_path / "x.jpg"
    Image.fromarray(NOISE).save(path, exif=exif_of(1).tobytes()[: 6 + cut])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow warns about damaged EXIF
        assert rewritten(path, "y.jpg")[1].size == (9, 6)


@pytest.mark.parametrize(
    ("source", "extension"), [*(("jpg", extension) for extension in FORMATS), ("png", "png"), ("webp", "png")]
)
def test_write_image_keeps_xmp_except_orientation(tmp_path, source, extension):
    path = tmp_path / f"x.{source}"
    options = {"xmp": XMP}
    if source == "png":
        info = PngImagePlugin.PngInfo()
        info.add_itxt("XML:com.adobe.xmp", XMP.decode())
        options = {"pnginfo": info}
    Image.fromarray(NOISE).save(path, **options)
    raster, image = rewritten(path, f"y.{extension}")
    assert image.info["xmp"] == XMP.replace(b' tiff:Orientation="6"', b"")
    assert raster.size == (6, 9)


@pytest.mark.parametrize(
    ("extension", "orientation", "dpi"),
    [("jpg", 4, (300, 150)), ("png", 5, (150, 300)), ("tif", 8, (150, 300)), ("bmp", 8, (150, 300))],
)
def test_write_image_keeps_resolution_and_swaps_axes_on_rotation(tmp_path, extension, orientation, dpi):
    path = tmp_path / "x.jpg"
    Image.fromarray(NOISE).save(path, dpi=(300, 150), exif=exif_of(orientation))
    raster, image = rewritten(path, f"y.{extension}")
    assert raster.metadata.dpi == dpi
    np.testing.assert_allclose(np.array(image.info["dpi"], float), dpi, atol=0.02)


def test_write_image_keeps_png_text_jpeg_comment_and_iptc(tmp_path):
    info = PngImagePlugin.PngInfo()
    info.add_text("Title", "Zażółć")
    Image.fromarray(NOISE).save(tmp_path / "x.png", pnginfo=info)
    assert rewritten(tmp_path / "x.png", "y.png")[1].text == {"Title": "Zażółć"}
    caption = b"Photoshop 3.0\x008BIM\x04\x04\0\0\0\0\0\x0a\x1c\x02\x78\0\x05hello"
    segment = b"\xff\xed" + struct.pack(">H", 2 + len(caption)) + caption
    Image.fromarray(NOISE).save(tmp_path / "x.jpg", comment="hi", extra=segment, xmp=XMP)
    raster, image = rewritten(tmp_path / "x.jpg", "y.jpg")
    assert image.info["comment"] == b"hi"
    assert ("APP13", caption) in image.applist
    with tifffile.TiffFile(rewritten(tmp_path / "x.jpg", "y.tif")[1].filename) as tiff:
        assert tiff.pages[0].tags[33723].value == caption[-10:]
    assert write_notes("y.bmp", raster) == ("XMP was not saved, because the BMP file cannot contain it",)


@pytest.mark.parametrize("options", [{"bigtiff": True}, {"byteorder": ">"}])
@pytest.mark.parametrize("extension", ["tif", "jpg", "png"])
def test_write_image_keeps_bytes_of_tiff_text_tags(tmp_path, extension, options):
    text = {270: "Großmutter 祖母".encode(), 315: "Großmutter".encode("latin-1")}
    tags = [(tag, "s", 0, value, True) for tag, value in text.items()]
    tifffile.imwrite(tmp_path / "x.tif", NOISE, extratags=tags, metadata=None, **options)
    exif = rewritten(tmp_path / "x.tif", f"y.{extension}")[1].getexif()
    assert {tag: exif[tag].encode("latin-1") for tag in text} == text
