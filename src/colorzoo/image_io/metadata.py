"""Metadata of image files: EXIF, XMP and IPTC.

Metadata is copied from the source to the result. Entries that do not apply to the result are removed when the
file is read: pixel layout, size, orientation, thumbnails and embedded images.
"""

from __future__ import annotations

import hashlib
import re
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO

from PIL.ExifTags import TAGS, Base

from colorzoo.image_io.exif import TIFF_HEADER, Directory, copy_directories, encode_directories

XMP, IPTC, PHOTOSHOP, PROFILE = 700, 33723, 34377, 34675
EXTENDED_XMP = "http://ns.adobe.com/xmp/extension/"
"""Name of JPEG segments with extended XMP."""
EXIF_PREFIX = b"Exif\0\0"
"""Prefix of EXIF blocks in JPEG segments."""
IPTC_RESOURCE = 0x0404
"""Number of the IPTC record among the Photoshop resources of a file."""
# Kept tags: document name, description, maker, model, name and number of the page, software, date, artist,
# computer, rating, copyright; text tags of Windows; geographic position and metadata of a GeoTIFF.
_DESCRIPTIVE_TAGS = frozenset(
    {*(269, 270, 271, 272, 285, 286, 287, 297, 305, 306, 315, 316), *(18246, 18249, 33432, 42112, 42113)}
    | {*range(40091, 40096), 33550, 33922, 34264, 34735, 34736, 34737}
)
# layout and encoding of the pixels, padding, and blocks that `Metadata` stores in other fields
_FILE_TAGS = frozenset(
    {*range(254, 269), *range(273, 285), *range(288, 297), 301, *range(317, 330), 332, 334, 336, 338, 339}
    | {340, 341, 347, *range(512, 533), 559, XMP, IPTC, PHOTOSHOP, PROFILE, 34665, 34853, 50341, 59932}
)
_TAG_TITLES = {330: "embedded image", 37500: "maker note", 37724: "Photoshop layers"}
# Photoshop resources that describe the file, its encoding or the state of Photoshop
_FILE_RESOURCES = frozenset(
    {
        *range(1000, 1006),
        1007,
        *range(1009, 1022),
        1024,
        1026,
        IPTC_RESOURCE,
        1030,
        1037,
        1041,
        1044,
        1049,
        1050,
    }
    | {1057, 1061, 1062, 1064, 1069, 1072, 1077, *range(1082, 1090), 10000}
)
_RESOURCE_TITLES = {1033: "thumbnail", 1036: "thumbnail", 1034: "copyright flag", 1035: "URL"}
# Removed: order and bits of compressed components, maker note, color space, size, interoperability, gamma.
# Maker notes contain offsets into the original file, which are wrong in another file.
_CODING_TAGS = frozenset({37121, 37122, 37500, 40961, 40962, 40963, 40965, 42240})
_XMP_EMBEDDED = r"(?:GCamera|Camera|GContainer|Container|GDepth|GImage|GAudio|hdrgm|HDRGainMap|apdi):\w+"
_XMP_FILE_PROPERTIES = (
    r"tiff:(?:ImageWidth|ImageLength|Orientation|BitsPerSample|Compression|PhotometricInterpretation|"
    r"SamplesPerPixel|PlanarConfiguration|YCbCr\w+|[XY]Resolution|ResolutionUnit|NativeDigest)",
    r"exif:(?:PixelXDimension|PixelYDimension|ColorSpace|ComponentsConfiguration|CompressedBitsPerPixel|"
    r"Gamma|NativeDigest)",
    r"xmp:(?:Thumbnails|PageInfo)",
    r"photoshop:(?:ColorMode|ICCProfile)",
    r"dc:format",
    r"xmpNote:HasExtendedXMP",
    _XMP_EMBEDDED,
    r"(?:xmlns:colorzoo|colorzoo:\w+)",  # record of an earlier colorization (`ImageProvenance`)
)
# positions in the image: GeoTIFF tags of the main directory; subject tags of the EXIF directory
_POSITION_TAGS = frozenset({33550, 33922, 34264, 34735, 34736, 34737, 37396, 41492})
_XMP_POSITIONS = (r"exif:SubjectArea", r"exif:SubjectLocation", r"GPano:\w+")
# relative to the image size, such as faces
_XMP_REGIONS = (r"mwg-rs:Regions", r"MP:RegionInfo", r"Iptc4xmpExt:ImageRegion", r"acdsee-rs:Regions")


@dataclass(frozen=True)
class Metadata:
    """Metadata of an image file; every field is optional.

    Examples:
        >>> read_image("photo.png").metadata.format
        'PNG'

    Attributes:
        exif: EXIF block (TIFF structure without the ``Exif`` prefix). Pixel layout, size, orientation,
            thumbnail and maker note are removed.
        icc: sRGB profile of the pixels after the conversion to sRGB; None if the file has no color profile.
        xmp: XMP packet. Pixel layout, orientation, thumbnails and the record of an earlier colorization are
            removed.
        dpi: Horizontal and vertical resolution of the upright image in dots per inch.
        text: Keywords and values of PNG text chunks.
        comment: Comment of a JPEG or GIF. Other formats store it as PNG text or as EXIF image description,
            unless this field has another value.
        iptc: IPTC record of a JPEG or TIFF.
        dropped: Names of the source data that are not copied, such as ``"thumbnail"``.
        format: Name of the source format in Pillow, such as ``"PNG"``; None for arrays.
        source: Path of the source file; None for arrays and PIL images.
    """

    exif: bytes | None = None
    icc: bytes | None = None
    xmp: bytes | None = None
    dpi: tuple[float, float] | None = None
    text: tuple[tuple[str, str], ...] = ()
    comment: bytes | None = None
    iptc: bytes | None = None
    dropped: tuple[str, ...] = ()
    format: str | None = None
    source: Path | None = None


def clean_exif(
    source: IO[bytes] | bytes, offset: int | None = None
) -> tuple[bytes | None, tuple[str, ...], list[str]]:
    """Copy the EXIF tags that describe the image content, and drop tags that describe the file.

    Args:
        source: Stream of a TIFF file, or content of an EXIF block.
        offset: Position of the main directory; None for the first directory.

    Returns:
        EXIF block, or None if no tag is left; a note for the user if damaged tags were dropped; and the names
        of dropped data.
    """
    copied = copy_directories(source, selected=_DESCRIPTIVE_TAGS, dropped=_CODING_TAGS, offset=offset)
    notes = ("damaged EXIF tags were discarded",) if copied.is_damaged else ()
    lost = copied.omitted - _FILE_TAGS - (_CODING_TAGS - {37500})
    names = [_TAG_TITLES.get(tag) or f"tag {tag} {TAGS.get(tag, '')}".rstrip() for tag in sorted(lost)]
    if copied.has_next and isinstance(source, bytes):  # the second directory of an EXIF block
        names.append("thumbnail")
    return encode_exif(copied.main, copied.nested), notes, names


def encode_exif(main: Directory, nested: Mapping[int, Directory]) -> bytes | None:
    """Encode an EXIF block; return None for empty directories."""
    if not main and not nested:
        return None
    return TIFF_HEADER + encode_directories(main, nested, len(TIFF_HEADER))


def set_resolution(directory: Directory, dpi: tuple[float, float] | None) -> None:
    """Set the tags of the horizontal and vertical resolution in dots per inch, unless it is None."""
    if dpi is not None:
        inch = 2  # value of ResolutionUnit
        tags = (Base.XResolution, dpi[0]), (Base.YResolution, dpi[1]), (Base.ResolutionUnit, inch)
        directory.update(tags)


def set_description(directory: Directory, comment: bytes | None) -> None:
    """Set the image description to the comment of a JPEG or GIF, unless the directory has a description."""
    if comment and Base.ImageDescription not in directory:
        directory[Base.ImageDescription] = comment


def photoshop_resources(iptc: bytes) -> bytes:
    """Return Photoshop resources that contain an IPTC record."""
    return struct.pack(">4sHHL", b"8BIM", IPTC_RESOURCE, 0, len(iptc)) + iptc + bytes(len(iptc) % 2)


def photoshop_iptc(resources: bytes) -> tuple[bytes | None, list[str]]:
    """Return the IPTC record in Photoshop resources (None if absent), and the names of other data."""
    if resources.startswith(b"\x1c"):  # a bare record
        return resources, []
    data, iptc, names = resources, None, list[str]()
    while len(data) > 12 and data[:4] in (b"8BIM", b"MeSa", b"AgHg", b"PHUT", b"DCSR"):
        number = int.from_bytes(data[4:6], "big")
        name_size = 2 + data[6] // 2 * 2  # length and text of the name, padded to an even number of bytes
        start = 6 + name_size + 4
        size = int.from_bytes(data[start - 4 : start], "big")
        content = data[start : start + size]
        if number == IPTC_RESOURCE:
            iptc = content
        elif number not in _FILE_RESOURCES and content.strip(b"\0") and (number != 1032 or size > 16):
            # 1032: a grid of 16 bytes, followed by guides
            is_path = 2000 <= number < 3000
            other = "Photoshop path" if is_path else f"Photoshop resource {number}"
            names.append(_RESOURCE_TITLES.get(number, other))
        data = data[start + size + size % 2 :]
    return iptc, names


def properties_pattern(*names: str) -> re.Pattern[str]:
    """Return a regex that matches XMP properties, stored as XML attributes or XML elements.

    Args:
        *names: Regular expressions of the property names.
    """
    return re.compile(
        "|".join(
            rf"\s(?:{name})\s*=\s*(?:\"[^\"]*\"|'[^']*')|<({name})(?=[\s/>])(?:[^>]*/>|.*?</\{number}\s*>)"
            for number, name in enumerate(names, 1)
        ),
        re.DOTALL,
    )


_FILE_PATTERN = properties_pattern(*_XMP_FILE_PROPERTIES)
_PIXEL_PATTERN = properties_pattern(*_XMP_POSITIONS)
_POSITION_PATTERN = properties_pattern(*_XMP_POSITIONS, *_XMP_REGIONS)


def clean_xmp(xmp: bytes) -> tuple[bytes, list[str]]:
    """Remove the properties of an XMP packet that describe the file, and name properties of embedded data."""
    found = sorted(set(re.findall(rf"[<\s](xmp:Thumbnails|{_XMP_EMBEDDED})", xmp.decode("latin-1"))))
    names = [
        "thumbnail" if each == "xmp:Thumbnails" else f"{each.split(':')[0]} data (XMP)" for each in found
    ]
    return _without(_FILE_PATTERN, xmp), names


# values contain no "<", so that damaged packets are searched in linear time
_DESCRIPTION = re.compile(r"<(/?)rdf:Description\b(?:[^<>\"']|\"[^<\"]*\"|'[^<']*')*?(/?)>")


def _descriptions(xmp: bytes) -> tuple[str, list[str], str]:
    """Divide an XMP packet into its start, its outer ``rdf:Description`` elements, and its end."""
    packet = xmp.decode("utf-8", "surrogateescape")
    depth, edges = 0, list[int]()
    for tag in _DESCRIPTION.finditer(packet):
        edges += [tag.start()] if depth == 0 else []
        depth += 0 if tag[2] else -1 if tag[1] else 1
        edges += [tag.end()] if depth == 0 else []
    if depth != 0 or not edges:  # damaged
        return packet, [], ""
    parts = [packet[start:end] for start, end in zip(edges[::2], edges[1::2], strict=True)]
    return packet[: edges[0]], parts, packet[edges[-1] :]


def merge_extended_xmp(xmp: bytes, segments: Sequence[bytes]) -> bytes | None:
    """Add the extended XMP of a JPEG to its XMP packet; return None if a part is missing or damaged.

    Args:
        xmp: Packet that contains the digest of the extended XMP.
        segments: Segments without their name: digest of 32 bytes, size and offset, part of the extended XMP.
    """
    by_offset = sorted((each[36:40], each[40:]) for each in segments if each[:32] in xmp)
    extended = b"".join(part for _, part in by_offset)
    start, parts, end = _descriptions(xmp)
    more_start, more_parts, _ = _descriptions(extended)
    sizes = {int.from_bytes(each[32:36], "big") for each in segments if each[:32] in xmp}
    if not parts or not more_parts or sizes != {len(extended)}:
        return None
    for part in more_parts:
        declared = re.findall(r"\sxmlns:[\w.-]+=(?:\"[^\"]*\"|'[^']*')", more_start)
        missing = "".join(each for each in declared if each.split("=")[0] not in part)
        parts.append(part.replace("<rdf:Description", f"<rdf:Description{missing}", 1))
    return (start + "".join(parts) + end).encode("utf-8", "surrogateescape")


def split_xmp(xmp: bytes, limit: int) -> tuple[bytes, bytes]:
    """Divide a long XMP packet into a packet of at most ``limit`` bytes and extended XMP for a JPEG.

    The last descriptions stay in the packet if they fit. A packet that cannot be divided is returned
    unchanged.
    """
    start, parts, end = _descriptions(xmp)
    if len(xmp) <= limit or not parts:
        return xmp, b""
    before, mark, after = end.partition("<?xpacket")
    end = before.rstrip() + mark + after  # without padding
    note = 'xmlns:xmpNote="http://ns.adobe.com/xmp/note/" xmpNote:HasExtendedXMP="{}"'
    link = f'<rdf:Description rdf:about="" {note}/>'
    size = len((start + link + end).encode("utf-8", "surrogateescape")) + 32
    kept, moved = list[str](), list[str]()
    for part in reversed(parts):
        part_size = len(part.encode("utf-8", "surrogateescape"))
        (kept if size + part_size <= limit else moved).insert(0, part)
        size += part_size if kept and kept[0] is part else 0
    body = (start + "".join(moved) + end).encode("utf-8", "surrogateescape")
    extended = re.sub(rb"<\?xpacket[^<>]*>", b"", body)
    link = link.format(hashlib.md5(extended, usedforsecurity=False).hexdigest().upper())
    packet = (start + link + "".join(kept) + end).encode("utf-8", "surrogateescape")
    return (packet, extended) if len(packet) <= limit else (xmp, b"")


def _without(pattern: re.Pattern[str], xmp: bytes) -> bytes:
    packet = pattern.sub("", xmp.decode("utf-8", "surrogateescape"))
    return packet.encode("utf-8", "surrogateescape")


def without_positions(data: Metadata, *, scaled: bool = False) -> Metadata:
    """Remove the positions of faces and subjects, and the georeference of a GeoTIFF.

    They are wrong after an image is cropped or rotated.

    Args:
        data: Metadata of the image.
        scaled: Keep positions that are relative to the image size, because the image was only scaled.
    """
    copied = copy_directories(data.exif or b"", dropped=_POSITION_TAGS)
    exif = encode_exif(copied.main, copied.nested)
    xmp = data.xmp and _without(_PIXEL_PATTERN if scaled else _POSITION_PATTERN, data.xmp)
    is_changed = bool(copied.omitted & _POSITION_TAGS) or xmp != data.xmp
    dropped = (*data.dropped, *(["positions in the image"] if is_changed else []))
    return replace(data, exif=exif, xmp=xmp, dropped=tuple(dict.fromkeys(dropped)))
