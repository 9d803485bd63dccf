"""Search the parts of image files for metadata that Pillow does not read, and name parts that are not copied.

Parts are the segments of a JPEG, the chunks of a PNG or WebP, the boxes of a JPEG 2000, AVIF or HEIC file, and
the extensions of a GIF.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from contextlib import suppress

from colorzoo.image_io.metadata import merge_extended_xmp, photoshop_iptc

Parts = Iterator[tuple[str, bytes]]
_END = "end"  # name of the data after the image
_XMP, _EXTENDED_XMP = "http://ns.adobe.com/xap/1.0/", "http://ns.adobe.com/xmp/extension/"
# parts that are copied elsewhere, or that contain no information besides the pixels
_SILENT = frozenset(
    f"JFIF Exif AVI1 Adobe Adobe_CM ICC_PROFILE {_XMP} COM"  # JPEG
    " IHDR PLTE IDAT tRNS tEXt zTXt iTXt eXIf pHYs sRGB iCCP sBIT bKGD hIST acTL fcTL fdAT iDOT vpAg"  # PNG
    " VP8 VP8L VP8X ALPH ANIM ANMF ICCP EXIF XMP"  # WebP
    " NETSCAPE2.0 ANIMEXTS1.0"  # GIF: number of repetitions
    " jP ftyp jp2c rreq ihdr bpcc colr pclr cmap cdef res free skip mdat moov hdlr pitm iloc ipma idat dinf"
    " ispe pixi pasp clap irot imir av1C hvcC a1op a1lx lsel dimg auxl cdsc prem grpl".split()  # boxes
)
_TITLES = {
    **{"JFXX": "thumbnail", "thmb": "thumbnail", "MPF": "embedded image", "FPXR": "FlashPix data"},
    **{"urn:iso:std:iso:ts:21496:-1": "gain map", "tmap": "gain map", "mpvd": "motion photo video"},
    **dict.fromkeys(("JP", "jumb", "caBX", "C2PA"), "JUMBF data (C2PA)"),
    **{"ICCRGBG1012": "color profile", "DEBM": "color profile", "KNIL": "color profile"},
    **{"gAMA": "gamma (gAMA)", "cHRM": "primaries (cHRM)", "cICP": "color space (cICP)"},
}
# PNG chunks of sRGB, which change nothing
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
_BOX_STARTS = {b"meta": 4, b"iprp": 0, b"ipco": 0, b"iref": 4, b"iinf": 6, b"jp2h": 0}  # boxes of boxes


def read_container(file_format: str | None, data: bytes) -> tuple[dict[str, bytes], tuple[str, ...]]:
    """Return metadata that Pillow does not read, and the names of parts that are not copied.

    Args:
        file_format: Format of the file in Pillow.
        data: Content of the file.

    Returns:
        Entries of `PIL.Image.Image.info` (``exif``, ``xmp``, ``iptc``, ``comment``, ``icc_profile``), and names
        such as ``"thumbnail"``, each once.
    """
    parts = list[tuple[str, bytes]]()
    with suppress(Exception):  # a damaged file: the decoder reports errors that concern the pixels
        parts.extend(_READERS[file_format or ""](data))
    info, dropped, texts = dict[str, bytes](), list[str](), list[bytes]()
    comments = [body for name, body in parts if name == "COM"]
    if comments:
        info["comment"] = b"\n".join(comments)
    if resources := b"".join(body for name, body in parts if name == "Photoshop 3.0"):
        iptc, names = photoshop_iptc(resources)
        info |= {"iptc": iptc} if iptc else {}
        dropped += names
    if any(name == _EXTENDED_XMP for name, _ in parts):
        standard = b"".join(body for name, body in parts if name == _XMP)
        merged = merge_extended_xmp(standard, [body for name, body in parts if name == _EXTENDED_XMP])
        info |= {"xmp": merged} if merged else {}
        dropped += [] if merged else ["extended XMP"]
    has_profile = any(name in ("iCCP", "sRGB") for name, _ in parts)
    for name, body in parts:
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
        elif name in ("tEXt", "zTXt", "iTXt"):
            texts.append(body.split(b"\0")[0])
        elif name in _SRGB_CHUNKS:
            dropped += [] if has_profile or body == _SRGB_CHUNKS[name] else [_TITLES[name]]
        elif name == "XMP DataXMP":
            info["xmp"] = body
        elif name == _END:
            if re.search(rb"ftyp(mp4|iso|qt|MSNV|avc|M4V|hvc)", body):
                dropped.append("motion photo video")
            elif b"\xff\xd8\xff" in body or re.match(rb"P[1-7]\s", body):
                dropped.append("embedded image")
            elif body.strip(b"\0\xff\r\n\t "):  # not only padding
                dropped.append("data after the image")
        elif name not in _SILENT and name not in ("Photoshop 3.0", _EXTENDED_XMP):
            dropped.append(_TITLES.get(name, f"{file_format} data {name}"))
    dropped += [f"repeated PNG text {text.decode('latin-1')}" for text in texts if texts.count(text) > 1]
    return info, tuple(dict.fromkeys(dropped))


def jpeg_segments(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield the marker and the content of each JPEG segment, up to the marker 0xD9 with all data after it."""
    start = 2
    while match := re.compile(rb"\xff([^\0\xd0-\xd7\xff])", re.DOTALL).search(data, start):
        marker, start = match[1][0], match.end()
        size = len(data) - start if marker == 0xD9 else int.from_bytes(data[start : start + 2], "big")
        yield marker, data[start : start + size] if marker == 0xD9 else data[start + 2 : start + size]
        start += size


def _jpeg_parts(data: bytes) -> Parts:
    for marker, body in jpeg_segments(data):
        name, _, content = body.partition(b"\0")
        title = name[:40].decode("latin-1")
        if marker in (0xD9, 0xFE):
            yield _END if marker == 0xD9 else "COM", body
        elif 0xE0 <= marker <= 0xEF:
            is_adobe = marker == 0xEE and title.startswith("Adobe")  # no null character
            known = "Adobe" if is_adobe else "JP" if marker == 0xEB and body.startswith(b"JP") else title
            yield known if known.isprintable() and known else f"APP{marker - 0xE0}", content


def _png_parts(data: bytes) -> Parts:
    start, name = 8, ""
    while name != "IEND" and start + 8 <= len(data):
        size, kind = struct.unpack_from(">L4s", data, start)
        name, start = kind.decode("latin-1"), start + 12 + size  # 12 bytes: length, name and checksum
        if name != "IEND":
            yield name, data[start - 4 - size : start - 4]
    yield _END, data[start:]


def _webp_parts(data: bytes) -> Parts:
    start, end = 12, 8 + int.from_bytes(data[4:8], "little")
    while start + 8 <= min(end, len(data)):
        kind, size = struct.unpack_from("<4sL", data, start)
        yield kind.decode("latin-1").strip(), data[start + 8 : start + 8 + size]
        start += 8 + size + size % 2
    yield _END, data[start:]


def _gif_parts(data: bytes) -> Parts:
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


def _bmp_parts(data: bytes) -> Parts:
    if data[14] >= 124:  # size of the header, which then contains the type of the color space
        yield data[70:74].decode("latin-1").replace("BGRs", "IHDR").replace(" niW", "IHDR"), b""
    yield _END, data[max(54, int.from_bytes(data[2:6], "little")) :]


def _pnm_parts(data: bytes) -> Parts:
    fields = 2 if data[1:2] in b"14" else 3
    if header := re.match(rb"P\d(?:(?:\s|#[^\n]*\n)*(\d+)){%d}" % fields, data):
        yield from (("COM", text) for text in re.findall(rb"#[ \t]?([^\r\n]*)", header[0]))


def _box_parts(data: bytes) -> Parts:
    """Yield the types and contents of the boxes in a file or in a box; of boxes of boxes, the inner boxes."""
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
        if kind in _BOX_STARTS:
            yield from _box_parts(content[_BOX_STARTS[kind] :])
        elif kind == b"infe":  # an item: the name is its type
            item = content[8:12].decode("latin-1").strip()
            if item in ("tmap", "uri") or (item == "mime" and b"rdf+xml" not in content):
                yield item, content
        elif kind == b"auxC":  # an auxiliary image: the name is the last part of its URN
            urn = content[4:].split(b"\0")[0].decode("latin-1")
            if not urn.endswith(("auxid:1", "auxiliary:alpha")):
                yield urn.rpartition(":")[2], content
        else:
            yield name, content
        start += max(size, header_size)


_READERS = {
    **dict.fromkeys(("JPEG", "MPO"), _jpeg_parts),
    **dict.fromkeys(("AVIF", "HEIF", "JPEG2000"), _box_parts),
    **{"PNG": _png_parts, "WEBP": _webp_parts, "GIF": _gif_parts, "BMP": _bmp_parts, "PPM": _pnm_parts},
}
