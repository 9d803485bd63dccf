"""Each kind of metadata of a source file is in the result or named in a note, for all pairs of formats."""

from __future__ import annotations

import struct
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image, ImageCms, PngImagePlugin

from colorzoo.image_io.read import read_image
from colorzoo.image_io.write import write_image, write_notes

PIXELS = np.random.default_rng(5).integers(0, 256, (12, 16, 3)).astype(np.uint8)
XMP = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    b'<rdf:Description rdf:about="" xmlns:dc="http://purl.org/dc/elements/1.1/" dc:title="Mill"/></rdf:RDF>'
    b"</x:xmpmeta>"
)
CAPTION, NOTE = "Großmutter at the mill", "scanned by Ann ü"
IPTC = b"\x1c\x02\x78" + struct.pack(">H", len(CAPTION.encode())) + CAPTION.encode()
RESOURCES = (
    b"8BIM\x04\x25\x03abc" + struct.pack(">L", 3) + b"xyz\0"  # another resource comes first
    b"8BIM\x04\x04\0\0" + struct.pack(">L", len(IPTC)) + IPTC + bytes(len(IPTC) % 2)
)
ICC = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def exif() -> bytes:
    tags = Image.Exif()
    tags[315] = "Ann"
    return tags.tobytes()


def texts(**values: str) -> PngImagePlugin.PngInfo:
    info = PngImagePlugin.PngInfo()
    for key, value in values.items():
        info.add_itxt(key, value)
    return info


def png() -> dict[str, Any]:
    info = texts(Title="Zażółć")
    info.add_itxt("XML:com.adobe.xmp", XMP.decode())
    return {"pnginfo": info, "exif": exif(), "icc_profile": ICC, "dpi": (200, 200)}


def jpeg() -> dict[str, Any]:
    body = b"Photoshop 3.0\0" + RESOURCES
    segment = b"\xff\xed" + struct.pack(">H", 2 + len(body)) + body
    common = {"exif": exif(), "icc_profile": ICC, "xmp": XMP, "dpi": (200, 200)}
    return common | {"comment": NOTE.encode(), "extra": segment}


def tiff(iptc_tag: int, iptc: bytes) -> dict[str, Any]:
    ifd = {700: XMP, iptc_tag: iptc, 315: "Ann"}
    return {"tiffinfo": ifd, "icc_profile": ICC, "dpi": (200, 200)}


def in_exif() -> dict[str, Any]:
    tags = Image.Exif()
    tags.update({315: "Ann", 282: 200.0, 283: 200.0, 296: 2})
    return {"exif": tags.tobytes(), "icc_profile": ICC, "xmp": XMP}


SOURCES: dict[str, tuple[dict[str, Any], set[str]]] = {
    "a.jpg": (jpeg(), {"EXIF", "color profile", "XMP", "IPTC", "comment", "resolution"}),
    "a.png": (png(), {"EXIF", "color profile", "XMP", "PNG text", "resolution"}),
    "a.tif": (tiff(33723, IPTC), {"EXIF", "color profile", "XMP", "IPTC", "resolution"}),
    "photoshop.tif": (tiff(34377, RESOURCES), {"EXIF", "color profile", "XMP", "IPTC", "resolution"}),
    "a.webp": (in_exif(), {"EXIF", "color profile", "XMP", "resolution"}),
    "a.avif": (in_exif(), {"EXIF", "color profile", "XMP", "resolution"}),
    "a.gif": ({"comment": NOTE.encode()}, {"comment"}),
    "a.jp2": ({}, {"EXIF", "color profile", "XMP"}),
    "a.bmp": ({"dpi": (200, 200)}, {"resolution"}),
    "a.heic": (in_exif(), {"EXIF", "color profile", "XMP", "resolution"}),
}


def box(name: bytes, data: bytes) -> bytes:
    return struct.pack(">L4s", 8 + len(data), name) + data


def insert_boxes(data: bytes) -> bytes:
    """Replace the color space of a JPEG 2000 file with a profile, and append EXIF and XMP."""
    head, color = data.index(b"jp2h") - 4, data.index(b"colr") - 4
    profile, old = box(b"colr", b"\2\0\0" + ICC), int.from_bytes(data[color : color + 4], "big")
    size = int.from_bytes(data[head : head + 4], "big") + len(profile) - old
    data = data[:head] + struct.pack(">L", size) + data[head + 4 : color] + profile + data[color + old :]
    xmp = bytes.fromhex("be7acfcb97a942e89c71999491e3afac") + XMP
    tags = b"JpgTiffExif->JP2" + exif().removeprefix(b"Exif\0\0")
    return data + box(b"uuid", xmp) + box(b"uuid", tags)


def iptc_in(path: Path, image: Image.Image) -> bytes:
    if image.format == "TIFF":
        with tifffile.TiffFile(path) as opened:
            return opened.pages[0].tags.valueof(33723, default=b"") or b""
    return image.info.get("photoshop", {}).get(0x0404, b"")


def kinds_in(path: Path) -> set[str]:
    """Return the kinds of metadata with the right values, as Pillow and tifffile read them."""
    with Image.open(path) as image:
        image.load()
        info, tags, png_texts = image.info, image.getexif(), getattr(image, "text", {})
        # PNG has a text for comments, and formats with EXIF have an image description
        comment = info.get("comment") or png_texts.get("Comment") or tags.get(270, "").encode("latin-1")
        x, y = info.get("dpi") or (tags.get(282, 0), tags.get(283, 0))
        found = {
            "EXIF": tags.get(315) == "Ann",
            "color profile": bool(info.get("icc_profile")),
            "XMP": b"Mill" in info.get("xmp", b""),
            "IPTC": CAPTION.encode() in iptc_in(path, image),
            "comment": (comment.decode() if isinstance(comment, bytes) else comment) == NOTE,
            "PNG text": png_texts.get("Title") == "Zażółć",
            "resolution": abs(x - 200) < 0.1 and abs(y - 200) < 0.1,
        }
    return {kind for kind, is_found in found.items() if is_found}


@pytest.mark.parametrize("target", ["jpg", "png", "tif", "webp", "avif", "gif", "bmp"])
@pytest.mark.parametrize("source", SOURCES)
def test_every_kind_of_metadata_is_kept_or_named(tmp_path: Path, source: str, target: str) -> None:
    options, kinds = SOURCES[source]
    if source == "a.heic":
        pytest.importorskip("pillow_heif").register_heif_opener()
    Image.fromarray(PIXELS).save(tmp_path / source, **options)
    if source == "a.jp2":
        (tmp_path / source).write_bytes(insert_boxes((tmp_path / source).read_bytes()))
    raster = read_image(tmp_path / source)
    result = write_image(tmp_path / f"out.{target}", raster.rgb, raster)
    kept = kinds_in(result)
    named = {kind for kind in kinds for note in write_notes(result, raster) if note.startswith(kind)}
    assert kept | named >= kinds
    assert not kept & named


@pytest.mark.parametrize("target", ["png", "tif", "webp", "avif"])
def test_comments_do_not_replace_other_texts(tmp_path: Path, target: str) -> None:
    """A source with a comment and an image description, which the format stores in the same field."""
    tags = Image.Exif()
    tags[270] = "a street"
    Image.fromarray(PIXELS).save(tmp_path / "a.jpg", comment=NOTE.encode(), exif=tags.tobytes())
    raster = read_image(tmp_path / "a.jpg")
    if target == "png":
        metadata = replace(raster.metadata, text=(("Comment", "a street"),))
        raster = replace(raster, metadata=metadata)
    result = write_image(tmp_path / f"out.{target}", raster.rgb, raster)
    with Image.open(result) as image:
        assert image.text["Comment"] == "a street" if target == "png" else image.getexif()[270] == "a street"
    assert any(note.startswith("comment was not saved") for note in write_notes(result, raster))
