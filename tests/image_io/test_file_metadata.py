"""Metadata that describe the source file never reach a result."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from colorzoo.guidance import Crop
from colorzoo.image_io.read import read_image
from colorzoo.image_io.write import to_pil, write_image
from colorzoo.inference.steps.cropping import crop_image

SOURCE = np.random.default_rng(0).integers(0, 256, (40, 60)).astype(np.uint8)
XMP = (
    '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    '<rdf:Description rdf:about="" dc:creator="Ann" tiff:ImageWidth="60" tiff:ImageLength=\'40\' '
    'tiff:Orientation="6" exif:PixelXDimension="60" exif:ColorSpace="65535" dc:format="image/jpeg" '
    'xmpNote:HasExtendedXMP="0123" GCamera:MotionPhoto="1" hdrgm:Version="1.0">'
    "<exif:PixelYDimension>40</exif:PixelYDimension><tiff:BitsPerSample><rdf:Seq><rdf:li>8</rdf:li></rdf:Seq>"
    "</tiff:BitsPerSample><xmp:Thumbnails><rdf:Alt><rdf:li xmpGImg:image='/9j/'/></rdf:Alt></xmp:Thumbnails>"
    '<Container:Directory><rdf:Seq/></Container:Directory><mwg-rs:Regions rdf:parseType="Resource">'
    '<mwg-rs:AppliedToDimensions stDim:w="60" stDim:h="40"/></mwg-rs:Regions>'
    "<dc:title>k</dc:title></rdf:Description></rdf:RDF></x:xmpmeta>"
)
STALE = (b"ImageWidth", b"ImageLength", b"Orientation", b"PixelXDim", b"PixelYDim", b"BitsPerSample")
STALE += (b"Thumbnails", b"xmpGImg", b"Container", b"MotionPhoto", b"hdrgm", b"HasExtended", b"dc:format")
STALE += (b"mwg-rs", b"exif:ColorSpace")
JPEG_MARK = b"\xff\xd8\xff thumbnail \xff\xd9"


def exif_block(order: str) -> bytes:
    """Return EXIF of a gray image of 60 x 40 that lies on its side, with a thumbnail."""

    def directory(entries: list[tuple[int, int, int, bytes]], following: int) -> bytes:
        body = b"".join(
            struct.pack(order + "HHL", tag, kind, count) + value.ljust(4, b"\0")
            for tag, kind, count, value in entries
        )
        return struct.pack(order + "H", len(entries)) + body + struct.pack(order + "L", following)

    def short(value: int) -> bytes:
        return struct.pack(order + "H", value)

    def long(value: int) -> bytes:
        return struct.pack(order + "L", value)

    first = [(256, 4, 1, long(60)), (257, 3, 1, short(40)), (258, 3, 1, short(8)), (262, 3, 1, short(1))]
    first += [(274, 3, 1, short(6)), (277, 3, 1, short(1)), (315, 2, 4, b"Ann\0"), (34665, 4, 1, b"")]
    second_at = 8 + 2 + 12 * len(first) + 4
    second = [(259, 3, 1, short(6)), (513, 4, 1, b""), (514, 4, 1, long(len(JPEG_MARK)))]
    inner_at = second_at + 2 + 12 * len(second) + 4
    inner = [(36867, 2, 4, b"now\0"), (37121, 7, 4, b"\1\2\3\0"), (40961, 3, 1, short(65535))]
    inner += [(40962, 4, 1, long(60)), (40963, 3, 1, short(40))]
    image_at = inner_at + 2 + 12 * len(inner) + 4
    first[-1], second[1] = (34665, 4, 1, long(inner_at)), (513, 4, 1, long(image_at))
    head = (b"II*\0" if order == "<" else b"MM\0*") + long(8)
    return head + directory(first, second_at) + directory(second, 0) + directory(inner, 0) + JPEG_MARK


def as_png(path: Path, exif: bytes) -> None:
    texts = PngImagePlugin.PngInfo()
    texts.add_itxt("XML:com.adobe.xmp", XMP)
    texts.add_text("Thumb::Image::Width", "60")
    texts.add_text("Title", "barn")
    Image.fromarray(SOURCE).save(path, pnginfo=texts, exif=exif)


SOURCES: dict[str, Callable[[Path, bytes], None]] = {
    "jpg": lambda path, exif: Image.fromarray(SOURCE).save(path, exif=b"Exif\0\0" + exif, xmp=XMP.encode()),
    "webp": lambda path, exif: Image.fromarray(SOURCE).save(path, exif=exif, xmp=XMP.encode()),
    "png": as_png,
}


CROP = Crop(2, 3, 20, 10)


@pytest.mark.parametrize(
    ("source", "target", "order", "crop"),
    [
        *(("jpg", "jpg", "<", None), ("jpg", "jpg", ">", CROP), ("jpg", "tif", "<", CROP)),
        *(("jpg", "tif", ">", None), ("webp", "webp", ">", CROP), ("webp", "png", "<", None)),
        *(("png", "png", "<", CROP), ("png", "avif", ">", None), ("png", "tif", ">", CROP)),
    ],
)
def test_metadata_of_a_result_has_the_size_of_the_result(
    tmp_path: Path, source: str, target: str, order: str, crop: Crop | None
) -> None:
    SOURCES[source](tmp_path / f"a.{source}", exif_block(order))
    raster = read_image(tmp_path / f"a.{source}")
    assert raster.size == (40, 60)
    if crop is not None:
        raster = crop_image(raster, crop)
    result = write_image(tmp_path / f"b.{target}", raster.rgb, raster)
    with Image.open(result) as image:
        image.load()
        tags, xmp = image.getexif(), image.info["xmp"]
        inner = tags.get_ifd(34665)
        assert (tags[315], inner[36867]) == ("Ann", "now")
        assert (inner[40962], inner[40963], inner[40961]) == (*raster.size, 1)
        assert 37121 not in inner
        assert tags.get_ifd(1) == {}
        assert tags.get(274, 1) == 1
        if target != "tif":  # whose layout is in the same directory
            assert not {256, 257, 258, 262, 277} & set(tags)
        assert JPEG_MARK not in result.read_bytes()
        assert b'dc:creator="Ann"' in xmp
        assert b"<dc:title>k</dc:title>" in xmp
        assert [name for name in STALE if name in xmp] == []
        assert "Thumb::Image::Width" not in getattr(image, "text", {})
    assert to_pil(raster.rgb, raster).getexif().get_ifd(34665)[40962] == raster.size[0]
