"""Search the parts of image files for metadata that Pillow does not read, and for data that is not copied.

Parts are the segments of JPEG files, the chunks of PNG and WebP files, the boxes of JPEG 2000, AVIF and HEIC
files, and the extensions of GIF files.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from contextlib import suppress

from colorzoo.image_io.metadata import EXTENDED_XMP, merge_extended_xmp, photoshop_iptc

_Parts = Iterator[tuple[str, bytes]]
_END = "end"  # name of the data after the image
_XMP = "http://ns.adobe.com/xap/1.0/"
_COPIED_PARTS = ("Photoshop 3.0", EXTENDED_XMP, "XMP DataXMP", "COM", "tEXt", "zTXt", "iTXt")
# parts that Pillow reads, or that contain no information besides the pixels
_SILENT_PARTS = frozenset(
    f"JFIF Exif AVI1 Adobe Adobe_CM ICC_PROFILE {_XMP}"  # JPEG
    " IHDR PLTE IDAT IEND tRNS eXIf pHYs sRGB iCCP sBIT bKGD hIST acTL fcTL fdAT iDOT vpAg CgBI"  # PNG
    " VP8 VP8L VP8X ALPH ANIM ANMF ICCP EXIF XMP NETSCAPE2.0 ANIMEXTS1.0"  # WebP, GIF
    " jP ftyp jp2c rreq ihdr bpcc colr pclr cmap cdef res free skip mdat moov hdlr pitm iloc ipma idat dinf"
    " ispe pixi pasp clap irot imir av1C hvcC a1op a1lx lsel dimg auxl cdsc prem grpl".split()  # boxes
)
_TITLES = {
    **dict.fromkeys(("JFXX", "thmb"), "thumbnail"),
    **dict.fromkeys(("urn:iso:std:iso:ts:21496:-1", "tmap"), "gain map"),
    **dict.fromkeys(("JP", "jumb", "caBX", "C2PA"), "JUMBF data (C2PA)"),
    **dict.fromkeys(("ICCRGBG1012", "DEBM", "KNIL"), "color profile"),  # GIF, BMP
    "MPF": "embedded image",
    "FPXR": "FlashPix data",
    "mpvd": "motion photo video",
}
# content of PNG chunks that describe sRGB
_SRGB_CHUNKS = {
    "gAMA": struct.pack(">L", 45455),
    "cHRM": struct.pack(">8L", 31270, 32900, 64000, 33000, 30000, 60000, 15000, 6000),
    "cICP": b"\1\x0d\0\1",
}
_UUIDS = {
    bytes.fromhex("be7acfcb97a942e89c71999491e3afac"): "xmp",
    bytes.fromhex("33c7a4d2b81d4723a0baf1a3e097ad38"): "iptc",
    b"JpgTiffExif->JP2": "exif",
}
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


def read_container(file_format: str | None, data: bytes) -> tuple[dict[str, bytes], list[str]]:
    """Return metadata that Pillow does not read, and the names of data that is not copied.

    Args:
        file_format: Format of the file in Pillow.
        data: Content of the file.

    Returns:
        Entries of `PIL.Image.Image.info`, and names such as ``"thumbnail"``.
    """
    parts = list[tuple[str, bytes]]()
    with suppress(Exception):  # a damaged file: the decoder reports errors that concern the pixels
        parts.extend(_READERS[file_format or ""](data))
    by_name = dict[str, list[bytes]]()
    for name, body in parts:
        by_name.setdefault(name, []).append(body)
    info, dropped = dict[str, bytes | None](), list[str]()
    if "COM" in by_name:
        info["comment"] = b"\n".join(by_name["COM"])
    if "XMP DataXMP" in by_name:
        info["xmp"] = by_name["XMP DataXMP"][0]
    if "Photoshop 3.0" in by_name:
        info["iptc"], names = photoshop_iptc(b"".join(by_name["Photoshop 3.0"]))
        dropped += names
    if EXTENDED_XMP in by_name:
        info["xmp"] = merge_extended_xmp(by_name.get(_XMP, [b""])[-1], by_name[EXTENDED_XMP])
        dropped += [] if info["xmp"] else ["extended XMP"]
    texts = [body.split(b"\0")[0] for name in ("tEXt", "zTXt", "iTXt") for body in by_name.get(name, [])]
    dropped += ["repeated PNG text"] if len(texts) > len(set(texts)) else []
    for name, body in parts:
        title = None if name in _SILENT_PARTS else _TITLES.get(name, f"{name} data ({file_format})")
        if name == "uuid" and body[:16] in _UUIDS:
            info[_UUIDS[body[:16]]] = body[16:]
        elif name == "colr" and body.startswith(b"\2"):  # JPEG 2000: an ICC profile after three bytes
            info["icc_profile"] = body[3:]
        elif name == "colr" and body[:4] == b"nclx" and body[6:8] in (b"\0\x10", b"\0\x12"):  # PQ, HLG
            dropped.append("HDR transfer function")
        elif name == "pixi" and any(bits > 8 for bits in body[5:]):
            dropped.append("precision above 8 bits")
        elif name == "JFIF" and any(body[7:9]):  # width and height
            dropped.append("thumbnail")
        elif name == "pHYs" and body[8:] == b"\0" and body[:4] != body[4:8]:
            dropped.append("pixel aspect ratio (pHYs)")
        elif name == _END:
            if re.search(rb"ftyp(mp4|iso|qt|MSNV|avc|M4V|hvc)", body):
                dropped.append("motion photo video")
            elif b"\xff\xd8\xff" in body or re.match(rb"P[1-7]\s", body):
                dropped.append("embedded image")
            elif body.strip(b"\0\xff\r\n\t "):  # not only padding
                dropped.append("data after the image")
        elif title and name not in _COPIED_PARTS and not (name == "Ducky" and len(body) < 10):  # only quality
            is_srgb = name in _SRGB_CHUNKS and (
                body == _SRGB_CHUNKS[name] or {"iCCP", "sRGB"} & by_name.keys()
            )
            dropped += [] if is_srgb else [title]
    return {key: value for key, value in info.items() if value}, dropped


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


def _jpeg_parts(data: bytes) -> _Parts:
    for marker, body in _jpeg_segments(data):
        start, _, content = body.partition(b"\0")
        name = "JP" if body.startswith(b"JP") else "Adobe" if marker == 0xEE else start[:40].decode("latin-1")
        if marker in (0xD9, 0xFE):
            yield _END if marker == 0xD9 else "COM", body
        elif 0xE0 <= marker <= 0xEF:
            yield name if name.isprintable() and name else f"APP{marker - 0xE0}", content


def _chunk_parts(data: bytes, start: int, layout: str, *, checksum: int = 0, even: bool = False) -> _Parts:
    """Yield the chunks of a PNG or WebP file; ``layout`` contains type (4s) and size (L)."""
    name = ""
    while start + 8 <= len(data) and name != "IEND":
        kind, size = sorted(struct.unpack_from(layout, data, start), key=lambda value: isinstance(value, int))
        name = kind.decode("latin-1").strip()
        yield name, data[start + 8 : start + 8 + size]
        start += 8 + size + checksum + (size % 2 if even else 0)
    yield _END, data[start:]


def _webp_parts(data: bytes) -> _Parts:
    end = 8 + int.from_bytes(data[4:8], "little")
    yield from _chunk_parts(data[:end], 12, "<4sL", even=True)
    yield _END, data[end:]


def _gif_parts(data: bytes) -> _Parts:
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
    yield _END, data[start + 1 :]


def _bmp_parts(data: bytes) -> _Parts:
    if data[14] >= 124 and data[70:74] in (b"DEBM", b"KNIL"):  # embedded or linked profile
        yield data[70:74].decode(), b""
    yield _END, data[max(54, int.from_bytes(data[2:6], "little")) :]


def _pnm_parts(data: bytes) -> _Parts:
    kind = data[1:2]
    header = re.match(rb"P\d(?:(?:\s|#[^\n]*\n)*\d+){%d}" % (2 if kind in b"14" else 3), data)
    if header is not None:
        yield from (("COM", text) for text in re.findall(rb"#[ \t]?([^\r\n]*)", header[0]))
        width, height, *top = map(int, re.sub(rb"#[^\n]*", b"", header[0][2:]).split())
        row = -(-width // 8) if not top else width * (3 if kind == b"6" else 1) * (2 if top[0] > 255 else 1)
        yield _END, data[header.end() + 1 + height * row :] if kind in b"456" else b""


def _box_parts(data: bytes) -> _Parts:
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
