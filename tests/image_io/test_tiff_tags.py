"""Descriptive tags of TIFF are copied byte for byte, and translated for other formats."""

from __future__ import annotations

import io
import struct
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from colorzoo.image_io.read import read_image
from colorzoo.image_io.tags import read_tags
from colorzoo.image_io.write import write_image, write_notes

PIXELS = np.random.default_rng(3).integers(0, 256, (6, 8), dtype=np.uint8)
UTF8 = "Großmutter 祖母".encode() + b"\0"
LATIN = "Großmutter".encode("latin-1") + b"\0"
CAPTIONS = b"\x1c\x02\x78\x00\x08Katzenaa\x1c\x02\x50\x00\x02Me"
TAGS = [
    (270, 2, len(UTF8), UTF8, False),
    (269, 2, len(LATIN), LATIN, False),
    (33723, 7, len(CAPTIONS), CAPTIONS, False),
    (65000, 3, 3, (1, 2, 60000), False),
    (65001, 12, 2, (0.1, -3.5), False),
]


def write_source(path: Path, order: str = "<", *, big: bool = False) -> Path:
    with tifffile.TiffWriter(path, byteorder=order, bigtiff=big) as tiff:
        tiff.write(PIXELS, extratags=TAGS, metadata=None, software="")
    return path


def rewritten(source: Path, name: str) -> Path:
    image = read_image(source)
    return write_image(source.with_name(name), image.rgb, image)


@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize("order", ["<", ">"])
def test_tags_of_a_tiff_stay_byte_for_byte(tmp_path, order, big):
    source = write_source(tmp_path / "x.tif", order, big=big)
    with tifffile.TiffFile(rewritten(source, "out.tif")) as tiff:
        tags = tiff.pages[0].tags
        for code, kind, count, value, _ in TAGS:
            tag = tags[code]
            assert (tag.dtype, tag.count) == (kind, count)
            tiff.filehandle.seek(tag.valueoffset)
            stored = tiff.filehandle.read(tag.valuebytecount)
            if isinstance(value, bytes):
                assert stored == value
            else:
                assert tag.value == value


@pytest.mark.parametrize("extension", ["jpg", "png", "webp", "avif"])
def test_text_of_a_tiff_is_kept_in_exif_of_other_formats(tmp_path, extension):
    result = rewritten(write_source(tmp_path / "x.tif"), f"out.{extension}")
    with Image.open(result) as image:
        block = image.info["exif"].removeprefix(b"Exif\0\0")
    tags, complete = read_tags(io.BytesIO(block))
    assert complete
    assert (tags[270].value, tags[269].value) == (UTF8, LATIN)


def test_captions_go_from_tiff_to_jpeg_and_back(tmp_path):
    source = write_source(tmp_path / "x.tif")
    assert not write_notes("x.jpg", read_image(source))
    jpeg = rewritten(source, "out.jpg")
    with Image.open(jpeg) as image:
        assert dict(image.applist)["APP13"].endswith(struct.pack(">L", len(CAPTIONS)) + CAPTIONS)
    assert not write_notes("x.tif", read_image(jpeg))
    with rewritten(jpeg, "again.tif").open("rb") as file:
        assert read_tags(file)[0][33723].value == CAPTIONS


@pytest.mark.parametrize("extension", ["png", "tif"])
@pytest.mark.parametrize("comment", ["Großmutter 祖母".encode(), "Großmutter".encode("latin-1")])
def test_comments_are_copied(tmp_path, comment, extension):
    Image.fromarray(PIXELS).save(tmp_path / "x.jpg", comment=comment)
    assert not write_notes(f"out.{extension}", read_image(tmp_path / "x.jpg"))
    result = rewritten(tmp_path / "x.jpg", f"out.{extension}")
    if extension == "tif":
        with result.open("rb") as file:
            assert read_tags(file)[0][270].value == comment + b"\0"
    else:
        with Image.open(result) as image:
            assert image.text["Comment"].startswith("Großmutter")


def test_photoshop_layers_are_dropped_with_a_note(tmp_path):
    """They show the image without colors."""
    layers = (37724, 7, 12, b"Adobe Photos", False)
    tifffile.imwrite(tmp_path / "x.tif", PIXELS, extratags=[layers], metadata=None)
    assert "Photoshop layers dropped" in read_image(tmp_path / "x.tif").notes
    with rewritten(tmp_path / "x.tif", "out.tif").open("rb") as file:
        assert 37724 not in read_tags(file)[0]


def test_other_tags_survive_a_damaged_tag(tmp_path):
    source = write_source(tmp_path / "x.tif")
    with tifffile.TiffFile(source) as tiff:
        place = tiff.pages[0].tags[65001].offset
    data = bytearray(source.read_bytes())
    struct.pack_into("<L", data, place + 8, 2**31)
    source.write_bytes(data)
    assert "some tags were damaged or too large and dropped" in read_image(source).notes
    with rewritten(source, "out.tif").open("rb") as file:
        tags, _ = read_tags(file)
    assert tags[270].value == UTF8
    assert 65001 not in tags
