"""EXIF, color profiles, XMP and resolution are kept; orientation is applied once."""

from __future__ import annotations

import io
import struct
import warnings
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image, ImageOps, PngImagePlugin

from colorzoo.image_io.raster_image import RasterImage
from colorzoo.image_io.read import read_image
from colorzoo.image_io.write import write_image

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


@pytest.mark.parametrize("options", [{"bigtiff": True}, {"byteorder": ">"}])
@pytest.mark.parametrize("extension", ["tif", "jpg", "png"])
def test_write_image_keeps_bytes_of_tiff_text_tags(tmp_path, extension, options):
    text = {270: "Großmutter 祖母".encode(), 315: "Großmutter".encode("latin-1")}
    tags = [(tag, "s", 0, value, True) for tag, value in text.items()]
    tifffile.imwrite(tmp_path / "x.tif", NOISE, extratags=tags, metadata=None, **options)
    exif = rewritten(tmp_path / "x.tif", f"y.{extension}")[1].getexif()
    assert {tag: exif[tag].encode("latin-1") for tag in text} == text


def tiff_block(order: str, tags: list[tuple[int, int, bytes]], inner: list[tuple[int, int, bytes]]) -> bytes:
    """Return a TIFF structure with an EXIF directory; a tag is its number, its type and its encoded value."""
    sizes = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 7: 1, 10: 8, 12: 8}

    def directory(entries: list[tuple[int, int, bytes]], start: int) -> bytes:
        head, values = struct.pack(f"{order}H", len(entries)), b""
        for number, kind, value in sorted(entries):
            place = struct.pack(f"{order}L", start + 6 + 12 * len(entries) + len(values))
            head += struct.pack(f"{order}HHL", number, kind, len(value) // sizes[kind])
            head += place if len(value) > 4 else value.ljust(4, b"\0")
            values += value + bytes(len(value) % 2) if len(value) > 4 else b""
        return head + bytes(4) + values

    link = [(0x8769, 4, struct.pack(f"{order}L", 8 + len(directory([*tags, (0x8769, 4, bytes(4))], 8))))]
    first = directory(tags + link, 8)
    signature = b"II*\0" if order == "<" else b"MM\0*"
    return signature + struct.pack(f"{order}L", 8) + first + directory(inner, 8 + len(first))


def stored_tags(block: bytes) -> dict[int, tuple[int, object]]:
    """Return the types and values of the tags of a block and of its EXIF directory."""
    with tifffile.TiffFile(io.BytesIO(block)) as tiff:
        pointer = block.index(struct.pack("<HHL", 0x8769, 4, 1)) + 8
        tiff.filehandle.seek(int.from_bytes(block[pointer : pointer + 4], "little"))
        tags = [*tiff.pages[0].tags, *tifffile.TiffPage(tiff, 0).tags]
        return {tag.code: (int(tag.dtype), tag.value) for tag in tags}


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("target", ["jpg", "png", "tif", "webp"])
def test_write_image_keeps_types_of_exif_tags_and_tags_of_unexpected_types(tmp_path, order, target):
    comment = b"UNICODE\0" + "Opa".encode("utf-16-le" if order == "<" else "utf-16-be")
    odd = [(315, 2, b"Ann\0"), (18246, 4, struct.pack(f"{order}L", 5))]
    inner = [(0x9286, 7, comment), (0xA300, 7, b"\3"), (0xA301, 7, b"\1"), (0xA302, 7, b"\2\0\2\0\0\1\1\2")]
    inner += [(0x9204, 10, struct.pack(f"{order}2l", 0, 6)), (0x829A, 5, struct.pack(f"{order}2L", 10, 1250))]
    inner += [(0x9003, 7, b"1921:05:04 10:00:00\0"), (0x9000, 7, b"0230")]
    block = tiff_block(order, odd, inner)
    Image.fromarray(NOISE).save(tmp_path / "a.jpg", exif=b"Exif\0\0" + block)
    raster = read_image(tmp_path / "a.jpg")
    result = write_image(tmp_path / f"b.{target}", raster.rgb, raster)
    if target == "tif":
        tags = stored_tags(result.read_bytes())
    else:
        with Image.open(result) as image:
            image.load()
            tags = stored_tags(image.info["exif"].removeprefix(b"Exif\0\0"))
    assert tags[315] == (2, "Ann")
    assert tags[18246] == (4, 5)
    assert tags[0x9286] == (7, comment)
    assert (tags[0xA300], tags[0xA301]) == ((7, b"\3"), (7, b"\1"))
    assert tags[0xA302] == (7, b"\2\0\2\0\0\1\1\2")
    assert (tags[0x9204], tags[0x829A]) == ((10, (0, 6)), (5, (1, 125)))
    assert tags[0x9003] == (7, b"1921:05:04 10:00:00\0")


@pytest.mark.filterwarnings("ignore")  # Pillow warns about damaged EXIF
@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("extension", ["jpg", "tif"])
def test_read_image_keeps_the_tags_before_a_damaged_exif_tag(tmp_path, order, extension):
    if extension == "jpg":
        tags = [(306, 2, b"2005:05:04 10:00:00\0"), (315, 2, b"Ann Bo\0")]
        block = tiff_block(order, tags, [(0x9000, 7, b"0230")])
        Image.fromarray(NOISE).save(tmp_path / "a.jpg", exif=b"Exif\0\0" + block)
    else:
        extra = [(306, "s", 0, "2005:05:04 10:00:00", True), (315, "s", 0, "Ann Bo", True)]
        tifffile.imwrite(tmp_path / "a.tif", NOISE, byteorder=order, extratags=extra, metadata=None)
    data = bytearray((tmp_path / f"a.{extension}").read_bytes())
    artist = data.index(struct.pack(f"{order}HHL", 315, 2, 7))
    struct.pack_into(f"{order}L", data, artist + 8, 2**31)  # the value is beyond the end of the file
    image = read_image(bytes(data))
    assert image.notes == ("damaged EXIF tags were discarded",)
    with Image.open(write_image(tmp_path / "b.jpg", image.rgb, image)) as written:
        assert (written.getexif().get(306), written.getexif().get(315)) == ("2005:05:04 10:00:00", None)
