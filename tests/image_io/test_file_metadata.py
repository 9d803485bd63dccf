"""Metadata that describes the source file itself is not copied to the result."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image, PngImagePlugin

from colorzoo.guidance import Crop
from colorzoo.image_io.read import read_image
from colorzoo.image_io.write import write_image
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


def exif_block(order: str) -> bytes:
    """Return the EXIF of a rotated gray image of 60 x 40 pixels, with a maker note."""
    exif = Image.Exif()
    exif.endian = order
    for tag, value in {256: 60, 257: 40, 258: 8, 262: 1, 274: 6, 277: 1, 315: "Ann"}.items():
        exif[tag] = value
    inner = {36867: "now", 37121: b"\1\2\3\0", 37500: b"maker", 40961: 65535, 40962: 60, 40963: 40}
    exif.get_ifd(34665).update(inner)
    return exif.tobytes().removeprefix(b"Exif\0\0")


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
        *(("jpg", "jpg", ">", CROP), ("jpg", "tif", "<", None)),
        *(("webp", "webp", ">", None), ("png", "png", "<", CROP), ("png", "avif", ">", None)),
    ],
)
def test_write_image_drops_metadata_that_describes_the_source_file(
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
        assert not {37121, 37500, 40961, 40962, 40963} & set(inner)
        assert 274 not in tags
        if target != "tif":  # a TIFF stores its layout in the same directory
            assert not {256, 257, 258, 262, 277} & set(tags)
        assert b'dc:creator="Ann"' in xmp
        assert b"<dc:title>k</dc:title>" in xmp
        assert [name for name in STALE if name in xmp] == []
        assert "Thumb::Image::Width" not in getattr(image, "text", {})


REGIONS = (
    '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    '<rdf:Description rdf:about="" dc:creator="Ann" GPano:CroppedAreaLeftPixels="3">'
    '<mwg-rs:Regions rdf:parseType="Resource"><mwg-rs:RegionList><rdf:Bag><rdf:li mwg-rs:Name="Opa"/>'
    "</rdf:Bag></mwg-rs:RegionList></mwg-rs:Regions><MP:RegionInfo><rdf:li>Oma</rdf:li></MP:RegionInfo>"
    "<Iptc4xmpExt:ImageRegion><rdf:Bag><rdf:li>Onkel</rdf:li></rdf:Bag></Iptc4xmpExt:ImageRegion>"
    "<exif:SubjectArea><rdf:Seq><rdf:li>40</rdf:li></rdf:Seq></exif:SubjectArea>"
    "</rdf:Description></rdf:RDF></x:xmpmeta>"
)
POSITIONS = {b"Opa", b"Oma", b"Onkel", b"exif:SubjectArea", b"CroppedArea"}


@pytest.mark.parametrize(
    ("orientation", "crop", "is_kept"),
    [(1, None, True), (6, None, False), (1, CROP, False), (1, Crop(8, 8, 20, 10, 15), False)],
)
def test_positions_of_faces_and_subjects_are_removed_if_the_image_is_cropped_or_rotated(
    tmp_path: Path, orientation: int, crop: Crop | None, is_kept: bool
) -> None:
    exif = Image.Exif()
    exif[274], exif[315] = orientation, "Ann"
    exif.get_ifd(34665).update({36867: "now", 37396: (40, 30, 16, 12), 41492: (40, 30)})
    Image.fromarray(SOURCE).save(tmp_path / "a.jpg", exif=exif.tobytes(), xmp=REGIONS.encode())
    raster = read_image(tmp_path / "a.jpg")
    if crop is not None:
        raster = crop_image(raster, crop)
    with Image.open(write_image(tmp_path / "b.jpg", raster.rgb, raster)) as image:
        inner, xmp = image.getexif().get_ifd(34665), image.info["xmp"]
    assert (image.getexif()[315], inner[36867], b'dc:creator="Ann"' in xmp) == ("Ann", "now", True)
    assert {37396, 41492} & set(inner) == ({37396, 41492} if is_kept else set())
    assert {name for name in POSITIONS if name in xmp} == (POSITIONS if is_kept else set())


@pytest.mark.parametrize("crop", [None, CROP])
def test_georeference_of_a_geotiff_is_removed_if_the_image_is_cropped(
    tmp_path: Path, crop: Crop | None
) -> None:
    values = {33550: (1.0, 1.0, 0.0), 33922: (0.0, 0.0, 0.0, 4.4e5, 4e6, 0.0)}
    tags = [(tag, "d", len(value), value, True) for tag, value in values.items()]
    tifffile.imwrite(tmp_path / "a.tif", SOURCE, extratags=[*tags, (315, "s", 0, "Ann", True)], metadata=None)
    raster = read_image(tmp_path / "a.tif")
    if crop is not None:
        raster = crop_image(raster, crop)
    with tifffile.TiffFile(write_image(tmp_path / "b.tif", raster.rgb, raster)) as tiff:
        found = {tag.code: tag.value for tag in tiff.pages[0].tags if tag.code in (*values, 315)}
    assert found == ({} if crop else values) | {315: "Ann"}


@pytest.mark.parametrize("mode", ["L", "P", "RGB", "RGBA", "I;16"])
@pytest.mark.parametrize(
    "key", ["dpi", "icc_profile", "photoshop", "transparency", "exif", "xmp", "comment", "gamma"]
)
@pytest.mark.parametrize("after", [False, True])
def test_png_texts_do_not_replace_properties_of_the_image(mode: str, key: str, after: bool) -> None:
    """Pillow stores texts and properties in one dict."""
    plain = io.BytesIO()
    Image.radial_gradient("L").resize((20, 16)).convert(mode).save(plain, "PNG")
    data, body = plain.getvalue(), f"{key}\0 300".encode()
    chunk = struct.pack(">I", len(body)) + b"tEXt" + body + struct.pack(">I", zlib.crc32(b"tEXt" + body))
    place = data.index(b"IEND") - 4 if after else data.index(b"IDAT") - 4
    expected, image = read_image(data), read_image(data[:place] + chunk + data[place:])
    assert np.array_equal(image.levels, expected.levels)
    assert (image.alpha is None) == (expected.alpha is None)
    assert (image.metadata.dpi, image.metadata.icc) == (None, None)
    assert dict(image.metadata.text) == {key: " 300"}
