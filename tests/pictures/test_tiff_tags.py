"""Descriptive tags of TIFF are copied byte for byte, and translated for other formats."""

from __future__ import annotations

import io
import struct
import warnings
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from colorzoo.cli.main import main
from colorzoo.pictures.read import read_picture
from colorzoo.pictures.tags import exif_block, read_tags, shorts
from colorzoo.pictures.write import write_notes, write_picture

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
    picture = read_picture(source)
    return write_picture(source.with_name(name), picture.rgb, picture)


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
    assert not write_notes("x.jpg", read_picture(source))
    jpeg = rewritten(source, "out.jpg")
    with Image.open(jpeg) as image:
        assert dict(image.applist)["APP13"].endswith(struct.pack(">L", len(CAPTIONS)) + CAPTIONS)
    assert not write_notes("x.tif", read_picture(jpeg))
    with rewritten(jpeg, "again.tif").open("rb") as file:
        assert read_tags(file)[0][33723].value == CAPTIONS


@pytest.mark.parametrize("extension", ["png", "tif"])
@pytest.mark.parametrize("comment", ["Großmutter 祖母".encode(), "Großmutter".encode("latin-1")])
def test_a_comment_is_kept(tmp_path, comment, extension):
    Image.fromarray(PIXELS).save(tmp_path / "x.jpg", comment=comment)
    assert not write_notes(f"out.{extension}", read_picture(tmp_path / "x.jpg"))
    result = rewritten(tmp_path / "x.jpg", f"out.{extension}")
    if extension == "tif":
        with result.open("rb") as file:
            assert read_tags(file)[0][270].value == comment + b"\0"
    else:
        with Image.open(result) as image:
            assert image.text["Comment"].startswith("Großmutter")


def test_layers_of_photoshop_are_dropped_and_named(tmp_path):
    """They show the picture without colors."""
    layers = (37724, 7, 12, b"Adobe Photos", False)
    tifffile.imwrite(tmp_path / "x.tif", PIXELS, extratags=[layers], metadata=None)
    assert "the layers of Photoshop were dropped" in read_picture(tmp_path / "x.tif").notes
    with rewritten(tmp_path / "x.tif", "out.tif").open("rb") as file:
        assert 37724 not in read_tags(file)[0]


def test_a_damaged_tag_costs_no_other(tmp_path):
    source = write_source(tmp_path / "x.tif")
    with tifffile.TiffFile(source) as tiff:
        place = tiff.pages[0].tags[65001].offset
    data = bytearray(source.read_bytes())
    struct.pack_into("<L", data, place + 8, 2**31)
    source.write_bytes(data)
    assert "some tags were damaged or too large and dropped" in read_picture(source).notes
    with rewritten(source, "out.tif").open("rb") as file:
        tags, _ = read_tags(file)
    assert tags[270].value == UTF8
    assert 65001 not in tags


FORMS = {
    1: "B",
    2: "B",
    3: "H",
    4: "L",
    5: "LL",
    6: "b",
    7: "B",
    8: "h",
    9: "l",
    10: "ll",
    11: "f",
    12: "d",
    13: "L",
}
WIDE = {16: "Q", 17: "q", 18: "Q"}  # of BigTIFF


def directory(order: str, big: bool, entries: list[tuple[int, int, int, bytes]]) -> bytes:
    """Return a file of one directory of (tag, type, number of values, values), as the specification says."""
    place, size = (16 + 8 + 20 * len(entries) + 8, 8) if big else (8 + 2 + 12 * len(entries) + 4, 4)
    table, rest = b"", b""
    for tag, kind, count, values in entries:
        far = struct.pack(order + "LQ"[big], place + len(rest))
        table += struct.pack(order + ("HHQ" if big else "HHL"), tag, kind, count)
        table += values.ljust(size, b"\0") if len(values) <= size else far
        rest += values if len(values) > size else b""
    mark = (b"II" if order == "<" else b"MM") + struct.pack(order + "H", 43 if big else 42)
    head = struct.pack(order + ("HHQQ" if big else "LH"), *((8, 0, 16) if big else (8,)), len(entries))
    return mark + head + table + bytes(size) + rest


@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize("order", ["<", ">"])
def test_values_of_every_type_keep_their_bytes(order: str, big: bool) -> None:
    entries, expected, narrow = [], {}, {16: 4, 17: 9, 18: 13}
    for number, (kind, form) in enumerate((FORMS | (WIDE if big else {})).items()):
        for count in (1, 2, 5):
            tag = 60000 + 10 * number + count
            values = [
                -7 * k if form in "bhlqlld" and kind != 5 else 7 * k for k in range(1, 1 + count * len(form))
            ]
            entries.append((tag, kind, count, struct.pack(f"{order}{len(values)}{form[0]}", *values)))
            short = {"Q": "L", "q": "l"}.get(form[0], form[0])
            expected[tag] = (narrow.get(kind, kind), struct.pack(f"<{len(values)}{short}", *values))
    told = "Żółw".encode("utf-16-le" if order == "<" else "utf-16-be")
    entries.append((37510, 7, 8 + len(told), b"UNICODE\0" + told))
    expected[37510] = (7, b"UNICODE\0" + "Żółw".encode("utf-16-le"))
    tags, complete = read_tags(io.BytesIO(directory(order, big, entries)))
    assert complete
    assert {tag: (found.kind, found.value) for tag, found in tags.items()} == expected
    assert {tag: found.count for tag, found in tags.items()} == {tag: count for tag, _, count, _ in entries}
    assert read_tags(io.BytesIO(exif_block(tags) or b"")) == (tags, True)


@pytest.mark.parametrize(
    ("big", "entry"),
    [
        (False, (60000, 14, 1, b"")),
        (False, (60000, 3, 2**24, b"12345")),
        (True, (60000, 16, 1, struct.pack("<Q", 2**32))),
        (True, (60000, 17, 1, struct.pack("<q", 2**31))),
    ],
)
def test_a_tag_that_cannot_be_kept_is_no_silent_loss(big: bool, entry: tuple[int, int, int, bytes]) -> None:
    """An unknown type, a value beyond the file, and numbers that only BigTIFF holds."""
    kept = (60001, 3, 1, b"\1\0")
    tags, complete = read_tags(io.BytesIO(directory("<", big, [entry, kept])))
    assert (tags, complete) == ({60001: shorts(1)}, False)
    assert read_tags(io.BytesIO(directory("<", big, [entry, kept])[:12])) == ({}, False)


def test_no_warning_of_a_library_reaches_the_user(tmp_path, capsys):
    source = write_source(tmp_path / "x.tif")
    with tifffile.TiffFile(source) as tiff:
        place = tiff.pages[0].tags[65000].offset
    data = bytearray(source.read_bytes())
    struct.pack_into("<HL", data, place + 2, 3, 2**20)
    source.write_bytes(data)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        main(["info", str(source)])
    assert not caught
    assert "Warning" not in capsys.readouterr().err
