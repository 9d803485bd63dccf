"""Each part of a source file is copied to the result or named in a note, for all pairs of formats."""

from __future__ import annotations

import hashlib
import io
import re
import struct
import zipfile
import zlib
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pytest
import tifffile
from PIL import Image

from colorzoo.errors import ImageError
from colorzoo.guidance import Crop
from colorzoo.image_io.containers import read_container
from colorzoo.image_io.frames import describe_frames, read_frames
from colorzoo.image_io.layers import encode_psd
from colorzoo.image_io.metadata import split_xmp
from colorzoo.image_io.provenance import ImageProvenance, embed_provenance, parse_provenance
from colorzoo.image_io.raster_image import RasterImage
from colorzoo.image_io.read import read_image
from colorzoo.image_io.write import NOT_SAVED, encode, output_format, write_image, write_notes
from colorzoo.inference.steps.cropping import crop_image

y, x = np.mgrid[:40, :24]
GRAY = (60 + x + y // 2).astype(np.uint8)
MARK = b"MARK of Ann"
TARGETS = ("jpg", "png", "tif", "webp", "avif", "gif", "bmp", "psd", "ora")
XMP_UUID = bytes.fromhex("be7acfcb97a942e89c71999491e3afac")
IPTC_UUID = bytes.fromhex("33c7a4d2b81d4723a0baf1a3e097ad38")
IPTC = b"\x1c\x02\x78" + struct.pack(">H", len(MARK)) + MARK


def encoded(kind: str, **options: Any) -> bytes:
    memory = io.BytesIO()
    Image.fromarray(GRAY).save(memory, kind, **options)
    return memory.getvalue()


def jpeg(*segments: tuple[int, bytes], after: bytes = b"") -> bytes:
    data = encoded("JPEG")
    blocks = b"".join(struct.pack(">BBH", 0xFF, marker, 2 + len(body)) + body for marker, body in segments)
    return data[:2] + blocks + data[2:] + after


def png(kind: bytes, body: bytes, count: int = 1) -> bytes:
    data = encoded("PNG")
    place = data.index(b"IDAT") - 4
    chunk = struct.pack(">L", len(body)) + kind + body + struct.pack(">L", zlib.crc32(kind + body))
    return data[:place] + count * chunk + data[place:]


def raw_profile(name: str, body: bytes) -> bytes:
    return png(b"tEXt", f"Raw profile type {name}\0\n{name}\n{len(body)}\n{body.hex()}\n".encode("latin-1"))


def webp(kind: bytes, body: bytes) -> bytes:
    data = encoded("WEBP", xmp=xmp()) + kind + struct.pack("<L", len(body)) + body + bytes(len(body) % 2)
    return data[:4] + struct.pack("<L", len(data) - 8) + data[8:]


def gif(extension: bytes) -> bytes:
    data = encoded("GIF")
    place = 13 + (6 << (data[10] & 7))  # header and palette
    return data[:place] + extension + data[place:]


def box(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">L4s", 8 + len(body), kind) + body


def jpeg2000(uuid: bytes, body: bytes) -> bytes:
    return encoded("JPEG2000", no_jp2=False) + box(b"uuid", uuid + body)


def tiff(number: int, kind: str, value: Any, **options: Any) -> bytes:
    memory = io.BytesIO()
    count = 0 if kind == "s" else len(value) if isinstance(value, tuple | bytes) else 1
    tags = [(number, kind, count, value, True)]
    tifffile.imwrite(memory, GRAY, extratags=tags, metadata=None, **options)
    return memory.getvalue()


def tiff_pages(**second: Any) -> bytes:
    memory = io.BytesIO()
    with tifffile.TiffWriter(memory) as writer:
        writer.write(GRAY, subifds=1 if not second else 0, metadata=None)
        writer.write(GRAY[::2, ::2], metadata=None, **(second or {"subfiletype": 1}))
    return memory.getvalue()


def channels() -> bytes:
    memory = io.BytesIO()
    stored, kinds = np.dstack([GRAY] * 5), ["unassalpha", "unspecified"]
    tifffile.imwrite(memory, stored, photometric="rgb", extrasamples=kinds, metadata=None)
    return memory.getvalue()


def resource(number: int, body: bytes, signature: bytes = b"8BIM") -> bytes:
    return signature + struct.pack(">HHL", number, 0, len(body)) + body + bytes(len(body) % 2)


RESOURCE = resource(0x404, IPTC)


def photoshop(*resources: bytes) -> bytes:
    return jpeg((0xED, b"Photoshop 3.0\0" + b"".join(resources)))


def exif(*, thumbnail: bool = False, inner: bytes = b"", private: str = "") -> bytes:
    tags = Image.Exif()
    tags[315] = MARK.decode()
    if inner:
        tags.get_ifd(0x8769)[37500] = inner
    if private:
        tags[50000] = private
    block = bytearray(tags.tobytes().removeprefix(b"Exif\0\0"))
    if thumbnail:  # a second directory
        order = "<" if block.startswith(b"II") else ">"
        (count,) = struct.unpack_from(f"{order}H", block, 8)
        struct.pack_into(f"{order}L", block, 10 + 12 * count, len(block))
        block += struct.pack(f"{order}HHHLHHL", 1, 259, 3, 1, 6, 0, 0)
    return bytes(block)


def xmp(attribute: str = "dc:title='MARK of Ann'") -> bytes:
    return (
        '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        f'<rdf:Description rdf:about="" {attribute}/></rdf:RDF></x:xmpmeta>'
    ).encode()


def xmp_segment(packet: bytes) -> tuple[int, bytes]:
    return 0xE1, b"http://ns.adobe.com/xap/1.0/\0" + packet


def extended_jpeg(count: int = 9000, part: int = 60_000, missing: int | None = None, shuffled: bool = False):
    """Return a JPEG with keywords in extended XMP; ``missing`` is the index of a segment that is left out."""
    words = "".join(f"<rdf:li>keyword {number}</rdf:li>" for number in range(count))
    packet = (
        xmp("")
        .decode()
        .replace("/></rdf:RDF>", f"><dc:subject>{words}</dc:subject></rdf:Description></rdf:RDF>")
    )
    body = packet.replace("<rdf:RDF", '<rdf:RDF xmlns:dc="http://purl.org/dc/elements/1.1/"').encode()
    digest = hashlib.md5(body).hexdigest().upper()
    segments = [
        (0xE1, b"http://ns.adobe.com/xmp/extension/\0" + digest.encode() + place + body[start : start + part])
        for start in range(0, len(body), part)
        for place in [struct.pack(">LL", len(body), start)]
    ]
    if missing is not None:
        del segments[missing]
    if shuffled:
        segments.reverse()
    link = f"xmlns:xmpNote='http://ns.adobe.com/xmp/note/' xmpNote:HasExtendedXMP='{digest}'"
    return jpeg(xmp_segment(xmp(f"{link} dc:title='MARK of Ann'")), *segments)


EXIF_TARGETS = {"jpg", "png", "tif", "webp", "avif", "psd"}
COMMENT_TARGETS = {"jpg", "png", "tif", "webp", "avif", "gif"}
IPTC_TARGETS = {"jpg", "tif", "psd"}
KEPT: dict[str, tuple[Callable[[], bytes], set[str]]] = {
    "JPEG EXIF": (lambda: jpeg((0xE1, b"Exif\0\0" + exif())), EXIF_TARGETS),
    "JPEG XMP": (lambda: jpeg(xmp_segment(xmp())), EXIF_TARGETS),
    "JPEG IPTC": (lambda: photoshop(resource(1005, b"x", b"MeSa"), RESOURCE), IPTC_TARGETS),
    "IPTC in two JPEG segments": (
        lambda: jpeg(*((0xED, b"Photoshop 3.0\0" + part) for part in (RESOURCE[:9], RESOURCE[9:]))),
        IPTC_TARGETS,
    ),
    "JPEG comments": (lambda: jpeg((0xFE, MARK), (0xFE, b"b")), COMMENT_TARGETS),
    "PNG text": (lambda: png(b"zTXt", b"Title\0\0" + zlib.compress(MARK)), {"png"}),
    "PNG EXIF": (lambda: png(b"eXIf", exif()), EXIF_TARGETS),
    "PNG raw EXIF": (lambda: raw_profile("exif", b"Exif\0\0" + exif()), EXIF_TARGETS),
    "WebP XMP": (lambda: encoded("WEBP", xmp=xmp()), EXIF_TARGETS),
    "AVIF XMP": (lambda: encoded("AVIF", xmp=xmp()), EXIF_TARGETS),
    "GIF comment after the image": (
        lambda: encoded("GIF")[:-1] + b"\x21\xfe" + bytes([len(MARK)]) + MARK + b"\0;",
        COMMENT_TARGETS,
    ),
    "GIF XMP": (
        lambda: gif(b"\x21\xff\x0bXMP DataXMP" + xmp() + b"\1" + bytes(range(255, -1, -1)) + b"\0"),
        EXIF_TARGETS,
    ),
    "JPEG 2000 EXIF": (lambda: jpeg2000(b"JpgTiffExif->JP2", exif()), EXIF_TARGETS),
    "JPEG 2000 XMP": (lambda: jpeg2000(XMP_UUID, xmp()), EXIF_TARGETS),
    "JPEG 2000 IPTC": (lambda: jpeg2000(IPTC_UUID, IPTC), IPTC_TARGETS),
    "PNM comment": (
        lambda: b"P5\n# " + MARK + b"\n24 40\n255\n" + GRAY.tobytes(),
        COMMENT_TARGETS,
    ),
    "TIFF page name": (lambda: tiff(285, "s", MARK.decode()), EXIF_TARGETS),
    "BigTIFF GDAL": (
        lambda: tiff(42112, "s", MARK.decode(), bigtiff=True),
        EXIF_TARGETS,
    ),
    "TIFF IPTC": (lambda: tiff(34377, "B", RESOURCE), IPTC_TARGETS),
}  # fmt: skip


def texts_of(content: bytes, target: str) -> bytes:
    """Return the content of a file, with the compressed texts of a PNG."""
    if target != "png":
        return content
    with Image.open(io.BytesIO(content)) as image:
        image.load()
        return content + "".join(image.text.values()).encode()


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("source", KEPT)
def test_metadata_is_kept_or_named(source: str, target: str) -> None:
    make, formats = KEPT[source]
    image = read_image(make())
    content = encode(image.rgb, image, output_format_of(target), 95)
    is_kept = MARK in texts_of(content, target)
    is_named = any(
        NOT_SAVED in note for note in write_notes(f"a.{target}", image) if "resolution" not in note
    )
    assert (is_kept, is_named) == (target in formats, target not in formats)


def output_format_of(target: str) -> str:
    if target == "psd":
        pytest.importorskip("psd_tools")
    return output_format(Path(f"a.{target}"))


DROPPED: dict[str, tuple[Callable[[], bytes], str]] = {
    "maker note": (lambda: jpeg((0xE1, b"Exif\0\0" + exif(inner=b"Canon"))), "maker note"),
    "EXIF thumbnail": (lambda: jpeg((0xE1, b"Exif\0\0" + exif(thumbnail=True))), "thumbnail"),
    "private EXIF tag": (lambda: encoded("WEBP", exif=exif(private="x")), "tag 50000"),
    "JFXX": (lambda: jpeg((0xE0, b"JFXX\0\x10a")), "thumbnail"),
    "MPF": (lambda: jpeg((0xE2, b"MPF\0a")), "embedded image"),
    "gain map": (lambda: jpeg((0xE2, b"urn:iso:std:iso:ts:21496:-1\0\0")), "gain map"),
    "gain map XMP": (lambda: jpeg(xmp_segment(xmp("hdrgm:Version='1'"))), "hdrgm data (XMP)"),
    "motion photo XMP": (lambda: encoded("WEBP", xmp=xmp("GCamera:MotionPhoto='1'")), "GCamera data (XMP)"),
    "FlashPix": (lambda: jpeg((0xE2, b"FPXR\0\0")), "FlashPix data"),
    "C2PA": (lambda: jpeg((0xEB, b"JP\0\1\0\0\0\1jumbc2pa")), "JUMBF data (C2PA)"),
    "thermal data": (lambda: jpeg((0xE1, b"FLIR\0\1")), "FLIR data (JPEG)"),
    "unnamed segment": (lambda: jpeg((0xE5, b"\1\2")), "APP5 data (JPEG)"),
    "orphan of extended XMP": (lambda: extended_jpeg(missing=1), "extended XMP"),
    "end of extended XMP": (lambda: extended_jpeg(missing=-1), "extended XMP"),
    "video": (lambda: jpeg(after=box(b"ftyp", b"mp42") + bytes(9)), "motion photo video"),
    "second JPEG": (lambda: jpeg(after=encoded("JPEG")), "embedded image"),
    "text after JPEG": (lambda: jpeg(after=b"hello"), "data after the image"),
    "path": (lambda: photoshop(resource(2003, b"abc"), RESOURCE), "Photoshop path"),
    "URL": (lambda: photoshop(RESOURCE, resource(1035, b"http")), "URL"),
    "Photoshop thumbnail": (lambda: photoshop(resource(1036, b"abc")), "thumbnail"),
    "guides": (lambda: photoshop(resource(1032, bytes(15) + b"\1" + bytes(5))), "Photoshop resource 1032"),
    "PNG time": (lambda: png(b"tIME", bytes(7)), "tIME data (PNG)"),
    "PNG gamma": (lambda: png(b"gAMA", struct.pack(">L", 100_000)), "gAMA data (PNG)"),
    "PNG primaries": (lambda: png(b"cHRM", bytes(32)), "cHRM data (PNG)"),
    "PNG HDR": (lambda: png(b"cICP", b"\x09\x10\0\1"), "cICP data (PNG)"),
    "PNG C2PA": (lambda: png(b"caBX", b"abc"), "JUMBF data (C2PA)"),
    "PNG aspect ratio": (lambda: png(b"pHYs", struct.pack(">LLB", 2, 1, 0)), "pixel aspect ratio (pHYs)"),
    "PNG texts": (lambda: png(b"tEXt", b"Title\0one", count=2), "repeated PNG text"),
    "PNG raw XMP": (lambda: raw_profile("xmp", xmp()), "Raw profile type xmp"),
    "text after PNG": (lambda: encoded("PNG") + b"hello", "data after the image"),
    "WebP chunk": (lambda: webp(b"abcd", b"abc"), "abcd data (WEBP)"),
    "text after WebP": (lambda: webp(b"XYZ ", b"") + b"hello", "data after the image"),
    "GIF profile": (lambda: gif(b"\x21\xff\x0bICCRGBG1012\3abc\0"), "color profile"),
    "GIF text": (lambda: gif(b"\x21\x01\x0c" + bytes(12) + b"\3abc\0"), "text data (GIF)"),
    "GIF application": (lambda: gif(b"\x21\xff\x0bABCDEFGH1.0\3abc\0"), "ABCDEFGH1.0 data (GIF)"),
    "text after GIF": (lambda: encoded("GIF") + b"hello", "data after the image"),
    "AVIF box": (lambda: encoded("AVIF") + box(b"uuid", bytes(20)), "uuid data (AVIF)"),
    "JPEG 2000 XML": (lambda: jpeg2000(XMP_UUID, xmp()) + box(b"xml ", b"<a/>"), "xml data (JPEG2000)"),
    "second PNM": (lambda: (b"P5\n24 40\n255\n" + GRAY.tobytes()) * 2, "embedded image"),
    "text after BMP": (lambda: encoded("BMP") + b"hello", "data after the image"),
    "TIFF tag": (lambda: tiff(50000, "s", "x"), "tag 50000"),
    "BigTIFF tag": (lambda: tiff(50001, "Q", 7, bigtiff=True), "tag 50001"),
    "Photoshop layers": (lambda: tiff(37724, "B", b"abcd"), "Photoshop layers"),
    "TIFF path": (lambda: tiff(34377, "B", resource(2000, b"abcd")), "Photoshop path"),
    "SubIFD": (tiff_pages, "embedded image"),
    "reduced copy": (lambda: tiff_pages(subfiletype=1), "reduced copy or mask"),
    "extra channel": (channels, "extra channel"),
}  # fmt: skip


@pytest.mark.filterwarnings("ignore:Image appears to be a malformed MPO")
@pytest.mark.parametrize("source", DROPPED)
def test_data_that_is_not_copied_is_named_once_for_each_format(source: str) -> None:
    make, name = DROPPED[source]
    image = read_image(make())
    assert image.metadata.dropped.count(name) == 1
    for target in TARGETS:
        if target != "psd":
            assert f"{name} {NOT_SAVED}" in write_notes(f"a.{target}", image)


@pytest.mark.parametrize(
    "make",
    [
        *(partial(encoded, kind) for kind in ("JPEG", "PNG", "WEBP", "GIF", "BMP", "AVIF", "PPM", "TIFF")),
        lambda: encoded("JPEG2000", no_jp2=False),
        lambda: jpeg((0xEE, b"Adobe\0\x64\0\0\0\0\0"), (0xEC, b"Ducky\0\1\0\4\0\0\0\x3c\0\0")),
        lambda: jpeg(after=bytes(500)),
        lambda: photoshop(resource(1005, b"a" * 16), resource(1034, b"\0"), resource(1032, b"\1" * 16)),
        lambda: png(b"gAMA", struct.pack(">L", 45455)),
        lambda: png(b"pHYs", struct.pack(">LLB", 1, 1, 0)),
    ],
)  # fmt: skip
def test_parts_without_information_are_not_named(make: Callable[[], bytes]) -> None:
    assert read_image(make()).metadata.dropped == ()


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF", "BMP", "AVIF", "JPEG2000"])
def test_cut_files_raise_no_other_errors(kind: str) -> None:
    data = encoded(kind)
    for length in range(12, len(data), 1 + len(data) // 40):
        try:
            read_image(data[:length])
        except ImageError:
            continue


def keywords(content: bytes) -> set[int]:
    with Image.open(io.BytesIO(content)) as image:
        return {int(number) for number in re.findall(rb"keyword (\d+)<", image.info["xmp"])}


@pytest.mark.parametrize(
    ("count", "part", "shuffled"), [(1, 400, True), (3000, 60_000, False), (9000, 60_000, True)]
)
def test_extended_xmp_is_read_and_written_again(count: int, part: int, shuffled: bool) -> None:
    image = read_image(extended_jpeg(count, part, shuffled=shuffled))
    assert image.metadata.dropped == ()
    assert keywords(encode(image.rgb, image, "PNG", 95)) == set(range(count))
    source = ImageProvenance("0" * 64, "1" * 64, "zhang2016")
    signed, sidecar = embed_provenance(image, Path("a.jpg"), source)
    assert sidecar is None
    content = encode(image.rgb, signed, "JPEG", 95)
    assert not [note for note in write_notes("a.jpg", signed) if NOT_SAVED in note]
    again = read_image(content)
    assert MARK in (again.metadata.xmp or b"")
    assert keywords(encode(again.rgb, again, "PNG", 95)) == set(range(count))
    with Image.open(io.BytesIO(content)) as written:  # the first packet, which other programs read alone
        packet = written.info["xmp"]
    assert len(packet) <= 65_502
    assert MARK in packet
    assert parse_provenance(packet) == source
    for start in (
        match.start() for match in re.finditer(rb"\xff\xe1", content[: content.index(b"\xff\xdb")])
    ):
        assert int.from_bytes(content[start + 2 : start + 4], "big") <= 65_535


def test_extended_xmp_keeps_namespaces_of_its_root() -> None:
    from xml.etree import ElementTree

    image = read_image(extended_jpeg(3))
    packet = (image.metadata.xmp or b"").replace(b" dc:title='MARK of Ann'", b"", 1)  # without a namespace
    subject = ElementTree.fromstring(packet).find(".//{http://purl.org/dc/elements/1.1/}subject")
    assert subject is not None


def test_cropped_image_names_the_positions_that_it_loses() -> None:
    image = read_image(jpeg(xmp_segment(xmp("MP:RegionInfo='x'"))))
    assert image.metadata.dropped == ()
    assert crop_image(image, Crop(2, 3, 9, 8)).metadata.dropped == ("positions in the image",)
    plain = read_image(encoded("JPEG"))
    assert crop_image(plain, Crop(2, 3, 9, 8)).metadata.dropped == ()


def test_later_frames_of_an_animation_do_not_repeat_the_data_of_the_file() -> None:
    memory = io.BytesIO()
    Image.fromarray(GRAY).save(memory, "GIF", save_all=True, append_images=[Image.fromarray(255 - GRAY)])
    data = memory.getvalue() + b"hello"
    frames = describe_frames(io.BytesIO(data), "a.gif")
    assert frames is not None
    dropped = [frame.image.metadata.dropped for frame in read_frames(data, frames)]
    assert dropped == [("data after the image",), ()]


def test_metadata_of_a_page_in_a_subifd_is_in_the_main_directory(tmp_path) -> None:
    """Raw converters store a preview with the metadata, and the image in a SubIFD."""
    memory = io.BytesIO()
    with tifffile.TiffWriter(memory) as writer:
        tags = [(315, "s", 0, MARK.decode(), True)]
        writer.write(GRAY[::2, ::2], subifds=1, subfiletype=1, extratags=tags, metadata=None)
        writer.write(GRAY, metadata=None)
    image = read_image(memory.getvalue())
    assert image.size == (24, 40)
    assert MARK in (image.metadata.exif or b"")


@pytest.mark.parametrize("size", [(24, 40), (31, 17)])
@pytest.mark.parametrize("dpi", [(600, 600), (300, 150)])
def test_layered_files_keep_the_resolution(tmp_path, size: tuple[int, int], dpi: tuple[int, int]) -> None:
    psd_tools = pytest.importorskip("psd_tools")
    Image.fromarray(GRAY).resize(size).save(tmp_path / "a.tif", dpi=dpi)
    image = read_image(tmp_path / "a.tif")
    stack = zipfile.ZipFile(write_image(tmp_path / "b.ora", image.rgb, image)).read("stack.xml").decode()
    assert re.findall(r"[xy]res='(\d+)'", stack) == [str(each) for each in dpi]
    psd = psd_tools.PSDImage.open(write_image(tmp_path / "b.psd", image.rgb, image))
    stored = psd.image_resources.get_data(1005)
    assert (stored.horizontal / 65536, stored.vertical / 65536) == pytest.approx(dpi, abs=0.01)
    assert (stored.horizontal_unit, stored.vertical_unit) == (1, 1)
    assert not [note for note in write_notes("b.psd", image) if NOT_SAVED in note]


@pytest.mark.parametrize("levels", [GRAY, np.dstack([GRAY] * 3)])
def test_psd_stores_the_transparency_of_the_merged_image(levels: np.ndarray) -> None:
    psd_tools = pytest.importorskip("psd_tools")
    alpha = np.where(x < 9, 0, 255 - y).astype(np.uint8)
    image = RasterImage(levels, alpha)
    content = encode_psd({"Photo": image.rgb, "Colors": image.rgb}, image)
    merged = psd_tools.PSDImage.open(io.BytesIO(content)).topil()
    assert merged.mode == "RGBA"
    assert np.abs(np.asarray(merged)[..., 3].astype(int) - alpha).max() <= 1


def changed_process(process: int) -> bytes:
    return encoded("JPEG").replace(b"\xff\xc0", bytes([0xFF, 0xC0 | process]), 1)


DEEP = GRAY.astype(np.uint16) * 16


@pytest.mark.parametrize(
    ("make", "name"),
    [
        (lambda: imagecodecs.jpeg8_encode(DEEP, bitspersample=12), "12-bit JPEG"),
        (lambda: imagecodecs.jpeg8_encode(DEEP, bitspersample=16, lossless=True), "16-bit lossless JPEG"),
        (lambda: imagecodecs.jpegls_encode(GRAY), "JPEG-LS"),
        (lambda: changed_process(5), "hierarchical JPEG"),
        (lambda: changed_process(10), "arithmetic-coded JPEG"),
        (lambda: changed_process(15), "arithmetic-coded hierarchical lossless JPEG"),
        (lambda: encoded("JPEG").replace(b"\0\x28\0\x18\1", b"\0\x28\0\x18\2", 1), "2-channel JPEG"),
        (lambda: imagecodecs.jpegxl_encode(GRAY), "JPEG XL"),
        (lambda: b"v/1\1" + bytes(90), "OpenEXR"),
        (lambda: b"\0\0\0\x18ftypavci" + bytes(90), "'avci'"),
        (lambda: b"P7\nWIDTH 1\nHEIGHT 1\nDEPTH 1\nMAXVAL 255\nENDHDR\n1", "PAM"),
    ],
)  # fmt: skip
def test_message_names_the_unsupported_variant(make: Callable[[], bytes], name: str) -> None:
    with pytest.raises(ImageError) as caught:
        read_image(make())
    message = str(caught.value)
    assert name in message
    assert "not supported" in message
    assert "Use JPEG" not in message


def meta_box(properties: bytes = b"", references: bytes = b"", items: tuple[bytes, ...] = ()) -> bytes:
    entries = b"".join(box(b"infe", b"\2\0\0\0\0\1\0\0" + item) for item in items)
    body = box(b"hdlr", bytes(24)) + box(b"iinf", bytes(4) + struct.pack(">H", len(items)) + entries)
    body += box(b"iprp", box(b"ipco", properties) + box(b"ipma", bytes(8))) + box(
        b"iref", bytes(4) + references
    )
    return box(b"ftyp", b"heic" + bytes(8)) + box(b"meta", bytes(4) + body) + box(b"mdat", b"pixels")


@pytest.mark.parametrize(
    ("data", "names"),
    [
        (meta_box(items=(b"hvc1\0", b"Exif\0", b"mime\0application/rdf+xml\0")), []),
        (meta_box(items=(b"hvc1\0", b"tmap\0", b"mime\0text/plain\0")), ["gain map", "mime data (HEIF)"]),
        (meta_box(references=box(b"dimg", bytes(8)) + box(b"thmb", bytes(8))), ["thumbnail"]),
        (
            meta_box(
                box(b"auxC", bytes(4) + b"urn:mpeg:hevc:2015:auxid:1\0")
                + box(b"auxC", bytes(4) + b"urn:com:apple:photo:2020:aux:hdrgainmap\0")
            ),
            ["hdrgainmap data (HEIF)"],
        ),
        (meta_box(box(b"pixi", b"\0\0\0\0\3\x0a\x0a\x0a")), ["precision above 8 bits"]),
        (meta_box(box(b"pixi", b"\0\0\0\0\3\x08\x08\x08")), []),
        (meta_box(box(b"colr", b"nclx\0\x09\0\x10\0\x09\x80")), ["HDR transfer function"]),
        (meta_box(box(b"colr", b"nclx\0\x01\0\x0d\0\x06\x80")), []),
        (meta_box() + box(b"mpvd", b"video"), ["motion photo video"]),
    ],
)
def test_items_of_a_heic_file_are_named(data: bytes, names: list[str]) -> None:
    assert read_container("HEIF", data) == ({}, names)


def test_thumbnail_of_a_heic_file_is_named() -> None:
    pillow_heif = pytest.importorskip("pillow_heif")
    heif = pillow_heif.from_pillow(Image.fromarray(np.tile(GRAY, (3, 5))))
    heif[0].info["thumbnails"] = [40]
    memory = io.BytesIO()
    heif.save(memory)
    assert read_image(memory.getvalue()).metadata.dropped == ("thumbnail",)


@pytest.mark.parametrize("sizes", [(900, 300, 20, 200, 250), (250, 250, 250, 250), (2000, 10)])
def test_long_xmp_is_divided_at_descriptions(sizes: tuple[int, ...]) -> None:
    parts = [
        f"<rdf:Description n='{number}'><rdf:Description/>{'x' * size}</rdf:Description>".encode()
        for number, size in enumerate(sizes)
    ]
    start, end = b"<x:xmpmeta><rdf:RDF>", b"</rdf:RDF></x:xmpmeta>"
    whole = start + b"".join(parts) + end
    assert split_xmp(whole, len(whole)) == (whole, b"")
    packet, extended = split_xmp(whole, 1000)
    assert len(packet) <= 1000
    assert [(part in packet) + (part in extended) for part in parts] == [1] * len(parts)
    assert parts[-1] in packet  # the record of the colorization
    assert extended.startswith(start)
    assert extended.endswith(end)
    assert hashlib.md5(extended).hexdigest().upper().encode() in packet
    assert split_xmp(whole, 100) == (whole, b"")


@pytest.mark.parametrize(
    "part", [b"<rdf:Description>", b"<rdf:Description '", b"<rdf:Description '\"", b"<rdf:Description "]
)
def test_damaged_xmp_is_not_divided(part: bytes) -> None:
    """The search takes linear time; with quadratic time, the test would take minutes."""
    damaged = part * 20_000
    assert split_xmp(damaged, 50) == (damaged, b"")
