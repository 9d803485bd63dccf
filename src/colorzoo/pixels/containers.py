"""Parts of image files, and the metadata and names of formats that Pillow does not read.

Parts are the segments of JPEG files, the chunks of PNG and WebP files, the boxes of JPEG 2000, AVIF and HEIC
files, and the extensions of GIF files.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterable, Iterator
from contextlib import suppress

END = "end"
"""Name of the data after the image."""
Part = tuple[str, bytes]
"""Name and content of a part."""
METADATA_BOXES = {
    bytes.fromhex("be7acfcb97a942e89c71999491e3afac"): "xmp",
    bytes.fromhex("33c7a4d2b81d4723a0baf1a3e097ad38"): "iptc",
    b"JpgTiffExif->JP2": "exif",
}
"""Entries of `PIL.Image.Image.info` for the UUIDs of boxes."""
_BOX_STARTS = {"meta": 4, "iprp": 0, "ipco": 0, "iref": 4, "iinf": 6, "jp2h": 0}  # boxes that contain boxes
_SIGNATURES = {  # formats that are not read
    b"\xff\x0a": "JPEG XL",
    b"\0\0\0\x0cJXL ": "JPEG XL",
    b"II\xbc": "JPEG XR",
    b"8BPS": "PSD",
    b"P7": "PAM",
    b"%PDF": "PDF",
    b"%!PS": "EPS",
    b"\xc5\xd0\xd3\xc6": "EPS",
    b"<svg": "SVG",
    b"<?xml": "SVG or XML",
    b"v/1\1": "OpenEXR",
    b"#?RADIANCE": "Radiance HDR",
    b"\0\0\1\0": "ICO",
    b"gimp xcf": "XCF",
    b"DDS ": "DDS",
    b"SIMPLE  =": "FITS",
    b"FUJIFILMCCD-RAW": "camera raw",
    b"PK\3\4": "OpenRaster or ZIP",
}


def container_parts(file_format: str | None, data: bytes) -> list[Part]:
    """Return the parts of an image file; of a damaged file, the parts before the damage.

    Args:
        file_format: Format of the file in Pillow.
        data: Content of the file.
    """
    parts = list[Part]()
    with suppress(Exception):  # a damaged file: the decoder reports errors that concern the pixels
        parts.extend(_READERS[file_format or ""](data))
    return parts


def box_metadata(parts: Iterable[Part]) -> dict[str, bytes]:
    """Return the metadata of boxes as entries of `PIL.Image.Image.info`."""
    info = dict[str, bytes]()
    for name, body in parts:
        if name == "uuid" and body[:16] in METADATA_BOXES:
            info[METADATA_BOXES[body[:16]]] = body[16:]
        elif name == "colr" and body.startswith(b"\2"):  # JPEG 2000: an ICC profile after three bytes
            info["icc_profile"] = body[3:]
    return {key: value for key, value in info.items() if value}


def unsupported_variant(data: bytes) -> str | None:
    """Return the name of a format or JPEG variant that cannot be read; None if it is unknown."""
    if data[4:8] == b"ftyp":
        return f"{data[8:12].decode('latin-1').strip()!r} in ISO base media"
    for marker, body in _jpeg_segments(data) if data.startswith(b"\xff\xd8") else ():
        if marker == 0xF7:
            return "JPEG-LS"
        if marker in range(0xC0, 0xD0) and marker not in (0xC4, 0xC8, 0xCC) and len(body) > 5:
            process, bits, channels = marker & 15, body[0], body[5]
            words = [
                f"{bits}-bit" if bits != 8 else "",
                f"{channels}-channel" if channels not in (1, 3, 4) else "",
                "arithmetic-coded" if process > 8 else "",
                "hierarchical" if process & 7 > 4 else "",
                "lossless" if process & 3 == 3 else "",
            ]
            return " ".join(filter(None, [*words, "JPEG"])) if any(words) else None
    return next((name for start, name in _SIGNATURES.items() if data.lstrip().startswith(start)), None)


def _jpeg_segments(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield the marker and the content of each segment, up to the marker 0xD9 with all data after it."""
    start = 2
    while match := re.compile(rb"\xff([^\0\xd0-\xd7\xff])", re.DOTALL).search(data, start):
        marker, start = match[1][0], match.end()
        if marker == 0xD9:
            yield marker, data[start:]
            break
        size = int.from_bytes(data[start : start + 2], "big")
        yield marker, data[start + 2 : start + size]
        start += size


def _jpeg_parts(data: bytes) -> Iterator[Part]:
    for marker, body in _jpeg_segments(data):
        start, _, content = body.partition(b"\0")
        name = "JP" if body.startswith(b"JP") else "Adobe" if marker == 0xEE else start[:40].decode("latin-1")
        if marker in (0xD9, 0xFE):
            yield END if marker == 0xD9 else "COM", body
        elif 0xE0 <= marker <= 0xEF:
            yield name if name.isprintable() and name else f"APP{marker - 0xE0}", content


def _chunk_parts(
    data: bytes, start: int, layout: str, *, checksum: int = 0, even: bool = False
) -> Iterator[Part]:
    """Yield the chunks of a PNG or WebP file; ``layout`` contains type (4s) and size (L)."""
    name = ""
    while start + 8 <= len(data) and name != "IEND":
        kind, size = sorted(struct.unpack_from(layout, data, start), key=lambda value: isinstance(value, int))
        name = kind.decode("latin-1").strip()
        yield name, data[start + 8 : start + 8 + size]
        start += 8 + size + checksum + (size % 2 if even else 0)
    yield END, data[start:]


def _webp_parts(data: bytes) -> Iterator[Part]:
    end = 8 + int.from_bytes(data[4:8], "little")
    yield from _chunk_parts(data[:end], 12, "<4sL", even=True)
    yield END, data[end:]


def _gif_parts(data: bytes) -> Iterator[Part]:
    start = 13 + (6 << (data[10] & 7) if data[10] & 0x80 else 0)  # header and palette
    while data[start] in b"\x21\x2c":
        kind = data[start + 1] if data[start] == 0x21 else None  # None: an image
        if kind is None:
            flags = data[start + 9]
            start += 9 + (6 << (flags & 7) if flags & 0x80 else 0)
        start, blocks = start + 2, list[bytes]()
        content_start = start + 12  # after the name of an application extension
        while size := data[start]:
            blocks.append(data[start + 1 : start + 1 + size])
            start += 1 + size
        start += 1
        if kind == 0xFF and blocks[0] == b"XMP DataXMP":  # not stored in blocks
            yield "XMP DataXMP", data[content_start : data.index(b"\1\xff\xfe\xfd", content_start)]
        elif kind in (0x01, 0xFE, 0xFF):
            yield {0x01: "text", 0xFE: "COM"}.get(kind) or blocks[0].decode("latin-1"), b"".join(blocks)
    yield END, data[start + 1 :]


def _bmp_parts(data: bytes) -> Iterator[Part]:
    if data[14] >= 124 and data[70:74] in (b"DEBM", b"KNIL"):  # embedded or linked profile
        yield data[70:74].decode(), b""
    yield END, data[max(54, int.from_bytes(data[2:6], "little")) :]


def _pnm_parts(data: bytes) -> Iterator[Part]:
    kind = data[1:2]
    header = re.match(rb"P\d(?:(?:\s|#[^\n]*\n)*\d+){%d}" % (2 if kind in b"14" else 3), data)
    if header is not None:
        yield from (("COM", text) for text in re.findall(rb"#[ \t]?([^\r\n]*)", header[0]))
        width, height, *top = map(int, re.sub(rb"#[^\n]*", b"", header[0][2:]).split())
        row = -(-width // 8) if not top else width * (3 if kind == b"6" else 1) * (2 if top[0] > 255 else 1)
        yield END, data[header.end() + 1 + height * row :] if kind in b"456" else b""


def _box_parts(data: bytes) -> Iterator[Part]:
    """Yield the boxes in a file or in a box; for a box of boxes, yield the inner boxes."""
    start = 0
    while start + 8 <= len(data):
        size, kind = struct.unpack_from(">L4s", data, start)
        header_size = 8
        if size == 0:  # the last box, which ends with the data
            size = len(data)
        elif size == 1:  # a 64-bit size follows
            size = int.from_bytes(data[start + 8 : start + 16], "big")
            header_size = 16
        content, name = data[start + header_size : start + size], kind.decode("latin-1").strip()
        if name in _BOX_STARTS:
            yield from _box_parts(content[_BOX_STARTS[name] :])
        elif name == "infe":  # an item: the name is its type
            item = content[8:12].decode("latin-1").strip()
            if item in ("tmap", "uri") or (item == "mime" and b"rdf+xml" not in content):
                yield item, content
        elif name == "auxC":  # an auxiliary image: the name is the last part of its URN
            urn = content[4:].split(b"\0")[0].decode("latin-1")
            if not urn.endswith(("auxid:1", "auxiliary:alpha")):
                yield urn.rpartition(":")[2], content
        else:
            yield name, content
        start += max(size, header_size)


_READERS = {
    **dict.fromkeys(("JPEG", "MPO"), _jpeg_parts),
    **dict.fromkeys(("AVIF", "HEIF", "JPEG2000"), _box_parts),
    "PNG": lambda data: _chunk_parts(data, 8, ">L4s", checksum=4),
    "WEBP": _webp_parts,
    "GIF": _gif_parts,
    "BMP": _bmp_parts,
    "PPM": _pnm_parts,
}
