"""Search the parts of image files for metadata that Pillow does not read, and for data that is not copied."""

from __future__ import annotations

import re
import struct

from colorzoo.image_io.metadata import EXTENDED_XMP, merge_extended_xmp, photoshop_iptc
from colorzoo.pixels.containers import END, METADATA_BOXES, box_metadata, container_parts

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


def read_container(file_format: str | None, data: bytes) -> tuple[dict[str, bytes], list[str]]:
    """Return metadata that Pillow does not read, and the names of data that is not copied.

    Args:
        file_format: Format of the file in Pillow.
        data: Content of the file.

    Returns:
        Entries of `PIL.Image.Image.info`, and names such as ``"thumbnail"``.
    """
    parts = container_parts(file_format, data)
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
        if name == "uuid" and body[:16] in METADATA_BOXES:
            continue
        if name == "colr" and body[:4] == b"nclx" and body[6:8] in (b"\0\x10", b"\0\x12"):  # PQ, HLG
            dropped.append("HDR transfer function")
        elif name == "pixi" and any(bits > 8 for bits in body[5:]):
            dropped.append("precision above 8 bits")
        elif name == "JFIF" and any(body[7:9]):  # width and height
            dropped.append("thumbnail")
        elif name == "pHYs" and body[8:] == b"\0" and body[:4] != body[4:8]:
            dropped.append("pixel aspect ratio (pHYs)")
        elif name == END:
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
    return {key: value for key, value in info.items() if value} | box_metadata(parts), dropped
